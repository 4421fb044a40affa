"""The facets of the whole collection, for the first page: kept for a while, since all items are counted for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sightsound.facets import Counts

SHARE = 20
"""They are kept for so many times as long as counting took: it takes a twentieth of the time at most."""
MOST_KEPT = 60.0
"""Seconds."""


class WholeCounts:
    """count: counts anew. Methods may be called from any thread."""

    def __init__(self, count: Callable[[], Counts]) -> None:
        self._count = count
        self._counting = threading.Lock()
        self._counts: Counts | None = None
        self._until = 0.0

    def now(self) -> Counts:
        """The counts, or those of a moment ago while another request counts anew. Raises what counting raises."""
        known = self._counts
        if known is None:
            self._counting.acquire()
        elif time.monotonic() < self._until or not self._counting.acquire(blocking=False):
            return known
        try:
            began = time.monotonic()
            if self._counts is None or began >= self._until:
                self._counts = self._count()
                ended = time.monotonic()
                self._until = ended + min(SHARE * (ended - began), MOST_KEPT)
            return self._counts
        finally:
            self._counting.release()
