"""The API key: shown as `Authorization: Bearer`, or once on the sign-in page, which leaves a cookie."""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request, url_for
from itsdangerous import BadSignature, TimestampSigner

from sightsound.webapp.clients import is_loopback
from sightsound.webapp.errors import Refused, answer, in_json
from sightsound.webapp.settings import SiteSettings
from sightsound.webapp.site import site

COOKIE = "sightsound"
COOKIE_SECONDS = 30 * 86_400
SIGN_IN = "keys.sign_in"
SIGN_IN_COST = 10.0
"""What trying a key costs of a client's rate."""
WITHOUT_KEY = (SIGN_IN, "static")
"""What the sign-in page itself needs."""
_LOCAL_PROXY = "werkzeug.proxy_fix.orig"
pages = Blueprint("keys", __name__)


def register(app: Flask) -> None:
    app.register_blueprint(pages)


def refusal(settings: SiteSettings) -> Response | None:
    """What to answer to one who is not let in; None for what signing in needs."""
    if not settings.api_key:
        raise Refused("This site has no API key, so it answers this machine only", 403)
    if may_sign_in(settings):
        return None
    if in_json() or request.method not in ("GET", "HEAD") or request.endpoint == "metrics.metrics":
        message = "An API key is needed: send it as 'Authorization: Bearer KEY'"
        return answer(401, message, "unauthorized", [("WWW-Authenticate", "Bearer")])
    return make_response(redirect(f"/sign-in?{_next(request.full_path.rstrip('?'))}", 303))


def may_sign_in(settings: SiteSettings) -> bool:
    """Whether the request is for what signing in needs, where there is a key to sign in with."""
    return bool(settings.api_key) and request.endpoint in WITHOUT_KEY


@pages.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> Response:
    """Ask for the key, and remember in a cookie that it was known."""
    key, to = site().settings.api_key, _local(request.args.get("next", "/"))
    if not key:
        return make_response(redirect("/", 303))
    if request.method == "GET":
        return make_response(render_template("sign_in.html", to=to, wrong=False))
    if not _same(request.form.get("key", ""), key):
        return make_response(render_template("sign_in.html", to=to, wrong=True), 403)
    response = make_response(redirect(to, 303))
    value = _signer(key).sign("in").decode()
    # Lax, so that a search that someone shared opens; what changes anything is refused to other sites in safety.py.
    response.set_cookie(COOKIE, value, max_age=COOKIE_SECONDS, secure=request.is_secure, httponly=True, samesite="Lax")
    return response


@pages.post("/sign-out")
def sign_out() -> Response:
    """Forget in this browser that the key was known, and have it forget the pictures that it kept."""
    response = make_response(redirect(url_for(SIGN_IN), 303))
    response.delete_cookie(COOKIE, secure=request.is_secure, httponly=True, samesite="Lax")
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@pages.app_template_global()
def signed_in() -> bool:
    """Whether this browser may be signed out."""
    key = site().settings.api_key
    return bool(key) and _is_signed_in(key)


def is_let_in(settings: SiteSettings) -> bool:
    """Whether who asks may be told of the collection."""
    if settings.api_key:
        return _bears(settings.api_key) or _is_signed_in(settings.api_key)
    return settings.open or _from_this_machine()


def is_tried(settings: SiteSettings) -> bool:
    """Whether the request tries a key that may be wrong: on the sign-in page, or one that is."""
    if request.endpoint == SIGN_IN:
        return request.method == "POST"
    return bool(settings.api_key and "Authorization" in request.headers) and not _bears(settings.api_key)


def _from_this_machine() -> bool:
    """Whether the connection comes from here, and whoever a proxy here answers too: its headers alone prove nothing,
    and neither does the proxy's own address."""
    original = request.environ.get(_LOCAL_PROXY) or request.environ
    return all(is_loopback(address or "") for address in (original.get("REMOTE_ADDR"), request.remote_addr))


def _bears(key: str) -> bool:
    kind, _, shown = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and _same(shown.strip(), key)


def _is_signed_in(key: str) -> bool:
    try:
        return _signer(key).unsign(request.cookies.get(COOKIE, ""), max_age=COOKIE_SECONDS) == b"in"
    except BadSignature:
        return False


def _signer(key: str) -> TimestampSigner:
    """Another key makes every cookie void."""
    return TimestampSigner(key, salt="sightsound sign-in", key_derivation="hmac")


def _same(shown: str, key: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), key.encode("utf-8", "replace"))


def _next(path: str) -> str:
    return urlencode({"next": path})


def _local(path: str) -> str:
    """A path of this site; `/` for anything that a browser might take to lead elsewhere."""
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
