"""Reading media in child processes: a crash, a hang or a bomb costs that file, and nothing else.

One thread of the parent feeds the children and collects what they made; the caller takes results from a bounded
queue, so that nothing piles up. A long item's reading comes in parts, as far as the caller takes them.
"""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from sightsound.ahead import Opened, jobs
from sightsound.children import GOT_ON, READY, STARTS, AtIt, Saying, confine, died, end, too_slow, why
from sightsound.config import number
from sightsound.errors import MediaError, PluginError
from sightsound.jobs import LONG, Equipment, Failed, Job, Read, read_item
from sightsound.media import load
from sightsound.waiting import Waiting

AHEAD = 2
"""Jobs given to a child at once, so that it need not wait for the parent between two files; more, where it fetches the
next ones while it reads one."""
QUEUE = 64
"""Results that may wait for the caller."""
QUEUE_BYTES = 64 << 20
"""What they may take of memory."""
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def _child(connection: Connection, equipment: Equipment) -> None:
    for reader in equipment.readers:
        load(reader)
    confine(equipment.memory)
    connection.send(READY)
    with contextlib.suppress(EOFError, OSError):
        for job, opened in jobs(connection, equipment.source):
            for result in _results(job, equipment, Saying(connection), opened):
                connection.send(result)


def _results(job: Job, equipment: Equipment, got_on: Callable[[], None], opened: Opened) -> Iterator[Read | Failed]:
    """What a job comes to: its parts, or at any point that it failed."""
    try:
        yield from read_item(job, equipment, got_on, opened)
    except Exception as error:
        yield Failed(why(error, equipment.memory))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """What is started here does its matrix products in one thread, unless the user said how many: reading processes
    are as many as cores."""
    unset = [name for name in BLAS_THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, "1"))
    try:
        yield
    finally:
        for name in unset:
            os.environ.pop(name, None)


class _Worker:
    """One child process with the jobs it was given, oldest first."""

    def __init__(self, context: Any, equipment: Equipment) -> None:
        self._enough = max(AHEAD, equipment.source.ahead + 1)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_child, args=(theirs, equipment), daemon=True)
        with _one_thread():
            self.process.start()
        theirs.close()
        self.ready = False
        self.jobs: deque[tuple[Any, Job]] = deque()
        self.at_it = AtIt(self.process.pid)
        self.got_on = False
        self.gone = False

    @property
    def has_enough(self) -> bool:
        """Nothing waits behind an item that may take long, while another child is free."""
        return self.gone or len(self.jobs) >= self._enough or any(job.item.kind in LONG for _, job in self.jobs)

    def give(self, task: Any, job: Job) -> None:
        if not self.jobs:
            self.at_it.begin()
        self.connection.send(job)
        self.jobs.append((task, job))

    def kill(self) -> None:
        end(self.process, self.connection)


class Workers:
    """A pool of reading processes. Use it as a context manager: leaving it ends them all.

    processes: how many. deadline: seconds that a file may take without getting on, but for those in which its process
    waits for a processor. A photograph gets on when it is read; a film or a sound whenever the file is read from or a
    part of it is done.
    """

    def __init__(self, equipment: Equipment, processes: int, deadline: float) -> None:
        self._equipment = equipment
        self._deadline = deadline
        self._context = mp.get_context("spawn")
        self._results = Waiting(QUEUE, QUEUE_BYTES)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._count = processes
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        if self._thread:
            self._thread.join()
        for worker in self._workers:
            worker.kill()

    def run(self, tasks: Iterable[tuple[Any, Job | None]]) -> Iterator[tuple[Any, Read | Failed | None]]:
        """Read every task's job; results come as they are ready, in no set order, an item's parts in theirs.

        tasks: (anything, its job); a task without a job is passed on with None. Consumed in another thread.
        Raises what `tasks` raises, after the results that came before it.
        """
        self._thread = threading.Thread(target=self._collect, args=(iter(tasks),), name="reading", daemon=True)
        self._thread.start()
        while True:
            result = self._results.get()
            if result is None:
                return
            if isinstance(result, BaseException):
                raise result
            yield result

    def _collect(self, tasks: Iterator[tuple[Any, Job | None]]) -> None:
        ended: BaseException | None = None
        try:
            self._feed(tasks)
        except BaseException as error:  # handed to the caller, who raises it
            ended = error
        self._put(ended)

    def _feed(self, tasks: Iterator[tuple[Any, Job | None]]) -> None:
        again: deque[tuple[Any, Job]] = deque()
        more, failure = True, None
        while self._equipment.source.ahead and len(self._workers) < self._count:
            self._start()  # while the first of what lies far away is listed
        while not self._stopping.is_set():
            while more and not again and (worker := self._free()) is not None:
                try:
                    task, job = next(tasks)
                except StopIteration:
                    more = False
                except Exception as error:
                    more, failure = False, error
                else:
                    if job is None:
                        self._put((task, None))
                    else:
                        self._give(worker, task, job, again)
                if self._stopping.is_set():
                    return
            while again and (worker := self._free()) is not None:
                self._give(worker, *again.popleft(), again)
            busy = [worker for worker in self._workers if worker.jobs or worker.gone]
            if not busy and not again and not more:
                break
            self._receive(busy, again)
        if failure:
            raise failure

    def _free(self) -> _Worker | None:
        """The worker with the fewest jobs, or None where all have enough."""
        if len(self._workers) < self._count:
            return self._start()
        least = min(self._workers, key=lambda worker: (worker.has_enough, len(worker.jobs)))
        return None if least.has_enough else least

    def _start(self) -> _Worker:
        self._workers.append(_Worker(self._context, self._equipment))
        return self._workers[-1]

    def _give(self, worker: _Worker, task: Any, job: Job, again: deque[tuple[Any, Job]]) -> None:
        try:
            worker.give(task, job)
        except OSError:  # it died since it was last heard of; what it had read by then is still to be received
            worker.gone = True
            again.append((task, job))

    def _receive(self, busy: list[_Worker], again: deque[tuple[Any, Job]]) -> None:
        ready = wait([worker.connection for worker in busy], timeout=0.2)
        for worker in busy:
            if worker.connection in ready:
                try:
                    message = worker.connection.recv_bytes()
                    result = pickle.loads(message)
                except Exception:  # the child is gone, perhaps in the middle of a message
                    self._bury(worker, again, died(worker.process))
                    continue
                self._take(worker, result, len(message))
            elif worker.at_it.longer_than(self._deadline) and not worker.connection.poll():
                self._bury(worker, again, too_slow(self._deadline, worker.got_on))

    def _take(self, worker: _Worker, result: Any, size: int) -> None:
        if result == READY:
            worker.ready = True
            self._failed_starts = 0
        elif result == GOT_ON:
            worker.got_on = True
        elif isinstance(result, Read) and not result.last:
            worker.got_on = True
            self._put((worker.jobs[0][0], result), size)
        else:
            worker.got_on = False
            self._put((worker.jobs.popleft()[0], result), size)
        worker.at_it.begin()

    def _bury(self, worker: _Worker, again: deque[tuple[Any, Job]], reason: str) -> None:
        """End a worker; the file it was at fails, what else it had goes to others."""
        worker.kill()
        self._workers.remove(worker)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == STARTS:
                raise PluginError(f"Reading processes can't start: {reason}. See: sightsound doctor")
        elif worker.jobs:
            self._put((worker.jobs.popleft()[0], Failed(reason)))
        again.extend(worker.jobs)

    def _put(self, result: Any, size: int = 0) -> None:
        while not self._stopping.is_set() and not self._results.put(result, size, timeout=0.2):
            pass


def read_alone(equipment: Equipment, job: Job) -> Iterator[Read]:
    """One item's parts, read in a child of its own. Raises MediaError where it can't be read."""
    with Workers(equipment, 1, number("deadline")) as workers:
        for _, result in workers.run([(None, job)]):
            if isinstance(result, Failed):
                raise MediaError(result.reason)
            if result is not None:
                yield result
