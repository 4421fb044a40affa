"""How much a client may ask for: a token bucket each."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CLIENTS = 10_000
"""Clients that are remembered; whoever was heard of least recently is forgotten first."""


class Buckets:
    """rate: requests a second, 0 for any number. burst: what a bucket holds, and has at first."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, client: str, cost: float) -> int:
        """Take from the client's bucket. Returns 0, or in how many seconds it would be full enough."""
        if not self._rate or not cost:
            return 0
        with self._guard:
            now = self._now()
            left, since = self._left.pop(client, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            cost = min(cost, self._burst)
            enough = left >= cost
            self._left[client] = (left - cost if enough else left, now)
            if len(self._left) > MOST_CLIENTS:
                self._left.popitem(last=False)
        return 0 if enough else max(1, math.ceil((cost - left) / self._rate))
