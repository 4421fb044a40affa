"""Finds and loads plug-ins, and keeps what they register.

A plug-in that fails to import or to register is kept as a failure with its reason; the others work on.
Full names are `name@distribution`; the short name works where it is unique.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from sightsound import hookspecs
from sightsound.errors import PluginError, explain
from sightsound.hookspecs import PROJECT, OpenSource, OpenStore, SpecsFor
from sightsound.media import Reader

Thing = TypeVar("Thing")
DISABLE = "SIGHTSOUND_DISABLE_PLUGINS"
"""Environment variable: distributions whose plug-ins are not loaded, separated by commas."""


@dataclass(frozen=True)
class Plugin:
    """One entry point of the group `sightsound`. error: why it could not be used, or ""."""

    name: str
    distribution: str
    version: str
    module: str
    error: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.name}@{self.distribution}"


@dataclass(frozen=True)
class Registered(Generic[Thing]):
    name: str
    distribution: str
    thing: Thing

    @property
    def full_name(self) -> str:
        return f"{self.name}@{self.distribution}"


@dataclass
class Shelf(Generic[Thing]):
    """What plug-ins registered of one kind, such as sources."""

    kind: str
    entries: list[Registered[Thing]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Registered[Thing]]:
        """Third parties first, so that they may take what a built-in would take too."""
        return iter(sorted(self.entries, key=lambda entry: entry.distribution == PROJECT))

    def add(self, name: str, distribution: str, thing: Thing) -> None:
        if not name or set(name) & set("@:, "):
            raise PluginError(f"'{name}' can't be the name of {self.kind}: it may not hold '@', ':', ',' or a space")
        self.entries.append(Registered(name, distribution, thing))

    def get(self, name: str) -> list[Registered[Thing]]:
        """What the short or full name stands for; several only from one distribution.

        Raises PluginError where nothing has the name, or where distributions clash over it.
        """
        wanted, _, distribution = name.partition("@")
        found = [e for e in self.entries if e.name == wanted and distribution in ("", e.distribution)]
        if not found:
            known = ", ".join(sorted({self.shortest(e) for e in self.entries})) or "none"
            raise PluginError(f"There is no {self.kind} named '{name}'. Known: {known}. See: sightsound plugins")
        if len({entry.distribution for entry in found}) > 1:
            choice = " or ".join(sorted({entry.full_name for entry in found}))
            raise PluginError(f"Several plug-ins have a {self.kind} named '{name}': write {choice}")
        return found

    def shortest(self, entry: Registered[Thing]) -> str:
        """The entry's short name where it is unique, else its full name."""
        rivals = {e.distribution for e in self.entries if e.name == entry.name}
        return entry.name if len(rivals) == 1 else entry.full_name


@dataclass
class Registry:
    """All that is known of plug-ins in this process. Make one with `load`, or use `registry()`."""

    manager: pluggy.PluginManager
    plugins: list[Plugin] = field(default_factory=list)
    encoders: Shelf[SpecsFor] = field(default_factory=lambda: Shelf("encoder set"))
    sources: Shelf[OpenSource] = field(default_factory=lambda: Shelf("source"))
    readers: Shelf[Reader] = field(default_factory=lambda: Shelf("reader"))
    stores: Shelf[OpenStore] = field(default_factory=lambda: Shelf("store"))

    def add(self, module: Any, name: str, distribution: str, version: str = "") -> None:
        """Register one plug-in module or object; a failure is noted, not raised."""
        error = ""
        try:
            self.manager.register(module, name=f"{name}@{distribution}")
            self._collect(module, distribution)
        except Exception as failure:  # a stranger's code may raise anything
            error = explain(failure)
            if self.manager.is_registered(module):
                self.manager.unregister(module)
        self.plugins.append(Plugin(name, distribution, version, getattr(module, "__name__", repr(module)), error))

    def _collect(self, module: Any, distribution: str) -> None:
        """Take what one plug-in registers, all of it or nothing."""
        shelves: dict[str, Shelf[Any]] = {
            "register_encoders": self.encoders,
            "register_sources": self.sources,
            "register_readers": self.readers,
            "register_stores": self.stores,
        }
        before = {hook: len(shelf.entries) for hook, shelf in shelves.items()}
        try:
            for hook, shelf in shelves.items():
                self._call(hook, module, register=_register(shelf, distribution))
        except Exception:
            for hook, shelf in shelves.items():
                del shelf.entries[before[hook] :]
            raise

    def _call(self, hook: str, module: Any, **arguments: Any) -> None:
        """Call a hook of one plug-in, so that its failure can be told from others'."""
        others = [plugin for plugin in self.manager.get_plugins() if plugin is not module]
        self.manager.subset_hook_caller(hook, others)(**arguments)

    def call_each(self, hook: str, arguments: Callable[[str], dict[str, Any]]) -> None:
        """Call a hook of every plug-in; one that fails is noted among `plugins`, and the others go on.

        arguments: the hook's arguments for a plug-in, by its full name.
        """
        for number, plugin in enumerate(self.plugins):
            module = self.manager.get_plugin(plugin.full_name)
            if module is None:
                continue
            try:
                self._call(hook, module, **arguments(plugin.full_name))
            except Exception as failure:  # a stranger's code may raise anything
                self.plugins[number] = replace(plugin, error=explain(failure))


def _register(shelf: Shelf[Any], distribution: str) -> Callable[[str, Any], None]:
    return lambda name, thing: shelf.add(name, distribution, thing)


def load(chosen: list[EntryPoint] | None = None) -> Registry:
    """Load every plug-in of the entry-point group; for tests, of the given entry points."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    found = Registry(manager)
    disabled = {one.strip() for one in os.environ.get(DISABLE, "").split(",")}
    for entry_point in installed() if chosen is None else chosen:
        name, version = owner(entry_point), entry_point.dist.version if entry_point.dist else ""
        if name in disabled:
            continue
        try:
            module = entry_point.load()
        except BaseException as failure:  # an import may even call sys.exit
            if isinstance(failure, KeyboardInterrupt):
                raise
            found.plugins.append(Plugin(entry_point.name, name, version, entry_point.value, explain(failure)))
            continue
        found.add(module, entry_point.name, name, version)
    return found


def installed() -> list[EntryPoint]:
    """The entry points of the group, the built-ins first, then by distribution."""
    return sorted(entry_points(group=PROJECT), key=lambda point: (owner(point) != PROJECT, owner(point)))


def owner(entry_point: EntryPoint) -> str:
    """The name of the distribution that an entry point belongs to."""
    return entry_point.dist.name if entry_point.dist else "?"


@cache
def registry() -> Registry:
    """The plug-ins of this process, loaded once."""
    return load()
