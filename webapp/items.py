"""What the API has of one item: all that is known of it, films alike, and its original."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import get_args

from flask import Blueprint, Response, jsonify, request, send_file

from sightsound.answers import alike_object, shown_object
from sightsound.dead import mark
from sightsound.errors import Busy, ItemMissing, MediaError, UsageError
from sightsound.signatures import Axis
from sightsound.similar import WEIGHTS, Likeness, of_item, similar_films
from sightsound.taking import name_of
from sightsound.types import Item
from sightsound.webapp.asking import whole
from sightsound.webapp.errors import Refused
from sightsound.webapp.site import Site, site

pages = Blueprint("items", __name__, url_prefix="/api/v1")

HEAVIEST = 100.0
"""The largest weight of an axis."""
_ID = re.compile(r"[0-9a-f]{32}")


def item_of(id: str) -> Item:
    """The item of this id, failed ones included. Raises ItemMissing."""
    found = site().collection.items([id]).get(id) if _ID.fullmatch(id) else None
    if found is None:
        raise ItemMissing(f"There is no item '{id[:40]}' in the collection; it may have been removed since")
    return found


@pages.get("/items/<id>")
def item(id: str) -> Response:
    """The same object as `sightsound show --json`."""
    one, here = item_of(id), site()
    return jsonify(shown_object(one, here.collection.segments([id]).get(id, []), here.sources))


@pages.get("/items/<id>/alike")
def alike(id: str) -> Response:
    """The same object as `sightsound similar --json` gives for a film."""
    weights = weights_of(request.args)
    hits = films_alike(site(), item_of(id), weights, whole(request.args, "limit", 20, 1, 100))
    return jsonify(alike_object(hits, weights, site().sources))


def films_alike(here: Site, film: Item, weights: Mapping[Axis, float], limit: int) -> Sequence[Likeness]:
    """Films like this one. Raises UsageError for what is no film, ItemMissing for one without signatures."""
    if film.kind != "film":
        raise UsageError("Only films are compared in look, sound and meaning")
    with here.line.place(), here.line.turn():
        return similar_films(here.collection, of_item(here.collection, here.encoders, film), weights, limit=limit)


def weights_of(args: Mapping[str, str]) -> dict[Axis, float]:
    """What look, sound and meaning count, as asked or as they usually do. Raises UsageError."""
    weights = dict(WEIGHTS)
    for axis in get_args(Axis):
        if written := args.get(axis, ""):
            try:
                weights[axis] = float(written)
            except ValueError:
                weights[axis] = math.nan
            if not 0 <= weights[axis] <= HEAVIEST:
                raise UsageError(f"'{axis}' is a number from 0 to {HEAVIEST:g}, not '{written[:40]}'")
    return weights


@pages.post("/items/<id>/take")
def take(id: str) -> Response:
    """The original. A source whose terms want to be told of a download is told, once."""
    return taken(item_of(id))


def taken(one: Item) -> Response:
    here = site()
    if one.kind == "text":
        raise UsageError(f"{one.display_title} is a text; it has no file")
    source = here.sources.of(one)
    try:
        if one.path is not None:
            there = here.showing.local(one, source)  # what lies there now may be another file than was indexed
            if there == "making":
                raise Busy(f"{one.display_title} is being looked at; come again in a moment")
            there.close()
        original = source.take(one)
    except MediaError as error:
        mark(here.collection, one, error)
        if source.paused:
            wait = max(1, math.ceil(source.paused.until - time.time()))
            raise Refused(f"{one.display_title} can't be taken: {error}", 503, {"Retry-After": str(wait)}) from error
        raise MediaError(f"{one.display_title} can't be taken: {error}") from error
    except OSError as error:
        raise MediaError(f"{one.display_title} can't be taken: {error.strerror or error}") from error
    head = original.read(1024)
    original.seek(0)
    return send_file(original, "application/octet-stream", as_attachment=True, download_name=name_of(one, head))
