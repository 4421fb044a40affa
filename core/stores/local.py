"""The local store: a folder of collections, no server. `collection.py` holds what a collection does."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from sightsound.errors import CollectionMissing, StoreError
from sightsound.stores import refusals
from sightsound.stores.base import Store
from sightsound.stores.collection import DATABASE, LocalCollection
from sightsound.stores.database import explained
from sightsound.stores.lock import IndexerLock

_TRASH = ".trash-"
_SWITCH = ".switch-"
_SWITCH_SECONDS = 5.0
_LITTLE_FREE = 500e6


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
            if refusals.NAME.fullmatch(folder.name) and (folder / DATABASE).is_file()
        )

    def open(self, name: str, create: bool = False) -> LocalCollection:
        folder = self.folder_of(name)
        if not create and not self._is_there(name):
            raise refusals.missing(name, self._folder)
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

    def diagnose(self) -> tuple[Mapping[str, str], Sequence[str]]:
        place = self._folder
        while not place.exists() and place != place.parent:
            place = place.parent
        free, problems = shutil.disk_usage(place).free, []
        if free < _LITTLE_FREE:
            problems.append(f"only {free / 1e6:,.1f} MB are free where {self.location} lies")
        if not os.access(place, os.W_OK):
            problems.append(f"{place} can't be written by this user; indexing needs --store elsewhere")
        return {"free disk": f"{free / 1e6:,.1f} MB"}, problems

    def folder_of(self, name: str) -> Path:
        """The folder of a collection, whether it is there or not. Raises UsageError for what can't name one."""
        return self._folder / refusals.check_name(name)

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
