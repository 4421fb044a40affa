"""Putting items into a local collection, inside one transaction that the caller commits."""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sightsound.stores import shelves, words
from sightsound.stores.base import Entry, each_item_once
from sightsound.stores.fields import clean, passages, word_values
from sightsound.stores.refusals import check_stored_dims, rounded
from sightsound.stores.rows import item_values, json_list
from sightsound.stores.shelves import Shelf
from sightsound.stores.vectorfile import Int8Rows, Keys, quantised
from sightsound.types import Item, ItemState, Segment, Vectors

_SET_ITEM = (
    "uri = ?, kind = ?, revision = ?, content = ?, state = ?, reason = ?, facts = ?, layers = ?, "
    "metadata = ?, "
    "date = ?, bytes = ?, width = ?, height = ?, duration = ?, pending = ?, changed = ?"
)
_UPDATE_ITEM = f"UPDATE items SET {_SET_ITEM} WHERE rowid = ?"
_INSERT_ITEM = (
    "INSERT INTO items (uri, kind, revision, content, state, reason, facts, layers, metadata, date, "
    "bytes, width, "
    f"height, duration, pending, changed, added, id, rowid) VALUES ({', '.join('?' * 19)})"
)
_INSERT_SEGMENT = (
    'INSERT INTO segments (rowid, item, kind, number, start, "end", text, pending) VALUES (?, ?, ?, ?, ?, ?, ?, ?)'
)
_INSERT_VECTOR = "INSERT INTO vectors (rowid, segment, shelf, vector) VALUES (?, ?, ?, ?)"
_INSERT_WORD = "INSERT INTO words (field, folded, word, item) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class Shelved:
    """Vectors that were put on a shelf, as it was before."""

    shelf: Shelf
    keys: Keys
    matrix: Int8Rows


@dataclass(frozen=True)
class _Known:
    """What the collection holds of an item already."""

    rowid: int
    uri: str
    state: ItemState
    reason: str
    pending: str | None

    @property
    def seen(self) -> bool:
        return self.state in ("ok", "stale")


def put(connection: sqlite3.Connection, entries: Sequence[Entry], last: bool) -> list[Shelved]:
    """Write entries; returns the vectors that were added, for the scan caches."""
    shelved = []
    for batch in each_item_once(entries):
        shelved += _Batch(connection, batch, last).write()
    return shelved


def refresh(connection: sqlite3.Connection, rowid: int, item: Item, pending: str | None = None) -> None:
    """Write what an item says of itself over what is stored; its segments stay."""
    connection.execute(_UPDATE_ITEM, (*item_values(item), pending, time.time(), rowid))
    _index_words(connection, [(rowid, item)], known=[rowid])


def remove_rows(connection: sqlite3.Connection, rowids: Iterable[int]) -> int:
    """Remove items with everything that hangs on them."""
    gone = [(rowid,) for rowid in rowids]
    connection.executemany("DELETE FROM passages WHERE rowid = ?", gone)
    connection.executemany("DELETE FROM items WHERE rowid = ?", gone)
    return len(gone)


class _Batch:
    """Entries of different items, to be written in one transaction."""

    def __init__(self, connection: sqlite3.Connection, entries: Sequence[Entry], last: bool) -> None:
        self.connection = connection
        self.entries = entries
        self.last = last
        self.now = time.time()
        self.known = self._look_up()
        self.next_segment = _next_rowid(connection, "segments")
        self.segments: list[tuple[Any, ...]] = []
        # (space, kind) -> segment rowids, item rowids, vectors
        self.vectors: dict[tuple[str, str], tuple[list[int], list[int], list[Vectors]]] = defaultdict(
            lambda: ([], [], [])
        )

    def write(self) -> list[Shelved]:
        self._free_uris()
        for entry, rowid in self._write_items():
            self._plan_segments(entry, rowid)
        self.connection.executemany(_INSERT_SEGMENT, self.segments)
        shelved = self._write_vectors()
        self._reveal()
        return shelved

    def _look_up(self) -> dict[str, _Known]:
        rows = self.connection.execute(
            "SELECT id, rowid, uri, state, reason, pending FROM items WHERE id IN (SELECT value FROM json_each(?))",
            (json_list(entry.item.id for entry in self.entries),),
        )
        return {id: _Known(*row) for id, *row in rows}

    def _free_uris(self) -> None:
        """Items may swap URIs; one outside this batch that has one of ours lost its file, and goes."""
        moved = [e.item.id for e in self.entries if e.item.id in self.known and self.known[e.item.id].uri != e.item.uri]
        self.connection.executemany("UPDATE items SET uri = 'moving:' || id WHERE id = ?", [(id,) for id in moved])
        ours = {entry.item.id for entry in self.entries}
        holders = self.connection.execute(
            "SELECT id, rowid FROM items WHERE uri IN (SELECT value FROM json_each(?))",
            (json_list(entry.item.uri for entry in self.entries),),
        ).fetchall()
        remove_rows(self.connection, [rowid for id, rowid in holders if id not in ours])

    def _write_items(self) -> list[tuple[Entry, int]]:
        placed, inserts, updates, revisions, spoken = [], [], [], [], []
        added = itertools.count(self.now, 1e-6)  # in the order in which they were put
        fresh = itertools.count(_next_rowid(self.connection, "items"))
        for entry in self.entries:
            known = self.known.get(entry.item.id)
            rowid = known.rowid if known else next(fresh)
            placed.append((entry, rowid))
            if known and known.seen and not self.last:
                revisions.append((entry.item.revision, entry.item.uri, rowid))
                continue
            item, pending = self._as_written(entry, known)
            spoken.append((rowid, item))
            values = (*item_values(item), pending, self.now)
            if known:
                updates.append((*values, rowid))
            else:
                inserts.append((*values, item.added or next(added), item.id, rowid))
        self.connection.executemany(_INSERT_ITEM, inserts)
        self.connection.executemany(_UPDATE_ITEM, updates)
        self.connection.executemany("UPDATE items SET pending = ?, uri = ? WHERE rowid = ?", revisions)
        _index_words(self.connection, spoken, [known.rowid for known in self.known.values()])
        return placed

    def _as_written(self, entry: Entry, known: _Known | None) -> tuple[Item, str | None]:
        """The item as it will be stored, and the revision of which pieces are still to come."""
        item = entry.item
        if not self.last:
            return replace(item, state="partial", reason=""), item.revision
        if known and _says_only(entry):
            # What is said of an item does not make its vectors any better.
            state = replace(item, state=known.state, reason=known.reason)
            return state, known.pending
        return replace(item, state="ok", reason=""), None

    def _plan_segments(self, entry: Entry, item: int) -> None:
        known = self.known.get(entry.item.id)
        if known and _says_only(entry):
            return
        resumed = known is not None and known.pending == entry.item.revision
        if known and known.pending is not None and not resumed:
            self.connection.execute("DELETE FROM segments WHERE item = ? AND pending = 1", (item,))
        pending = not self.last or resumed
        if pending and known:
            self.connection.executemany(
                "DELETE FROM segments WHERE item = ? AND pending = 1 AND kind = ? AND number = ?",
                [(item, segment.kind, segment.number) for segment in entry.segments],
            )
        elif known and not pending:
            kinds = None if entry.replaces is None else entry.replaces | {segment.kind for segment in entry.segments}
            if self._is_stored(entry, item, kinds):
                return
            _remove_segments(self.connection, item, kinds)
        self._add(entry, item, int(pending))

    def _is_stored(self, entry: Entry, item: int, kinds: frozenset[str] | None) -> bool:
        """Whether writing the entry would change nothing: the caches need not grow for it."""
        rows = self.connection.execute(
            'SELECT s.kind, s.number, s.start, s."end", s.text, h.space, v.vector FROM segments s '
            "LEFT JOIN vectors v ON v.segment = s.rowid LEFT JOIN shelves h ON h.id = v.shelf "
            "WHERE s.item = ? AND s.pending = 0",
            (item,),
        )
        stored: dict[str, tuple[Any, ...]] = {}
        for kind, number, start, end, text, space, vector in rows:
            if kinds is None or kind in kinds:
                found = stored.setdefault(f"{entry.item.id}:{kind}:{number}", (start, end, text, {}))
                if space is not None:
                    found[3][space] = vector
        offered: dict[str, tuple[Any, ...]] = {
            segment.id: (segment.start, segment.end, clean(segment.text), {}) for segment in entry.segments
        }
        for space, vectors in entry.vectors.items():
            for id, vector in vectors.items():
                offered[id][3][space] = rounded(space, [vector])[0].astype("<f2").tobytes()
        return stored == offered

    def _add(self, entry: Entry, item: int, pending: int) -> None:
        placed: dict[str, tuple[int, Segment]] = {}
        for segment in entry.segments:
            rowid, self.next_segment = self.next_segment, self.next_segment + 1
            placed[segment.id] = rowid, segment
            what = (segment.kind, segment.number, segment.start, segment.end, clean(segment.text))
            self.segments.append((rowid, item, *what, pending))
        for space, vectors in entry.vectors.items():
            for id, vector in vectors.items():
                if id not in placed:
                    raise ValueError(f"a vector of {space} is for {id}, which is not among the entry's segments")
                rowid, segment = placed[id]
                rowids, items, given = self.vectors[space, segment.kind]
                rowids.append(rowid)
                items.append(item)
                given.append(vector)

    def _write_vectors(self) -> list[Shelved]:
        shelved = []
        # Rowids of vectors are never used twice, so that the scan caches can tell old from new.
        first = 1 + self.connection.execute("SELECT coalesce(max(last), 0) FROM shelves").fetchone()[0]
        for (space, kind), (segments, items, given) in self.vectors.items():
            kept = rounded(space, given)
            shelf = shelves.shelf_of(self.connection, space, kind)
            shelf = shelf or shelves.add_shelf(self.connection, space, kind, kept.shape[1])
            check_stored_dims(space, shelf.dims, kept.shape[1])
            rowids = range(first, first + len(given))
            blobs = (row.tobytes() for row in kept.astype("<f2"))
            self.connection.executemany(
                _INSERT_VECTOR, zip(rowids, segments, itertools.repeat(shelf.id), blobs, strict=False)
            )
            first += len(given)
            self.connection.execute("UPDATE shelves SET last = ? WHERE id = ?", (first - 1, shelf.id))
            keys = np.stack([np.asarray(rowids, np.int64), np.asarray(items, np.int64)], axis=1)
            shelved.append(Shelved(shelf, keys, quantised(kept)))
        return shelved

    def _reveal(self) -> None:
        """Where this was the last piece, all pieces take the place of what was found until now."""
        if not self.last:
            return
        for entry in self.entries:
            known = self.known.get(entry.item.id)
            if known is None or known.pending != entry.item.revision or _says_only(entry):
                continue
            kinds = None
            if entry.replaces is not None:
                query = "SELECT DISTINCT kind FROM segments WHERE item = ? AND pending = 1"
                kinds = entry.replaces | {kind for (kind,) in self.connection.execute(query, (known.rowid,))}
            _remove_segments(self.connection, known.rowid, kinds)
            self.connection.execute("UPDATE segments SET pending = 0 WHERE item = ? AND pending = 1", (known.rowid,))


def _says_only(entry: Entry) -> bool:
    """Whether the entry is about what is said of the item and leaves its segments alone."""
    return entry.replaces == frozenset() and not entry.segments


def _remove_segments(connection: sqlite3.Connection, item: int, kinds: Iterable[str] | None) -> None:
    if kinds is None:
        connection.execute("DELETE FROM segments WHERE item = ? AND pending = 0", (item,))
    else:
        connection.executemany(
            "DELETE FROM segments WHERE item = ? AND pending = 0 AND kind = ?",
            [(item, kind) for kind in kinds],
        )


def _index_words(connection: sqlite3.Connection, items: Sequence[tuple[int, Item]], known: Iterable[int]) -> None:
    """Make items findable by what they say: filters for all, text search for those that search may show."""
    known = set(known)
    before = [(rowid,) for rowid, _ in items if rowid in known]
    connection.executemany("DELETE FROM words WHERE item = ?", before)
    connection.executemany("DELETE FROM passages WHERE rowid = ?", before)
    connection.executemany(_INSERT_WORD, [(*word, rowid) for rowid, item in items for word in word_values(item)])
    seen = [(rowid, *passages(item)) for rowid, item in items if item.state in ("ok", "stale")]
    connection.executemany(words.INSERT, seen)


def _next_rowid(connection: sqlite3.Connection, table: str) -> int:
    return 1 + int(connection.execute(f"SELECT coalesce(max(rowid), 0) FROM {table}").fetchone()[0])
