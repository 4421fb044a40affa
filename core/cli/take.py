"""sightsound take"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, StoreOption, clock_time, note, opened, say
from sightsound.errors import MediaError, UsageError
from sightsound.opening import Sources, find_item


def register(app: typer.Typer) -> None:
    app.command("take", epilog="Example: `sightsound take 3fa8 --to lake.jpg`")(take_command)


def take_command(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An id, its unique beginning, a path or a URI.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="A file to write, or a folder.")] = Path(),
    store: StoreOption = None,
    collection: CollectionOption = None,
) -> None:
    """Bring an item's original into a file, with its credit line in credits.txt beside it.

    Of Unsplash and Pexels it is fetched anew, and Unsplash is told of the download, as its terms ask.
    """
    from sightsound.dead import mark
    from sightsound.taking import take

    with opened(store, collection) as (plugins, found):
        one = find_item(found, item)
        if one.kind == "text":
            raise UsageError(f"{one.display_title} is a text; it has no file")
        source = Sources(plugins, found).of(one)
        try:
            file = take(one, source, to)
        except MediaError as error:
            if mark(found, one, error):
                note("It is marked: sightsound failed")
            if source.paused:
                raise MediaError(f"{error}; try again after {clock_time(source.paused.until)}") from error
            raise MediaError(f"{one.display_title} can't be taken: {error}") from error
        except OSError as error:
            raise MediaError(f"{one.display_title} can't be taken: {error.strerror or error}") from error
    print(file)
    if credit := source.credit(one):
        say(f"    {credit}")
