"""What commands share: their options, opening a collection, and printing."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any

import typer

from sightsound.config import setting
from sightsound.opening import open_store
from sightsound.registry import Registry, registry
from sightsound.stores.base import Collection

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing."""

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PLACE", help="Folder or URL where collections are kept.", show_default="the data folder"
    ),
]
CollectionOption = Annotated[
    str | None, typer.Option("--collection", "-c", metavar="NAME", help="Which collection.", show_default="default")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@contextmanager
def opened(store: str | None, collection: str | None, create: bool = False) -> Iterator[tuple[Registry, Collection]]:
    """The plug-ins and the collection that the options name; closed at the end."""
    plugins = registry()
    name = setting("collection", collection)
    found = open_store(plugins, store, create).open(name, create)
    try:
        yield plugins, found
    finally:
        found.close()


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2))


def say(line: str) -> None:
    """Print a line for people. Names and titles come from strangers: what would steer a terminal is shown instead."""
    print(_CONTROL.sub(_escaped, line))


def note(message: str) -> None:
    """Say something that is not data: on stderr, after what was printed before."""
    sys.stdout.flush()
    print(_CONTROL.sub(_escaped, message), file=sys.stderr)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def clock_time(when: float) -> str:
    """Seconds since the epoch as the time here; with the day where that is not today."""
    then = datetime.fromtimestamp(when)
    return then.strftime("%H:%M:%S" if then.date() == datetime.now().date() else "%Y-%m-%d %H:%M")


def ask(question: str) -> bool:
    """Ask on the terminal; without one the answer is no."""
    return sys.stdin.isatty() and typer.confirm(question, err=True)
