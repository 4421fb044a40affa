"""An item's page: `/item/<id>`, with what it is made of, where it answers a query, and films that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request

from sightsound.answers import item_object
from sightsound.errors import FingerprintMismatch, ItemMissing, SightsoundError, UsageError
from sightsound.heard import heard
from sightsound.links import safe_link
from sightsound.moments import clock
from sightsound.searching import Hit, ItemPart, Query
from sightsound.signatures import Axis
from sightsound.similar import Likeness, Pair
from sightsound.types import Item, Segment
from sightsound.webapp.asking import Asking, asking_of, item_url
from sightsound.webapp.items import films_alike, item_of, taken, weights_of
from sightsound.webapp.particulars import facts_shown, palette_shown, provenance
from sightsound.webapp.site import Site, site
from sightsound.webapp.timeline import Timeline, timeline_of

pages = Blueprint("item", __name__)

ALIKE = 8
NEIGHBOURS = 12
AXES: dict[Axis, str] = {"look": "Look", "sound": "Sound", "meaning": "Meaning"}


@pages.get("/item/<id>")
def item(id: str) -> str | Response:
    try:
        one = item_of(id)
    except ItemMissing as error:
        return make_response(render_template("item_missing.html", message=str(error)), 404)
    here = site()
    segments = here.collection.segments([id]).get(id, [])
    asking, hit, notice = _asked(here, one)
    weights, wants_alike = weights_of(request.args), any(axis in request.args for axis in AXES)
    return render_template(
        "item.html",
        item=item_object(one, here.sources),
        asking=asking,
        notice=notice,
        hit=hit,
        timeline=_timeline(here, one, segments, hit),
        texts=[s.text for s in segments if s.text and s.kind == "description"],
        at=_seconds(request.args.get("t", "")),
        provenance=provenance(one),
        facts=facts_shown(one),
        palette=palette_shown(one),
        hotlinked=here.sources.of(one).hotlink_only,
        weights=weights,
        alike=_alike(here, one, weights) if wants_alike and one.kind == "film" else None,
        carried=asking.arguments(),
    )


@pages.get("/item/<id>/alike")
def alike(id: str) -> str:
    """The films alike, as a piece of the page."""
    one, here = item_of(id), site()
    weights = weights_of(request.args)
    return render_template("item_alike.html", alike=_alike(here, one, weights), item=item_object(one, here.sources))


@pages.get("/item/<id>/neighbours")
def neighbours(id: str) -> str:
    """What is like it, of any kind, as a piece of the page."""
    one, here = item_of(id), site()
    try:
        answer = here.search(Query((ItemPart(one.id),), limit=NEIGHBOURS))
        found = [item_object(hit.item, here.sources) for hit in answer.hits]
    except ItemMissing:  # it failed, or nothing was made of it
        found = []
    return render_template("item_neighbours.html", found=found)


@pages.post("/item/<id>/take")
def take(id: str) -> Response:
    return taken(item_of(id))


pages.add_app_template_global(item_url, "item_url")
pages.add_app_template_filter(clock, "clock")
pages.add_app_template_filter(safe_link, "safe_link")


def _asked(here: Site, one: Item) -> tuple[Asking, Hit | None, str]:
    """What the page's address asks, the item as its hit, and why not where that can't be told."""
    try:
        asking = asking_of(request.args)
        query = asking.query(here.uploads)
        if not any(part.weight > 0 for part in query.parts):
            return asking, None, ""
        answer = here.search(replace(query, filters=(), sort="score", offset=0, limit=1, only=one.id))
        return asking, answer.hits[0] if answer.hits else None, ""
    except SightsoundError as error:
        if error.status >= 500:
            raise
        return Asking(), None, f"The search in this page's address can't be shown: {error}"


def _timeline(here: Site, one: Item, segments: Sequence[Segment], hit: Hit | None) -> Timeline | None:
    try:
        words = heard(here.collection, here.encoders, segments) if one.kind in ("film", "sound") else {}
    except FingerprintMismatch:  # a search says how to mend it
        words = {}
    return timeline_of(one, segments, words, hit)


@dataclass(frozen=True)
class ShownAxis:
    """name: for people. score: 0..1. pairs: what agrees most."""

    name: str
    score: float
    pairs: Sequence[Pair]


@dataclass(frozen=True)
class Alike:
    """Films alike with their reasons; or why there are none."""

    hits: Sequence[tuple[dict[str, Any], Sequence[ShownAxis]]] = ()
    reason: str = ""


def _alike(here: Site, one: Item, weights: dict[Axis, float]) -> Alike:
    try:
        hits = films_alike(here, one, weights, ALIKE)
    except (UsageError, ItemMissing) as error:
        return Alike(reason=str(error))
    shown = [(item_object(hit.item, here.sources), _axes(hit)) for hit in hits]
    return Alike(shown, "" if shown else "There is no other film in the collection to compare it with.")


def _axes(hit: Likeness) -> list[ShownAxis]:
    return [
        ShownAxis(AXES[axis], min(max(score, 0.0), 1.0), [pair for pair in hit.pairs if pair.axis == axis])
        for axis, score in hit.axes.items()
    ]


def _seconds(written: str) -> float:
    """Where the player begins; 0 for what is no time."""
    try:
        at = float(written)
    except ValueError:
        return 0.0
    return at if 0 <= at < 1e6 else 0.0
