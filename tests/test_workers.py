"""Reading processes that go while others get on."""

from __future__ import annotations

import multiprocessing as mp
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from conftest import PHOTOS

from sightsound import Item, Piece
from sightsound.jobs import Equipment, Failed, Job, Read
from sightsound.media import Wanted
from sightsound.opening import open_source
from sightsound.registry import registry
from sightsound.types import ImageInput
from sightsound.workers import Workers


def test_processes_that_die_between_two_files_cost_at_most_the_one_they_were_at() -> None:
    source = open_source(registry(), str(PHOTOS), {}).source
    items = list(source.items(None))[:5]
    readers = tuple(entry.thing for entry in registry().readers)
    equipment = Equipment(source, readers, (), Wanted(ImageInput(64)), 2048)
    first_came = threading.Event()

    def tasks() -> Iterator[tuple[Any, Job]]:
        yield from ((item, Job(item)) for item in items[:2])
        assert first_came.wait(60)
        for child in mp.active_children():
            child.kill()
            child.join(10)
        yield from ((item, Job(item)) for item in items[2:])

    read: list[str] = []
    failed: list[str] = []
    with Workers(equipment, 1, 60) as workers:
        for item, result in workers.run(tasks()):
            (read if isinstance(result, Read) else failed).append(item.uri)
            first_came.set()
    assert sorted(read + failed) == sorted(item.uri for item in items)
    assert failed in ([], [items[1].uri])


CPU_SECONDS = 0.4
"""What reading takes of a processor."""
DEADLINE = 2.0


class Working:
    """Works, or sleeps, until so much of the processor's time, or of the clock's, is gone."""

    def __init__(self, sleeps: bool) -> None:
        self._sleeps = sleeps

    def reads(self, item: Item) -> bool:
        return True

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece]:
        until = time.process_time() + CPU_SECONDS
        while item.uri.endswith("cat.jpg") and time.process_time() < until:
            if self._sleeps:
                time.sleep(60)
        yield Piece("photo", "image", np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("sleeps", [False, True])
def test_a_process_is_not_blamed_for_what_a_busy_machine_does_not_give_it(sleeps: bool) -> None:
    """It gives way to two others on one core, so that it gets a twentieth of it; but where it sleeps, it is ended."""
    source = open_source(registry(), str(PHOTOS), {}).source
    items = {Path(item.uri).name: item for item in source.items(None)}
    names, last = ("africa.jpg", "alpaca.jpg"), items["cat.jpg"]
    equipment = Equipment(source, (Working(sleeps),), (), Wanted(ImageInput(64)), 2048)
    first_came = threading.Event()
    busy: list[subprocess.Popen[bytes]] = []

    def tasks() -> Iterator[tuple[Any, Job]]:
        yield from ((name, Job(items[name])) for name in names)
        assert first_came.wait(60)
        busy.extend(subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2))
        for pid in (*(one.pid for one in busy), *(child.pid for child in mp.active_children())):
            assert pid is not None
            os.sched_setaffinity(pid, {0})
        yield "cat.jpg", Job(last)

    results = {}
    begun = time.monotonic()
    try:
        with Workers(equipment, 1, DEADLINE) as workers:
            for name, result in workers.run(tasks()):
                results[name] = result
                first_came.set()
    finally:
        for one in busy:
            one.kill()
            one.wait()
    if sleeps:
        assert results["cat.jpg"] == Failed("reading it took more than 2 seconds")
    else:
        assert isinstance(results["cat.jpg"], Read)
        assert time.monotonic() - begun > DEADLINE, "the test is of something else"
