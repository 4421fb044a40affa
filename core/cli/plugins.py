"""sightsound plugins"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from sightsound.cli.common import JsonOption, print_json
from sightsound.registry import Registry, Shelf, registry


def register(app: typer.Typer) -> None:
    app.command("plugins", epilog="Example: `sightsound plugins --json`")(plugins_command)


def plugins_command(as_json: JsonOption = False) -> None:
    """List the plug-ins that are installed, what they provide, and those that fail, with the reason."""
    found = registry()
    provided = _provided(found)
    if as_json:
        print_json({"plugins": [asdict(plugin) for plugin in found.plugins], **provided})
        return
    for plugin in found.plugins:
        print(f"{plugin.full_name} {plugin.version}  {plugin.module}")
        if plugin.error:
            print(f"    can't be used: {plugin.error}")
    print()
    for kind, names in provided.items():
        print(f"{kind}: {', '.join(names)}")


def _provided(found: Registry) -> dict[str, list[str]]:
    return {
        "encoders": _names(found.encoders),
        "sources": _names(found.sources),
        "readers": _names(found.readers),
        "stores": _names(found.stores),
    }


def _names(shelf: Shelf[Any]) -> list[str]:
    return sorted({shelf.shortest(entry) for entry in shelf.entries})
