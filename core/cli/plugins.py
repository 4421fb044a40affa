"""sightsound plugins"""

from __future__ import annotations

from dataclasses import asdict

import typer

from sightsound.cli.common import JsonOption, print_json
from sightsound.registry import registry


def register(app: typer.Typer) -> None:
    app.command("plugins", epilog="Example: `sightsound plugins --json`")(plugins_command)


def plugins_command(as_json: JsonOption = False) -> None:
    """List the plug-ins that are installed, what they provide, and those that fail, with the reason."""
    found = registry()
    shelves = {"encoders": found.encoders, "sources": found.sources, "readers": found.readers, "stores": found.stores}
    provided = {
        kind: sorted({shelf.shortest(entry) for entry in shelf.entries})  # type: ignore[attr-defined]
        for kind, shelf in shelves.items()
    }
    if as_json:
        print_json({"plugins": [asdict(plugin) for plugin in found.plugins], **provided})
        return
    for plugin in found.plugins:
        print(f"{plugin.name}@{plugin.distribution} {plugin.version}  {plugin.module}")
        if plugin.error:
            print(f"    can't be used: {plugin.error}")
    print()
    for kind, names in provided.items():
        print(f"{kind}: {', '.join(names)}")
