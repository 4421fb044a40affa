"""What every request passes and every answer carries: hosts, keys, origins, rates, headers. See docs/site.md."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted

from sightsound.errors import SightsoundError
from sightsound.webapp import keys
from sightsound.webapp.clients import client_of
from sightsound.webapp.errors import Refused
from sightsound.webapp.rates import Buckets
from sightsound.webapp.site import Site, site

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OPEN = ("health.healthz", "health.readyz")
"""Answered whoever asks, by whatever name: they tell nothing of the collection to who is not let in (`g.let_in`)."""
COSTS = {"media": 0.1, "static": 0.0, "health": 0.0}
"""What a request costs of a client's rate, by blueprint or endpoint; 1 for any other. A page shows many pictures."""
SMALL_BODY = 1 << 20
"""Bytes of a request that is no upload."""
_HOST = re.compile(r"(https?://)?[A-Za-z0-9*][A-Za-z0-9.*-]*(:\d{1,5})?")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
TRUSTED_ONLY = ("Cross-Origin-Opener-Policy", "Clear-Site-Data")
"""Headers that browsers take from HTTPS and from their own machine only; elsewhere they complain of them."""
BARE_POLICY = "default-src 'none'; frame-ancestors 'none'"
"""The content security policy of what is no page."""


def register(app: Flask) -> None:
    here: Site = app.extensions["sightsound"]
    buckets = Buckets(here.settings.rate, here.settings.burst)
    keys.register(app)

    @app.before_request
    def check() -> Response | None:
        ours = _is_our_name(here.settings.hosts)
        g.client = client_of(request.remote_addr or "")
        g.let_in = ours and keys.is_let_in(here.settings)
        if request.endpoint in OPEN:
            return None
        if not ours:
            raise Refused("This site does not go by that name; names are given with --host-name", 421)
        _check_rate(buckets, keys.is_tried(here.settings))  # first, so that keys are not tried without end
        if not g.let_in and (refusal := keys.refusal(here.settings)) is not None:
            return refusal
        _check_origin()
        _limit_body(here.settings.uploads.bytes)
        return None

    app.after_request(_with_headers)


def admits(app: Flask) -> Callable[[dict[str, Any]], int]:
    """For a server that reads bodies before the application has a request: how many bytes of one it is to read, of the
    request with a WSGI environment; 0 where the application will refuse it, by all but its rate."""
    here: Site = app.extensions["sightsound"]

    def admitted(environ: dict[str, Any]) -> int:
        with app.request_context(environ):
            try:
                if request.endpoint not in OPEN:
                    if not _is_our_name(here.settings.hosts):
                        return 0
                    if not keys.is_let_in(here.settings) and not keys.may_sign_in(here.settings):
                        return 0
                    _check_origin()
                _limit_body(here.settings.uploads.bytes)
            except (SightsoundError, HTTPException):
                return 0
            return request.max_content_length or SMALL_BODY

    count = here.settings.behind_proxy
    if not count:
        return admitted

    def behind(environ: dict[str, Any]) -> int:
        found = 0

        def application(environ: dict[str, Any], start_response: Any) -> tuple[bytes, ...]:
            nonlocal found
            found = admitted(environ)
            return ()

        proxied(count, application)(environ, _unanswered)
        return found

    return behind


def proxied(count: int, application: Any) -> ProxyFix:
    """The application behind so many proxies, whose headers are believed."""
    return ProxyFix(application, x_for=count, x_proto=count, x_host=count)


def _unanswered(*answer: Any) -> Any:
    """Nothing is answered yet."""


def _is_our_name(hosts: Iterable[str]) -> bool:
    """A page of another name may have been led to this address (DNS rebinding): only known names are answered."""
    return _name() in {*LOOPBACK, *(host.lower().strip("[]") for host in hosts)}


def _name() -> str | None:
    """The name that the request is for; None where it is no name."""
    written = request.environ.get("HTTP_HOST", "")
    return urlsplit(f"//{written}").hostname if host_is_trusted(written) else None


def _check_origin() -> None:
    """A change is asked for by this site's own pages, or by a program, not by another site's page. That may link here,
    and no more: a search that it embeds makes work here, and how long it takes tells of the collection. Media can't be
    embedded either (Cross-Origin-Resource-Policy), and a film in a tab of its own asks as if from elsewhere."""
    fetched_from, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if request.method in ("GET", "HEAD", "OPTIONS"):
        good = fetched_from in (None, "same-origin", "none") or _is_visit() or request.blueprint == "media"
    elif fetched_from is not None:
        good = fetched_from in ("same-origin", "none")
    else:
        good = origin is None or origin == f"{request.scheme}://{request.host}"
    if not good:
        raise Refused("This was asked for by the page of another site", 403)


def _is_visit() -> bool:
    """Whether the browser goes to the page, in a tab of its own."""
    asked = request.headers
    return asked.get("Sec-Fetch-Mode") == "navigate" and asked.get("Sec-Fetch-Dest") == "document"


def _check_rate(buckets: Buckets, key_is_tried: bool) -> None:
    endpoint = request.endpoint or ""
    cost = COSTS.get(endpoint, COSTS.get(request.blueprint or "", 1.0))
    cost = keys.SIGN_IN_COST if key_is_tried else cost
    wait = buckets.take(g.client, cost)
    if wait:
        raise Refused(f"Too many requests: try again in {wait} seconds", 429, {"Retry-After": str(wait)})


def _limit_body(upload: int) -> None:
    takes_files = request.endpoint in ("api.uploads", "api.search_with_files")
    request.max_content_length = upload + SMALL_BODY if takes_files else SMALL_BODY
    request.max_form_parts = 50
    if (request.content_length or 0) > request.max_content_length:
        raise RequestEntityTooLarge


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if "Content-Security-Policy" not in response.headers:
        page = response.mimetype == "text/html"
        response.headers["Content-Security-Policy"] = policy(_view_hosts()) if page else BARE_POLICY
    if not request.is_secure and _name() not in LOOPBACK:
        for name in TRUSTED_ONLY:
            response.headers.remove(name)
    return response


def _view_hosts() -> Sequence[str]:
    if not g.get("let_in"):  # who is refused makes no work for the store, and is told nothing of it
        return ()
    try:
        return site().view_hosts
    except SightsoundError:  # there is no collection, or its store is away: nothing of it is shown either
        return ()


def policy(view_hosts: Iterable[str]) -> str:
    """The content security policy of pages: nothing from elsewhere but what the collection's sources show."""
    hosts = list(dict.fromkeys(host for host in view_hosts if _HOST.fullmatch(host)))
    shown = " ".join(["'self'", "blob:", *(["https:", "http:"] if "*" in hosts else hosts)])
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {shown}",
            f"media-src {shown}",
            "connect-src 'self'",
            "font-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
