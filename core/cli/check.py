"""sightsound check"""

from __future__ import annotations

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, opened, print_json, say

BROKEN = "broken; build it anew with: sightsound index --rebuild"


def register(app: typer.Typer) -> None:
    app.command("check", epilog="Example: `sightsound check --collection holidays`")(check_command)


def check_command(store: StoreOption = None, collection: CollectionOption = None, as_json: JsonOption = False) -> None:
    """Verify a collection: its rows, texts and vectors. What can be made again is mended."""
    with opened(store, collection) as (_, found):
        lines = found.check()
        count = found.count()
    broken = [line for line in lines if not line.startswith("mended")]
    if as_json:
        print_json({"ok": not broken, "items": count, "found": lines})
    else:
        for line in lines:
            say(line)
        say(f"{plural(count, 'item')}: {BROKEN if broken else 'all is well'}")
    if broken:
        raise typer.Exit(1)
