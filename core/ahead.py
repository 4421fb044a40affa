"""Fetching ahead: a reading process opens the next items while it reads one, where their source is far away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import BinaryIO

from sightsound.jobs import Job
from sightsound.sources import Source

Opened = Callable[[], BinaryIO]
"""Gives an item's bytes, or raises what opening it raised."""


def jobs(connection: Connection, source: Source) -> Iterator[tuple[Job, Opened]]:
    """The jobs that come through the connection, each with its bytes, until it ends (EOFError, OSError).

    Up to `source.ahead` items are opened at once, in threads; none of a source that says 0.
    """
    pool = ThreadPoolExecutor(source.ahead, "fetching") if source.ahead else None
    waiting: deque[tuple[Job, Opened]] = deque()
    while True:
        while not waiting or (pool and connection.poll()):
            waiting.append(_taken(connection.recv(), source, pool))
        yield waiting.popleft()


def _taken(job: Job, source: Source, pool: ThreadPoolExecutor | None) -> tuple[Job, Opened]:
    return job, pool.submit(source.open, job.item).result if pool else lambda: source.open(job.item)
