"""Local files as items: their kind by extension, and their revision."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from sightsound import Item, Metadata, file_uri
from sightsound.errors import UsageError
from sightsound.types import ItemKind

KINDS: dict[str, ItemKind] = {
    **dict.fromkeys("wav flac ogg oga opus mp3 m4a aac".split(), "sound"),  # noqa: SIM905
    **dict.fromkeys("jpg jpeg jpe jfif png webp gif bmp tif tiff avif heic heif mpo".split(), "photo"),  # noqa: SIM905
}
"""Kind by extension, of what installed readers read."""


def kind_of(path: Path) -> ItemKind | None:
    return KINDS.get(path.suffix[1:].lower())


def file_item(path: Path, kind: ItemKind, metadata: Metadata | None = None) -> Item:
    """The item of a local file. A file that is gone, or no regular file, gives one that fails when opened."""
    try:
        status = path.stat()
        revision = f"{status.st_size}-{status.st_mtime_ns}" if stat.S_ISREG(status.st_mode) else "special"
    except OSError:
        revision = "missing"
    return Item(file_uri(path), kind, revision, metadata or Metadata())


def check_options(options: Mapping[str, str], known: tuple[str, ...], source: str) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"The source {source} has no option {', '.join(unknown)}; it has: {', '.join(known)}")
