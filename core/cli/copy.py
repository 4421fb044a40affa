"""sightsound copy"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, print_json
from sightsound.opening import open_store


def register(app: typer.Typer) -> None:
    app.command("copy", epilog="Example: `sightsound copy http://localhost:9200`")(copy_command)


def copy_command(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="The store to copy to: a folder or URL.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Its name there.", show_default="the same name")
    ] = None,
    store: StoreOption = None,
    collection: CollectionOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a collection to another store: vectors, metadata, failures and all, with nothing encoded again.

    Both are compared before the copy takes its name. Interrupted, the same command goes on where it was.
    """
    from sightsound.cli.progress import counting
    from sightsound.copying import copy, plan

    with opened(store, collection) as (plugins, found), counting() as show:
        to = open_store(plugins, place, create=not dry_run)
        name = name or found.name
        report = (plan if dry_run else copy)(found, to, name, show)
    if as_json:
        print_json({"collection": name, "store": to.location, **asdict(report)})
        return
    what = f"{plural(report.items, 'item')} with {plural(report.vectors, 'vector')}"
    if report.existing:
        print(f"{what}: the same collection is in {to.location} as '{name}' already")
    elif dry_run:
        print(f"{what}: {report.written:,} would be copied to {to.location} as '{name}'")
    else:
        print(f"{what}: {report.written:,} copied to {to.location} as '{name}', and compared")
    if report.skipped and report.written:
        note(f"{report.skipped:,} were there already, from an earlier attempt.")
