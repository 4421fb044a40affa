"""One writer a collection: a lock file, and beside it who holds the lock."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import filelock

from sightsound.stores import refusals
from sightsound.stores.database import explained
from sightsound.stores.holding import Holding

_POLL_SECONDS = 0.05
# A search that mends a cache holds the lock for a moment: no reason to turn an indexer away.
_PATIENCE_SECONDS = 0.5


class IndexerLock:
    """Held by one process; within it, by all threads that use the same collection object.

    The operating system frees the lock when its holder dies; `indexer.json` left behind then means nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = filelock.FileLock(folder / "indexer.lock", thread_local=False)
        self._holding = Holding()

    @property
    def is_held(self) -> bool:
        return self._holding.is_held

    def held(self, wait: bool = False, patience: float = _PATIENCE_SECONDS) -> AbstractContextManager[None]:
        """Raises CollectionBusy where another holds it for `patience` seconds and `wait` is False."""
        return self._holding.within(lambda: self._acquire(-1 if wait else patience), self._release)

    def _acquire(self, timeout: float) -> None:
        with explained(self._folder / "indexer.lock"):
            try:
                self._lock.acquire(timeout=timeout, poll_interval=_POLL_SECONDS)
            except filelock.Timeout:
                raise refusals.busy(self._folder.name, self._owner()) from None
        # A full disk may not stop a removal: the name of the holder is a courtesy.
        with suppress(OSError):
            (self._folder / "indexer.json").write_text(json.dumps(refusals.this_process()))

    def _release(self) -> None:
        with suppress(OSError):
            (self._folder / "indexer.json").unlink(missing_ok=True)
        self._lock.release()

    def _owner(self) -> dict[str, Any]:
        """Who holds the lock, as far as it can be told."""
        try:
            owner = json.loads((self._folder / "indexer.json").read_text())
        except (OSError, ValueError):
            return {}
        return owner if isinstance(owner, dict) else {}
