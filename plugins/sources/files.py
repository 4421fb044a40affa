"""Local files as items: their kind by extension, their revision, and opening them without being made to wait."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from sightsound import Item, Metadata, file_uri
from sightsound.errors import MediaError, UsageError
from sightsound.types import ItemKind

KINDS: dict[str, ItemKind] = {
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


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file; anything else, such as a FIFO, raises MediaError instead of waiting."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def check_options(options: Mapping[str, str], known: tuple[str, ...], source: str) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"The source {source} has no option {', '.join(unknown)}; it has: {', '.join(known)}")
