"""sightsound show"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, opened, print_json, say
from sightsound.opening import Sources, find_item


def register(app: typer.Typer) -> None:
    app.command("show", epilog="Example: `sightsound show 3fa8`")(show_command)


def show_command(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An id, its unique beginning, a path or a URI.")],
    store: StoreOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of an item: metadata and where it comes from, facts, segments."""
    from sightsound.answers import shown_object

    with opened(store, collection) as (plugins, found):
        one = find_item(found, item)
        known = shown_object(one, found.segments([one.id]).get(one.id, []), Sources(plugins, found))
    if as_json:
        print_json(known)
        return
    for name, value in known.items():
        if name == "segments":
            say(f"{name + ':':14} {', '.join(segment['kind'] for segment in value)}")
        elif name == "metadata_from":
            for layer, said in value.items():
                say(f"{'from:':14} {layer} ({', '.join(said) or 'names it only'})")
        elif value not in (None, [], {}, ""):
            say(f"{name + ':':14} {_plain(value)}")


def _plain(value: Any) -> str:
    """A value as a person reads it: colours with their shares, lists and pairs between commas."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_plain(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(f"{one[0]} {one[1]:.0%}" if isinstance(one, list) else str(one) for one in value)
    return " ".join(str(value).split())
