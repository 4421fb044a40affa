"""sightsound index-to: an index run on a machine that keeps nothing, such as a batch job."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightsound.cli.common import CollectionOption, note
from sightsound.config import setting
from sightsound.errors import SightsoundError

if TYPE_CHECKING:
    from sightsound.stores.backup import Place
    from sightsound.stores.local import LocalStore

MINUTES = 15
WORTH_KEEPING = (0, 3, 130)
"""Exit codes of `index` after which the collection is sound: all well, some files failed, stopped."""


def index_to_command(
    context: typer.Context,
    place: Annotated[str, typer.Argument(metavar="PLACE", help="A folder, or s3://BUCKET/PREFIX.")],
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="N", help="Between two backups while the run goes on.", min=0.01)
    ] = MINUTES,
    collection: CollectionOption = None,
) -> None:
    """Index into a collection that lies at PLACE as a backup: it is restored, indexed, and backed up again.

    What follows PLACE goes to `sightsound index`: sources and options. For machines that keep nothing: the backup is
    made every few minutes, at the end, and when the run is stopped (Ctrl-C, SIGTERM), so that the next one goes on. A
    collection of that name on this machine is replaced by the one at PLACE. One run at a time.
    """
    from sightsound.plugins.sources.commands import local_store, place_of

    to, name, store = place_of(place, None), setting("collection", collection), local_store(None, create=True)
    _bring(store, name, to)
    with _running([*context.args, "--collection", name]) as run:
        while True:
            try:
                code = run.wait(minutes * 60)
                break
            except subprocess.TimeoutExpired:
                _keep_meanwhile(store, name, to)
    if code in WORTH_KEEPING and name in store.collections():
        _keep(store, name, to)
    if code:
        raise typer.Exit(code if code > 0 else 1)


def _bring(store: LocalStore, name: str, place: Place) -> None:
    """A first run finds no backup. Whatever else hinders a restore is an error: all would be encoded anew."""
    from sightsound.stores.backup import manifest_of, restore

    if manifest_of(place) is None:
        note(f"There is no backup at {place.where} yet: this is the first run")
        return
    manifest, _, _ = restore(store, name, place, True, _quiet)
    note(f"Goes on from the backup of {manifest.made} at {place.where}")


def _keep(store: LocalStore, name: str, place: Place) -> None:
    from sightsound.stores.backup import backup

    manifest, _ = backup(store, name, place, True, _quiet)
    note(f"Backed up '{name}' to {place.where}: {manifest.items:,} items")


def _keep_meanwhile(store: LocalStore, name: str, place: Place) -> None:
    """A backup that fails now is made later: the run goes on."""
    try:
        if name in store.collections():
            _keep(store, name, place)
    except SightsoundError as error:
        note(f"No backup could be made now: {error}")


@contextmanager
def _running(arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """`sightsound index` as a process of its own. What would end this one lets it commit its batch and end."""
    command = [sys.executable, "-c", "from sightsound.cli import main; main()", "index", *arguments]
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: Any) -> None:
        run.send_signal(signal.SIGINT)

    # A session of its own: Ctrl-C of a terminal comes by `stop` alone, once.
    run = subprocess.Popen(command, start_new_session=True)
    try:
        for one in before:
            signal.signal(one, stop)
        yield run
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        if run.poll() is None:
            run.kill()


def _quiet(what: str, done: int, total: int) -> None:
    pass
