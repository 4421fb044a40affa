"""The plan of an index run: what of a source's items is new, changed, only described anew, or as it was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from sightsound.beside import own_content
from sightsound.brokenoff import broke_off, pieces_so_far
from sightsound.errors import SourceError
from sightsound.jobs import Job
from sightsound.media import Begun
from sightsound.sources import Source
from sightsound.stores.base import Collection
from sightsound.types import Item, Metadata, SegmentKind

CHUNK = 500
"""Items whose states are asked of the store at once."""

Need = Literal["read", "describe", "nothing"]


@dataclass(frozen=True)
class Task:
    """One item of the source, what the store has at its URI, and what is to be done.

    read: decode and encode it. describe: only its metadata changed, or it has no file. nothing: it is unchanged.
    known: contents of indexed items of its size, which need not be read again.
    """

    item: Item
    stored: Item | None
    need: Need
    known: frozenset[str] = frozenset()


def plan(collection: Collection, source: Source, items: Iterable[Item], retry: bool) -> Iterator[Task]:
    """Tasks for these items of the source, in their order.

    retry: items that failed are read again even where nothing changed.
    """
    for chunk in _chunks(source, items):
        states = collection.states([item.uri for item in chunk])
        needs = [_need(source, item, states.get(item.uri), retry) for item in chunk]
        sizes = [_size(item) if need == "read" else 0 for item, need in zip(chunk, needs, strict=True)]
        known = collection.contents_of_sizes(size for size in sizes if size)
        for item, need, size in zip(chunk, needs, sizes, strict=True):
            yield Task(item, states.get(item.uri), need, frozenset(known.get(size, ())))


def _size(item: Item) -> int:
    """Bytes of a local file, 0 for what is none."""
    try:
        return item.path.stat().st_size if item.path else 0
    except OSError:
        return 0


def _chunks(source: Source, items: Iterable[Item]) -> Iterator[list[Item]]:
    """Items to be looked up at once: so many, or what a source gave before it turned a page. Where the listing breaks
    off, what came before is given first."""
    chunk: list[Item] = []
    begun: str | None = None
    try:
        for item in items:
            if chunk and (len(chunk) == CHUNK or source.cursor != begun):
                yield chunk
                chunk = []
            begun = source.cursor
            chunk.append(item)
    except SourceError:
        yield chunk
        raise
    yield chunk


def _need(source: Source, item: Item, stored: Item | None, retry: bool) -> Need:
    same = stored is not None and said_by(stored, source) == item.metadata
    state = stored.state if stored is not None else None
    as_it_was = stored is not None and stored.revision == item.revision
    failed = state == "failed" or (state == "stale" and same)  # of what failed from the first, no more is kept
    if failed and as_it_was and not retry:
        return "nothing"
    if item.kind == "text":
        return "nothing" if state == "ok" and same else "describe"
    if not as_it_was or state != "ok":
        return "read"
    return "nothing" if same else "describe"


def said_by(stored: Item, source: Source) -> Metadata | None:
    """What the source said of the item when last indexed; None if it never named it."""
    return stored.layers.get(source.name)


def job(collection: Collection, task: Task) -> Job | None:
    """The reading that a task needs, with the contents that need not be read again."""
    if task.need != "read":
        return None
    stored = task.stored
    own = own_content(stored.content) if stored is not None and stored.state == "ok" else ""
    return Job(task.item, task.known, own, _begun(collection, task))


def _begun(collection: Collection, task: Task) -> dict[SegmentKind, Begun]:
    """How far an interrupted run, or a reading that broke off, came with the item as it is now; nothing where it
    changed since."""
    stored, segments = task.stored, []
    if stored and (stored.state, stored.revision) == ("partial", task.item.revision):
        pieces = collection.pieces(stored.id)
        segments = list(pieces.segments) if pieces else []
    elif stored and broke_off(stored, task.item):
        segments = pieces_so_far(collection, stored)
    spans: dict[SegmentKind, list[tuple[float, float]]] = {}
    for segment in segments:
        if segment.start is not None and segment.end is not None:
            spans.setdefault(segment.kind, []).append((segment.start, segment.end))
    return {kind: Begun(len(known), *known[-1], frozenset(known)) for kind, known in spans.items()}
