"""Answers of text are sent compressed to clients that say they read it: a page is then a sixth of its size."""

from __future__ import annotations

import gzip
from functools import lru_cache

from flask import Flask, Response, request

TYPES = ("text/html", "text/css", "text/javascript", "application/json", "image/svg+xml")
LEAST = 1_000
"""Bytes below which there is nothing to gain."""
MOST = 5_000_000
LEVEL = 5


def register(app: Flask) -> None:
    app.after_request(compressed)


def compressed(response: Response) -> Response:
    """The same answer, or one that says the same in fewer bytes."""
    if response.mimetype not in TYPES or (response.is_streamed and not response.direct_passthrough):
        return response
    response.vary.add("Accept-Encoding")
    length = response.content_length or 0
    if (
        request.method != "GET"
        or response.status_code != 200
        or "Content-Encoding" in response.headers
        or not LEAST <= length <= MOST
        or not request.accept_encodings["gzip"]
    ):
        return response
    response.direct_passthrough = False
    etag, _ = response.get_etag()
    response.set_data(_gzipped(response.get_data()) if request.endpoint == "static" else _gzip(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    response.headers.pop("Accept-Ranges", None)
    if etag:
        response.set_etag(etag, weak=True)
    return response


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, LEVEL, mtime=0)


_gzipped = lru_cache(maxsize=32)(_gzip)
