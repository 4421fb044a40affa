"""The hooks of sightsound. A plug-in implements those it needs with `@hookimpl`, in a module that it names in the
entry-point group `sightsound`. The built-ins do the same.

Registering must be cheap: no weights, no torch, no network. It runs for `sightsound --help`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import typer

    from sightsound.sources import Source
    from sightsound.stores.base import Store
    from sightsound.types import EncoderSpec

PROJECT = "sightsound"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

SpecsFor = Callable[[str], "Sequence[EncoderSpec]"]
OpenSource = Callable[[str, Mapping[str, str]], "Source | None"]
OpenStore = Callable[[str, bool], "Store | None"]


class Register(Protocol):
    """Takes a name, unique within the distribution, and what is registered under it."""

    def __call__(self, name: str, thing: Any) -> None: ...


@hookspec
def register_encoders(register: Register) -> None:
    """Called once a process, when plug-ins are loaded, to learn which sets of encoders there are.

    register: `register(name, specs_for)`. `specs_for(argument)` returns the set's encoder specs; `argument` is
    what follows the colon in `--encoders name:argument`, else "". It is called when a collection that uses the
    set is opened, and must not load weights either. Several plug-ins of one distribution may register under one
    name: their specs are joined into one set.
    A plug-in may not read the collection or change another set.
    """


@hookspec
def register_sources(register: Register) -> None:
    """Called once a process, to learn where items can come from.

    register: `register(name, open_source)`. `open_source(argument, options)` gets what the user wrote after
    `sightsound index` and the `--option key=value` pairs, and returns a `Source`, or None if the argument is not
    for it. It raises `UsageError` for an option it does not know, and may not list anything yet.
    """


@hookspec
def register_readers(register: Register) -> None:
    """Called once a process, to learn how items' bytes become segments.

    register: `register(name, reader)`; the reader is pickled into the decoding processes. The first reader
    whose `reads(item)` is true gets the item; third parties are asked before the built-ins.
    A reader may not write, open other files, or use the network.
    """


@hookspec
def register_stores(register: Register) -> None:
    """Called once a process, to learn where collections can be kept.

    register: `register(name, open_store)`. `open_store(location, create)` returns a `Store`, or None if the
    location (a path or URL) is not for it. `create` says that a missing store may be made; without it a plug-in may
    not make anything.
    """


@hookspec
def register_commands(cli: typer.Typer) -> None:
    """Called once, when the command line is built, before arguments are parsed.

    cli: a Typer application; add commands or a sub-application. A plug-in may not replace a command that exists: its
    own is left out. Heavy imports belong inside the command.
    """


@hookspec
def register_pages(app: Any) -> None:
    """Called once, when the site is built, after the built-in pages.

    app: the Flask application; add a blueprint. A plug-in may not replace a page that exists.
    """
