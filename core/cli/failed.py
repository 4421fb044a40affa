"""sightsound failed"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, plural, print_json, say
from sightsound.cli.index import SOME_FAILED
from sightsound.cli.progress import Bar
from sightsound.opening import Sources
from sightsound.registry import Registry
from sightsound.stores.base import Collection
from sightsound.types import file_path


def register(app: typer.Typer) -> None:
    app.command("failed", epilog="Example: `sightsound failed --retry`")(failed_command)


def failed_command(
    retry: Annotated[bool, typer.Option("--retry", help="Try them again now.")] = False,
    store: StoreOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the items that could not be read, each with its reason."""
    with opened(store, collection) as (plugins, found):
        if retry:
            _retry(plugins, found)
        failures = found.failures()
    if as_json:
        print_json([asdict(failure) for failure in failures])
    else:
        for failure in failures:
            kept = "  (it is still found by what was read)" if failure.stale else ""
            say(str(file_path(failure.uri) or failure.uri))
            say(f"    {failure.reason}{kept}")
        note(f"{plural(len(failures), 'item')} failed." if failures else "Nothing failed.")
    if retry and failures:
        raise typer.Exit(SOME_FAILED)


def _retry(plugins: Registry, collection: Collection) -> None:
    from sightsound.encoders import of_collection
    from sightsound.indexing import index
    from sightsound.reports import Options

    failures = collection.failures()
    only = frozenset(failure.uri for failure in failures)
    affected = {failure.source for failure in failures}
    encoders = of_collection(plugins, collection)
    for one in Sources(plugins, collection).all():
        if one.source.name in affected:
            with Bar(one.source) as bar:
                index(plugins, collection, one.source, encoders, Options(retry=True, only=only, progress=bar.show))
