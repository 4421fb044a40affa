"""Every error of the site in one place: JSON of one shape for the API, a page for people."""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import HTTPException

from sightsound.errors import CollectionMissing, EncodingError, SightsoundError

PATHS = ("/api/", "/media/", "/openapi.json", "/readyz", "/healthz")
"""What answers in JSON."""
SAID = {404: "There is nothing at this address", 405: "This address does not answer that method"}
"""Of what Flask itself refuses."""
log = logging.getLogger("sightsound.site")


class Refused(SightsoundError):
    """A request that is not answered. status, headers: of the answer."""

    def __init__(self, message: str, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


def register(app: Flask) -> None:
    app.register_error_handler(SightsoundError, _ours)
    app.register_error_handler(HTTPException, _of_http)
    app.register_error_handler(Exception, _bug)


def in_json() -> bool:
    return request.path.startswith(PATHS)


def answer(status: int, message: str, code: str, headers: Any = ()) -> Response:
    """The answer that tells of an error, in JSON or as a page."""
    if in_json():
        made = jsonify({"error": {"code": code, "message": message}})
    else:
        made = make_response(render_template("error.html", status=status, message=message, code=code))
    made.status_code = status
    made.headers.extend(headers)
    return made


def _ours(error: SightsoundError) -> Response:
    if isinstance(error, EncodingError):
        return _bug(error)
    if isinstance(error, CollectionMissing) and not in_json():
        return make_response(render_template("empty.html", message=str(error)))
    # FetchFailed has the status of what was fetched.
    status = error.status if isinstance(error, Refused) else type(error).status
    if status >= 500:
        log.error("%s", error)
    headers = dict(getattr(error, "headers", {}))
    if hasattr(error, "retry_after"):
        headers["Retry-After"] = str(error.retry_after)
    return answer(status, str(error), _code(type(error).__name__), headers)


def _of_http(error: HTTPException) -> Response:
    status = error.code or 500
    if status < 400:  # a redirect
        return error.get_response()  # type: ignore[return-value]
    said = SAID.get(status, error.description or error.name)
    if status in SAID and in_json():
        said += "; /openapi.json tells what there is"
    kept = [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
    return answer(status, said, error.name.lower().replace(" ", "_"), kept)


def _bug(error: Exception) -> Response:
    log.exception("an error that is not foreseen")
    return answer(500, "Something went wrong here; the site's log says what", "internal_error")


def _code(name: str) -> str:
    """UsageError is usage_error."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")
