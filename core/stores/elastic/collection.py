"""A collection on a cluster: an index of items and one a space, behind aliases."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection as Many
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from elasticsearch import ApiError

from sightsound.errors import StoreError
from sightsound.filters import Filters
from sightsound.stores.base import Collection, EncoderRecord, Entry, Failure, Order, Scored, Status
from sightsound.stores.elastic import bodies, checking, documents, nearest, reading, text, writing
from sightsound.stores.elastic.connection import FIRST_PATIENCE, WRITE_PATIENCE, Connection
from sightsound.stores.elastic.indices import Indices
from sightsound.stores.elastic.lock import WriterLock
from sightsound.stores.elastic.writing import Writer
from sightsound.stores.fields import FACETS, clean
from sightsound.types import Item, Segment, SegmentKind, Space, Vectors

_STATE = "state:"
_ENCODERS = "encoders"
_LOADING = "loading"


class ElasticCollection(Collection):
    """Methods may be called from any thread."""

    def __init__(self, connection: Connection, prefix: str, name: str) -> None:
        self.name = name
        self._connection = connection
        self._indices = Indices(connection, prefix, name)
        self._indices.load()
        self._lock = WriterLock(connection, name, self._indices.items, self._make_up_for)
        self._writer = Writer(self._indices, lambda: self._lock.session, self._lock.check)
        self._guard = threading.RLock()
        self._loading = 0
        self._refresh_interval: str | None = None
        self._mend_refresh()

    # Writing

    @contextmanager
    def writing(self, wait: bool = False) -> Iterator[None]:
        with self._lock.held(wait), self._connection.patient(WRITE_PATIENCE):
            with self._guard:
                self._loading += 1
                if self._loading == 1:
                    self._start_loading()
            try:
                yield
            except BaseException:
                # A cluster that does not answer may not keep a run that ends: the next opener makes up for it.
                with suppress(StoreError), self._connection.patient(FIRST_PATIENCE):
                    self._stop_loading()
                raise
            self._stop_loading()

    def put(self, entries: Sequence[Entry], last: bool = True) -> Mapping[str, str]:
        with self._changing():
            refused = self._writer.put(entries, last)
            for entry in entries:
                if entry.item.id in refused:
                    writing.refuse(self._writer, entry.item, refused[entry.item.id])
        return refused

    def fail(self, item: Item, reason: str) -> None:
        with self._changing():
            writing.fail(self._writer, item, reason)

    def release(self, ids: Iterable[str], source: str) -> int:
        with self._changing():
            return writing.release(self._writer, ids, source)

    def remove(self, ids: Iterable[str]) -> int:
        with self._changing():
            return self._writer.remove(ids)

    def set_encoders(self, records: Sequence[EncoderRecord]) -> None:
        with self._changing():
            self._indices.ensure_all(space for record in records for space in record.spaces)
            self._keep(_ENCODERS, [asdict(record) for record in records])

    def set_state(self, key: str, value: Any) -> None:
        with self._changing():
            self._keep(_STATE + key, value)

    # For the planner

    def states(self, uris: Iterable[str]) -> dict[str, Item]:
        self._flush()
        return reading.states(self._indices, uris)

    def with_content(self, contents: Iterable[str]) -> dict[str, list[Item]]:
        wanted = [content for content in contents if content]
        return reading.with_content(self._indices, wanted, self._writer.recent_with(wanted))

    def contents_of_sizes(self, sizes: Iterable[int]) -> dict[int, list[str]]:
        self._flush()
        return reading.contents_of_sizes(self._indices, set(sizes))

    def of_source(self, source: str) -> Iterator[tuple[str, str]]:
        self._flush()
        return reading.of_source(self._indices, clean(source), clean(source).casefold())

    def pieces(self, item_id: str, spaces: Iterable[str] = ()) -> Entry | None:
        self._flush()
        return nearest.pieces(self._indices, item_id, spaces)

    # Reading

    def encoders(self) -> list[EncoderRecord]:
        records = self._kept(_ENCODERS) or []
        return [EncoderRecord(**{**r, "spaces": tuple(Space(**space) for space in r["spaces"])}) for r in records]

    def state(self, key: str) -> Any:
        return self._kept(_STATE + key)

    def kept(self) -> dict[str, Any]:
        with self._guard:
            self._indices.refresh(self._indices.items)
        body = {"query": {"bool": {"must_not": [{"exists": {"field": "id"}}]}}, "size": bodies.WINDOW}
        hits = reading.hits_of(reading.searched(self._indices, self._indices.items, body))
        return {
            hit["_id"].removeprefix(_STATE): json.loads(hit["_source"]["value"])
            for hit in hits
            if hit["_id"].startswith(_STATE)
        }

    def items(self, ids: Iterable[str]) -> dict[str, Item]:
        return reading.items(self._indices, ids)

    def find(self, reference: str) -> list[str]:
        self._flush()
        return reading.find(self._indices, clean(reference))

    def scan(self, filters: Filters = (), failed: bool = False) -> Iterator[Item]:
        self._flush()
        return reading.scan(self._indices, self._indices.answering(filters), failed)

    def count(self, filters: Filters = ()) -> int:
        self._flush()
        return reading.count(self._indices, bodies.seen(self._indices.answering(filters)))

    def segments(self, item_ids: Iterable[str]) -> dict[str, list[Segment]]:
        return reading.segments(self._indices, item_ids)

    def vectors(self, space: str, segment_ids: Iterable[str]) -> dict[str, Vectors]:
        self._flush()
        return nearest.vectors(self._indices, space, segment_ids)

    def sample(self, space: str, kind: SegmentKind, n: int) -> tuple[list[str], Vectors]:
        self._flush()
        return nearest.steadily(lambda: nearest.sample(self._indices, space, kind, n))

    def knn(
        self,
        space: str,
        kind: SegmentKind,
        vector: Vectors,
        k: int,
        filters: Filters = (),
        without: Many[str] = (),
    ) -> list[Scored]:
        self._flush()
        return nearest.steadily(
            lambda: nearest.nearest(self._indices, space, kind, vector, k, self._indices.answering(filters), without)
        )

    def text(self, words: str, k: int, filters: Filters = (), among: Many[str] | None = None) -> list[Scored]:
        self._flush()
        return nearest.steadily(lambda: text.search(self._indices, words, k, self._indices.answering(filters), among))

    def score(self, space: str, vector: Vectors, item_ids: Iterable[str]) -> list[Scored]:
        self._flush()
        wanted = tuple(dict.fromkeys(item_ids))
        return nearest.steadily(lambda: nearest.score(self._indices, space, vector, wanted))

    def facets(
        self, filters: Filters = (), limit: int = 20, fields: Many[str] = FACETS
    ) -> dict[str, list[tuple[str, int]]]:
        self._flush()
        return reading.facets(self._indices, self._indices.answering(filters), limit, fields)

    def failures(self, offset: int = 0, limit: int | None = None) -> list[Failure]:
        self._flush()
        found = []
        for hit in reading.failed(self._indices, max(0, offset), limit):
            item = documents.item_of(hit["_source"])
            when = datetime.fromtimestamp(hit["_source"]["changed"], UTC).isoformat("T", "seconds")
            found.append(Failure(item.uri, item.reason, next(iter(item.sources), ""), when, item.state == "stale"))
        return found

    def counts(self) -> dict[tuple[str, SegmentKind], int]:
        self._flush()
        return nearest.counts(self._indices)

    def status(self) -> Status:
        self._flush()
        counted = {(space, str(kind)): n for (space, kind), n in nearest.counts(self._indices).items()}
        failed = reading.count(self._indices, bodies.all_of(bodies.FAILED))
        return Status(self.name, reading.kinds(self._indices), failed, counted, checking.bytes_of(self._indices))

    def check(self) -> list[str]:
        with self._changing():
            self._writer.flush()
            return checking.check(self._indices)

    def close(self) -> None:
        with suppress(StoreError):
            self._flush()

    def holding(self) -> AbstractContextManager[None]:
        """Keep writers away, without getting ready to load. Raises CollectionBusy."""
        return self._lock.held()

    # Writing, within

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock; searches see what was changed at the end, or later where much is being written."""
        with self._lock.held(), self._guard, self._connection.explaining():
            yield
            if not self._loading:
                self._writer.flush()

    def _flush(self) -> None:
        """Let the searches of this object see what it wrote."""
        if self._writer.unseen:
            with self._guard, self._connection.explaining():
                self._writer.flush()

    def _start_loading(self) -> None:
        before = self._indices.refresh_interval()
        self._lock.note(**{_LOADING: {"refresh_interval": before}})
        self._refresh_interval = before
        self._indices.refresh_by_themselves(False)

    def _stop_loading(self) -> None:
        with self._guard:
            self._loading -= 1
            if self._loading == 0:
                try:
                    with self._connection.explaining():
                        self._writer.flush()
                finally:
                    self._indices.refresh_by_themselves(True, self._refresh_interval)

    def _make_up_for(self, owner: Mapping[str, Any]) -> None:
        """What a writer that was killed left undone: its refresh, and documents that nothing names any more."""
        self._restore(owner)
        checking.tidy_session(self._indices, str(owner.get("session", "")))

    def _mend_refresh(self) -> None:
        """Where a writer was killed while loading, searches would not see its last items: whoever opens mends that."""
        with suppress(StoreError, ApiError):  # a reader may lack the privilege; the next writer has it
            held = self._lock.look()
            if held and held.seems_dead:
                self._restore(held.owner)

    def _restore(self, owner: Mapping[str, Any]) -> None:
        if _LOADING in owner:
            self._indices.refresh_by_themselves(True, owner[_LOADING]["refresh_interval"])
        self._indices.refresh(self._indices.segments)
        self._indices.refresh(self._indices.items)

    def _keep(self, id: str, value: Any) -> None:
        document = {"value": json.dumps(value)}
        self._connection.asked(
            lambda client: client.index(index=self._indices.items, id=id, document=document, require_alias=True)
        )

    def _kept(self, id: str) -> Any:
        (found,) = reading.gotten(self._indices, [id], ("value",))
        return json.loads(found["_source"]["value"]) if found["found"] else None

    # Last in the class: annotations below it would take `list` for this method.
    def list(self, filters: Filters, order: Order, offset: int, limit: int) -> list[str]:
        self._flush()
        return reading.listed(self._indices, self._indices.answering(filters), order, max(0, offset), max(0, limit))
