"""How many connections one host gets at once from all reading processes on this machine: few."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from sightsound.config import cache_folder
from sightsound.wires import Clock

AT_ONCE = 6
"""Connections to one host, as browsers have it."""
ASK_EVERY = 0.02


@contextmanager
def turn(host: str, clock: Clock) -> Iterator[None]:
    """Hold one of the host's few places, waiting for it. Raises TimeoutError where the clock runs out."""
    folder = cache_folder() / "hosts"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(host.encode()).hexdigest()[:16]
    locks = [FileLock(folder / f"{name}.{number}") for number in range(AT_ONCE)]
    while True:
        for lock in random.sample(locks, len(locks)):
            try:
                with lock.acquire(timeout=0):
                    yield
                    return
            except Timeout:
                continue
        clock.left()
        time.sleep(ASK_EVERY)
