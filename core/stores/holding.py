"""A lock that a process holds once, however many of its threads and calls are within it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Holding:
    """Takes a lock for the first that comes in, and frees it after the last that leaves.

    guard: held while the lock is taken or freed; for whatever may not run meanwhile.
    """

    def __init__(self) -> None:
        self.guard = threading.RLock()
        self._depth = 0

    @property
    def is_held(self) -> bool:
        return self._depth > 0

    @contextmanager
    def within(self, take: Callable[[], None], free: Callable[[], None]) -> Iterator[None]:
        """Raises what `take` raises; then nothing is held."""
        with self.guard:
            if self._depth == 0:
                take()
            self._depth += 1
        try:
            yield
        finally:
            with self.guard:
                self._depth -= 1
                if self._depth == 0:
                    free()
