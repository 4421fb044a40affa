"""A queue between two threads that is bounded by what its contents weigh, not only by their number."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any


class Waiting:
    """First in, first out. most: how many may wait. weight: what they may weigh together; one alone always may."""

    def __init__(self, most: int, weight: int) -> None:
        self._most = most
        self._weight = weight
        self._waiting: deque[tuple[Any, int]] = deque()
        self._held = 0
        self._changed = threading.Condition()

    def put(self, thing: Any, weight: int, timeout: float) -> bool:
        """Put it in as soon as there is room; False where there is none after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(weight), timeout):
                return False
            self._waiting.append((thing, weight))
            self._held += weight
            self._changed.notify_all()
            return True

    def get(self) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            thing, weight = self._waiting.popleft()
            self._held -= weight
            self._changed.notify_all()
            return thing

    def _has_room(self, weight: int) -> bool:
        return not self._waiting or (len(self._waiting) < self._most and self._held + weight <= self._weight)
