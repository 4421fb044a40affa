"""The local store: the contract, its files, and the cache that is scanned."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from local_store import cache_of, folder_of, spread

from sightsound.errors import StoreError
from sightsound.stores import open_local
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import GREEN, RED, StoreContract, entry, found, item

pytest_plugins = ("local_store",)


class TestLocalStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore(str(tmp_path / "store"), create=True)


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
