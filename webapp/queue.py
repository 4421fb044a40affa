"""How searches wait their turn: a bounded line, and one thread that encodes what several ask for in one batch.

Site.search ─► Line (503 past its bound) ─► searching.search ─► QueuedEncoder ─► EncodeQueue ─► the encoder
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sightsound.encoders import ChosenEncoder, EncoderSet
from sightsound.types import Encoder, Role, Vectors
from sightsound.webapp.errors import Refused
from sightsound.webapp.metrics import Metrics

MOST_AT_ONCE = 256
"""Inputs that are encoded in one batch."""
RUNNING = 3
"""Searches that have their turn at once. Much of a search is Python, which one thread runs at a time: eight at once
answered two thirds as many a second as three."""
AGAIN_AFTER = 2
"""Seconds after which one who was sent away may come again."""
ENDING = 30.0
"""Seconds that what is being encoded has when the site is ended."""
Encoded = dict[str, "list[Vectors | None]"]


class Line:
    """At most `bound` searches are under way or waiting; of them a few have a turn, so that they do not fight for the
    cores. A file to search by is read before the turn: what reads slowly holds up no one who asks in words."""

    def __init__(self, bound: int, metrics: Metrics) -> None:
        self._bound = bound
        self._inside = 0
        self._guard = threading.Lock()
        self._running = threading.Semaphore(RUNNING)
        self._metrics = metrics
        metrics.queued.set_function(lambda: self._inside)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line. Raises Refused where it is full."""
        with self._guard:
            if self._inside >= self._bound:
                self._metrics.searches.labels("refused").inc()
                message = f"{self._bound} searches are under way already: try again in {AGAIN_AFTER} seconds"
                raise Refused(message, 503, {"Retry-After": str(AGAIN_AFTER)})
            self._inside += 1
        try:
            yield
        finally:
            with self._guard:
                self._inside -= 1

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn of one who has a place."""
        with self._metrics.stage("wait"):
            self._running.acquire()
        try:
            yield
        finally:
            self._running.release()


@dataclass(frozen=True)
class _Wanted:
    encoder: ChosenEncoder
    batch: Sequence[Any]
    role: Role
    made: Future[Encoded]


class EncodeQueue:
    """Encodes in one thread of its own: an encoder is called by one thread at a time, and its models use all cores.

    What waits for the same encoder is encoded in one batch.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.loading = threading.RLock()
        self._metrics = metrics
        self._waiting: list[_Wanted] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def encode(self, encoder: ChosenEncoder, batch: Sequence[Any], role: Role) -> Encoded:
        """What `encoder.encode` gives and raises."""
        wanted = _Wanted(encoder, batch, role, Future())
        with self._metrics.stage("encode"):
            with self._changed:
                if self._closed:
                    raise Refused("The site is stopping", 503, {"Retry-After": str(AGAIN_AFTER)})
                if self._thread is None:
                    self._thread = threading.Thread(target=self._encode_all, name="encoding", daemon=True)
                    self._thread.start()
                self._waiting.append(wanted)
                self._changed.notify()
            return wanted.made.result()

    def close(self) -> None:
        """End the thread once what waits is encoded."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join(ENDING)  # an encoder that hangs does not keep the site from ending

    def _encode_all(self) -> None:
        while batch := self._next():
            self._metrics.batches.observe(len(batch))
            self._encode(batch)

    def _next(self) -> list[_Wanted]:
        """The one that waits longest, and others for the same encoder; none once it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            taken: list[_Wanted] = []
            room = MOST_AT_ONCE
            for one in list(self._waiting):
                first = taken[0] if taken else one
                same = (one.encoder.key, one.role) == (first.encoder.key, first.role)
                if one is first or (same and len(one.batch) <= room):
                    taken.append(one)
                    room -= len(one.batch)
                    self._waiting.remove(one)
            return taken

    def _encode(self, wanted: list[_Wanted]) -> None:
        together = [one for each in wanted for one in each.batch]
        try:
            made = wanted[0].encoder.encode(together, wanted[0].role)
        except BaseException as error:
            if len(wanted) == 1:
                wanted[0].made.set_exception(error)
            else:  # one of them may be at fault: it costs no one else's search
                for one in wanted:
                    self._encode([one])
            return
        start = 0
        for one in wanted:
            end = start + len(one.batch)
            one.made.set_result({space: vectors[start:end] for space, vectors in made.items()})
            start = end


@dataclass(frozen=True)
class QueuedEncoder(ChosenEncoder):
    """An encoder whose batches go through the queue, so that the one search function batches with others."""

    inner: ChosenEncoder
    queue: EncodeQueue

    @property
    def loaded(self) -> Encoder:
        with self.queue.loading:
            return self.inner.loaded

    def encode(self, batch: Sequence[Any], role: Role) -> Encoded:
        return self.queue.encode(self.inner, batch, role) if batch else self.inner.encode(batch, role)


def through(queue: EncodeQueue, encoders: EncoderSet) -> EncoderSet:
    """The same encoders, called through the queue."""
    return EncoderSet(tuple(QueuedEncoder(one.set, one.spec, one, queue) for one in encoders.chosen))
