"""Thumbnails, made in the reading processes like everything that decodes media, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sightsound import media
from sightsound.config import number
from sightsound.indexing import default_workers
from sightsound.jobs import Equipment, Job, Preparation, Read
from sightsound.opening import Sources
from sightsound.previews import FILM_MOMENT, Jpeg
from sightsound.registry import registry
from sightsound.types import ImageInput, Item
from sightsound.workers import Workers

SIDE = 400
"""Pixels of a thumbnail's longer side."""
_PREPARATION = Preparation("thumbnail", "image", Jpeg(SIDE, SIDE))


Wanted = tuple[str, float | None]
"""An item's id, and of a film the second to show; None for one that shows it well."""


def thumbnails(items: Iterable[tuple[Item, float | None]], sources: Sources) -> dict[Wanted, bytes]:
    """JPEG bytes of each item at that second, each once; what can't be read, or has no picture, is left out."""
    found: dict[Wanted, bytes] = {}
    by_source: dict[str, dict[Wanted, Item]] = {}
    for item, second in items:
        if item.kind in ("photo", "film"):
            by_source.setdefault(sources.of(item).name, {})[item.id, second] = item
    readers = tuple(entry.thing for entry in registry().readers)
    for theirs in by_source.values():
        equipment = Equipment(
            sources.of(next(iter(theirs.values()))),
            readers,
            (_PREPARATION,),
            media.Wanted(ImageInput(SIDE)),
            number("memory"),
        )
        with Workers(equipment, min(default_workers(), len(theirs)), number("deadline")) as workers:
            for wanted, result in workers.run(_jobs(theirs)):
                if isinstance(result, Read):
                    for piece in result.pieces:
                        if _PREPARATION.key in piece.inputs:
                            found.setdefault(wanted, piece.inputs[_PREPARATION.key])
    return found


def _jobs(items: dict[Wanted, Item]) -> Iterator[tuple[Wanted, Job]]:
    for (id, second), item in items.items():
        moment = FILM_MOMENT if second is None else second
        yield (id, second), Job(item, at=moment if item.kind == "film" else None)
