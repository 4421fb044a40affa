"""Collections carried to folders and buckets and back: whole, verified, and never half in place."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandLine
from s3_server import BUCKET, S3, SECRET, bad_network

from sightsound.errors import NewerSchema, StoreError, UsageError
from sightsound.stores.backup import MANIFEST, FolderPlace, Manifest, backup, restore
from sightsound.stores.base import Entry
from sightsound.stores.local import LocalStore
from sightsound.types import Item, Segment, item_id

pytest_plugins = ("s3_server",)


def quiet(*told: object) -> None:
    pass


def put(store: LocalStore, numbers: range, name: str = "default") -> None:
    collection = store.open(name, create=True)
    for number in numbers:
        collection.put([entry(number)])
    collection.close()


def entry(number: int) -> Entry:
    uri = f"file:///photos/{number}.jpg"
    item = Item(uri, "photo", "1", id=item_id(uri), content=f"{number:064x}")
    segment = Segment(item.id, "photo")
    vector = np.random.default_rng(number).standard_normal(8).astype(np.float32)
    return Entry(item, [segment], {"made": {segment.id: vector / np.linalg.norm(vector)}})


def uris(store: LocalStore, name: str = "default") -> set[str]:
    collection = store.open(name)
    try:
        assert [line for line in collection.check() if line.startswith("broken")] == []
        return {item.uri for item in collection.scan()}
    finally:
        collection.close()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """A store with a collection of 50 items."""
    made = LocalStore(str(tmp_path / "store"), create=True)
    put(made, range(50))
    return made


@pytest.fixture
def other(tmp_path: Path) -> LocalStore:
    """The store of another machine."""
    return LocalStore(str(tmp_path / "other"), create=True)


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    return FolderPlace(tmp_path / "backup")


def test_a_backup_brings_everything_and_again_nothing(store: LocalStore, other: LocalStore, place: FolderPlace) -> None:
    made, wrote = backup(store, "default", place, False, quiet)
    assert wrote and made.items == 50
    assert restore(other, None, place, False, quiet) == (made, "default", True)
    assert uris(other) == uris(store)
    assert restore(other, None, place, False, quiet) == (made, "default", False)
    assert backup(store, "default", place, False, quiet) == (made, False)
    assert restore(other, "beside", place, False, quiet)[1:] == ("beside", True)


def test_what_failed_is_not_counted_among_the_items(store: LocalStore, other: LocalStore, place: FolderPlace) -> None:
    collection = store.open("default")
    with collection.writing():
        collection.fail(Item("file:///photos/broken.jpg", "photo"), "it is cut short")
    collection.close()
    assert backup(store, "default", place, False, quiet)[0].items == 50
    restore(other, None, place, False, quiet)
    restored = other.open("default")
    assert (restored.count(), restored.status().failed) == (50, 1)
    assert [line.rpartition(" (")[2] for line in restored.check()] == ["there was none, as after a restore)"]
    restored.close()


def test_a_later_backup_replaces_where_asked(store: LocalStore, other: LocalStore, place: FolderPlace) -> None:
    backup(store, "default", place, False, quiet)
    restore(other, None, place, False, quiet)
    put(store, range(50, 60))
    with pytest.raises(UsageError, match=r"holds a backup of 'default'.*add --yes"):
        backup(store, "default", place, False, quiet)
    backup(store, "default", place, True, quiet)
    assert len([name for name in place.names() if name.startswith("collection-")]) == 1
    with pytest.raises(UsageError, match=r"There is a collection 'default' already.*--yes"):
        restore(other, None, place, False, quiet)
    reader = other.open("default")
    assert reader.count() == 50
    restore(other, None, place, True, quiet)
    assert reader.count() == 60, "a search that is under way goes on in what was restored"
    reader.close()
    put(other, range(60, 61))
    with pytest.raises(UsageError, match="not as in the backup"):
        restore(other, None, place, False, quiet)


def test_a_backup_is_of_one_moment_while_another_indexes(store: LocalStore, other: LocalStore, tmp_path: Path) -> None:
    stop = threading.Event()

    def index() -> None:
        collection = LocalStore(store.location).open("default")
        number = 50
        while not stop.is_set():
            collection.put([entry(number), entry(number + 1)])
            number += 2
        collection.close()

    indexer = threading.Thread(target=index)
    indexer.start()
    try:
        sizes = []
        for number in range(8):
            place = FolderPlace(tmp_path / f"backup{number}")
            made, _ = backup(store, "default", place, False, quiet)
            restore(other, f"c{number}", place, False, quiet)
            there = uris(other, f"c{number}")
            assert there == {f"file:///photos/{n}.jpg" for n in range(made.items)} and made.items % 2 == 0
            sizes.append(made.items)
    finally:
        stop.set()
        indexer.join()
    assert sizes == sorted(sizes) and sizes[-1] > sizes[0]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-4096])


@pytest.mark.parametrize(
    ("damage", "which", "says"),
    [
        (flip, "collection-*.sqlite", "has another checksum"),
        (cut, "collection-*.sqlite", "bytes, not"),
        (Path.unlink, "collection-*.sqlite", "is missing"),
        (Path.unlink, MANIFEST, "There is no backup at .*written last"),
        (lambda file: file.write_text("{"), MANIFEST, "not as it was written"),
        (lambda file: file.write_text("[]"), MANIFEST, "not as it was written"),
    ],
)
def test_a_damaged_backup_is_refused_and_changes_nothing(
    store: LocalStore, other: LocalStore, place: FolderPlace, damage: Callable[[Path], None], which: str, says: str
) -> None:
    backup(store, "default", place, False, quiet)
    put(other, range(3))
    assert place.folder
    damage(next(place.folder.glob(which)))
    with pytest.raises(StoreError, match=says) as error:
        restore(other, None, place, True, quiet)
    assert "sightsound backup" in str(error.value)
    assert len(uris(other)) == 3
    assert other.collections() == ["default"]


def test_a_manifest_of_a_stranger_leads_nowhere(store: LocalStore, other: LocalStore, place: FolderPlace) -> None:
    backup(store, "default", place, False, quiet)
    assert place.folder
    manifest = place.folder / MANIFEST
    said = json.loads(manifest.read_text())
    for change, error in (
        ({"collection": "../../x"}, UsageError),
        ({"file": "../store/default/collection.sqlite"}, StoreError),
        ({"schema": 999}, NewerSchema),
        ({"sightsound backup": 2}, NewerSchema),
    ):
        manifest.write_text(json.dumps(said | change))
        with pytest.raises(error):
            restore(other, None, place, False, quiet)
        assert other.collections() == []


def test_a_folder_with_other_things_is_left_alone(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"holds other things, such as a\.jpg"):
        backup(store, "default", FolderPlace(tmp_path / "photos"), True, quiet)
    assert [path.name for path in (tmp_path / "photos").iterdir() if path.name[0] != "."] == ["a.jpg"]
    with pytest.raises(UsageError, match="is a file"):
        FolderPlace(tmp_path / "photos" / "a.jpg")


class Broken(FolderPlace):
    """Breaks off in the middle, as a network or a killed process does."""

    def fetch(self, name: str, path: Path, progress: Callable[[int], None]) -> None:
        super().fetch(name, path, progress)
        cut(path)
        raise KeyboardInterrupt

    def put(self, path: Path, name: str, progress: Callable[[int], None]) -> None:
        if name == MANIFEST:
            raise KeyboardInterrupt
        super().put(path, name, progress)


def test_what_breaks_off_leaves_all_as_it_was(store: LocalStore, other: LocalStore, place: FolderPlace) -> None:
    backup(store, "default", place, False, quiet)
    assert place.folder
    broken = Broken(place.folder)
    with pytest.raises(KeyboardInterrupt):
        restore(other, None, broken, False, quiet)
    assert other.collections() == [] and not list(Path(other.location).glob(".restore-default/*"))
    shutil.copytree(Path(store.location) / "default", Path(other.location) / ".restore-default")  # as a kill leaves it
    restore(other, None, place, False, quiet)
    put(store, range(50, 60))
    with pytest.raises(KeyboardInterrupt):
        backup(store, "default", broken, True, quiet)
    assert restore(other, "still", place, False, quiet)[0].items == 50, "the older backup is whole until the end"
    assert backup(store, "default", place, True, quiet)[0].items == 60
    assert len(place.names()) == 2


def test_a_restore_does_not_disturb_an_indexer(store: LocalStore, other: LocalStore, place: FolderPlace) -> None:
    backup(store, "default", place, False, quiet)
    put(other, range(3))
    collection = LocalStore(other.location).open("default")
    with collection.writing(), pytest.raises(StoreError, match="is being indexed by"):
        restore(other, None, place, True, quiet)
    collection.close()
    assert len(uris(other)) == 3 and other.collections() == ["default"]


# By the command line, and in a bucket


@pytest.fixture
def bucket_line(s3: S3, sightsound: CommandLine) -> Iterator[CommandLine]:
    put(LocalStore(str(sightsound.home / "collections"), create=True), range(20))
    yield sightsound


def test_a_bucket_holds_backups_too(s3: S3, bucket_line: CommandLine) -> None:
    line = bucket_line
    made = line("backup", "s3://media/b", "--json").json
    assert made["wrote"] and made["items"] == 20 and made["place"] == "s3://media/b/"
    assert sorted(s3.keys) == [f"b/collection-{made['sha256'][:16]}.sqlite", f"b/{MANIFEST}"]
    assert "as it is already" in line("backup", "s3://media/b").out
    assert "Restored 'two'" in line("restore", "s3://media/b", "-c", "two").out
    assert "nothing to do" in line("restore", "s3://media/b", "-c", "two").out
    assert "20 photos" in line("status", "-c", "two").out
    s3.put(**{f"b/collection-{made['sha256'][:16]}.sqlite": b"x" * made["bytes"]})
    assert "has another checksum" in line("restore", "s3://media/b", "-c", "three", code=1).err
    s3.client.delete_object(Bucket=BUCKET, Key=f"b/collection-{made['sha256'][:16]}.sqlite")
    assert "is not there (any more)" in line("restore", "s3://media/b", "-c", "three", code=1).err
    assert "There is no backup at s3://media/nothing/" in line("restore", "s3://media/nothing", code=1).err
    assert "There is no bucket nowhere" in line("backup", "s3://nowhere/b", code=1).err
    assert not [path for path in line.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_the_commands_refuse_what_is_no_place(bucket_line: CommandLine, tmp_path: Path) -> None:
    assert "is no place for a backup" in bucket_line("backup", "ftp://host/x", code=2).err
    assert "--option is for buckets" in bucket_line("backup", tmp_path / "b", "--option", "profile=x", code=2).err
    assert "no collection 'nothing'" in bucket_line("backup", tmp_path / "b", "-c", "nothing", code=1).err
    assert "Backed up 'default'" in bucket_line("backup", tmp_path / "b").out
    assert "add --yes" in bucket_line("restore", tmp_path / "b", code=2).err
    assert Manifest(**_manifest(tmp_path / "b")).items == 20


def _manifest(folder: Path) -> dict[str, object]:
    said: dict[str, object] = json.loads((folder / MANIFEST).read_text())
    del said["sightsound backup"]
    return said


# Uploading a folder


def test_a_folder_is_uploaded_with_its_table_and_only_what_changed(
    s3: S3, sightsound: CommandLine, copy_photos: Callable[..., Path]
) -> None:
    folder = copy_photos("cat.jpg", "horse.jpg", "owl.jpg", folder="photos/ä b")
    root = folder.parent
    (root / "media.csv").write_text("path,title\nä b/cat.jpg,A cat\n")
    (root / "notes.txt").write_text("mine")
    (root / ".hidden.jpg").write_text("mine")
    assert "4 files: 4 uploaded" in sightsound("upload", root, "s3://media/x").out
    assert sorted(s3.keys) == ["x/media.csv", "x/ä b/cat.jpg", "x/ä b/horse.jpg", "x/ä b/owl.jpg"]
    head = s3.client.head_object(Bucket=BUCKET, Key="x/ä b/cat.jpg")
    assert head["ContentType"] == "image/jpeg" and head["ContentLength"] == (folder / "cat.jpg").stat().st_size
    (folder / "owl.jpg").write_bytes((folder / "cat.jpg").read_bytes())
    again = sightsound("upload", root, "s3://media/x", "--json").json
    assert (again["uploaded"], again["unchanged"], again["failed"]) == (1, 3, 0)
    assert sightsound("index", "s3://media/x/media.csv", "--json").json["added"] == 1


def test_a_file_that_can_not_be_uploaded_costs_itself(
    s3: S3, sightsound: CommandLine, copy_photos: Callable[..., Path], tmp_path: Path
) -> None:
    folder = copy_photos("cat.jpg", "horse.jpg", "owl.jpg")
    (folder / "gone.jpg").symlink_to("nowhere")
    with bad_network(s3.url, lambda method, path, headers: "403" if path.startswith("/media/owl") else "") as proxy:
        ran = sightsound("upload", folder, "s3://media", code=3, **proxy.environment)
    assert "4 files: 2 uploaded" in ran.out
    assert "owl.jpg: Access to s3://media/owl.jpg is denied" in ran.err and "gone.jpg: it can't be read" in ran.err
    (folder / "gone.jpg").unlink()
    assert "3 files: 1 uploaded" in sightsound("upload", folder, "s3://media").out
    assert "There is no bucket nowhere" in sightsound("upload", folder, "s3://nowhere", code=1).err
    assert "is no bucket" in sightsound("upload", folder, tmp_path, code=2).err
    assert "There is no folder" in sightsound("upload", tmp_path / "none", "s3://media", code=2).err
    assert "has no option colour" in sightsound("upload", folder, "s3://media", "-o", "colour=red", code=2).err
