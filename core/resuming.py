"""How far a run has come with a listing that goes on from cursors: up to where everything is done."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from sightsound.sources import Source
from sightsound.stores.base import Collection

STATE = "cursor:"
"""The collection's state that keeps a source's cursor: this, and the source's name."""


@dataclass
class _Page:
    cursor: str | None
    waiting: int = 0


class Resuming:
    """Keeps the cursor of the first page that is not wholly done; None where a listing is at its start or ended.

    Items are listed in one thread and done in another.
    """

    def __init__(self, collection: Collection, source: Source) -> None:
        self._collection = collection
        self._key = STATE + source.name
        self.kept = source.cursor is not None
        self.start: str | None = collection.state(self._key) if self.kept else None
        self._saved = self.start
        self._pages: deque[_Page] = deque([_Page(self.start)])
        self._page_of: dict[str, _Page] = {}
        self._lock = threading.Lock()

    def listed(self, uri: str, cursor: str | None) -> None:
        """An item was listed, on the page that the cursor leads to."""
        if not self.kept:
            return
        with self._lock:
            if self._pages[-1].cursor != (cursor or None):
                self._pages.append(_Page(cursor or None))
            if uri not in self._page_of:
                self._page_of[uri] = self._pages[-1]
                self._pages[-1].waiting += 1

    def ended(self, cursor: str | None) -> None:
        """The listing ended: for good (None), or to go on from a cursor."""
        if self.kept:
            with self._lock:
                self._pages.append(_Page(cursor))

    def done(self, uri: str) -> None:
        """An item is written, failed, or needs nothing."""
        with self._lock:
            page = self._page_of.pop(uri, None)
            if page:
                page.waiting -= 1

    def save(self) -> None:
        """Keep the cursor, where it got on."""
        if not self.kept:
            return
        with self._lock:
            while len(self._pages) > 1 and not self._pages[0].waiting:
                self._pages.popleft()
            cursor: Any = self._pages[0].cursor
        if cursor != self._saved:
            self._collection.set_state(self._key, cursor)
            self._saved = cursor
