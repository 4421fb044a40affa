"""Putting items into a collection, so that each is found whole or not at all.

    1. documents of new segments     searches pass over them: no item names their token yet
    2. changed filter fields         of segments that stay
    3. the item's document           names the tokens: from here on the item is what was put. The acknowledgement
    4. old segments go               searches pass over them already

Every `_id` follows from what is written, so that any step may be done twice.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from sightsound.errors import StoreError
from sightsound.stores.base import Entry, each_item_once
from sightsound.stores.elastic import bulk, documents, reading
from sightsound.stores.elastic.bulk import Operation
from sightsound.stores.elastic.documents import Known, Pending, Row
from sightsound.stores.elastic.indices import Indices
from sightsound.stores.elastic.mapping import SAID
from sightsound.stores.refusals import rounded
from sightsound.types import Item, Metadata, Space, Vectors

_PAGE = 1_000
_MOST_REMEMBERED = 20_000
"""Items and documents that are remembered until searches see what was written."""

Numbered = Mapping[str, Mapping[int, Row]]


@dataclass
class _Plan:
    """What one entry comes to. wrote: segments to be written, with their tokens. old: documents that go."""

    entry: Entry
    before: Known | None
    after: Known
    wrote: list[tuple[str, str, Row]] = field(default_factory=list)
    old: list[tuple[str, str]] = field(default_factory=list)

    def written(self) -> list[tuple[str, str]]:
        """(space, `_id`) of the documents to be written."""
        item = self.after.item.id
        return [(space, documents.segment_id(item, k, row[0], t)) for k, t, row in self.wrote for space in row[4]]


class Writer:
    """Writes for the holder of a collection's lock.

    check: called before each acknowledgement; raises where the lock was lost. flush: lets searches see what was
    written, called before a question that searches answer.
    """

    def __init__(self, indices: Indices, session: Callable[[], str], check: Callable[[], None]) -> None:
        self.indices = indices
        self.session = session
        self.check = check
        self.unseen = False
        self._old: dict[tuple[str, str], str] = {}
        self._last_added = 0.0
        self._recent: dict[str, str] = {}
        """URI -> id of items written since the last refresh."""
        self._recent_contents: dict[str, set[str]] = defaultdict(set)
        """content -> ids of items written with it since the last refresh."""

    def put(self, entries: Sequence[Entry], last: bool) -> dict[str, str]:
        """Returns why Elasticsearch refused segments of some items, by id; nothing of these was acknowledged."""
        refused: dict[str, str] = {}
        # All are looked at before the first is written.
        batches = [(batch, self._stored_vectors(batch)) for batch in each_item_once(entries)]
        for batch, stored in batches:
            refused |= self._put(batch, stored, last)
        return refused

    def write(self, items: Sequence[Known], before: Mapping[str, Known]) -> None:
        """Write what is said of items over what is stored; their segments stay as they are. Raises StoreError."""
        plans = [_Plan(Entry(known.item), before.get(known.item.id), known) for known in items]
        for plan in plans:
            if plan.before:
                plan.old = _gone(plan.before, plan.after)
        for reason in self._do(plans, {}).values():
            raise StoreError(f"{self.indices.connection.place} refused what is said of an item: {reason}")

    def remove(self, ids: Iterable[str]) -> int:
        """Returns how many there were."""
        removed, wanted = 0, list(dict.fromkeys(ids))
        for at in range(0, len(wanted), _PAGE):
            known = reading.known(self.indices, wanted[at : at + _PAGE])
            removed += len(known)
            self.check()
            # First they are searched no more; after a crash, what hangs on such an item is found by it.
            self._acknowledge([Known(replace(one.item, state="partial")) for one in known.values()])
            spaces = self.indices.spaces()
            for one in known.values():
                self._old |= {(spaces[space].alias, id): one.item.id for space, id in every(one) if space in spaces}
            self._drop_old()
            bulk.run(self.indices.connection, [Operation(self.indices.items, id, id) for id in known])
            self.unseen = True
        return removed

    def flush(self) -> None:
        """Let searches see what was written: segments first, so that no item is seen without its own."""
        if self.unseen:
            self.indices.refresh(self.indices.segments)
            self.indices.refresh(self.indices.items)
            if self._drop_old():
                self.indices.refresh(self.indices.segments)
            self._recent.clear()
            self._recent_contents.clear()
            self.unseen = False

    def holders(self, uris: Sequence[str]) -> set[str]:
        """Ids of items that have or had one of these URIs."""
        return reading.holders(self.indices, uris) | {self._recent[uri] for uri in uris if uri in self._recent}

    def recent_with(self, contents: Iterable[str]) -> set[str]:
        """Ids of items that were written with one of these contents, and that a search may not see yet."""
        return {id for content in contents for id in self._recent_contents.get(content, ())}

    def next_added(self) -> float:
        """The time, never the same twice."""
        self._last_added = max(time.time(), self._last_added + 1e-6)
        return self._last_added

    def _drop_old(self) -> bool:
        old, self._old = self._old, {}
        bulk.run(self.indices.connection, (Operation(alias, id, owner) for (alias, id), owner in old.items()))
        return bool(old)

    def _put(self, entries: Sequence[Entry], stored: Mapping[tuple[str, str], Vectors], last: bool) -> dict[str, str]:
        known = reading.known(self.indices, [entry.item.id for entry in entries])
        self._free_uris(entries)
        plans = [self._plan(entry, known.get(entry.item.id), stored, last) for entry in entries]
        return self._do(plans, stored)

    def _do(self, plans: Sequence[_Plan], stored: Mapping[tuple[str, str], Vectors]) -> dict[str, str]:
        self.indices.require_current()
        connection = self.indices.connection
        refused = bulk.run(connection, self._segment_operations(plans, stored))
        self.check()
        refused |= self._acknowledge([plan.after for plan in plans if plan.entry.item.id not in refused])
        spaces = self.indices.spaces()
        for plan in plans:
            given_up = plan.entry.item.id in refused
            for space, id in plan.written() if given_up else plan.old:
                if space in spaces:
                    self._old[spaces[space].alias, id] = plan.entry.item.id
        self.unseen = True
        if len(self._recent) + len(self._old) > _MOST_REMEMBERED:
            self.flush()
        return refused

    def _segment_operations(
        self, plans: Sequence[_Plan], stored: Mapping[tuple[str, str], Vectors]
    ) -> Iterator[Operation]:
        spaces, session = self.indices.spaces(), self.session()
        for plan in plans:
            item = plan.after.item
            fields = documents.filter_fields(item)
            filters = documents.inner_json(fields)
            written = set()
            for kind, token, row in plan.wrote:
                for space in row[4]:
                    id = documents.segment_id(item.id, kind, row[0], token)
                    self._old.pop((spaces[space].alias, id), None)  # written again before it went
                    written.add(id)
                    vector = stored.get((space, f"{item.id}:{kind}:{row[0]}"))
                    body = documents.segment_document(row, item.id, kind, token, filters, vector, session)
                    yield Operation(spaces[space].alias, id, item.id, body)
            if plan.before and documents.filter_fields(plan.before.item) != fields:
                update = b"{" + filters + b"}"
                for space, id in every(plan.after):
                    if id not in written and space in spaces:
                        yield Operation(spaces[space].alias, id, item.id, update, update=True)

    def _acknowledge(self, items: Sequence[Known]) -> dict[str, str]:
        """Write the items' documents. Returns why some were refused, by id."""
        self.indices.require_current()
        changed, session = time.time(), self.session()
        operations = [
            Operation(
                self.indices.items,
                known.item.id,
                known.item.id,
                orjson.dumps(documents.item_document(known, session, changed)),
            )
            for known in items
        ]
        refused = bulk.run(self.indices.connection, operations)
        for known in items:
            self._recent[known.item.uri] = known.item.id
            if known.item.content:
                self._recent_contents[known.item.content].add(known.item.id)
        self.unseen = True
        return refused

    def _plan(self, entry: Entry, known: Known | None, stored: Mapping[tuple[str, str], Vectors], last: bool) -> _Plan:
        item = replace(entry.item, added=(known.item.added if known else entry.item.added) or self.next_added())
        if not last:
            return _piece(entry, item, known)
        if entry.replaces == frozenset() and not entry.segments:
            # What is said of an item does not make its vectors any better.
            state = (known.item.state, known.item.reason) if known else ("ok", "")
            said = replace(item, state=state[0], reason=state[1])
            return _Plan(entry, known, replace(known, item=said) if known else Known(said))
        item = replace(item, state="ok", reason="")
        rows: Numbered = documents.rows_of(entry)
        if known and known.pending and known.pending.revision == item.revision:
            pending = known.pending
            wrote = [(kind, pending.token, row) for kind, numbered in rows.items() for row in numbered.values()]
            rows = _joined(pending.rows, rows)
            tokens = dict.fromkeys(rows, pending.token)
        else:
            tokens = {kind: documents.token_of(item.id, kind, rows[kind], stored) for kind in rows}
            same = known.tokens if known else {}
            wrote = [
                (kind, tokens[kind], row)
                for kind, numbered in rows.items()
                if same.get(kind) != tokens[kind]
                for row in numbered.values()
            ]
        kept = [] if known is None or entry.replaces is None else set(known.rows) - entry.replaces - set(rows)
        if known:
            rows = {**{kind: known.rows[kind] for kind in kept}, **rows}
            tokens = {**{kind: known.tokens[kind] for kind in kept}, **tokens}
        after = Known(item, tokens, rows)
        return _Plan(entry, known, after, wrote, _gone(known, after) if known else [])

    def _stored_vectors(self, entries: Sequence[Entry]) -> dict[tuple[str, str], Vectors]:
        """Vectors as they are stored, by space and segment; makes the indices of new spaces. Raises StoreError."""
        by_space: dict[str, tuple[list[str], list[Vectors]]] = {}
        for entry in entries:
            said = documents.rows_of(entry).get("subtitle", {})
            if any(SAID in row[4] for row in said.values()):
                self.indices.ensure(Space(SAID, 0))
            for space, vectors in entry.vectors.items():
                ids, given = by_space.setdefault(space, ([], []))
                ids += vectors
                given += vectors.values()
        found: dict[tuple[str, str], Vectors] = {}
        for space, (ids, given) in by_space.items():
            if ids:
                rows = rounded(space, given)
                self.indices.ensure(Space(space, rows.shape[1]))
                found |= {(space, id): row for id, row in zip(ids, rows, strict=True)}
        return found

    def _free_uris(self, entries: Sequence[Entry]) -> None:
        """An item outside this batch that has one of its URIs lost its file, and goes."""
        ours = {entry.item.id for entry in entries}
        uris = [entry.item.uri for entry in entries]
        others = reading.known(self.indices, sorted(self.holders(uris) - ours))
        lost = {id for id, known in others.items() if known.item.uri in set(uris)}
        if lost:
            self.remove(lost)


def _piece(entry: Entry, item: Item, known: Known | None) -> _Plan:
    """A piece of a long item: its segments wait under a token that no search counts."""
    pending = known.pending if known else None
    goes_on = pending is not None and pending.revision == item.revision
    if pending is None or not goes_on:
        pending = Pending(item.revision, documents.pending_token(known, item.revision))
    rows = documents.rows_of(entry)
    wrote = [(kind, pending.token, row) for kind, numbered in rows.items() for row in numbered.values()]
    pending = replace(pending, rows=_joined(pending.rows, rows))
    if known and known.seen:
        after = replace(known, item=replace(known.item, uri=item.uri), pending=pending)
    else:
        after = Known(replace(item, state="partial", reason=""), pending=pending)
    return _Plan(entry, known, after, wrote, _gone(known, after) if known and not goes_on else [])


def _joined(first: Numbered, second: Numbered) -> dict[str, dict[int, Row]]:
    kinds = dict.fromkeys([*first, *second])
    return {kind: {**first.get(kind, {}), **second.get(kind, {})} for kind in kinds}


def every(known: Known) -> list[tuple[str, str]]:
    """(space, `_id`) of all documents that hang on the item."""
    found = list(documents.identities(known.item.id, known.tokens, known.rows))
    if known.pending:
        tokens = dict.fromkeys(known.pending.rows, known.pending.token)
        found += documents.identities(known.item.id, tokens, known.pending.rows)
    return found


def _gone(before: Known, after: Known) -> list[tuple[str, str]]:
    kept = set(every(after))
    return [one for one in every(before) if one not in kept]


def fail(writer: Writer, item: Item, reason: str) -> None:
    """Keep the last good vectors of a seen item; of any other keep only that it failed, and who named it."""
    found = reading.known(writer.indices, [item.id])
    if not found:
        found = reading.known(writer.indices, sorted(writer.holders([item.uri])))
    before = next((known for known in found.values() if known.item.id == item.id or known.item.uri == item.uri), None)
    if before is None:
        added = item.added or writer.next_added()
        writer.write([Known(replace(item, state="failed", reason=reason, added=added))], {})
        return
    layers: dict[str, Any] = {**before.item.layers, **item.layers}
    if before.seen and before.has_vectors():
        # The revision is the one that failed, so that it is not tried again unasked; the rest stays.
        now = replace(before.item, revision=item.revision, state="stale", reason=reason)
        after = Known(now.with_layers(layers) if layers else now, before.tokens, before.rows)
    else:
        now = replace(
            item, id=before.item.id, uri=before.item.uri, state="failed", reason=reason, added=before.item.added
        )
        after = Known(now.with_layers(layers) if layers else now)
    writer.write([after], {before.item.id: before})


def refuse(writer: Writer, item: Item, reason: str) -> None:
    """Note that Elasticsearch would not take the item: without what it said of itself, which may be the reason."""
    before = reading.known(writer.indices, [item.id]).get(item.id)
    if before:
        fail(writer, replace(before.item, revision=item.revision), reason)
    else:
        bare = replace(item, content="", facts={}, metadata=Metadata())
        fail(writer, bare.with_layers({name: Metadata() for name in item.sources}), reason)


def release(writer: Writer, ids: Iterable[str], source: str) -> int:
    """Returns how many items were removed, since no other source names them."""
    gone: list[str] = []
    wanted = list(dict.fromkeys(ids))
    for at in range(0, len(wanted), _PAGE):
        before = reading.known(writer.indices, wanted[at : at + _PAGE])
        kept: list[Known] = []
        for known in before.values():
            if source not in known.item.sources:
                continue
            item = known.item.with_layers({n: layer for n, layer in known.item.layers.items() if n != source})
            if item.sources:
                kept.append(replace(known, item=item))
            else:
                gone.append(item.id)
        if kept:
            writer.write(kept, before)
    return writer.remove(gone)
