"""The local store on files that are not its own, damaged, of other versions, or where it may not write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from local_store import cache_of, folder_of, run

from sightsound.errors import NewerSchema, StoreError
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import GREEN, RED, entry, item, parse
from sightsound.types import Segment

pytest_plugins = ("local_store",)


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
