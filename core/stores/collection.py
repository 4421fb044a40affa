"""A collection of the local store: SQLite is the truth, scan caches lie beside it."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as Many
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sightsound.errors import CollectionBusy, StoreError
from sightsound.filters import Filters
from sightsound.stores import integrity, nearest, reading, sqlfilters, upkeep, writing
from sightsound.stores.base import Collection, EncoderRecord, Entry, Failure, Order, Scored, Status
from sightsound.stores.database import Database
from sightsound.stores.lock import IndexerLock
from sightsound.stores.refusals import check_query_dims
from sightsound.stores.rows import FAILED, ITEM_COLUMNS, as_json, item_of, json_list
from sightsound.stores.shelves import Caches, shelf_of
from sightsound.stores.words import text_search
from sightsound.types import Item, Segment, SegmentKind, Space, Vectors

DATABASE = "collection.sqlite"
_PAGE = 1_000
_LISTED = "(SELECT value FROM json_each(?))"
_CACHE_RETRY_SECONDS = 10.0


class LocalCollection(Collection):
    """A folder with `collection.sqlite`. Methods may be called from any thread."""

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.name = folder.name
        self._folder = folder
        self._database = Database(folder / DATABASE, create)
        self._lock = IndexerLock(folder)
        self._caches = Caches(folder, self._lock)
        self._has_written = False
        self._try_cache_after = 0.0

    # Writing

    def writing(self, wait: bool = False) -> AbstractContextManager[None]:
        return self._lock.held(wait)

    def put(self, entries: Sequence[Entry], last: bool = True) -> Mapping[str, str]:
        with self._lock.held():
            with self._database.writing() as connection:
                shelved = writing.put(connection, entries, last)
            self._has_written = True
            for added in shelved:
                if not self._caches.appended(added.shelf, added.keys, added.matrix):
                    self._catch_up(added.shelf.space, added.shelf.kind)
        return {}

    def fail(self, item: Item, reason: str) -> None:
        with self._changing() as connection:
            upkeep.fail(connection, item, reason)

    def release(self, ids: Iterable[str], source: str) -> int:
        with self._changing() as connection:
            return upkeep.release(connection, ids, source)

    def remove(self, ids: Iterable[str]) -> int:
        with self._changing() as connection:
            return upkeep.remove(connection, ids)

    def set_encoders(self, records: Sequence[EncoderRecord]) -> None:
        with self._changing() as connection:
            connection.execute("DELETE FROM encoders")
            rows = [(position, as_json(asdict(record))) for position, record in enumerate(records)]
            connection.executemany("INSERT INTO encoders (position, record) VALUES (?, ?)", rows)

    def set_state(self, key: str, value: Any) -> None:
        with self._changing() as connection:
            connection.execute("INSERT OR REPLACE INTO states (key, value) VALUES (?, ?)", (key, as_json(value)))

    def copy_to(self, path: Path, progress: Callable[[int, int], None]) -> None:
        """Write the collection's database, as it is at this moment, to a new file; others may write meanwhile.

        progress: told bytes so far and bytes in all.
        """
        self._database.copy_to(path, progress)

    # For the planner

    def states(self, uris: Iterable[str]) -> dict[str, Item]:
        query = f"SELECT {ITEM_COLUMNS} FROM items i WHERE i.uri IN {_LISTED}"
        return {item.uri: item for item in self._items(query, uris, planned=True)}

    def with_content(self, contents: Iterable[str]) -> dict[str, list[Item]]:
        query = (
            f"SELECT {ITEM_COLUMNS} FROM items i WHERE i.content IN {_LISTED} AND i.content != '' AND "
            "i.state = 'ok' AND EXISTS (SELECT 1 FROM segments s JOIN vectors v ON v.segment = s.rowid "
            "WHERE s.item = i.rowid AND s.pending = 0) ORDER BY i.id"
        )
        found: dict[str, list[Item]] = {}
        for item in self._items(query, contents):
            found.setdefault(item.content, []).append(item)
        return found

    def contents_of_sizes(self, sizes: Iterable[int]) -> dict[int, list[str]]:
        query = (
            "SELECT DISTINCT i.bytes, i.content FROM items i "
            f"WHERE i.bytes IN {_LISTED} AND i.content != '' AND i.state = 'ok' ORDER BY i.content"
        )
        found: dict[int, list[str]] = {}
        with self._database.reading() as connection:
            for size, content in connection.execute(query, (json_list(set(sizes)),)):
                found.setdefault(size, []).append(content)
        return found

    def of_source(self, source: str) -> Iterator[tuple[str, str]]:
        query = (
            "SELECT w.item, i.id, i.uri FROM words w CROSS JOIN items i ON i.rowid = w.item "
            "WHERE w.field = 'source' AND w.folded = ? AND w.word = ? AND w.item > ? ORDER BY w.item LIMIT ?"
        )
        last = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(query, (source.casefold(), source, last, _PAGE)).fetchall()
            yield from ((id, uri) for _, id, uri in rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def pieces(self, item_id: str, spaces: Iterable[str] = ()) -> Entry | None:
        with self._database.reading() as connection:
            return reading.pieces(connection, item_id, spaces)

    # Reading

    def encoders(self) -> list[EncoderRecord]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT record FROM encoders ORDER BY position").fetchall()
        records = [json.loads(record) for (record,) in rows]
        return [EncoderRecord(**{**r, "spaces": tuple(Space(**space) for space in r["spaces"])}) for r in records]

    def state(self, key: str) -> Any:
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM states WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def kept(self) -> dict[str, Any]:
        with self._database.reading() as connection:
            return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM states")}

    def items(self, ids: Iterable[str]) -> dict[str, Item]:
        query = f"SELECT {ITEM_COLUMNS} FROM items i WHERE i.id IN {_LISTED}"
        return {item.id: item for item in self._items(query, ids)}

    def find(self, reference: str) -> list[str]:
        with self._database.reading() as connection:
            return reading.find(connection, reference)

    def scan(self, filters: Filters = (), failed: bool = False) -> Iterator[Item]:
        condition, values = sqlfilters.where(filters, failed)
        query = f"SELECT {ITEM_COLUMNS} FROM items i WHERE i.id > ? AND {condition} ORDER BY i.id LIMIT ?"
        last = ""
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(query, (last, *values, _PAGE)).fetchall()
            for row in rows:
                yield item_of(row)
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def count(self, filters: Filters = ()) -> int:
        with self._database.reading() as connection:
            return reading.count(connection, filters)

    def segments(self, item_ids: Iterable[str]) -> dict[str, list[Segment]]:
        with self._database.reading() as connection:
            return reading.segments(connection, item_ids)

    def vectors(self, space: str, segment_ids: Iterable[str]) -> dict[str, Vectors]:
        with self._database.reading() as connection:
            return reading.vectors(connection, space, segment_ids)

    def sample(self, space: str, kind: SegmentKind, n: int) -> tuple[list[str], Vectors]:
        with self._database.reading() as connection:
            return reading.sample(connection, space, kind, n)

    def knn(
        self,
        space: str,
        kind: SegmentKind,
        vector: Vectors,
        k: int,
        filters: Filters = (),
        without: Many[str] = (),
    ) -> list[Scored]:
        if k <= 0:
            return []
        with self._database.reading(one_moment=False) as connection:
            shelf = shelf_of(connection, space, kind)
            if shelf is None:
                return []
            ready = self._caches.prepared(connection, shelf)
        with self._database.reading() as connection:
            now = shelf_of(connection, space, kind)
            if now is None:
                return []
            check_query_dims(space, now.dims, vector)
            same = now.generation == shelf.generation
            view = self._caches.view(connection, now, ready if same else None)
            chosen = reading.chosen(connection, view, filters, without)
            return nearest.nearest(connection, now, view, vector, k, chosen)

    def text(self, words: str, k: int, filters: Filters = (), among: Many[str] | None = None) -> list[Scored]:
        with self._database.reading() as connection:
            return text_search(connection, words, k, filters, among)

    def score(self, space: str, vector: Vectors, item_ids: Iterable[str]) -> list[Scored]:
        with self._database.reading() as connection:
            return reading.score(connection, space, vector, item_ids)

    def facets(self, filters: Filters = (), limit: int = 20) -> dict[str, list[tuple[str, int]]]:
        with self._database.reading() as connection:
            return reading.facets(connection, filters, limit)

    def failures(self) -> list[Failure]:
        query = f"SELECT {ITEM_COLUMNS}, i.changed FROM items i WHERE {FAILED} ORDER BY i.changed, i.id"
        with self._database.reading() as connection:
            rows = connection.execute(query).fetchall()
        found = []
        for *row, changed in rows:
            item = item_of(tuple(row))
            when = datetime.fromtimestamp(changed, UTC).isoformat("T", "seconds")
            found.append(Failure(item.uri, item.reason, next(iter(item.sources), ""), when, item.state == "stale"))
        return found

    def counts(self) -> dict[tuple[str, SegmentKind], int]:
        with self._database.reading() as connection:
            return reading.counts(connection)

    def status(self) -> Status:
        with self._database.reading() as connection:
            kinds = reading.kinds(connection)
            failed = reading.failed(connection)
            counted = {(space, str(kind)): n for (space, kind), n in reading.counts(connection).items()}
        return Status(self.name, kinds, failed, counted, _bytes_in(self._folder))

    def check(self) -> list[str]:
        try:
            if not self._database.writable:
                with self._database.reading() as connection:
                    found = integrity.check_database(connection) + integrity.mend_counts(connection, writable=False)
                    return found + integrity.mend_caches(connection, self._caches, writable=False)
            with self._lock.held():
                with self._database.writing() as connection:
                    found = integrity.check_database(connection) + integrity.mend_passages(connection)
                    found += integrity.mend_counts(connection, writable=True)
                with self._database.reading() as connection:
                    found += integrity.mend_caches(connection, self._caches, writable=True)
        except CollectionBusy:
            raise
        except StoreError as error:
            return [f"broken: {error}"]
        self._caches.forget()
        return found

    def close(self) -> None:
        if self._has_written:
            with suppress(StoreError), self._lock.held(), self._database.reading() as connection:
                self._caches.compact(connection)
        self._caches.forget()
        self._database.close()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        with self._lock.held():
            with self._database.writing() as connection:
                yield connection
            self._has_written = True

    def _items(self, query: str, listed: Iterable[str], planned: bool = False) -> Iterator[Item]:
        remaining = iter(listed)
        while page := tuple(islice(remaining, _PAGE)):
            with self._database.reading() as connection:
                rows = connection.execute(query, (json_list(page),)).fetchall()
            for row in rows:
                yield item_of(row, planned)

    def _catch_up(self, space: str, kind: str) -> None:
        """A cache that can't be written fails nothing: searches do without, the next writer tries again."""
        if time.monotonic() < self._try_cache_after:
            return
        try:
            with self._database.reading() as connection:
                shelf = shelf_of(connection, space, kind)
                if shelf is not None:
                    self._caches.catch_up(connection, shelf)
        except (OSError, StoreError):
            self._try_cache_after = time.monotonic() + _CACHE_RETRY_SECONDS

    # Last in the class: annotations below it would take `list` for this method.
    def list(self, filters: Filters, order: Order, offset: int, limit: int) -> list[str]:
        condition, values = sqlfilters.where(filters)
        by = "i.date DESC, i.id" if order == "date" else "i.added DESC, i.rowid DESC"
        query = f"SELECT i.id FROM items i WHERE {condition} ORDER BY {by} LIMIT ? OFFSET ?"
        with self._database.reading() as connection:
            return [id for (id,) in connection.execute(query, (*values, max(0, limit), max(0, offset)))]


def _bytes_in(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        with suppress(OSError):
            total += file.stat().st_size
    return total
