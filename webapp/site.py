"""What a running site has: plug-ins, the collection, its encoders and sources. One for each application."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from flask import current_app, g, has_request_context

from sightsound.config import cores, setting
from sightsound.encoders import EncoderSet, of_collection
from sightsound.errors import Busy, SightsoundError
from sightsound.frames import Frames
from sightsound.opening import SOURCES, Sources, open_store
from sightsound.recent import Recent
from sightsound.registry import Registry, registry
from sightsound.searching import Answer, FilePart, Part, Query, ReadPart, read_part, search
from sightsound.showing import Showing, preview_cache
from sightsound.stores.base import Collection, EncoderRecord, Store
from sightsound.webapp.metrics import Metrics
from sightsound.webapp.queue import EncodeQueue, Line, through
from sightsound.webapp.retryprocess import RetryProcess
from sightsound.webapp.settings import SiteSettings
from sightsound.webapp.uploads import Uploads
from sightsound.webapp.wholecounts import WholeCounts

if TYPE_CHECKING:
    from sightsound.webapp.health import WarmUp

EXTENSION = "sightsound"
READ_PARTS = 64
"""Uploads whose vectors are kept, to search by them again."""
READ_WAITING = 8
"""Searches that may wait for an upload to be read, so that they leave room in the line for others."""
Made = TypeVar("Made")


class Site:
    """Methods may be called from any thread. The collection is opened when it is first asked for."""

    def __init__(self, settings: SiteSettings) -> None:
        self.settings = settings
        self.uploads = Uploads(settings.uploads, forgotten=lambda id: preview_cache().forget(id))
        self._guard = threading.Lock()
        self._collection: Collection | None = None
        self._encoders: tuple[Sequence[EncoderRecord], EncoderSet] | None = None
        self._sources: tuple[object, Sources] | None = None
        self._view_hosts: tuple[Sources, tuple[str, ...]] | None = None
        self._reading = threading.Semaphore(cores())
        self._to_read = threading.Semaphore(cores() + READ_WAITING)
        self._read_parts: Recent[object, tuple[EncoderSet, ReadPart]] = Recent(READ_PARTS)
        self._showing: Showing | None = None
        self.retrying = RetryProcess()
        self.frames = Frames(lambda id: self.collection.segments([id]).get(id, ()))
        self.whole_counts = WholeCounts(lambda: self.collection.facets())
        self.metrics = Metrics()
        self.metrics.watch(self)
        self.line = Line(settings.queue, self.metrics)
        self.queue = EncodeQueue(self.metrics)

    @cached_property
    def registry(self) -> Registry:
        return registry()

    @cached_property
    def store(self) -> Store:
        """Opened once: a cluster's is a client with connections of its own. Raises StoreError; the next asks anew."""
        return open_store(self.registry, self.settings.store)

    @property
    def collection_name(self) -> str:
        return setting("collection", self.settings.collection)

    @property
    def collection(self) -> Collection:
        """The collection that is shown. Raises CollectionMissing while there is none yet, StoreError."""
        with self._guard:
            if self._collection is None:
                self._collection = self.store.open(self.collection_name)
            return self._collection

    @property
    def encoders(self) -> EncoderSet:
        """The collection's encoders, as they are now: an index run may have changed them."""
        return _once_a_request("encoders", self._now_encoders)

    @property
    def sources(self) -> Sources:
        """The collection's sources, as they are now."""
        return _once_a_request("sources", self._now_sources)

    def search(self, query: Query) -> Answer:
        """Answer a query, as the command line does. Raises what `searching.search` raises."""
        with self.line.place(), self.metrics.stage("search"):
            try:
                parts = tuple(self._read(part) if isinstance(part, FilePart) else part for part in query.parts)
                with self.line.turn():
                    answer = search(self.registry, self.collection, self.encoders, replace(query, parts=parts))
            except SightsoundError as error:
                self.metrics.searches.labels("failed").inc()
                raise _unplaced(error, query) from error.__cause__
        self.metrics.searches.labels("answered").inc()
        return answer

    def _read(self, part: FilePart) -> Part:
        """The part with its vectors: an upload is read once for its pages and facets, and few are at a time.

        Raises Busy where too many wait for that, and what `read_part` raises.
        """
        encoders = self.encoders
        key = (part.path, id(encoders), frozenset(self.collection.counts()))
        if (made := self._read_before(key)) is None:
            if not self._to_read.acquire(blocking=False):
                raise Busy("Too many files to search by are being read already; come again in a moment")
            try:
                with self._reading:
                    made = self._read_before(key) or read_part(self.registry, self.collection, encoders, part)
            finally:
                self._to_read.release()
        self._read_parts.keep(key, (encoders, made))  # with its encoders, so that no others get their id
        return replace(made, weight=part.weight)

    def _read_before(self, key: object) -> ReadPart | None:
        known = self._read_parts.get(key)
        return known[1] if known else None

    @property
    def view_hosts(self) -> tuple[str, ...]:
        """Hosts from which pages may show what the collection's sources have."""
        return _once_a_request("view_hosts", self._now_view_hosts)

    @cached_property
    def warm_up(self) -> WarmUp:
        from sightsound.webapp.health import WarmUp

        return WarmUp(self)

    @property
    def showing(self) -> Showing:
        """What makes pictures and films to be shown."""
        plugins = self.registry
        with self._guard:
            if self._showing is None:
                self._showing = Showing(plugins)
            return self._showing

    def close(self) -> None:
        self.warm_up.stop()
        self.retrying.close()
        with self._guard:
            showing, self._showing = self._showing, None
        if showing is not None:
            showing.close()
        self.queue.close()
        with self._guard:
            if self._collection is not None:
                self._collection.close()
                self._collection = None

    def _now_encoders(self) -> EncoderSet:
        records = self.collection.encoders()
        with self._guard:
            if self._encoders is None or self._encoders[0] != records:
                assert self._collection is not None
                found = through(self.queue, of_collection(self.registry, self._collection))
                self._encoders = records, found
            return self._encoders[1]

    def _now_sources(self) -> Sources:
        known = self.collection.state(SOURCES)
        with self._guard:
            if self._sources is None or self._sources[0] != known:
                assert self._collection is not None
                self._sources = known, Sources(self.registry, self._collection)
            return self._sources[1]

    def _now_view_hosts(self) -> tuple[str, ...]:
        sources = self.sources
        with self._guard:
            if self._view_hosts is None or self._view_hosts[0] is not sources:
                hosts = dict.fromkeys(host for source in sources.opened() for host in source.view_hosts)
                self._view_hosts = sources, tuple(hosts)
            return self._view_hosts[1]


def _unplaced(error: SightsoundError, query: Query) -> SightsoundError:
    """The error, without the place of an upload on this machine."""
    message = str(error)
    for part in query.parts:
        if isinstance(part, FilePart):
            message = message.replace(str(part.path), "The file you gave")
    error.args = (message,)
    return error


def _once_a_request(name: str, make: Callable[[], Made]) -> Made:
    """What `make` gives, asked once in a request."""
    if not has_request_context():
        return make()
    kept: dict[str, Made] = g.setdefault("site", {})
    if name not in kept:
        kept[name] = make()
    return kept[name]


def site() -> Site:
    """The site of the application that handles this request."""
    found: Site = current_app.extensions[EXTENSION]
    return found
