"""What processes that read media have in common: their limits, how they say that they get on, and why they ended."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from sightsound.errors import SightsoundError, explain

STARTS = 3
"""Processes that die before they are ready, one after the other, until it is given up: one may have been killed."""
NICE = 10
READY, GOT_ON = "ready", "got on"
SAY_EVERY = 1.0
"""Seconds between two messages of a child that it gets on."""


def confine(megabytes: float) -> None:
    """Limit this process to what it has and so much more, let it give way, and leave interrupts to its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit_memory(megabytes)
    _give_way()


def why(error: Exception, megabytes: float) -> str:
    """What to say of a file whose reading raised this, under this limit of memory."""
    if isinstance(error, MemoryError) or "failed to map segment" in str(error):  # what was to be imported
        return f"reading it takes more than {megabytes:.0f} MB of memory"
    if isinstance(error, SightsoundError):
        return str(error)
    if isinstance(error, OSError):
        return f"it can't be opened: {error.strerror}" if error.strerror else explain(error)
    return explain(error)  # whatever a hostile file brings out of a decoder


class Saying:
    """Says to the parent that the child gets on with its job, so that it is not taken to hang."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._said = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._said > SAY_EVERY:
            self._said = now
            self._connection.send(GOT_ON)


class AtIt:
    """How long a process is at something, without the time in which others had the processors: reading processes give
    way, and are not to be blamed for what a busy machine does not give them."""

    def __init__(self, pid: int | None) -> None:
        self._threads = Path(f"/proc/{pid}/task")
        self.begin()

    def begin(self) -> None:
        """It is at something new."""
        self._since = time.monotonic()
        self._before: dict[str, float] | None = None

    def longer_than(self, seconds: float) -> bool:
        """To be asked now and then: what it waited for is looked at when it took a while, which most things do not."""
        gone = time.monotonic() - self._since
        if self._before is None and gone > min(1.0, seconds / 4):
            self._before = self._waited()
        return gone > seconds and gone - self._delay() > seconds

    def _delay(self) -> float:
        """Seconds in which a thread of it, the one that waited most, could have run and did not."""
        before = self._before or {}
        return max((waited - before.get(thread, 0.0) for thread, waited in self._waited().items()), default=0.0)

    def _waited(self) -> dict[str, float]:
        """Of each thread, since it was started; nothing where the system does not tell."""
        found = {}
        with contextlib.suppress(OSError, ValueError, IndexError):  # the process may end meanwhile
            for thread in self._threads.iterdir():
                found[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
        return found


def too_slow(deadline: float, got_on: bool) -> str:
    return f"reading it {'got no further for' if got_on else 'took more than'} {deadline:.0f} seconds"


def died(process: BaseProcess) -> str:
    process.join(5)
    code = process.exitcode
    how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
    return f"the process that read it died ({how})"


def end(process: BaseProcess, connection: Connection) -> None:
    connection.close()
    if process.is_alive():
        process.kill()
    process.join(5)


def _limit_memory(megabytes: float) -> None:
    try:
        import resource
    except ImportError:  # Windows has none; the deadline still holds
        return
    try:
        now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # macOS has none
        now = 1 << 30
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (now + int(megabytes * 2**20),) * 2)


def _give_way() -> None:
    """Reading fills the time that encoding leaves: a model's threads wait for each other, so one that is held up by a
    reading process holds up all."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICE)
