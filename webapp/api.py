"""The JSON API, /api/v1/: searches, uploads, and what there is of the collection. Described in openapi.py.

One item, films alike and originals are in items.py, what was picked in picking.py.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.datastructures import MultiDict

from sightsound.answers import VERSION, answer_object
from sightsound.errors import UsageError
from sightsound.facets import facets
from sightsound.overview import overview
from sightsound.searching import Answer, FilePart, ItemPart, Query
from sightsound.webapp.asking import Asking, asking_of, weight_of, whole
from sightsound.webapp.errors import Refused
from sightsound.webapp.items import item_of
from sightsound.webapp.openapi import document
from sightsound.webapp.site import site
from sightsound.webapp.uploads import Upload

pages = Blueprint("api", __name__)
FETCHING = 20.0
"""Seconds that fetching a visitor's URL may take."""


@pages.get("/openapi.json")
def openapi() -> Response:
    return jsonify(document())


@pages.get("/api/v1/search")
def search() -> Response:
    """The same object as `sightsound search --json`."""
    return _searched(asking_of(request.args, strict=True))


@pages.post("/api/v1/search")
def search_with_files() -> Response:
    """The same, of a form with files to search by. `weight`s belong to `file`s, in their order."""
    files, weights = request.files.getlist("file"), [weight_of(one) for one in request.form.getlist("weight")]
    unknown = [name for name in request.files if name != "file"]
    if unknown or len(weights) > len(files):
        raise UsageError("Files come as 'file', each with one 'weight' at most")
    asked: MultiDict[str, str] = MultiDict(
        (name, value) for name, value in request.form.items(multi=True) if name not in ("weight", "url")
    )
    for number, file in enumerate(files):
        weight = weights[number] if number < len(weights) else 1.0
        asked.add("part", f"upload:{weight:g}:{site().uploads.keep(file.stream).id}")
    for url in request.form.getlist("url"):
        asked.add("part", f"upload:1:{_fetched(url).id}")
    return _searched(asking_of(asked, strict=True))


@pages.get("/api/v1/items/<id>/neighbours")
def neighbours(id: str) -> Response:
    """What is most like an item, as an answer to a search by it."""
    limit, offset = whole(request.args, "limit", 20, 1, 200), whole(request.args, "offset", 0, 0, 10_000)
    return jsonify(_told(site().search(Query((ItemPart(item_of(id).id),), limit=limit, offset=offset))))


@pages.get("/api/v1/facets")
def facet_counts() -> Response:
    """How many of a search's probable hits have each kind, tag, author…; of all items where nothing is asked."""
    here, asking = site(), asking_of(request.args, strict=True)
    query = asking.query(here.uploads)
    answer = here.search(query) if query.parts else Answer((), 0, None)
    counts = facets(here.collection, query, answer, here.search)
    told = {name: [{"value": value, "count": count} for value, count in found] for name, found in counts.items()}
    return jsonify({"version": VERSION, "facets": told})


@pages.post("/api/v1/uploads")
def uploads() -> tuple[Response, int]:
    """Keep a file to search by. Its id goes into `part=upload:1:ID`."""
    files, urls = request.files.getlist("file"), request.form.getlist("url")
    if len(files) + len(urls) != 1:
        raise UsageError("Send one file, as 'file' in a form (multipart/form-data)")
    kept = site().uploads.keep(files[0].stream) if files else _fetched(urls[0])
    return jsonify({"id": kept.id, "kind": kept.kind, "expires": kept.expires}), 201


@pages.get("/api/v1/status")
def status() -> Response:
    """The collections of the store, as `sightsound status --json` tells of them, and the one that is served."""
    here = site()
    known = [overview(here.store, name) for name in here.store.collections()]
    told = {"serving": here.collection_name, "store": here.store.location, "collections": known}
    return jsonify({"version": VERSION, **told})


@pages.get("/api/v1/failed")
def failed() -> Response:
    """Items that could not be read, as `sightsound failed --json` lists them, a page at a time."""
    limit, offset = whole(request.args, "limit", 100, 1, 1000), whole(request.args, "offset", 0, 0, 1_000_000)
    every = site().collection.failures()
    page = every[offset : offset + limit]
    end = offset + len(page)
    told = {"total": len(every), "next": end if end < len(every) else None, "failed": [asdict(one) for one in page]}
    return jsonify({"version": VERSION, **told})


def _searched(asking: Asking) -> Response:
    here = site()
    return jsonify(_told(here.search(asking.query(here.uploads))))


def _told(answer: Answer) -> dict[str, Any]:
    """The answer as an object, in which an upload is its id and not a place on this machine."""
    told = answer_object(answer, site().sources)
    for hit in told["hits"]:
        for part, matched in zip(answer.parts, hit["matched"], strict=False):
            if isinstance(part, FilePart):
                matched["path"] = part.path.name
    return told


def _fetched(url: str) -> Upload:
    """What a visitor's URL names, kept as an upload. Only where the site is set up for it."""
    here = site()
    if not here.settings.fetch:
        raise Refused("This site fetches no URLs: send the file itself", 403)
    from sightsound.fetching import Limits, safe_fetch

    with safe_fetch(url, limits=Limits(bytes=here.settings.uploads.bytes, total=FETCHING, tries=1)).file as file:
        return here.uploads.keep(file)
