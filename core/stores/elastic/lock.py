"""One writer a collection, on whichever machine: a document that its holder renews.

A holder that stopped renewing is dead when nothing was renewed for LEASE seconds by the clock of whoever looks; one
of this machine whose process is gone is dead at once. What it left undone, such as a switched-off refresh, is in the
document, so that the next can make up for it.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from sightsound.errors import CollectionMissing, StoreError
from sightsound.stores.elastic.connection import FIRST_PATIENCE, Connection
from sightsound.stores.holding import Holding
from sightsound.stores.refusals import busy, this_process

DOCUMENT = "lock"
RENEWED_EVERY = 5.0
LEASE = 30.0
_PATIENCE = 0.5
_POLL = 0.2


@dataclass(frozen=True)
class Held:
    """A lock as it stands in the store, at a version of its document."""

    owner: Mapping[str, Any]
    version: tuple[int, int]

    @property
    def session(self) -> str:
        return str(self.owner.get("session", ""))

    @property
    def seems_dead(self) -> bool:
        """By our clock, which may not be the holder's."""
        return self.surely_dead or time.time() - float(self.owner.get("renewed", 0)) > LEASE

    @property
    def surely_dead(self) -> bool:
        """Its process was here, and is gone."""
        if self.owner.get("host") != socket.gethostname() or self.owner.get("boot") != _boot():
            return False
        try:
            os.kill(int(self.owner["pid"]), 0)
        except ProcessLookupError:
            return True
        except (OSError, KeyError, ValueError):
            return False
        return int(self.owner["pid"]) == os.getpid() and self.session not in _sessions


_sessions: set[str] = set()
"""Those that this process holds."""


class WriterLock:
    """Held by one process; within it, by all threads that use the same collection object.

    index: the alias of the items. taken_over: called with the session of a dead holder, once the lock is ours.
    """

    def __init__(
        self, connection: Connection, name: str, index: str, taken_over: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._connection, self._name, self._index = connection, name, index
        self._taken_over = taken_over
        self._holding = Holding()
        self._stop = threading.Event()
        self._renewer: threading.Thread | None = None
        self._version = (0, 0)
        self._renewed = 0.0
        self._lost = ""
        self._owner: dict[str, Any] = {}

    @property
    def is_held(self) -> bool:
        return self._holding.is_held

    @property
    def session(self) -> str:
        return str(self._owner.get("session", ""))

    def held(self, wait: bool = False) -> AbstractContextManager[None]:
        """Raises CollectionBusy where another holds it and `wait` is False."""
        return self._holding.within(lambda: self._acquire(wait), self._release)

    def note(self, **more: Any) -> None:
        """Keep something in the document, for whoever has to make up for us. The lock has to be held."""
        with self._holding.guard:
            self._owner |= more
            self._renew()

    def check(self) -> None:
        """Raises StoreError where the lock was lost: paused for long, and another took over."""
        if not self._lost and time.monotonic() - self._renewed > LEASE / 2:
            with self._holding.guard:
                self._renew()
        if self._lost:
            raise StoreError(self._lost)

    def look(self) -> Held | None:
        """Who holds the lock in the store."""
        try:
            found = self._connection.call(lambda client: client.get(index=self._index, id=DOCUMENT)).body
        except ApiError as error:
            if error.meta.status == 404 and "found" in (error.body if isinstance(error.body, dict) else {}):
                return None
            raise
        return Held(json.loads(found["_source"]["value"]), (found["_seq_no"], found["_primary_term"]))

    def _acquire(self, wait: bool) -> None:
        self._owner = {**this_process(), "boot": _boot(), "session": secrets.token_hex(8)}
        self._lost = ""
        asked = time.monotonic()
        seen_since: dict[tuple[int, int], float] = {}
        while True:
            with self._explaining():
                if self._take(None):
                    break
                held = self.look()
                if held is None:
                    continue
                first_seen = seen_since.setdefault(held.version, time.monotonic())
                # Clocks differ, so that one that seems dead is watched for a while before it is taken for dead.
                unmoved = time.monotonic() - first_seen > 2 * RENEWED_EVERY
                if held.session == self.session:
                    self._version = held.version
                    break
                if held.surely_dead or (unmoved and (held.seems_dead or time.monotonic() - first_seen > LEASE)):
                    if self._take(held.version):
                        _sessions.add(self.session)
                        self._start_renewing()
                        self._taken_over(held.owner)
                        return
                    continue
            if not wait and not held.seems_dead and time.monotonic() - asked > _PATIENCE:
                raise busy(self._name, held.owner) from None
            time.sleep(_POLL)
        _sessions.add(self.session)
        self._start_renewing()

    def _take(self, over: tuple[int, int] | None) -> bool:
        """Write our name: where there is none, or over this version of another's. False where it was too late."""
        self._owner["renewed"] = time.time()
        value = {"value": json.dumps(self._owner)}
        where: dict[str, Any] = {"op_type": "create"}
        if over is not None:
            where = {"if_seq_no": over[0], "if_primary_term": over[1]}

        def write(client: Elasticsearch) -> Any:
            return client.index(index=self._index, id=DOCUMENT, document=value, require_alias=True, **where).body

        try:
            done = self._connection.call(write)
        except ApiError as error:
            if error.meta.status == 409:
                return False
            raise
        self._version = (done["_seq_no"], done["_primary_term"])
        self._renewed = time.monotonic()
        return True

    def _start_renewing(self) -> None:
        self._stop = threading.Event()
        self._renewer = threading.Thread(target=self._keep_renewing, args=(self._stop,), daemon=True)
        self._renewer.start()

    def _keep_renewing(self, stop: threading.Event) -> None:
        while not stop.wait(RENEWED_EVERY):
            with self._holding.guard:
                if stop.is_set():
                    return
                self._renew()

    def _renew(self) -> None:
        """Say that we are alive. A cluster that does not answer is asked again by the next call."""
        try:
            if self._take(self._version):
                return
            held = self.look()
        except (StoreError, ApiError, TransportError):
            return
        if held and held.session == self.session:  # an answer of ours was lost on the way
            self._version = held.version
        else:
            by = busy(self._name, held.owner if held else {})
            self._lost = f"This run stood still for too long, and lost its hold on the collection. {by}"

    def _release(self) -> None:
        self._stop.set()
        _sessions.discard(self.session)
        seq_no, term = self._version
        # It may be another's by now, or the collection be gone; and a lease that nobody renews ends by itself.
        with suppress(StoreError, ApiError), self._connection.patient(FIRST_PATIENCE):
            self._connection.call(
                lambda client: client.delete(index=self._index, id=DOCUMENT, if_seq_no=seq_no, if_primary_term=term)
            )

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            with self._connection.explaining():
                yield
        except CollectionMissing:
            raise CollectionMissing(f"The collection '{self._name}' is gone; see: sightsound status") from None


def _boot() -> str:
    """Which run of which machine this is, and whose process ids: containers may share a host's name."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip() + str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
