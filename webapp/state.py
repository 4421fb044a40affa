"""What the site stands on: `/state`. Collections, spaces, encoders, disk, and what failed, to be tried again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, redirect, render_template, request

from sightsound.amounts import readable_bytes
from sightsound.config import setting
from sightsound.errors import CollectionBusy, SightsoundError
from sightsound.overview import overview
from sightsound.stores.base import SUFFIX
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
    page = here.collection.failures(offset, PAGE)
    return render_template(
        "state.html",
        store=here.store.location,
        serving=here.collection_name,
        collections=_collections(here),
        failures=[{**asdict(one), "name": str(file_path(one.uri) or one.uri)} for one in page],
        failed=here.collection.status().failed,
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
        total = here.collection.status().failed
    here.retrying.start(setting("store", here.settings.store), here.collection_name, total)


def _collections(here: Site) -> list[dict[str, Any]]:
    """Each collection of the store, the one that is shown first. One that can't be opened says why."""
    found: list[dict[str, Any]] = []
    for name in sorted(here.store.collections(), key=lambda name: (name != here.collection_name, name)):
        try:
            found.append(overview(here.store, name))
        except SightsoundError as error:
            found.append({"collection": name, "error": str(error)})
    known = {one["collection"]: one for one in found}
    for one in found:
        replaced = known.get(one["collection"].removesuffix(SUFFIX))
        if replaced is not None and replaced is not one:
            one["rebuild"] = _rebuild(here, replaced, one)
    return found


@dataclass(frozen=True)
class Rebuild:
    """A collection that is to take another's place. going_on: whether a process is at it.

    resume, drop: commands that go on with it, and that remove it.
    """

    of: str
    going_on: bool
    resume: str
    drop: str


def _rebuild(here: Site, old: Mapping[str, Any], new: Mapping[str, Any]) -> Rebuild:
    name, beside = old["collection"], new["collection"]
    sets = list(dict.fromkeys(encoder["set"] for encoder in new.get("encoders", ())))
    same = sets == list(dict.fromkeys(encoder["set"] for encoder in old.get("encoders", ())))
    store = f" --store {shlex.quote(here.store.location)} --collection "
    encoders = "" if same or not sets else f" --encoders {shlex.quote(','.join(sets))}"
    return Rebuild(
        name,
        _is_written(here, name),
        f"sightsound index --rebuild{encoders}{store}{name}",
        f"sightsound remove --all{store}{beside}",
    )


def _is_written(here: Site, name: str) -> bool:
    """Whether a process writes the collection: a rebuild holds the one that it is to replace."""
    collection = here.store.open(name)
    try:
        with collection.writing():
            return False
    except CollectionBusy:
        return True
    except SightsoundError:  # nobody may write it from here, so nobody here can tell
        return False
    finally:
        collection.close()
