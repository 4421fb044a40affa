"""From what a user writes to stores, collections and sources, through the plug-ins."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightsound.config import public, setting
from sightsound.errors import ItemMissing, PluginError, SightsoundError, StoreError, UsageError
from sightsound.registry import Registry
from sightsound.sources import Source
from sightsound.stores.base import Collection, Store
from sightsound.types import Item, file_uri

SOURCES = "sources"
"""The collection's state that remembers how its sources were opened."""
PREFERRED = ("clip", "starter")
"""Encoder sets for collections where none is named, the best first; the last one is always here."""


def open_store(registry: Registry, location: str | None = None, create: bool = False) -> Store:
    """The store at a folder or URL; without one, as the settings say. Raises StoreError, UsageError."""
    wanted = setting("store", location)
    for entry in registry.stores:
        store = entry.thing(wanted, create)
        if store is not None:
            return store
    known = ", ".join(sorted(entry.name for entry in registry.stores))
    raise StoreError(f"No installed plug-in keeps collections at '{public(wanted)}'. There are: {known}")


@dataclass(frozen=True)
class OpenedSource:
    """A source, and what it takes to open it again."""

    source: Source
    plugin: str
    argument: str
    options: Mapping[str, str]

    def remember(self, collection: Collection) -> None:
        known = collection.state(SOURCES) or {}
        entry = {"plugin": self.plugin, "argument": self.argument, "options": dict(self.options)}
        if known.get(self.source.name) != entry:
            collection.set_state(SOURCES, {**known, self.source.name: entry})


def open_source(registry: Registry, argument: str, options: Mapping[str, str], plugin: str = "") -> OpenedSource:
    """The source that is for the argument. Raises UsageError where none or several are and `plugin` names none."""
    entries = registry.sources.get(plugin) if plugin else list(registry.sources)
    found: list[OpenedSource] = []
    for entry in entries:
        source = entry.thing(argument, options)
        if source is not None:
            found.append(OpenedSource(source, entry.full_name, argument, options))
    if not found:
        known = ", ".join(registry.sources.shortest(entry) for entry in registry.sources)
        if "://" not in argument and not Path(argument).expanduser().exists():
            raise UsageError(f"There is no file or folder '{argument}'")
        raise UsageError(f"No installed plug-in takes '{argument}' as a source. Installed sources: {known}")
    if len(found) > 1:
        raise UsageError(
            f"Several sources are for '{argument}': choose one with --source {' or '.join(o.plugin for o in found)}"
        )
    return found[0]


class Sources:
    """The sources that a collection remembers, opened when first asked for."""

    def __init__(self, registry: Registry, collection: Collection) -> None:
        self._registry = registry
        self._known: dict[str, Any] = collection.state(SOURCES) or {}
        self._opened: dict[str, Source] = {}

    def all(self) -> list[OpenedSource]:
        """Every remembered source. Raises PluginError where its plug-in is gone."""
        return [
            open_source(self._registry, known["argument"], known["options"], known["plugin"])
            for known in self._known.values()
        ]

    def opened(self) -> list[Source]:
        """Every remembered source that can still be opened."""
        found = (self._open(name) for name in self._known)
        return [source for source in found if source is not None]

    def of(self, item: Item) -> Source:
        """The source that shows and credits the item: the first it belongs to that can still be opened."""
        for name in item.sources:
            if (source := self._open(name)) is not None:
                return source
        return Source()

    @staticmethod
    def forget(collection: Collection, names: Iterable[str]) -> list[str]:
        """Let those go of which nothing is left in the collection, whatever the case of the names. Gives which."""
        known, wanted = collection.state(SOURCES) or {}, {name.casefold() for name in names}
        gone = [
            name for name in known if name.casefold() in wanted and not any(True for _ in collection.of_source(name))
        ]
        if gone:
            collection.set_state(SOURCES, {name: entry for name, entry in known.items() if name not in gone})
        return gone

    def _open(self, name: str) -> Source | None:
        known = self._known.get(name)
        if name not in self._opened and known:
            try:
                opened = open_source(self._registry, known["argument"], known["options"], known["plugin"])
            except SightsoundError:
                return None
            self._opened[name] = opened.source
        return self._opened.get(name)


def find_item(collection: Collection, reference: str) -> Item:
    """The one item that an id, its unique beginning, a path or a URI names. Raises ItemMissing."""
    ids = collection.find(reference)
    if not ids and "://" not in reference:
        ids = collection.find(file_uri(Path(reference).expanduser()))
    if len(ids) > 1:
        raise ItemMissing(f"Several items begin with '{reference}': write more of the id")
    if not ids:
        raise ItemMissing(
            f"There is no item '{reference}' in '{collection.name}'. Name it by its id, the beginning of its id,"
            " its path or its URI; list some with: sightsound search --kind photo"
        )
    return collection.items(ids)[ids[0]]


def set_names(registry: Registry, flag: str | None) -> list[str]:
    """Encoder sets for a new collection, as the flag or the settings say; else the first of PREFERRED that is here."""
    written = setting("encoders", flag)
    if not written:
        return [_preferred(registry)]
    names = [name.strip() for name in written.split(",") if name.strip()]
    if not names:
        raise PluginError("--encoders names no encoder set; see: sightsound plugins")
    return names


def _preferred(registry: Registry) -> str:
    """The best set that is here, with a remark on the first that is not and how to get it."""
    from sightsound.encoders import choose  # numpy is not for `--help`

    *better, least = PREFERRED
    for name in better:
        try:
            wants = next((e.spec.missing for e in choose(registry, [name]).chosen if e.spec.missing), "")
        except SightsoundError as error:
            wants = str(error)
        if not wants:
            return name
        logging.getLogger("sightsound").info(f"The encoders are {least}; {name} sees far more. {wants.splitlines()[0]}")
    return least
