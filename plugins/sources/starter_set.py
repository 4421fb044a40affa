"""sightsound starter-set"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from sightsound.amounts import plural
from sightsound.cli.common import clock_time, note
from sightsound.errors import MediaError, SourceError, UsageError
from sightsound.opening import open_source
from sightsound.registry import registry

if TYPE_CHECKING:
    from sightsound.sources import Source
    from sightsound.types import Item

TABLE = "photos.csv"
COLUMNS = (
    *("path", "title", "description", "tags", "author", "author_url"),
    *("licence", "page_url", "date", "credit", "uri"),
)
Send = Callable[[Path], None]
"""Brings a file of the folder to where it shall lie in the end."""


def starter_set_command(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="unsplash:WORDS, pexels:WORDS, or any other source.")],
    to: Annotated[
        str, typer.Option("--to", metavar="PLACE", help="A folder, made where it is missing; or s3://BUCKET/PREFIX.")
    ],
    count: Annotated[int, typer.Option("--count", "-n", metavar="N", help="How many.", min=1)] = 50,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", metavar="KEY=VALUE", help="The source's own options.")
    ] = None,
    plugin: Annotated[str, typer.Option("--source", metavar="NAME", help="Which source plug-in.")] = "",
) -> None:
    """Bring originals of a source into a folder or a bucket, with a table of their authors, licences and pages:
    photos.csv.

    Each counts as a download of yours, under the source's licence. What the table names already is not brought again.
    Index it with: sightsound index PLACE/photos.csv
    """
    from sightsound.cli.index import SOME_FAILED, pairs

    found = open_source(registry(), source, pairs(option), plugin).source
    with _place(to) as (folder, send):
        known = _known(folder / TABLE)
        failed = _bring(found, folder, known, count, send)
    for warning in getattr(found, "warnings", []):
        note(f"warning: {warning}")
    where = to.rstrip("/")
    print(f"{plural(len(known), 'file')} in {where}, told of in {where}/{TABLE}")
    if found.paused:
        until = clock_time(found.paused.until)
        note(f"stopped: {found.paused.reason}; run it again after {until} to go on where it stopped")
    if failed or found.paused:
        raise typer.Exit(SOME_FAILED)


def _bring(source: Source, folder: Path, known: set[str], count: int, send: Send) -> int:
    """Take items until so many are known, each with its row in the table. Gives how many failed."""
    from sightsound.taking import CREDITS, take

    failed, table = 0, folder / TABLE
    with table.open("a", newline="", encoding="utf-8") as file:
        if not known:
            csv.DictWriter(file, COLUMNS).writeheader()
            file.flush()
            send(table)  # a bucket that takes nothing says so before anything counts as a download
        for item in source.items():
            if len(known) >= count:
                break
            if item.uri in known or item.kind == "text":
                continue
            try:
                path = take(item, source, folder)
            except (MediaError, OSError) as error:
                if source.paused:
                    break
                failed += 1
                note(f"not brought: {item.uri}: {error}")
                continue
            send(path)
            _note_down(file, item, path, source)
            for one in (table, folder / CREDITS):
                send(one)
            known.add(item.uri)
    return failed


def _note_down(file: IO[str], item: Item, path: Path, source: Source) -> None:
    said = item.metadata
    csv.DictWriter(file, COLUMNS).writerow(
        {
            **{name: getattr(said, name, "") for name in COLUMNS},
            "path": path.name,
            "tags": ";".join(said.tags),
            "author_url": said.extra.get("author_url", ""),
            "credit": source.credit(item),
            "uri": item.uri,
        }
    )
    file.flush()


@contextmanager
def _place(to: str) -> Iterator[tuple[Path, Send]]:
    """A folder to bring files into, and what is done with each then. Raises UsageError."""
    from sightsound.plugins.sources.bucket import SCHEME

    if to.lower().startswith(SCHEME):
        with tempfile.TemporaryDirectory(prefix="sightsound-") as temporary:
            folder = Path(temporary)
            yield folder, _to_bucket(to, folder)
        return
    folder = Path(to).expanduser()
    if "://" in to or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{to} is no folder; name one, or s3://BUCKET/PREFIX")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder, lambda path: None


def _to_bucket(to: str, folder: Path) -> Send:
    """Fill the folder with what an earlier run left in the bucket, the names of pictures alone. Raises SourceError."""
    from sightsound.plugins.sources.bucket import Bucket, split_address
    from sightsound.plugins.sources.s3place import S3Place
    from sightsound.plugins.sources.upload import send
    from sightsound.taking import CREDITS

    name, key = split_address(to)
    bucket = Bucket(name, {})
    prefix = key if not key or key.endswith("/") else f"{key}/"
    for one in (TABLE, CREDITS):
        if (there := S3Place(bucket, key).read(one)) is not None:
            (folder / one).write_bytes(there)
    for named in _rows(folder / TABLE):
        (folder / Path(named["path"]).name).touch()

    def bring(path: Path) -> None:
        if reason := send(path, prefix + path.name, bucket, None).reason:
            raise SourceError(f"{reason}. Run it again to go on")
        if path.name not in (TABLE, CREDITS):
            os.truncate(path, 0)  # its name stays taken

    return bring


def _known(table: Path) -> set[str]:
    """URIs that the table names already. Raises UsageError where it is another table."""
    return {row["uri"] for row in _rows(table)}


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        rows: Any = csv.DictReader(file)
        if rows.fieldnames is not None and tuple(rows.fieldnames) != COLUMNS:
            raise UsageError(f"{table.name} is a table of something else there; name another place")
        return list(rows)
