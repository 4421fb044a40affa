"""sightsound starter-set"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import typer

from sightsound.cli.common import clock_time, note, plural
from sightsound.errors import MediaError, UsageError
from sightsound.opening import open_source
from sightsound.registry import registry

TABLE = "photos.csv"
COLUMNS = (
    *("path", "title", "description", "tags", "author", "author_url"),
    *("licence", "page_url", "date", "credit", "uri"),
)


def register(app: typer.Typer) -> None:
    app.command("starter-set", epilog='Example: `sightsound starter-set unsplash:"mountain lake" --to lakes`')(
        starter_set_command
    )


def starter_set_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="unsplash:WORDS, pexels:WORDS, or any other source.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="Where to; made where it is missing.")],
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", help="How many.", min=1)] = 50,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", metavar="KEY=VALUE", help="The source's own options.")
    ] = None,
    plugin: Annotated[str, typer.Option("--source", metavar="NAME", help="Which source plug-in.")] = "",
) -> None:
    """Bring originals of a source into a folder, with a table of their authors, licences and pages: photos.csv.

    Each counts as a download of yours, under the source's licence. What the table names already is not brought again.
    Index it with: sightsound index FOLDER/photos.csv
    """
    from sightsound.cli.index import SOME_FAILED, pairs
    from sightsound.taking import take

    found = open_source(registry(), source, pairs(option), plugin).source
    if to.exists() and not to.is_dir():
        raise UsageError(f"{to} is a file; name a folder")
    to.mkdir(parents=True, exist_ok=True)
    table = to / TABLE
    known = _known(table)
    failed = 0
    with table.open("a", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, COLUMNS)
        if not known:
            rows.writeheader()
        for item in found.items():
            if len(known) >= count:
                break
            if item.uri in known or item.kind == "text":
                continue
            try:
                path = take(item, found, to)
            except (MediaError, OSError) as error:
                if found.paused:
                    break
                failed += 1
                note(f"not brought: {item.uri}: {error}")
                continue
            said = item.metadata
            rows.writerow(
                {
                    **{name: getattr(said, name, "") for name in COLUMNS},
                    "path": path.name,
                    "tags": ";".join(said.tags),
                    "author_url": said.extra.get("author_url", ""),
                    "credit": found.credit(item),
                    "uri": item.uri,
                }
            )
            file.flush()
            known.add(item.uri)
    for warning in getattr(found, "warnings", []):
        note(f"warning: {warning}")
    print(f"{plural(len(known), 'file')} in {to}, told of in {table}")
    if found.paused:
        until = clock_time(found.paused.until)
        note(f"stopped: {found.paused.reason}; run it again after {until} to go on where it stopped")
    if failed or found.paused:
        raise typer.Exit(SOME_FAILED)


def _known(table: Path) -> set[str]:
    """URIs that the table names already. Raises UsageError where it is another table."""
    if not table.exists():
        return set()
    with table.open(newline="", encoding="utf-8") as file:
        rows: Any = csv.DictReader(file)
        if rows.fieldnames is not None and tuple(rows.fieldnames) != COLUMNS:
            raise UsageError(f"{table} is a table of something else; name another folder")
        return {row["uri"] for row in rows}
