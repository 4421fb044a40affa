"""Long items whose reading broke off: what is kept of them, so that the next reading goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace

from sightsound.jobs import Read
from sightsound.stores.base import Collection, Entry
from sightsound.types import Item, Segment

READ_TO = "read_to"
"""The fact that says to which second a long item was read, where that was not to its end."""


def so_far(before: Read | None, part: Read) -> Read:
    """A part of a long item, with the fact how far that and the parts before it come."""
    ends = [piece.end for piece in part.pieces if piece.end is not None]
    come = max([*ends, before.facts.get(READ_TO, 0.0) if before else 0.0])
    return replace(part, facts={**part.facts, READ_TO: come})


def broke_off(stored: Item, item: Item) -> bool:
    """Whether what the collection has of an item is the beginning of the very file that the source names now."""
    return stored.state == "stale" and READ_TO in stored.facts and stored.revision == item.revision


def pieces_so_far(collection: Collection, stored: Item) -> list[Segment]:
    """The pieces that were read, by kind and number: not what is made when all are there."""
    segments = collection.segments([stored.id]).get(stored.id, [])
    return [s for s in segments if s.start is not None and s.kind != "signature"]


def reopen(collection: Collection, stored: Item | None, item: Item) -> None:
    """Make what a reading that broke off left the first part of the one that goes on with it."""
    if stored and broke_off(stored, item):
        segments = pieces_so_far(collection, stored)
        ids = [segment.id for segment in segments]
        vectors = {space: collection.vectors(space, ids) for space in {space for space, _ in collection.counts()}}
        collection.put([Entry(stored, segments, vectors)], last=False)


def forget(collection: Collection, stored: Item) -> None:
    """Of a file that changed since, what was read of it is kept, and nothing goes on there."""
    if READ_TO in stored.facts:
        facts = {name: fact for name, fact in stored.facts.items() if name != READ_TO}
        collection.put([Entry(replace(stored, facts=facts), replaces=frozenset())])
