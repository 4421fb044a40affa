"""What `sightsound similar` does with a film: films like it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from sightsound.answers import alike_object
from sightsound.cli.common import print_json, say
from sightsound.encoders import of_collection
from sightsound.errors import SightsoundError, UsageError
from sightsound.filters import Filters
from sightsound.moments import clock
from sightsound.opening import Sources, open_source
from sightsound.registry import Registry
from sightsound.searching import FilePart, ItemPart
from sightsound.similar import WEIGHTS, Likeness, of_file, of_item, similar_films
from sightsound.stores.base import Collection


def is_film(plugins: Registry, collection: Collection, part: object) -> bool:
    if isinstance(part, ItemPart):
        return collection.items([part.item_id])[part.item_id].kind == "film"
    return isinstance(part, FilePart) and _listed(plugins, part) == "film"


def _listed(plugins: Registry, part: FilePart) -> str:
    """The kind of a file, as a source tells it; "" where none takes it."""
    try:
        return next((item.kind for item in open_source(plugins, str(part.path), {}).source.items()), "")
    except SightsoundError:
        return ""


def answer(
    plugins: Registry,
    collection: Collection,
    part: object,
    weights: Mapping[str, float | None],
    filters: Filters,
    limit: int,
    paths: bool,
    as_json: bool,
) -> None:
    if any(weight is not None and weight < 0 for weight in weights.values()) or limit < 1:
        raise UsageError("--look, --sound and --meaning are 0 or more, and --limit is at least 1")
    encoders = of_collection(plugins, collection)
    if isinstance(part, ItemPart):
        film = of_item(collection, encoders, collection.items([part.item_id])[part.item_id])
    else:
        assert isinstance(part, FilePart)
        source = open_source(plugins, str(part.path), {}).source
        film = of_file(plugins, collection, encoders, source, next(iter(source.items())))
    named = {axis: weight for axis, weight in weights.items() if weight is not None}
    counts = {axis: named.get(axis, default) for axis, default in WEIGHTS.items()}
    hits = similar_films(collection, film, counts, filters, limit)
    sources = Sources(plugins, collection)
    if as_json:
        print_json(alike_object(hits, counts, sources))
    elif paths:
        for hit in hits:
            print(hit.item.path or hit.item.uri)
    else:
        _print(hits, sources)


def _print(hits: list[Likeness], sources: Sources) -> None:
    """A film a paragraph: how alike it is on each axis, and which stretches agree most, its own after the arrow."""
    if not hits:
        say("No other film is there.")
    for hit in hits:
        axes = "  ".join(f"{axis} {score:.0%}" for axis, score in hit.axes.items())
        say(f"{hit.item.id[:8]}  {hit.item.display_title}  {hit.item.path or hit.item.uri}")
        say(f"          {axes}")
        for axis in hit.axes:
            pairs = [pair for pair in hit.pairs if pair.axis == axis]
            say(f"          {axis}: {', '.join(_stretch(pair) for pair in pairs)}")
        credit = sources.of(hit.item).credit(hit.item)
        if credit:
            say(f"          {credit}")


def _stretch(pair: Any) -> str:
    mine, theirs = (f"{clock(s.start or 0.0)}–{clock(ceil(s.end or 0.0))}" for s in (pair.mine, pair.theirs))
    return f"{mine} → {theirs} ({pair.score:.0%})"
