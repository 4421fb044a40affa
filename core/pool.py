"""Reading processes that stay, for a server: jobs come from many threads, one at a time, and each gets its answer.

`workers.py` streams a whole source through its processes; here single jobs of any source are done on demand. Both
decode in the same way, under the same limits: a crash, a hang or a bomb costs that job, and nothing else.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sightsound.children import GOT_ON, READY, STARTS, AtIt, Saying, confine, died, end, too_slow, why
from sightsound.errors import Busy, MediaError, MediaGone
from sightsound.turns import Turns

Work = Callable[[Callable[[], None]], Any]
"""What a process does: a picklable, importable thing, called with what it calls whenever it gets on."""
Do = Callable[[Work], Any]
"""Has work done in a process. Raises MediaError where it can't be, MediaGone where what it reads is there no more."""
Job = Callable[[Do], Any]
"""What a thread of the pool does beside its process: it has work done, and keeps what comes of it."""
LIFE = 500
"""Jobs after which a process is replaced by a new one, since libraries leak."""
DONE = 0
GONE = "its file is gone"


@dataclass(frozen=True)
class Limits:
    """Of one process. deadline: seconds that a job may take without getting on. most: seconds that it may take in all.
    memory: megabytes that it may take on top of what the process has when it starts."""

    deadline: float
    memory: float
    most: float = float("inf")


class Pool:
    """Processes that read on demand. Each is started when there is something to do; `close` ends them all.

    processes: how many. waiting: jobs that may wait, half of them of one client; one more raises Busy.
    """

    def __init__(self, processes: int, waiting: int, limits: Limits) -> None:
        self._count = processes
        self._limits = limits
        self._jobs: Turns[tuple[str, Job, Future[Any]]] = Turns(waiting, (waiting + 1) // 2)
        self._under_way: dict[str, Future[Any]] = {}
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []

    def submit(self, key: str, job: Job, client: str = "") -> Future[Any]:
        """Have a job done; it goes on though nobody waits. A job whose key is under way is not begun again: all who ask
        get its answer. The future raises what the job raises. Raises Busy where too much waits.

        client: who asks. Those who wait are served in turn, one job each.
        """
        with self._guard:
            if self._closing.is_set():
                raise Busy("The site is being stopped")
            if key in self._under_way:
                return self._under_way[key]
            future: Future[Any] = Future()
            if not self._jobs.put(client, (key, job, future)):
                raise Busy("Too much is being made ready to be shown; come again in a moment")
            self._under_way[key] = future
            if len(self._threads) < self._count:
                self._threads.append(threading.Thread(target=self._serve, name="previews", daemon=True))
                self._threads[-1].start()
            return future

    def close(self) -> None:
        """End all processes; what was under way or waited raises Busy."""
        with self._guard:
            self._closing.set()
        for _, _, future in self._jobs.end():
            future.set_exception(Busy("The site is being stopped"))
        for thread in self._threads:
            thread.join(30)

    def _serve(self) -> None:
        """One thread for one process."""
        child = _Child(self._limits, self._closing)
        try:
            while not self._closing.is_set() and (taken := self._jobs.get()) is not None:
                key, job, future = taken
                try:
                    future.set_result(job(child.do))
                except Exception as error:
                    future.set_exception(error)
                with self._guard:
                    del self._under_way[key]
        finally:
            child.end()


class _Child:
    """One process, begun anew whenever it died."""

    def __init__(self, limits: Limits, closing: threading.Event) -> None:
        self._limits = limits
        self._closing = closing
        self._process: Any = None
        self._connection: Any = None
        self._jobs = 0

    def do(self, work: Work) -> Any:
        """The answer. Raises MediaError, and Busy where the pool is closed meanwhile."""
        message = pickle.dumps(work)
        if self._jobs >= LIFE or (self._process is not None and not self._process.is_alive()):
            self.end()
        self._start()
        self._jobs += 1
        try:
            self._connection.send_bytes(message)
            status, answer = self._answer()
        except (OSError, EOFError, pickle.UnpicklingError):
            reason = died(self._process)
            self.end()
            raise MediaError(reason) from None
        if status == DONE:
            return answer
        raise MediaGone(answer) if status == MediaGone.status else MediaError(answer)

    def _start(self) -> None:
        tries = 0
        while self._process is None:
            context = mp.get_context("spawn")
            self._connection, theirs = context.Pipe()
            process = context.Process(target=_child, args=(theirs, self._limits.memory), daemon=True)
            process.start()
            self._process = process
            theirs.close()
            try:
                self._connection.recv()  # that it is ready
            except (OSError, EOFError):
                reason = died(self._process)
                self.end()
                tries += 1
                if tries == STARTS:
                    raise MediaError(f"Reading processes can't start: {reason}. See: sightsound doctor") from None

    def _answer(self) -> tuple[int, Any]:
        begun, got_on = time.monotonic(), False
        at_it = AtIt(self._process.pid)
        while not self._closing.is_set():
            if self._connection.poll(0.2):
                message = self._connection.recv()
                if message != GOT_ON:
                    status, answer = message
                    return status, answer
                at_it.begin()
                got_on = True
            if at_it.longer_than(self._limits.deadline):
                self.end()
                return MediaError.status, too_slow(self._limits.deadline, got_on)
            if time.monotonic() - begun > self._limits.most:
                self.end()
                return MediaError.status, f"it takes more than {self._limits.most / 60:g} minutes"
        self.end()
        raise Busy("The site is being stopped")

    def end(self) -> None:
        if self._process is not None:
            end(self._process, self._connection)
        self._process, self._jobs = None, 0


def _child(connection: Connection, memory: float) -> None:
    confine(memory)
    connection.send(READY)
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(_done(connection.recv_bytes(), Saying(connection), memory))


def _done(message: bytes, got_on: Callable[[], None], memory: float) -> tuple[int, Any]:
    """(DONE, what the work gives), or the HTTP status and the words of what it raised."""
    try:
        return DONE, pickle.loads(message)(got_on)
    except (FileNotFoundError, NotADirectoryError):
        return MediaGone.status, GONE
    except Exception as error:
        gone = getattr(error, "status", 0) in (404, MediaGone.status)
        return MediaGone.status if gone else MediaError.status, why(error, memory)
