"""The API key: shown as `Authorization: Bearer`, or once on the sign-in page, which leaves a cookie."""

from __future__ import annotations

import hmac
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Flask, Response, make_response, redirect, render_template, request
from itsdangerous import BadSignature, TimestampSigner

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
_LOCAL = ("127.", "::1")
_LOCAL_PROXY = "werkzeug.proxy_fix.orig"
pages = Blueprint("keys", __name__)


def register(app: Flask) -> None:
    app.register_blueprint(pages)


def check(settings: SiteSettings) -> Response | None:
    """What to answer to one who may not come in; None for one who may."""
    if not settings.api_key:
        if not settings.open and not _from_this_machine():
            raise Refused("This site has no API key, so it answers this machine only", 403)
        return None
    if request.endpoint in WITHOUT_KEY or _bears(settings.api_key) or _is_signed_in(settings.api_key):
        return None
    if in_json() or request.method not in ("GET", "HEAD") or request.endpoint == "metrics.metrics":
        message = "An API key is needed: send it as 'Authorization: Bearer KEY'"
        return answer(401, message, "unauthorized", [("WWW-Authenticate", "Bearer")])
    return make_response(redirect(f"/sign-in?{_next(request.full_path.rstrip('?'))}", 303))


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
    response.set_cookie(
        COOKIE, value, max_age=COOKIE_SECONDS, secure=request.is_secure, httponly=True, samesite="Strict"
    )
    return response


def _from_this_machine() -> bool:
    """Whether the connection itself comes from here, whatever a proxy's headers say."""
    original = request.environ.get(_LOCAL_PROXY) or request.environ
    return str(original.get("REMOTE_ADDR") or "").startswith(_LOCAL)


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
    parts = urlsplit(path)
    plain = path.isprintable() and "\\" not in path and not parts.scheme and not parts.netloc
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
