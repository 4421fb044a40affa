"""The local store: a folder of collections, no server. `collection.py` holds what a collection does."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from sightsound.errors import CollectionMissing, StoreError, UsageError
from sightsound.stores.base import Store
from sightsound.stores.collection import DATABASE, LocalCollection
from sightsound.stores.database import explained
from sightsound.stores.lock import IndexerLock

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_TRASH = ".trash-"
_SWITCH = ".switch-"
_SWITCH_SECONDS = 5.0


class LocalStore(Store):
    """A store in the folder `location`; each collection is a folder in it."""

    def __init__(self, location: str, create: bool = False) -> None:
        self.location = location
        self._folder = Path(location).expanduser().absolute()
        if create:
            with explained(self._folder / "store"):
                self._folder.mkdir(parents=True, exist_ok=True)
        if self._folder.exists() and not self._folder.is_dir():
            raise StoreError(f"{self._folder} is a file, and a store is a folder. Choose another --store.")

    def collections(self) -> list[str]:
        if not self._folder.is_dir():
            return []
        return sorted(
            folder.name
            for folder in self._folder.iterdir()
            if _NAME.fullmatch(folder.name) and (folder / DATABASE).is_file()
        )

    def open(self, name: str, create: bool = False) -> LocalCollection:
        folder = self.folder_of(name)
        if not create and not self._is_there(name):
            raise CollectionMissing(
                f"There is no collection '{name}' in {self._folder}. Make it with: "
                f"sightsound index FOLDER --collection {name}"
            )
        with explained(folder / DATABASE):
            if create:
                self._finish_switch(name)
                folder.mkdir(parents=True, exist_ok=True)
                self._empty_trash()
            return LocalCollection(folder, create)

    def drop(self, name: str) -> None:
        folder = self.folder_of(name)
        if not self._is_there(name):
            raise CollectionMissing(f"There is no collection '{name}' in {self._folder}.")
        with IndexerLock(folder).held(), explained(folder):
            (self._folder / f"{_SWITCH}{name}.json").unlink(missing_ok=True)
            folder.rename(self._trash(name))
        self._empty_trash()

    def switch(self, built: str, name: str) -> None:
        new, old = self.folder_of(built), self.folder_of(name)
        if built == name:
            return
        self._finish_switch(name)
        if not self._is_there(built):
            raise CollectionMissing(f"There is no collection '{built}' in {self._folder}.")
        with ExitStack() as held, explained(new):
            held.enter_context(IndexerLock(new).held())
            if old.exists():
                held.enter_context(IndexerLock(old).held())
            intent = self._folder / f"{_SWITCH}{name}.json"
            intent.write_text(json.dumps({"built": built}))
            self._move(new, old)
            intent.unlink(missing_ok=True)
        self._empty_trash()

    def folder_of(self, name: str) -> Path:
        """The folder of a collection, whether it is there or not. Raises UsageError for what can't name one."""
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"'{name}' can't name a collection: letters, digits, '-', '_' and '.' can, and no '.' at the beginning"
            )
        return self._folder / name

    def _move(self, new: Path, old: Path) -> None:
        if old.exists():
            old.rename(self._trash(old.name))
        new.rename(old)

    def _finish_switch(self, name: str) -> None:
        """Between the two renames of a switch nothing has the name: wait, or end what a crash left."""
        intent = self._folder / f"{_SWITCH}{name}.json"
        deadline = time.monotonic() + _SWITCH_SECONDS
        while intent.exists() and not (self._folder / name).exists() and time.monotonic() < deadline:
            with suppress(OSError, ValueError, KeyError, StoreError):
                new = self.folder_of(json.loads(intent.read_text())["built"])
                if new.exists():
                    with IndexerLock(new).held():
                        new.rename(self._folder / name)
            time.sleep(0.01)

    def _empty_trash(self) -> None:
        for trash in self._folder.glob(f"{_TRASH}*"):
            shutil.rmtree(trash, ignore_errors=True)

    def _trash(self, name: str) -> Path:
        return self._folder / f"{_TRASH}{name}-{secrets.token_hex(4)}"

    def _is_there(self, name: str) -> bool:
        database = self._folder / name / DATABASE
        if not database.is_file():
            self._finish_switch(name)
        return database.is_file()
