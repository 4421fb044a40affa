"""The local store: the contract, and what only files on a disk can suffer."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightsound.errors import CollectionBusy, NewerSchema, StoreError
from sightsound.stores import open_local
from sightsound.stores.base import Collection
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import GREEN, RED, StoreContract, entry, found, item, parse
from sightsound.types import Segment, Vectors

# What the other processes of these tests begin with: `collection` in the store that they are given.
PREAMBLE = """
import os, sys, time

import numpy as np
from pathlib import Path
from sightsound.errors import *
from sightsound.stores.base import Entry
from sightsound.stores.local import LocalStore
from sightsound.types import Segment
from sightsound.testing.stores import RED, GREEN, entry, found, item, parse

def whole(name, number):
    "A photo with a title: two segments, two vectors."
    one = item(name, title=f"photo {number}")
    photo, title = Segment(one.id, "photo"), Segment(one.id, "title", text=name)
    return Entry(one, [photo, title], {"colour": {photo.id: RED, title.id: GREEN}})
"""


def start(script: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", PREAMBLE + script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(script: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
    process = start(script, *arguments, before=before)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return out


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(str(tmp_path / "store"), create=True)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "store"), create=True)


@pytest.fixture
def collection(store: LocalStore) -> Iterator[Collection]:
    collection = store.open("default", create=True)
    yield collection
    collection.close()


def folder_of(store: LocalStore, name: str = "default") -> Path:
    return Path(store.location) / name


def cache_of(store: LocalStore) -> Path:
    return folder_of(store) / "colour.photo.vectors"


def spread(n: int) -> list[Vectors]:
    """n vectors in the plane of red and green, from red to green."""
    return [np.array([np.cos(a), np.sin(a), 0, 0], np.float32) for a in np.linspace(0, np.pi / 2, n)]


def test_locations_with_a_scheme_are_not_for_this_store(tmp_path: Path) -> None:
    assert open_local("https://elastic:9200", create=False) is None
    assert isinstance(open_local(str(tmp_path), create=False), LocalStore)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file"):
        LocalStore(str(tmp_path / "file"))


def test_a_closed_collection_is_one_database_file(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg"), RED)])
    collection.close()
    assert not list(folder_of(store).glob("collection.sqlite-*"))


# The scan cache


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 3)


def _into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x5A
    path.write_bytes(data)


def _of_another_generation(path: Path) -> None:
    with sqlite3.connect(path.parent / "collection.sqlite") as database:
        database.execute("UPDATE shelves SET generation = generation + 1")
    database.close()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "deleted": Path.unlink,
    "cut short": _truncate,
    "empty": lambda path: path.write_bytes(b""),
    "a byte of the header": lambda path: _flip(path, 20),
    "a byte of a vector": lambda path: _flip(path, 4096 + 9),
    "a byte of the keys": lambda path: _flip(next(path.parent.glob("*.rows")), 3),
    "keys deleted": lambda path: next(path.parent.glob("*.rows")).unlink(),
    "keys cut short": lambda path: _truncate(next(path.parent.glob("*.rows"))),
    "another generation": _of_another_generation,
    "something else": lambda path: path.write_bytes(os.urandom(9000)),
    "a folder": _into_a_folder,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_costs_no_result(store: LocalStore, damage: str) -> None:
    items = [item(f"{n}.jpg") for n in range(40)]
    with_cache = store.open("default", create=True)
    with_cache.put([entry(one, vector) for one, vector in zip(items, spread(40), strict=True)])
    with_cache.close()
    DAMAGE[damage](cache_of(store))
    collection = store.open("default")
    assert found(collection, RED, 40) == [one.id for one in items]
    extra = item("extra.jpg")
    collection.put([entry(extra, -RED)])
    assert found(collection, RED, 41) == [*(one.id for one in items), extra.id]
    lines = collection.check()
    if damage != "a folder":
        assert all(line.startswith("mended: ") for line in lines), lines
        assert collection.check() == []
    assert found(collection, RED, 41) == [*(one.id for one in items), extra.id]
    collection.close()


def test_check_finds_what_a_search_can_not_see(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg", title="sea"), RED), entry(item("b.jpg"), RED)])
    collection.close()
    with sqlite3.connect(folder_of(store) / "collection.sqlite") as database:
        database.execute("DELETE FROM segments WHERE rowid = 1")
        database.execute("UPDATE vectors SET vector = zeroblob(8) WHERE rowid = 2")
        database.execute("DELETE FROM passages")
        database.execute("INSERT INTO words VALUES ('tag', 'x', 99, 'x')")
    database.close()
    (folder_of(store) / "gone.photo.vectors").write_bytes(b"left")
    collection = store.open("default")
    found_lines = "\n".join(collection.check())
    for expected in (
        "broken: row",
        "hangs on a missing row of items",
        "1 items have no segments",
        "vectors of colour, photo, are not whole",
        "mended: the text index",
        "mended: the scan cache of colour, photo",
        "mended: removed gone.photo.vectors",
    ):
        assert expected in found_lines
    assert len(collection.text("sea", 5)) == 1
    collection.close()


def test_a_lagging_cache_is_caught_up(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg"), RED)])
    cache = cache_of(store)
    kept = {path: path.read_bytes() for path in [cache, *cache.parent.glob("*.rows")]}
    collection.put([entry(item("b.jpg"), GREEN)])
    collection.close()
    for path, data in kept.items():
        path.write_bytes(data)
    collection = store.open("default")
    assert found(collection, GREEN) == [item("b.jpg").id, item("a.jpg").id]
    collection.put([entry(item("c.jpg"), GREEN)])
    assert len(found(collection, GREEN)) == 3 and collection.check() == []
    collection.close()


def test_a_cache_ahead_of_a_restored_backup_is_not_believed(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg"), RED)])
    collection.close()
    database = folder_of(store) / "collection.sqlite"
    backup = database.read_bytes()
    collection = store.open("default")
    collection.put([entry(item("b.jpg"), GREEN), entry(item("c.jpg"), GREEN)])
    collection.close()
    database.write_bytes(backup)
    collection = store.open("default")
    assert found(collection, GREEN) == [item("a.jpg").id]
    collection.put([entry(item("d.jpg"), -GREEN)])
    assert found(collection, GREEN) == [item("a.jpg").id, item("d.jpg").id]
    collection.close()


def test_removed_vectors_leave_the_cache_when_they_are_many(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    items = [item(f"{n}.jpg") for n in range(400)]
    collection.put([entry(one, vector) for one, vector in zip(items, spread(400), strict=True)])
    size = cache_of(store).stat().st_size
    collection.remove([one.id for one in items[:300]])
    assert found(collection, RED, 100) == [one.id for one in items[300:]]
    reader = store.open("default")
    assert found(reader, RED, 1) == [items[300].id]
    collection.close()
    assert cache_of(store).stat().st_size < size
    assert found(reader, RED, 1) == [items[300].id]
    assert reader.check() == []
    reader.close()


def test_recall_is_that_of_an_exact_search(store: LocalStore) -> None:
    random_ = np.random.default_rng(7)
    centres = random_.normal(size=(100, 384))
    vectors = (centres[random_.integers(0, 100, 20_000)] + random_.normal(size=(20_000, 384))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [item(f"{n}.jpg") for n in range(20_000)]
    collection = store.open("default", create=True)
    with collection.writing():
        for first in range(0, 20_000, 2_000):
            batch = range(first, first + 2_000)
            collection.put([entry(items[n], vectors[n]) for n in batch])
    hits = 0
    queries = vectors[:50] + 0.02 * random_.normal(size=(50, 384)).astype(np.float32)
    for query in queries:
        exact = {items[n].id for n in np.argsort(-(vectors @ query))[:10]}
        hits += len(exact & set(found(collection, query, 10)))
    collection.close()
    assert hits / 500 >= 0.99


# Files that are not ours to read


def test_a_newer_schema_asks_for_an_upgrade(store: LocalStore) -> None:
    store.open("default", create=True).close()
    database = sqlite3.connect(folder_of(store) / "collection.sqlite")
    database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(NewerSchema, match=r"newer sightsound \(schema 7, this one reads 4\): upgrade sightsound"):
        store.open("default")


def _to_version_1(store: LocalStore) -> None:
    """Take the collection back to what the first version wrote."""
    with sqlite3.connect(folder_of(store) / "collection.sqlite") as database:
        for what in ("TRIGGER subtitle_added", "TRIGGER subtitle_removed", "TABLE spoken", "VIEW spoken_text"):
            database.execute(f"DROP {what}")
        for trigger in ("item_added", "item_removed", "item_changed", "vector_added", "vector_removed"):
            database.execute(f"DROP TRIGGER {trigger}")
        database.execute("DELETE FROM words WHERE field IN ('colour', 'orientation')")
        for index in ("items_not_ok", "items_kind", "items_duration"):
            database.execute(f"DROP INDEX {index}")
        database.execute("DROP TABLE tallies")
        database.execute("ALTER TABLE shelves DROP COLUMN held")
        database.execute("CREATE INDEX items_unseen ON items (state) WHERE NOT state IN ('ok', 'stale')")
        database.execute("PRAGMA user_version = 1")
    database.close()


def test_a_collection_of_the_first_version_is_brought_up_to_date(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    film = entry(item("b.mp4", "film"), RED, GREEN)
    said = Segment(film.item.id, "subtitle", 0, 1.0, 2.0, "the lighthouse")
    sea = item("a.jpg", width=30, height=20, palette=[["#1e5bd0", 0.9], ["#808080", 0.1]])
    collection.put([entry(sea, RED), replace(film, segments=[*film.segments, said])])
    collection.fail(item("broken.jpg"), "broken")
    status = collection.status()
    collection.close()
    _to_version_1(store)
    collection = store.open("default")
    assert collection.count() == 2 and collection.check() == []
    assert (collection.status().items, collection.status().failed) == (status.items, status.failed)
    assert collection.counts() == status.segments
    assert [hit.segment_id for hit in collection.text("lighthouse", 5)] == [said.id]
    assert collection.facets()["colour"] == [("blue", 1)] and collection.facets()["orientation"] == [("landscape", 1)]
    assert collection.list(parse("colour=blue"), "date", 0, 9) == [sea.id]
    collection.remove([item("a.jpg").id])
    assert collection.count() == 1 and collection.counts() == {("colour", "frame"): 2}
    collection.close()


def test_an_older_collection_that_can_not_be_written_asks_for_its_owner(reachable: Path) -> None:
    store = LocalStore(str(reachable / "store"), create=True)
    store.open("default", create=True).close()
    _to_version_1(store)
    as_another = ("setpriv", "--reuid=65534", "--clear-groups") if os.getuid() == 0 else ()
    subprocess.run(["chmod", "-R", "a-w", store.location], check=True)
    script = """
try:
    LocalStore(sys.argv[1]).open("default")
except StoreError as error:
    print(error)
"""
    assert "older sightsound" in run(script, store.location, before=as_another)


def test_wrong_counts_are_counted_again(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg"), RED)])
    with sqlite3.connect(folder_of(store) / "collection.sqlite") as database:
        database.execute("UPDATE tallies SET items = 7")
        database.execute("UPDATE shelves SET held = 8")
    database.close()
    assert collection.check() == ["mended: items and vectors were counted again"]
    assert collection.count() == 1 and collection.counts() == {("colour", "photo"): 1}
    assert collection.check() == []
    collection.close()


def test_a_file_that_is_no_database_says_what_to_do(store: LocalStore) -> None:
    store.open("default", create=True).close()
    (folder_of(store) / "collection.sqlite").write_bytes(b"a shopping list, and not a database at all" * 100)
    with pytest.raises(StoreError, match=r"damaged.*backup.*sightsound index --rebuild"):
        store.open("default")


def test_a_database_of_something_else_is_left_alone(store: LocalStore) -> None:
    folder_of(store).mkdir()
    database = sqlite3.connect(folder_of(store) / "collection.sqlite")
    database.execute("CREATE TABLE shopping (thing)")
    database.close()
    with pytest.raises(StoreError, match="no sightsound collection"):
        store.open("default", create=True)


def test_a_malformed_database_says_what_to_do(store: LocalStore) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item(f"{n}.jpg", title="sea " * 50), RED) for n in range(500)])
    collection.close()
    path = folder_of(store) / "collection.sqlite"
    data = bytearray(path.read_bytes())
    kept = 4096 * 64  # the tables of tables, without which nothing opens
    data[kept:-4096] = os.urandom(len(data) - kept - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged.*--rebuild"):
        broken = store.open("default")
        list(broken.scan())
        broken.knn("colour", "photo", RED, 5)
    assert "broken: " in broken.check()[0]
    broken.close()


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


# Hostile surroundings


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that another user can reach, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


SEARCHER = """
collection = LocalStore(sys.argv[1]).open("default")
print(len(found(collection, RED, 50)), len(collection.text("sea", 50)), collection.count())
try:
    collection.put([entry(item("new.jpg"), RED)])
except StoreError as error:
    print(error)
print(collection.check())
collection.close()
"""


@pytest.mark.parametrize("cache", ["whole", "missing"])
def test_a_read_only_folder_can_be_searched(reachable: Path, cache: str) -> None:
    store = LocalStore(str(reachable / "store"), create=True)
    collection = store.open("default", create=True)
    collection.put([entry(item(f"{n}.jpg", title="sea"), RED) for n in range(40)])
    collection.close()
    if cache == "missing":
        cache_of(store).unlink()
    as_another = ("setpriv", "--reuid=65534", "--clear-groups") if os.getuid() == 0 else ()
    subprocess.run(["chmod", "-R", "a-w", store.location], check=True)
    hits, refusal, *_ = run(SEARCHER, store.location, before=as_another).splitlines()
    assert hits == "40 40 40"
    assert "can't be" in refusal and "permissions" in refusal


def test_another_user_can_search_while_the_owner_writes(reachable: Path) -> None:
    store = LocalStore(str(reachable / "store"), create=True)
    collection = store.open("default", create=True)
    collection.put([entry(item(f"{n}.jpg", title="sea"), RED) for n in range(40)])
    as_another = ("setpriv", "--reuid=65534", "--clear-groups") if os.getuid() == 0 else ()
    hits, *_ = run(SEARCHER, store.location, before=as_another).splitlines()
    assert hits in ("40 40 40", "41 41 41")
    collection.close()


FILLER = """
root = Path(sys.argv[1])
ballast = root / "ballast"
ballast.write_bytes(b"x" * 2_000_000)
store = LocalStore(str(root / "store"), create=True)
collection = store.open("default", create=True)
big = lambda n: entry(item(f"{n}.jpg", description=f"word{n} " * 200), np.float32([1, n, 0, 0] * 96))
done = 0
try:
    while done < 10_000:
        collection.put([big(n) for n in range(done, done + 20)])
        done += 20
except StoreError as error:
    print(error)
query = np.float32([1, 5, 0, 0] * 96)
assert collection.count() == done and len(found(collection, query, 5)) == 5
collection.close()
again = store.open("default")
assert again.count() == done and len(found(again, query, 5)) == 5
try:
    again.put([big(n) for n in range(done, done + 2000)])
    raise SystemExit("there was room")
except StoreError as error:
    assert "is full" in str(error), error
again.close()
ballast.unlink()
after = store.open("default")
after.put([big(n) for n in range(done, done + 20)])
assert after.count() == done + 20 and len(found(after, query, 10_000)) == done + 20
assert all(line.startswith("mended") for line in after.check())
assert after.check() == []
after.close()
"""


def test_a_full_disk_loses_nothing_acknowledged(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"'
    namespace = ("unshare", "-m") if os.getuid() == 0 else ("unshare", "-rm")
    said = run(FILLER, tmp_path, before=(*namespace, "sh", "-c", mount, str(tmp_path)))
    assert said.strip() == (
        f"The disk of {tmp_path / 'store' / 'default'} is full: free some space and run the same command "
        "again; "
        "nothing acknowledged is lost."
    )
