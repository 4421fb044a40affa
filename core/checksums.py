"""Whether two collections hold the same: checksums of items, their segments and vectors, which any store can give."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sightsound.stores.base import Collection
from sightsound.stores.fields import clean, said
from sightsound.types import Item, Segment, Vectors

PAGE = 500
"""Items that are read at once."""
PART = 4_000
"""Segments whose vectors are read at once: what bounds the memory, however long a film is."""


@dataclass(frozen=True)
class Part:
    """Segments of an item, with their vectors by space and segment id. last: whether no more are to come."""

    item: Item
    segments: Sequence[Segment]
    vectors: dict[str, dict[str, Vectors]]
    last: bool


def pages(items: Iterable[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while page := list(islice(remaining, PAGE)):
        yield page


def parts(collection: Collection, items: Sequence[Item]) -> Iterator[list[Part]]:
    """All segments of these items, in groups: of several items, or of a long one alone."""
    spaces = list(dict.fromkeys(space for space, _ in collection.counts()))
    for group in _groups(collection, items):
        ids = [segment.id for _, segments, _ in group for segment in segments]
        found = {space: collection.vectors(space, ids) if ids else {} for space in spaces}
        yield [
            Part(
                item,
                segments,
                {space: {s.id: held[s.id] for s in segments if s.id in held} for space, held in found.items()},
                last,
            )
            for item, segments, last in group
        ]


def checksums(collection: Collection, items: Sequence[Item]) -> dict[str, int]:
    """By item id, 256 bits over all that the collection holds of the item: what is said and known of it, its state, its
    segments, and their vectors as float16, to which stores keep them. When it was added is left out."""
    sums, last = {}, ""
    for group in parts(collection, items):
        for part in group:
            if part.item.id != last:
                sums[part.item.id] = hashlib.sha256(_of_item(part.item))
                last = part.item.id
            for segment in part.segments:
                sums[last].update(_of_segment(segment, part.vectors))
    return {id: int.from_bytes(made.digest(), "big") for id, made in sums.items()}


def written(total: int) -> str:
    """A sum of checksums as it is shown: 32 hex digits."""
    return f"{total % (1 << 128):032x}"


def _groups(collection: Collection, items: Sequence[Item]) -> Iterator[list[tuple[Item, list[Segment], bool]]]:
    segments = collection.segments(item.id for item in items)
    group: list[tuple[Item, list[Segment], bool]] = []
    size = 0
    for item in items:
        own = segments.get(item.id, [])
        if group and size + len(own) > PART:
            yield group
            group, size = [], 0
        if len(own) > PART:
            for first in range(0, len(own), PART):
                yield [(item, own[first : first + PART], first + PART >= len(own))]
        else:
            group.append((item, own, True))
            size += len(own)
    if group:
        yield group


def _of_item(item: Item) -> bytes:
    what = (item.id, item.uri, item.kind, item.revision, item.content, item.state, clean(item.reason))
    layers = [(name, said(layer)) for name, layer in item.layers.items()]
    return json.dumps([what, dict(item.facts), layers, said(item.metadata)], sort_keys=True).encode()


def _of_segment(segment: Segment, vectors: dict[str, dict[str, Vectors]]) -> bytes:
    times = [None if time is None else float(time) for time in (segment.start, segment.end)]
    said_of_it = json.dumps([segment.kind, segment.number, *times, clean(segment.text)]).encode()
    made = [(space, held[segment.id]) for space, held in sorted(vectors.items()) if segment.id in held]
    return said_of_it + b"".join(space.encode() + vector.astype("<f2").tobytes() for space, vector in made)
