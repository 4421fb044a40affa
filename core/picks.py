"""What people picked: whole items, and moments of films and sounds; as credits, cut lists and contact sheets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightsound.amounts import plural
from sightsound.cutlist import Cut, csv_of, edl_of
from sightsound.errors import UsageError
from sightsound.opening import Sources
from sightsound.sheet import Dead, Tile, sheet_of
from sightsound.stores.base import Collection
from sightsound.taking import credit_note
from sightsound.types import Item

MOST = 1000
"""Picks that are taken at a time."""
TIMED = ("film", "sound")
LATEST = 1e7
"""Seconds that no film lasts."""
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Span:
    """A stretch of time, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class Pick:
    """An item; of a film or sound perhaps only a stretch."""

    item: Item
    span: Span | None = None


def picks_of(collection: Collection, said: Any) -> tuple[list[Pick], list[str]]:
    """Picks of JSON, `[{"id": …, "start": seconds, "end": seconds}, …]`, in its order, and the ids that are gone.

    Raises UsageError for anything else.
    """
    if not isinstance(said, list) or not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in said):
        raise UsageError('The picked items are a list of objects such as {"id": "3fa8…", "start": 1.5, "end": 4}')
    if len(said) > MOST:
        raise UsageError(f"{len(said)} items are picked; at most {MOST} are taken at a time")
    spans = [_span(one) for one in said]
    items = collection.items(dict.fromkeys(one["id"] for one in said if _ID.fullmatch(one["id"])))
    made, gone = [], dict[str, None]()
    for one, span in zip(said, spans, strict=True):
        item = items.get(one["id"])
        if item is None:
            gone[one["id"]] = None
        else:
            made.append(Pick(item, _within(item, span)))
    return made, list(gone)


def _span(said: dict[str, Any]) -> Span | None:
    if said.get("start") is None and said.get("end") is None:
        return None
    start, end = _seconds(said, "start"), _seconds(said, "end")
    if not 0 <= start < end:
        raise UsageError("A picked moment ends after it begins, and begins at 0 at the earliest")
    return Span(start, end)


def _within(item: Item, span: Span | None) -> Span | None:
    """What of a moment lies within the item; all of the item where nothing does."""
    whole = _whole(item)
    if span is None or whole is None:
        return span if item.kind in TIMED else None
    return Span(span.start, min(span.end, whole.end)) if span.start < whole.end else None


def _seconds(said: dict[str, Any], name: str) -> float:
    time = said.get(name)
    if isinstance(time, bool) or not isinstance(time, int | float) or not abs(time) < LATEST:
        raise UsageError("The times of a picked moment are numbers of seconds; give both start and end")
    return float(time)


def cuts_of_picks(picks: Sequence[Pick], sources: Sources, moments_only: bool = False) -> list[Cut]:
    """A cut each: a whole film or sound from its first to its last second, a photo or text without times.

    moments_only: without what has no times, for lists of cuts.
    """
    cuts = []
    for pick in picks:
        item, span = pick.item, pick.span or _whole(pick.item)
        if span or not moments_only:
            times = (span.start, span.end) if span else (0.0, 0.0)
            cuts.append(Cut(item, *times, sources.of(item).credit(item), None, whole=span is None))
    return cuts


def _whole(item: Item) -> Span | None:
    length = item.facts.get("duration")
    if item.kind not in TIMED or not isinstance(length, int | float) or length <= 0:
        return None
    return Span(0.0, float(length))


def credits_of(picks: Sequence[Pick], sources: Sources) -> str:
    """A line an item, as `sightsound take` writes it, and what must be said of the sources that gave them."""
    items = {pick.item.id: pick.item for pick in picks}.values()
    lines = [credit_note(" ".join(item.display_title.split()), item, sources.of(item)) for item in items]
    providers = dict.fromkeys(provider for item in items if (provider := sources.of(item).provider))
    lines += [f"{words}: {url}" for words, url in providers]
    return "".join(f"{line}\n" for line in lines)


def sheet_of_picks(picks: Sequence[Pick], sources: Sources, title: str) -> tuple[str, Dead]:
    """A contact sheet with a tile for each item and each moment, in their order, as HTML; and the dead links."""
    tiles = [
        Tile(pick.item, (pick.span,) if pick.span else ())
        for pick in {(pick.item.id, pick.span): pick for pick in picks}.values()
    ]
    items, moments = len({tile.item.id for tile in tiles}), sum(bool(tile.moments) for tile in tiles)
    count = plural(items, "item")
    count += f", {moments} moments" if moments > 1 else ""
    return sheet_of(tiles, count, sources, title)


@dataclass(frozen=True)
class Format:
    """How picks are written. write: (picks, sources, title) -> text. ending: of the file's name."""

    write: Callable[[Sequence[Pick], Sources, str], str]
    media_type: str
    ending: str


def _edl(picks: Sequence[Pick], sources: Sources, title: str) -> str:
    cuts = cuts_of_picks(picks, sources, moments_only=True)
    if not cuts:
        raise UsageError("A cut list is made of films and sounds, and none of them is picked")
    return edl_of(cuts, title)


FORMATS: Mapping[str, Format] = {
    "credits": Format(lambda picks, sources, title: credits_of(picks, sources), "text/plain", "-credits.txt"),
    "csv": Format(lambda picks, sources, title: csv_of(cuts_of_picks(picks, sources)), "text/csv", ".csv"),
    "sheet": Format(lambda picks, sources, title: sheet_of_picks(picks, sources, title)[0], "text/html", ".html"),
    "edl": Format(_edl, "text/plain", ".edl"),
}
