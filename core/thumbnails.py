"""Thumbnails, made in the reading processes like everything that decodes media."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sightsound.config import number
from sightsound.indexing import default_workers
from sightsound.jobs import Equipment, Job, Preparation, Read
from sightsound.media import Wanted
from sightsound.opening import Sources
from sightsound.registry import registry
from sightsound.types import ImageInput, Item
from sightsound.workers import Workers

SIDE = 400
"""Pixels of a thumbnail's longer side."""


def thumbnail(image: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """uint8 (h, w, 3) -> a small JPEG without metadata."""
    from PIL import Image

    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82)
    return out.getvalue()


_PREPARATION = Preparation("thumbnail", "image", thumbnail)


def thumbnails(items: Sequence[Item], sources: Sources) -> dict[str, bytes]:
    """JPEG bytes by item id; items that can't be read, or have no picture, are left out."""
    found: dict[str, bytes] = {}
    by_source: dict[str, list[Item]] = {}
    for item in items:
        if item.kind != "text":
            by_source.setdefault(sources.of(item).name, []).append(item)
    readers = tuple(entry.thing for entry in registry().readers)
    for theirs in by_source.values():
        equipment = Equipment(
            sources.of(theirs[0]), readers, (_PREPARATION,), Wanted(ImageInput(SIDE)), number("memory")
        )
        with Workers(equipment, min(default_workers(), len(theirs)), number("deadline")) as workers:
            for item, result in workers.run(_jobs(theirs)):
                if isinstance(result, Read):
                    pictures = [
                        piece.inputs[_PREPARATION.key] for piece in result.pieces if _PREPARATION.key in piece.inputs
                    ]
                    if pictures:
                        found[item.id] = pictures[0]
    return found


def _jobs(items: Sequence[Item]) -> Iterator[tuple[Item, Job]]:
    return ((item, Job(item)) for item in items)
