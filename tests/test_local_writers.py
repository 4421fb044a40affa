"""The local store with several processes and threads at it, killed writers, and collections that are switched."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import pytest
from local_store import start

from sightsound.errors import CollectionBusy
from sightsound.stores.base import Collection
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import GREEN, RED, entry, found, item, parse

pytest_plugins = ("local_store",)


# Several processes and threads


def test_a_second_writer_is_refused_with_the_first_ones_name(store: LocalStore, collection: Collection) -> None:
    script = """
collection = LocalStore(sys.argv[1]).open("default")
with collection.writing():
    print("held", os.getpid(), flush=True)
    time.sleep(float(sys.argv[2]))
"""
    holder = start(script, store.location, 60)
    assert holder.stdout and holder.stdout.readline().startswith("held")
    said = rf"'default' is being indexed by process {holder.pid} on host \S+ since \d\d:\d\d:\d\d; add --wait"
    with pytest.raises(CollectionBusy, match=said), collection.writing():
        pass
    with pytest.raises(CollectionBusy):
        collection.put([entry(item("a.jpg"), RED)])
    with pytest.raises(CollectionBusy):
        store.drop("default")
    assert collection.count() == 0
    holder.kill()
    holder.communicate()
    with collection.writing():
        collection.put([entry(item("a.jpg"), RED)])


def test_a_writer_can_wait_for_another(store: LocalStore, collection: Collection) -> None:
    script = """
collection = LocalStore(sys.argv[1]).open("default")
with collection.writing():
    print("held", flush=True)
    time.sleep(0.5)
    collection.set_state("order", "first")
"""
    holder = start(script, store.location)
    assert holder.stdout and holder.stdout.readline().startswith("held")
    with collection.writing(wait=True):
        assert collection.state("order") == "first"
    holder.communicate()


WRITER = """
collection = LocalStore(sys.argv[1]).open("default", create=True)
log = open(sys.argv[2], "a")
number = int(sys.argv[3])
with collection.writing(wait=True):
    print("writing", flush=True)
    while True:
        batch = [whole(f"{number + n}.jpg", number + n) for n in range(20)]
        collection.put(batch)
        film = item(f"{number}.mp4", "film")
        collection.put([entry(film, RED, GREEN)], last=False)
        collection.put([entry(film, RED, first=2)])
        print(*(e.item.id for e in batch), film.id, file=log, flush=True)
        os.fsync(log.fileno())
        number += 20
"""


def test_readers_see_whole_items_only_and_never_fewer(
    store: LocalStore, collection: Collection, tmp_path: Path
) -> None:
    writer = start(WRITER, store.location, tmp_path / "log", 0)
    assert writer.stdout and writer.stdout.readline()
    seen, rounds, deadline = 0, 0, time.monotonic() + 4
    while time.monotonic() < deadline:
        photos = found(collection, RED, 200)
        films = found(collection, RED, 200, kind="frame")
        now = collection.count()
        assert now >= seen >= 0
        seen, rounds = now, rounds + 1
        segments = collection.segments([*photos, *films])
        assert all(len(segments[id]) == 2 for id in photos) and all(len(segments[id]) == 3 for id in films)
        assert len(set(photos)) == len(photos)
        items = list(collection.scan())
        assert len({one.id for one in items}) == len(items) >= now and all(one.state == "ok" for one in items)
    writer.kill()
    writer.communicate()
    assert seen > 100 and rounds > 5


def test_killed_at_any_moment_nothing_acknowledged_is_lost(store: LocalStore, tmp_path: Path) -> None:
    moments, log = random.Random(20), tmp_path / "log"
    log.touch()
    for round_ in range(20):
        # The last numbers of the round before are written again.
        writer = start(WRITER, store.location, log, max(0, 20 * len(log.read_text().splitlines()) - 40))
        assert writer.stdout and writer.stdout.readline(), writer.stderr and writer.stderr.read()
        time.sleep(moments.uniform(0, 0.25))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        if round_ % 5 == 4:
            _holds_what_was_acknowledged(store, log)


def _holds_what_was_acknowledged(store: LocalStore, log: Path) -> None:
    acknowledged = {id for line in log.read_text().splitlines() for id in line.split()}
    collection = store.open("default")
    items = {one.id: one for one in collection.scan()}
    assert acknowledged <= items.keys()
    segments = collection.segments(items)
    for id, one in items.items():
        assert len(segments[id]) == (3 if one.kind == "film" else 2)
        ids = [segment.id for segment in segments[id]]
        assert sorted(collection.vectors("colour", ids)) == sorted(ids)
    photos, films = collection.count(parse("kind=photo")), collection.count(parse("kind=film"))
    counts = {("colour", "photo"): photos, ("colour", "title"): photos, ("colour", "frame"): 3 * films}
    assert collection.counts() == {key: count for key, count in counts.items() if count}
    assert len(found(collection, RED, 10 * photos)) == photos
    assert all(line.startswith("mended: ") for line in collection.check())
    collection.close()


def test_threads_share_a_collection(store: LocalStore, collection: Collection) -> None:
    collection.put([entry(item("first.jpg", title="sea"), RED)])
    faults: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(60):
                assert item("first.jpg").id in found(collection, RED, 300)
                assert collection.text("sea", 3) and collection.count() >= 1
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    with collection.writing():
        for n in range(100):
            collection.put([entry(item(f"{n}.jpg"), GREEN)])
    for thread in threads:
        thread.join()
    assert faults == [] and collection.count() == 101


# Switching


def test_searches_never_fail_while_a_collection_is_switched(store: LocalStore) -> None:
    store.open("default", create=True).close()
    stop, faults = threading.Event(), list[BaseException]()

    def search() -> None:
        try:
            while not stop.is_set():
                collection = store.open("default")
                found(collection, RED)
                collection.close()
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=search)
    thread.start()
    for n in range(20):
        built = store.open("built", create=True)
        built.put([entry(item(f"{n}.jpg"), RED)])
        built.close()
        store.switch("built", "default")
    stop.set()
    thread.join()
    assert faults == []
    collection = store.open("default")
    assert found(collection, RED) == [item("19.jpg").id]
    collection.close()
    assert store.collections() == ["default"]


def test_an_open_collection_follows_a_switch(store: LocalStore) -> None:
    old, new = store.open("default", create=True), store.open("new", create=True)
    old.put([entry(item("old.jpg"), RED)])
    new.put([entry(item("new.jpg"), RED)])
    assert found(old, RED) == [item("old.jpg").id]
    new.close()
    store.switch("new", "default")
    assert found(old, RED) == [item("new.jpg").id]
    old.close()
    collection = store.open("default")
    assert collection.check() == [] and collection.count() == 1
    collection.close()


def test_a_switch_that_was_cut_off_is_ended_by_the_next_opening(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("default", "built"):
        collection = store.open(name, create=True)
        collection.put([entry(item(f"{name}.jpg"), RED)])
        collection.close()

    def cut_off(new: Path, old: Path) -> None:
        old.rename(store._trash(old.name))
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_move", cut_off)
    with pytest.raises(KeyboardInterrupt):
        store.switch("built", "default")
    after = LocalStore(store.location).open("default")
    assert found(after, RED) == [item("built.jpg").id]
    after.close()
    store.open("other", create=True).close()
    assert not list(Path(store.location).glob(".trash-*"))
