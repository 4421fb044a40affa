"""sightsound status"""

from __future__ import annotations

from typing import Any

import typer

from sightsound.amounts import plural, readable_bytes
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, print_json, say
from sightsound.opening import open_store
from sightsound.registry import registry


def register(app: typer.Typer) -> None:
    app.command("status", epilog="Example: `sightsound status --json`")(status_command)


def status_command(store: StoreOption = None, collection: CollectionOption = None, as_json: JsonOption = False) -> None:
    """Show the collections of a store: items, spaces, encoders, sources and bytes."""
    from sightsound.overview import overview

    found = open_store(registry(), store)
    known = [overview(found, name) for name in ([collection] if collection else found.collections())]
    if as_json:
        print_json({"store": found.location, "collections": known})
        return
    say(f"Store: {found.location}")
    if not known:
        say("No collections yet. Make one with: sightsound index FOLDER")
    for entry in known:
        _print(entry)


def _print(entry: dict[str, Any]) -> None:
    counts = ", ".join(plural(count, kind) for kind, count in entry["items"].items()) or "no items"
    print()
    say(f"{entry['collection']}: {counts}, {readable_bytes(entry['bytes'])}")
    for space in entry["spaces"]:
        say(f"  {space['vectors']:>9,} {space['segments']} vectors in {space['space']}")
    for encoder in entry["encoders"]:
        say(f"  encoder {encoder['set']}/{encoder['name']}: {encoder['fingerprint']}")
    for source in entry["sources"]:
        say(f"  source {source}")
    if entry["failed"]:
        say(f"  {entry['failed']:,} failed: sightsound failed")
    if not entry["calibrated"]:
        say("  items changed since the line between matches and chance was drawn; the next index run redraws it")
