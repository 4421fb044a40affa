"""A copied collection is the same collection: found alike, indexed on, compared, whatever interrupts the copying."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SIGHTSOUND, CommandLine

from sightsound import checksums
from sightsound.copying import SUFFIX, copy
from sightsound.errors import StoreError
from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.stores.base import Collection, EncoderRecord, Entry, Store
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import RED, entry, item, unit
from sightsound.types import Metadata, Segment, Space

ITEMS = 1_200


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Collection]:
    """A collection with all that a collection can have."""
    collection = LocalStore(str(tmp_path / "here"), create=True).open("archive", create=True)
    fill(collection)
    yield collection
    collection.close()


@pytest.fixture
def there(tmp_path: Path) -> Store:
    return LocalStore(str(tmp_path / "there"), create=True)


def fill(collection: Collection) -> None:
    chance = np.random.default_rng(1)
    spaces = (Space("colour", 4), Space("form", 8))
    collection.set_encoders([EncoderRecord("colour", "image", "image", spaces, "colour 1")])
    collection.set_state("calibration", {"items": 3, "measured": [["colour", "image", "photo", [0.1, 1e-9, None]]]})
    collection.set_state("cursor of a plug-in", {"page": "ü\ud800"})
    photos = []
    for number in range(ITEMS):
        photo = item(f"{number}.jpg", title=f"Number {number}", tags=("a", "Ü"), width=number, extra={"shelf": "3"})
        photo = photo.with_layers({"file": Metadata(title="DSC", author="Jane"), **photo.layers, "csv": Metadata()})
        photos.append(entry(photo, unit(*chance.standard_normal(4))))
    for first in range(0, ITEMS, 300):
        collection.put(photos[first : first + 300])
    film = item("long film.mp4", "film", duration=3600.5)
    frames = entry(film, *(unit(*row) for row in chance.standard_normal((300, 4))), kind="frame")
    forms = {segment.id: unit(*chance.standard_normal(8)) for segment in frames.segments[:250]}
    titles = [Segment(film.id, "title", text="A long\nfilm 🌊")]
    collection.put([Entry(film, [*frames.segments, *titles], {**frames.vectors, "form": forms})])
    text, black = item("text", "text", description="Nothing but words"), item("black.jpg")
    passage = Segment(text.id, "description", text="Nothing but words")
    collection.put([Entry(text, [passage]), Entry(black, [Segment(black.id, "photo")])])
    collection.fail(item("0.jpg", revision="2"), "cut short")
    collection.fail(item("broken.jpg", bytes=3), "not a picture")
    collection.put([entry(item("half.mp4", "film"), RED, kind="frame")], last=False)


def holds(collection: Collection) -> dict[str, Any]:
    """All that a reader can learn of a collection, but for when something failed and its size."""
    every = list(collection.scan(failed=True))
    return {
        "items": every,
        "sums": checksums.checksums(collection, every),
        "encoders": collection.encoders(),
        "kept": collection.kept(),
        "counts": collection.counts(),
        "added": collection.list((), "added", 0, 9_999),
        "failures": sorted((f.uri, f.reason, f.source, f.stale) for f in collection.failures()),
        "facets": collection.facets(),
        "nearest": collection.knn("colour", "frame", RED, 20),
        "words": collection.text("number 7", 1),
    }


def test_a_copy_holds_all_that_the_collection_does(archive: Collection, there: Store) -> None:
    report = copy(archive, there, "copied")
    assert (report.items, report.failed, report.written) == (ITEMS + 4, 1, ITEMS + 4)
    assert report.vectors == sum(archive.counts().values())
    assert there.collections() == ["copied"]
    made = there.open("copied")
    assert holds(made) == holds(archive)
    assert made.check() == []
    assert [one.state for one in made.scan(failed=True)].count("stale") == 1
    again = copy(made, there, "again")
    assert again.checksum == report.checksum
    made.close()


def test_long_items_go_in_pieces(archive: Collection, there: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = copy(archive, there, "whole")
    monkeypatch.setattr(checksums, "PART", 7)
    assert copy(archive, there, "pieces").checksum == whole.checksum
    pieces = there.open("pieces")
    assert holds(pieces) == holds(archive)
    pieces.close()


def test_a_copy_of_what_is_there_changes_nothing(archive: Collection, there: Store) -> None:
    copy(archive, there, "copied")
    report = copy(archive, there, "copied")
    assert (report.existing, report.written, report.skipped) == (True, 0, ITEMS + 4)


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.remove([item("7.jpg").id]),
        lambda made: made.put([entry(item("new.jpg"), RED)]),
        lambda made: made.put([Entry(item("7.jpg", title="Other words"), replaces=frozenset())]),
        lambda made: made.put([Entry(made.items([item("7.jpg").id])[item("7.jpg").id], replaces=frozenset({"photo"}))]),
        lambda made: made.put([entry(made.items([item("7.jpg").id])[item("7.jpg").id], unit(1, 2, 3, 4))]),
        lambda made: made.fail(item("7.jpg", revision="2"), "cut short"),
        lambda made: made.set_encoders([EncoderRecord("colour", "image", "image", (), "colour 2")]),
    ],
    ids=["an item less", "an item more", "other words", "a vector less", "another vector", "stale", "encoders"],
)
def test_another_collection_is_never_written_over(
    archive: Collection, there: Store, change: Callable[[Collection], None]
) -> None:
    copy(archive, there, "copied")
    made = there.open("copied")
    change(made)
    before = holds(made)
    with pytest.raises(StoreError, match=r"another collection 'copied' in .*--as NAME, or remove it: sights"):
        copy(archive, there, "copied")
    assert holds(made) == before
    made.close()


def test_what_an_earlier_attempt_left_is_brought_up_to_date(archive: Collection, there: Store) -> None:
    class Stop(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if done == 1_000:
            raise Stop

    with pytest.raises(Stop):
        copy(archive, there, "copied", stop)
    assert there.collections() == [f"copied{SUFFIX}"]
    ids = sorted(one.id for one in archive.scan())[:1_000]
    archive.remove(ids[:2])
    changed = archive.items(ids[2:4])
    archive.put([entry(changed[ids[2]], unit(4, 3, 2, 1))])  # only the comparison can tell
    archive.put([Entry(item("other", id=ids[3]), replaces=frozenset())])
    report = copy(archive, there, "copied")
    assert (report.written, report.skipped, report.removed) == (ITEMS + 2 - 997, 997, 2)
    made = there.open("copied")
    assert holds(made) == holds(archive)
    made.close()


def test_other_encoders_begin_anew(archive: Collection, there: Store) -> None:
    begun = there.open(f"copied{SUFFIX}", create=True)
    begun.set_encoders([EncoderRecord("colour", "image", "image", (Space("colour", 2),), "colour 0")])
    begun.put([entry(item("7.jpg"), np.ones(2, np.float32))])
    begun.close()
    assert copy(archive, there, "copied").skipped == 0


def test_a_collection_that_changes_all_the_while_is_not_called_a_copy(archive: Collection, there: Store) -> None:
    class Changing:
        """The collection, with another vector each time it is asked for vectors."""

        def __getattr__(self, name: str) -> Any:
            return getattr(archive, name)

        def vectors(self, space: str, ids: list[str]) -> Any:
            chance = np.random.default_rng().standard_normal
            return {id: unit(*chance(len(vector))) for id, vector in archive.vectors(space, ids).items()}

    changing: Any = Changing()
    with pytest.raises(StoreError, match=r"changed while it was copied\. Run the same command again"):
        copy(changing, there, "copied")
    assert there.collections() == [f"copied{SUFFIX}"]


# The command


@pytest.fixture
def indexed(sightsound: CommandLine, copy_photos: Callable[..., Path]) -> CommandLine:
    photos = copy_photos("cat.jpg", "horse.jpg", "owl.jpg", "bee.jpg")
    sightsound("index", photos, "--encoders", "starter")
    (photos / "bad.jpg").write_bytes(b"no picture")
    (photos / "bee.jpg").write_bytes(b"no picture any more")
    sightsound("index", photos, code=3)
    return sightsound


def test_the_copy_is_searched_and_indexed_on_with_nothing_encoded_again(indexed: CommandLine, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    ran = indexed("copy", place)
    assert ran.out == f"5 items with 8 vectors: 5 copied to {place} as 'default', and compared\n"
    assert ran.err == ""
    for command in (["search", "a horse", "--json"], ["failed", "--json"], ["search", "--kind", "photo", "--paths"]):
        here, copied = (indexed(*command, *at).out for at in ([], ["--store", place]))
        assert sorted(without_times(here)) == sorted(without_times(copied))
    assert indexed("index", "--store", place, "--json", code=3).json["unchanged"] == 3
    assert indexed("check", "--store", place).out == "4 items: all is well\n"


def without_times(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if '"when"' not in line and '"took' not in line]


def test_a_copy_under_another_name_in_the_same_store(indexed: CommandLine) -> None:
    done = indexed("copy", indexed.home / "collections", "--as", "second", "--json").json
    assert (done["collection"], done["items"], done["failed"], done["written"]) == ("second", 5, 1, 5)
    assert len(done["checksum"]) == 32
    names = [one["collection"] for one in indexed("status", "--json").json["collections"]]
    assert names == ["default", "second"]


def test_a_dry_run_writes_nothing(indexed: CommandLine, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    assert "5 would be copied to" in indexed("copy", place, "--dry-run").out
    assert not place.exists()
    indexed("copy", place)
    assert "the same collection is in" in indexed("copy", place, "--dry-run").out
    assert "the same collection is in" in indexed("copy", place).out


def test_a_collection_of_something_else_is_refused(
    indexed: CommandLine, tmp_path: Path, copy_photos: Callable[..., Path]
) -> None:
    place = tmp_path / "backup"
    indexed("index", copy_photos("cow.jpg", folder="others"), "--store", place)
    for more in ([], ["--dry-run"]):
        refused = indexed("copy", place, *more, code=1)
        assert refused.err.startswith(f"error: There is another collection 'default' in {place}")
        assert len(refused.err.splitlines()) == 1
    assert "1 item with" in indexed("copy", place, "--store", place, "--as", "cow").out


def test_a_copy_from_a_folder_that_may_only_be_read(indexed: CommandLine, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(indexed.home / "collections", kept)
    mount = f"mount --bind {kept} {kept} && mount -o remount,ro,bind {kept}"
    command = f"{mount} && exec {SIGHTSOUND} copy {tmp_path / 'backup'} --store {kept}"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", command],
        env=indexed.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "5 copied" in done.stdout


def test_a_missing_collection_or_store_is_said_before_anything_is_made(
    sightsound: CommandLine, tmp_path: Path, copy_photos: Callable[..., Path]
) -> None:
    place = tmp_path / "backup"
    assert "There is no collection 'default'" in sightsound("copy", place, code=1).err
    assert not place.exists()
    sightsound("index", copy_photos("cat.jpg"))
    assert "No installed plug-in keeps collections at" in sightsound("copy", "gopher://x", code=1).err


KILLS = 12


def test_a_copy_that_is_killed_at_random_moments_goes_on(sightsound: CommandLine, tmp_path: Path) -> None:
    chance = random.Random(2)
    store = LocalStore(str(sightsound.home / "collections"), create=True)
    collection = store.open("default", create=True)
    fill(collection)
    vectors = np.random.default_rng(3).standard_normal((20_000, 4)).astype(np.float32)
    for first in range(0, len(vectors), 2_000):
        numbers = range(first, first + 2_000)
        collection.put([entry(item(f"more {n}.jpg"), vectors[n]) for n in numbers])
    place = tmp_path / "backup"
    unfinished = 0
    for _ in range(KILLS):
        process = sightsound.start("copy", str(place))
        time.sleep(chance.uniform(0.5, 2.0))
        unfinished += process.poll() is None
        process.kill()
        process.communicate()
        assert LocalStore(str(place)).collections() in ([], [f"default{SUFFIX}"], ["default"])
    assert unfinished > KILLS / 3, "the kills came too late to prove anything"
    sightsound("copy", place)
    made = open_store(registry(), str(place)).open("default")
    assert holds(made) == holds(collection)
    assert made.check() == []
    made.close()
    collection.close()
