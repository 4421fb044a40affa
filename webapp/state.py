"""What the site stands on: `/state`. Collections, spaces, encoders, disk, and what failed, to be tried again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template, request

from sightsound.amounts import readable_bytes
from sightsound.config import setting
from sightsound.errors import CollectionBusy, SightsoundError
from sightsound.overview import overview
from sightsound.types import file_path
from sightsound.webapp.asking import whole
from sightsound.webapp.site import Site, site

pages = Blueprint("state", __name__)
PAGE = 50
"""Failures on a page."""


def register(app: Flask) -> None:
    app.jinja_env.filters["bytes"] = readable_bytes


@pages.get("/state")
def state() -> str:
    return _page()


def _page(refused: str = "") -> str:
    """refused: why nothing is tried again just now."""
    here = site()
    offset = whole(request.args, "offset", 0, 0, 10_000_000)
    every = here.collection.failures()
    page = [{**asdict(one), "name": str(file_path(one.uri) or one.uri)} for one in every[offset : offset + PAGE]]
    return render_template(
        "state.html",
        store=here.store.location,
        serving=here.collection_name,
        collections=_collections(here),
        failures=page,
        failed=len(every),
        offset=offset,
        page=PAGE,
        retry=here.retrying.progress,
        refused=refused,
        cache=here.showing.kept_bytes(),
        cache_most=here.showing.cache.most,
    )


@pages.post("/state/retry")
def retry() -> Any:
    """Try again what failed, in the background; the page shows how far it is."""
    try:
        _start()
    except CollectionBusy as error:
        return _page(str(error).partition(";")[0]), error.status  # what follows is for the command line
    return redirect("/state#failed", 303)


@pages.get("/api/v1/retry")
def progress() -> Response:
    """How far the retry is that is under way, or how the last one ended."""
    return jsonify(asdict(site().retrying.progress))


@pages.post("/api/v1/retry")
def begin() -> tuple[Response, int]:
    """Try again what failed, in the background."""
    _start()
    return jsonify(asdict(site().retrying.progress)), 202


def _start() -> None:
    here = site()
    with here.collection.writing():  # another process that indexes is told of at once
        total = len(here.collection.failures())
    here.retrying.start(setting("store", here.settings.store), here.collection_name, total)


def _collections(here: Site) -> list[dict[str, Any]]:
    """Each collection of the store, the one that is shown first. One that can't be opened says why."""
    found: list[dict[str, Any]] = []
    for name in sorted(here.store.collections(), key=lambda name: (name != here.collection_name, name)):
        try:
            found.append(overview(here.store, name))
        except SightsoundError as error:
            found.append({"collection": name, "error": str(error)})
    return found
