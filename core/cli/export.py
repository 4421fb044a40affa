"""sightsound export"""

from __future__ import annotations

import json
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, StoreOption, opened
from sightsound.errors import UsageError
from sightsound.opening import Sources
from sightsound.stores.base import Collection
from sightsound.types import Item

if TYPE_CHECKING:
    from sightsound.cli.archive import Archive

BATCH = 1_000
"""Items whose vectors are asked of the store at once."""


def register(app: typer.Typer) -> None:
    app.command("export", epilog="Example: `sightsound export photos.jsonl --vectors`")(export_command)


def export_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Where to write, a line an item.")],
    vectors: Annotated[bool, typer.Option("--vectors", help="Write the vectors beside it, as FILE.npz.")] = False,
    store: StoreOption = None,
    collection: CollectionOption = None,
) -> None:
    """Write every item, with its metadata and facts, to a JSONL file; with --vectors also its vectors."""
    from sightsound.cli.archive import Archive

    count = 0
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent} to write to")
    with opened(store, collection) as (plugins, found), ExitStack() as held:
        sources = Sources(plugins, found)
        partial = file.with_name(file.name + ".part")
        archive = held.enter_context(Archive(file.with_suffix(".npz"))) if vectors else None
        out = held.enter_context(partial.open("w", encoding="utf-8", errors="backslashreplace"))
        items = found.scan()
        while batch := list(islice(items, BATCH)):
            out.writelines(_line(item, sources) for item in batch)
            if archive:
                _add_vectors(archive, found, batch)
            count += len(batch)
    partial.replace(file)
    print(f"Wrote {plural(count, 'item')} to {file}")


def _line(item: Item, sources: Sources) -> str:
    from sightsound.answers import item_object

    # A URL for viewing may be signed, and holds for minutes: it is no part of what is kept.
    return json.dumps(item_object(item, sources) | {"view_url": None}, ensure_ascii=False) + "\n"


def _add_vectors(archive: Archive, found: Collection, items: list[Item]) -> None:
    segments = found.segments(item.id for item in items)
    ids = [segment.id for item in items for segment in segments.get(item.id, [])]
    for space in dict.fromkeys(space for space, _ in found.counts()):
        archive.add(space, found.vectors(space, ids))
