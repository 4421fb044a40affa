"""The JSON API, /api/v1/: everything the pages do. Described in openapi.py."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from sightsound.answers import answer_object
from sightsound.webapp.asking import query_of
from sightsound.webapp.site import site

pages = Blueprint("api", __name__, url_prefix="/api/v1")


@pages.get("/search")
def search() -> Response:
    """The same object as `sightsound search --json`."""
    here = site()
    answer = here.search(query_of(request.args, here.uploads, strict=True))
    return jsonify(answer_object(answer, here.sources))
