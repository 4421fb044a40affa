"""A collection carried elsewhere and back: one moment of it, verified by a manifest that is written last.

backup   snapshot ─► PLACE/collection-<checksum>.sqlite ─► PLACE/sightsound-backup.json, then older files go
restore  manifest ─► a hidden folder in the store, checked ─► takes the collection's name in one step
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import filelock

from sightsound.errors import CollectionBusy, NewerSchema, SightsoundError, StoreError, UsageError
from sightsound.stores import reading, schema
from sightsound.stores.collection import DATABASE, LocalCollection
from sightsound.stores.database import disk_full, explained
from sightsound.stores.local import LocalStore

MANIFEST = "sightsound-backup.json"
VERSION = 1
RESTORED = "restored.json"
"""In a collection's folder: which backup it is, and how its file looked when it came."""
SUFFIX = ".restored"
CHUNK = 1 << 20
_HIDDEN = ".sightsound-"
_FILE = re.compile(r"collection-[0-9a-f]{16}\.sqlite(\.part)?")

Progress = Callable[[str, int, int], None]
"""Told what is done (`copied`, `carried`, `checked`), bytes so far, bytes in all."""


class Place(Protocol):
    """Where a backup lies: a folder, or something as simple. Its errors are StoreErrors that say what to do."""

    where: str
    """For messages."""
    folder: Path | None
    """Where it is a folder, that one: files are made in it and renamed."""

    def names(self) -> list[str]:
        """All that lies there, by name; a few are enough where it is much. Nothing where there is no such place."""
        ...

    def read(self, name: str) -> bytes | None:
        """A small file, or None where there is none."""
        ...

    def put(self, path: Path, name: str, progress: Callable[[int], None]) -> None:
        """Carry a file there, whole or not at all; the file itself may go. progress: told bytes so far."""
        ...

    def fetch(self, name: str, path: Path, progress: Callable[[int], None]) -> None:
        """Carry a file here. Raises StoreError where there is none."""
        ...

    def remove(self, name: str) -> None: ...


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    made: ISO 8601, UTC. items: how many search finds. schema: the version of the tables. sha256, size: of the file.
    """

    collection: str
    made: str
    items: int
    schema: int
    file: str
    sha256: str
    size: int

    def written(self) -> bytes:
        return json.dumps({"sightsound backup": VERSION, **asdict(self)}, indent=2).encode()


def manifest_of(place: Place) -> Manifest | None:
    """The manifest of the backup that lies there, None where nothing does. Raises StoreError, NewerSchema."""
    content = place.read(MANIFEST)
    if content is None:
        return None
    try:
        said = json.loads(content)
        version = said.pop("sightsound backup")
        found = Manifest(**said) if version == VERSION else None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(place, f"{MANIFEST} is not as it was written") from None
    if found is None or int(found.schema) > schema.VERSION:
        raise NewerSchema(f"The backup at {place.where} was made by a newer sightsound; upgrade this one.")
    if not _FILE.fullmatch(found.file):
        raise _damaged(place, f"{MANIFEST} is not as it was written")
    return found


def backup(store: LocalStore, name: str, place: Place, overwrite: bool, progress: Progress) -> tuple[Manifest, bool]:
    """Carry a collection to the place, as it is at this moment; others may index and search meanwhile.

    Returns its manifest, and whether anything was written: not where the same state lies there already.
    Raises UsageError where something else lies there, or an older backup and `overwrite` is not set.
    """
    found = store.open(name)
    try:
        before = _before(place)
        with _working_folder(place) as made:
            copy = made / DATABASE
            found.copy_to(copy, lambda done, total: progress("copied", done, total))
            manifest = _described(copy, name, progress)
            if before and before.sha256 == manifest.sha256 and before.file in place.names():
                return before, False
            if before and not overwrite:
                raise UsageError(
                    f"{place.where} holds a backup of '{before.collection}' of {before.made}: add --yes to replace it,"
                    " or name another place"
                )
            place.put(copy, manifest.file, lambda done: progress("carried", done, manifest.size))
            written = made / MANIFEST
            written.write_bytes(manifest.written())
            place.put(written, MANIFEST, lambda done: None)
    finally:
        found.close()
    for other in place.names():
        if _FILE.fullmatch(other) and other != manifest.file:
            place.remove(other)
    return manifest, True


@contextmanager
def _working_folder(place: Place) -> Iterator[Path]:
    """Where the copy is made: in the place itself, where that is a folder, so that a rename is enough."""
    if place.folder is None:
        with tempfile.TemporaryDirectory(prefix=_HIDDEN) as folder:
            yield Path(folder)
        return
    with explained(place.folder / MANIFEST):
        place.folder.mkdir(parents=True, exist_ok=True)
        with _alone(place.folder / f"{_HIDDEN}lock", f"Another process makes a backup at {place.where}"):
            partial = place.folder / f"{_HIDDEN}partial"
            shutil.rmtree(partial, ignore_errors=True)  # of a backup that was killed
            partial.mkdir()
            try:
                yield partial
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def _before(place: Place) -> Manifest | None:
    """What lies at the place already. Raises UsageError for what is no backup: nothing of others is written over."""
    there = place.names()
    if MANIFEST in there:
        with suppress(StoreError):  # a damaged one is no loss
            return manifest_of(place)
        return None
    others = [name for name in there if not _FILE.fullmatch(name)]  # those are of a backup that was interrupted
    if others:
        raise UsageError(f"{place.where} holds other things, such as {others[0]}: name a new or empty place")
    return None


def _described(copy: Path, name: str, progress: Progress) -> Manifest:
    size = copy.stat().st_size
    sha256 = _sha256(copy, lambda done: progress("checked", done, size))
    with explained(copy):
        connection = sqlite3.connect(copy)
        try:
            items = reading.count(connection)
        finally:
            connection.close()
    made = datetime.now(UTC).isoformat("T", "seconds")
    return Manifest(name, made, items, schema.VERSION, f"collection-{sha256[:16]}.sqlite", sha256, size)


def restore(
    store: LocalStore, name: str | None, place: Place, overwrite: bool, progress: Progress
) -> tuple[Manifest, str, bool]:
    """Bring a backup into the store, under a collection's name, or the one it had.

    Returns its manifest, the name, and whether anything changed: not where the collection is this backup already.
    Raises StoreError where the backup is missing, incomplete or damaged, UsageError where a collection of that name is
    there and `overwrite` is not set. Until all is there and verified, the collection stays as it was.
    """
    manifest = manifest_of(place)
    if manifest is None:
        raise StoreError(
            f"There is no backup at {place.where}: no {MANIFEST} lies there, which is written last. Look at the name,"
            " or make the backup again with `sightsound backup`"
        )
    name = name or manifest.collection
    target = store.folder_of(name)
    if name in store.collections():
        if _is_restored(target, manifest):
            return manifest, name, False
        if not overwrite:
            raise UsageError(
                f"There is a collection '{name}' already, and it is not as in the backup of {manifest.made}: add --yes"
                " to replace it, or --collection NAME to restore beside it"
            )
    partial = target.with_name(f".restore-{name}")
    with explained(partial), _alone(target.with_name(f".restore-{name}.lock"), f"Another process restores '{name}'"):
        shutil.rmtree(partial, ignore_errors=True)  # of a restore that was killed
        partial.mkdir()
        try:
            _fetch(place, manifest, partial, progress)
            _settle(store, partial, name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return manifest, name, True


def _fetch(place: Place, manifest: Manifest, folder: Path, progress: Progress) -> None:
    """The collection's file, verified, and once opened as a search will: an older one is brought up to date here."""
    file = folder / DATABASE
    if shutil.disk_usage(folder).free < manifest.size:
        raise disk_full(file)
    place.fetch(manifest.file, file, lambda done: progress("carried", done, manifest.size))
    size = file.stat().st_size
    if size != manifest.size:
        raise _damaged(place, f"{manifest.file} has {size:,} bytes, not {manifest.size:,}")
    if _sha256(file, lambda done: progress("checked", done, size)) != manifest.sha256:
        raise _damaged(place, f"{manifest.file} has another checksum than {MANIFEST} says")
    LocalCollection(folder).close()
    with file.open("rb+") as written:
        os.fsync(written.fileno())
    (folder / RESTORED).write_text(json.dumps({"sha256": manifest.sha256, "is": _state(folder)}))


def _settle(store: LocalStore, partial: Path, name: str) -> None:
    """Give the restored collection its name; searches that are under way go on in the old one."""
    beside = f"{name}{SUFFIX}"
    if beside in store.collections():  # an earlier restore was killed right here
        store.drop(beside)
    shutil.rmtree(store.folder_of(beside), ignore_errors=True)
    partial.rename(store.folder_of(beside))
    try:
        store.switch(beside, name)
    except CollectionBusy:
        store.drop(beside)
        raise


def _is_restored(folder: Path, manifest: Manifest) -> bool:
    """Whether the collection is this backup, and was not written to since it came."""
    try:
        said = json.loads((folder / RESTORED).read_text())
        return bool(said["sha256"] == manifest.sha256 and said["is"] == _state(folder))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _state(folder: Path) -> list[int]:
    """What changes when the collection is written to: size and time of its file, and the size of its log."""
    found = (folder / DATABASE).stat()
    log = folder / f"{DATABASE}-wal"
    return [found.st_size, found.st_mtime_ns, log.stat().st_size if log.exists() else 0]


@contextmanager
def _alone(path: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock at the path. Raises CollectionBusy where another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise CollectionBusy(f"{otherwise}; wait for it to end") from None
    try:
        yield
    finally:
        lock.release()


def _damaged(place: Place, what: str) -> SightsoundError:
    return StoreError(
        f"The backup at {place.where} is damaged or incomplete: {what}. Nothing was restored. Make it again with"
        " `sightsound backup`, or restore an older one"
    )


def _sha256(path: Path, progress: Callable[[int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            progress(done)
    return digest.hexdigest()


class FolderPlace:
    """A backup in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self._folder = folder
        self.where = str(folder)
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder} is a file, and a backup is a folder")

    def names(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        with explained(self._folder / MANIFEST):
            return sorted(path.name for path in self._folder.iterdir() if not path.name.startswith(_HIDDEN))

    def read(self, name: str) -> bytes | None:
        with explained(self._folder / name):
            try:
                return (self._folder / name).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def put(self, path: Path, name: str, progress: Callable[[int], None]) -> None:
        with explained(self._folder / name):
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            progress(path.stat().st_size)
            path.replace(self._folder / name)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def fetch(self, name: str, path: Path, progress: Callable[[int], None]) -> None:
        source = self._folder / name
        if not source.is_file():
            raise _damaged(self, f"{name} is missing")
        with explained(path), source.open("rb") as file, path.open("wb") as out:
            while chunk := file.read(CHUNK):
                out.write(chunk)
                progress(out.tell())

    def remove(self, name: str) -> None:
        with explained(self._folder / name):
            (self._folder / name).unlink(missing_ok=True)
