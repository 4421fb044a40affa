"""What is to be written of items that were read or described: the item, its segments, and what that makes of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sightsound.beside import LEFT_OUT
from sightsound.jobs import Read
from sightsound.reports import Outcome
from sightsound.sources import Source
from sightsound.stores.base import Collection, Entry
from sightsound.texts import text_segments
from sightsound.types import FILE_LAYER, Item, Metadata, Segment, SegmentKind, Vectors, item_id

TEXT_KINDS: frozenset[SegmentKind] = frozenset({"title", "description", "tag"})
WORDS: frozenset[SegmentKind] = frozenset({*TEXT_KINDS, "subtitle"})


@dataclass(frozen=True)
class Ready:
    """An item read, waiting for its batch to be encoded.

    begun: of a long one, what was learnt of the parts that are written. given_up: whether that is all there will be.
    """

    item: Item
    read: Read | None
    stored: Item | None
    begun: Read | None = None
    given_up: bool = False


class Entries:
    """Makes the entries of one source's items for a collection."""

    def __init__(self, collection: Collection, source: Source) -> None:
        self._collection = collection
        self._source = source
        self._owners: dict[str, Item | None] = {}
        """Who has the ids that new items would get, as far as it was asked for."""

    def recognised(self, batch: Sequence[Ready]) -> list[Ready]:
        """The batch, with contents that the collection has already marked as known."""
        contents = [ready.read.content for ready in batch if ready.read and not ready.read.known]
        here = self._collection.with_content(contents) if contents else {}
        return [
            replace(ready, read=Read(ready.read.content, known=True))
            if ready.read and ready.read.content in here
            else ready
            for ready in batch
        ]

    def of(self, batch: Sequence[Ready]) -> list[tuple[Entry, Outcome]]:
        """The entry of each, in their order, and what it makes of the item once it is written."""
        plain = [item_id(ready.item.uri) for ready in batch if ready.stored is None]
        self._owners = {**dict.fromkeys(plain), **self._collection.items(plain)}
        try:
            return [self._one(ready) for ready in batch]
        finally:
            self._owners = {}

    def part(self, item: Item, stored: Item | None, read: Read) -> Entry:
        """The entry of a part of a long item."""
        made = self._item(item, stored, read)
        return Entry(made, pieces_of(made, read))

    def failed(self, item: Item, stored: Item | None) -> Item:
        """The item as it is noted where it failed."""
        made = stored or replace(item, id=self._new_id(item.uri, ""))
        layers = {**made.layers, self._source.name: item.metadata}
        return replace(made.with_layers(layers), revision=item.revision)

    def _one(self, ready: Ready) -> tuple[Entry, Outcome]:
        """What is to be written of an item, and what that makes of it."""
        read, stored = ready.read, ready.stored
        if read is None:
            return self._described(ready), "described" if stored else "added"
        if read.known:
            return self._same_content(ready, read)
        item = self._item(ready.item, stored, read)
        if read.words and stored is not None:
            facts = {name: fact for name, fact in stored.facts.items() if name != LEFT_OUT}
            item = replace(item, facts={**facts, **read.facts}).with_layers({**stored.layers, **item.layers})
            return Entry(item, [*pieces_of(item, read), *text_segments(item)], replaces=WORDS), "changed"
        was_there = stored is not None and stored.state != "partial"
        return Entry(item, [*pieces_of(item, read), *text_segments(item)]), "changed" if was_there else "added"

    def _item(self, item: Item, stored: Item | None, read: Read) -> Item:
        """The item as it was read, with what is known of it from elsewhere."""
        own = {FILE_LAYER: read.metadata} if read.metadata != Metadata() else {}
        others = {name: layer for name, layer in (stored.layers if stored else {}).items() if name != FILE_LAYER}
        return replace(
            item,
            id=stored.id if stored else self._new_id(item.uri, read.content),
            content=read.content,
            facts=read.facts,
        ).with_layers({**own, **others, self._source.name: item.metadata})

    def _described(self, ready: Ready) -> Entry:
        """An item of which only the metadata changed, or that has no file."""
        stored = ready.stored
        item = stored or replace(ready.item, id=self._new_id(ready.item.uri, ""))
        item = replace(item, revision=ready.item.revision, state="ok", reason="").with_layers(
            {**item.layers, self._source.name: ready.item.metadata}
        )
        return Entry(item, text_segments(item), replaces=TEXT_KINDS)

    def _same_content(self, ready: Ready, read: Read) -> tuple[Entry, Outcome]:
        """An item whose content is in the collection already: touched, moved, or a copy."""
        twins = self._collection.with_content([read.content]).get(read.content, [])
        own = next((twin for twin in twins if ready.stored and twin.id == ready.stored.id), None)
        gone = next((twin for twin in twins if _is_gone(twin)), None) if ready.stored is None else None
        twin = own or gone
        if twin is None:
            return self._copy(ready, read, twins[0]), "copied"
        item = replace(twin, uri=ready.item.uri, revision=ready.item.revision, state="ok", reason="").with_layers(
            {**twin.layers, self._source.name: ready.item.metadata}
        )
        return Entry(item, text_segments(item), replaces=TEXT_KINDS), "changed" if own else "moved"

    def _copy(self, ready: Ready, read: Read, twin: Item) -> Entry:
        own = {FILE_LAYER: twin.layers[FILE_LAYER]} if FILE_LAYER in twin.layers else {}
        others = {n: layer for n, layer in (ready.stored.layers if ready.stored else {}).items() if n != FILE_LAYER}
        item = replace(
            ready.item,
            id=ready.stored.id if ready.stored else self._new_id(ready.item.uri, read.content),
            content=read.content,
            facts=twin.facts,
        ).with_layers({**own, **others, self._source.name: ready.item.metadata})
        theirs = [s for s in self._collection.segments([twin.id]).get(twin.id, []) if s.kind not in TEXT_KINDS]
        vectors: dict[str, dict[str, Vectors]] = {}
        for space in {space for space, _ in self._collection.counts()}:
            found = self._collection.vectors(space, [segment.id for segment in theirs])
            vectors[space] = {replace(s, item_id=item.id).id: found[s.id] for s in theirs if s.id in found}
        return Entry(item, [*(replace(s, item_id=item.id) for s in theirs), *text_segments(item)], vectors)

    def _new_id(self, uri: str, content: str) -> str:
        """The id of an item first seen now; not that of an item that was first seen here and moved away."""
        plain = item_id(uri)
        owner = self._owners[plain] if plain in self._owners else self._collection.items([plain]).get(plain)
        return plain if owner is None or owner.uri == uri else item_id(uri, content or uri)


def pieces_of(item: Item, read: Read) -> list[Segment]:
    """The segments of the pieces that were read, in their order."""
    return [Segment(item.id, piece.kind, piece.number, piece.start, piece.end, piece.text) for piece in read.pieces]


def _is_gone(item: Item) -> bool:
    path = item.path
    return path is not None and not os.path.lexists(path)
