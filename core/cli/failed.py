"""sightsound failed"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, print_json, say
from sightsound.cli.index import SOME_FAILED
from sightsound.cli.progress import Bar
from sightsound.types import file_path

if TYPE_CHECKING:
    from sightsound.reports import Report
    from sightsound.sources import Source


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
            from sightsound.retrying import retry as try_again  # numpy is not for `--help`

            try_again(plugins, found, _bar)
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


@contextmanager
def _bar(source: Source) -> Iterator[Callable[[Report], None]]:
    with Bar(source) as bar:
        yield bar.show
