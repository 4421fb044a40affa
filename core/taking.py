"""Taking an item: its original into a file, or into a browser's downloads, with its credit."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from sightsound.errors import UsageError

if TYPE_CHECKING:
    from sightsound.sources import Source
    from sightsound.types import Item

CREDITS = "credits.txt"


def take(item: Item, source: Source, to: Path) -> Path:
    """Write the original to a file, or into a folder under a name of its own; a line of credit beside it.

    Nothing is overwritten. Raises MediaError, OSError, UsageError.
    """
    folder = to if to.is_dir() else to.parent
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder} to write to")
    if to.is_file():
        raise UsageError(f"{to} exists already; name another file")
    with (
        source.take(item) as original,
        tempfile.NamedTemporaryFile(dir=folder, suffix=".part", delete=False) as partial,
    ):
        try:
            head = original.read(1024)
            partial.write(head)
            shutil.copyfileobj(original, partial)
            partial.flush()
            file = _free(to / name_of(item, head)) if to.is_dir() else to
            Path(partial.name).replace(file)
        except BaseException:
            Path(partial.name).unlink(missing_ok=True)
            raise
    file.chmod(0o644)
    with (folder / CREDITS).open("a", encoding="utf-8", errors="backslashreplace") as credits:
        credits.write(credit_note(file.name, item, source) + "\n")
    return file


def credit_note(name: str, item: Item, source: Source) -> str:
    """The line of a file of credits: `lake.jpg: Lake by Ann, CC0 (https://…)`."""
    credit = source.credit(item) or "no author or licence is known"
    return f"{name}: {credit} ({item.metadata.page_url or item.uri})"


def name_of(item: Item, head: bytes) -> str:
    """Its own name; else of its title and id, with the ending of what it is."""
    if item.path:
        return item.path.name
    title = " ".join(re.sub(r"[^\w -]+", " ", item.metadata.title).split())[:60]
    known = re.sub(r"[^\w-]+", "-", item.uri.rstrip("/").rpartition("/")[2].partition("?")[0])[-40:]
    stem = f"{title} {known}".strip() if title else known or item.id[:8]
    return stem.removesuffix(_ending(head, item).replace(".", "-")) + _ending(head, item)


def _ending(head: bytes, item: Item) -> str:
    starts = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"fLaC": ".flac", b"ID3": ".mp3"}
    for start, ending in starts.items():
        if head.startswith(start):
            return ending
    if head.startswith(b"RIFF"):
        return {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}.get(head[8:12], ".riff")
    if head[4:8] == b"ftyp":
        return {b"avif": ".avif", b"heic": ".heic", b"M4A ": ".m4a"}.get(head[8:12], ".mp4")
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return ".webm" if b"webm" in head[:64] else ".mkv"
    return {"photo": ".jpg", "film": ".mp4", "sound": ".mp3"}.get(item.kind, "")


def _free(path: Path) -> Path:
    """The path, or the first of `name 2.jpg` and so on that no file has."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem} {number}{path.suffix}")
    return free
