"""Reading processes that go while others get on."""

from __future__ import annotations

import multiprocessing as mp
import threading
from collections.abc import Iterator
from typing import Any

from conftest import PHOTOS

from sightsound.jobs import Equipment, Job, Read
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
