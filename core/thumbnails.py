"""Thumbnails, made in the reading processes like everything that decodes media, and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sightsound.config import number
from sightsound.indexing import default_workers
from sightsound.jobs import Equipment, Job, Preparation, Read
from sightsound.media import Wanted
from sightsound.opening import Sources
from sightsound.previews import FILM_MOMENT, Jpeg
from sightsound.registry import registry
from sightsound.types import ImageInput, Item
from sightsound.workers import Workers

SIDE = 400
"""Pixels of a thumbnail's longer side."""
_PREPARATION = Preparation("thumbnail", "image", Jpeg(SIDE, SIDE))


def thumbnails(items: Sequence[Item], sources: Sources, moments: Mapping[str, float] | None = None) -> dict[str, bytes]:
    """JPEG bytes by item id; items that can't be read, or have no picture, are left out.

    moments: of films, the second to show, by item id.
    """
    found: dict[str, bytes] = {}
    by_source: dict[str, list[Item]] = {}
    for item in items:
        if item.kind in ("photo", "film"):
            by_source.setdefault(sources.of(item).name, []).append(item)
    readers = tuple(entry.thing for entry in registry().readers)
    for theirs in by_source.values():
        equipment = Equipment(
            sources.of(theirs[0]), readers, (_PREPARATION,), Wanted(ImageInput(SIDE)), number("memory")
        )
        with Workers(equipment, min(default_workers(), len(theirs)), number("deadline")) as workers:
            for item, result in workers.run(_jobs(theirs, moments or {})):
                if isinstance(result, Read):
                    for piece in result.pieces:
                        if _PREPARATION.key in piece.inputs:
                            found.setdefault(item.id, piece.inputs[_PREPARATION.key])
    return found


def _jobs(items: Sequence[Item], moments: Mapping[str, float]) -> Iterator[tuple[Item, Job]]:
    for item in items:
        yield item, Job(item, at=moments.get(item.id, FILM_MOMENT) if item.kind == "film" else None)
