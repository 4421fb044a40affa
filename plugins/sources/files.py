"""Local files as items: their kind by extension, and their revision."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePath

from sightsound import Item, Metadata, file_uri
from sightsound.errors import UsageError
from sightsound.sources import file_revision
from sightsound.types import ItemKind

_FILMS = "mp4 m4v mov f4v mkv webm avi mpg mpeg mpe m2v vob ts mts m2ts ogv flv wmv asf 3gp 3g2 mxf dv"
KINDS: dict[str, ItemKind] = {
    **dict.fromkeys("wav aif aiff aifc flac ogg oga opus mp3 m4a aac".split(), "sound"),  # noqa: SIM905
    **dict.fromkeys("jpg jpeg jpe jfif png webp gif bmp tif tiff avif heic heif mpo".split(), "photo"),  # noqa: SIM905
    **dict.fromkeys(_FILMS.split(), "film"),
}
"""Kind by extension, of what installed readers read."""


def kind_of(path: PurePath) -> ItemKind | None:
    return KINDS.get(path.suffix[1:].lower())


def file_item(path: Path, kind: ItemKind, metadata: Metadata | None = None) -> Item:
    """The item of a local file. A file that is gone, or no regular file, gives one that fails when opened."""
    beside = "".join(f"+{_revision(one)}" for one in subtitles_of(path)) if kind == "film" else ""
    return Item(file_uri(path), kind, _revision(path) + beside, metadata or Metadata())


def _revision(path: Path) -> str:
    try:
        status = path.stat()
        return file_revision(status) if stat.S_ISREG(status.st_mode) else "special"
    except OSError:
        return "missing"


def beside(item: Item) -> list[Item]:
    """The subtitles that lie beside a film, as items."""
    if item.kind != "film" or item.path is None:
        return []
    return [Item(file_uri(path), "text", _revision(path)) for path in subtitles_of(item.path)]


def subtitles_of(path: Path) -> list[Path]:
    """`reel.srt`, `reel.en.vtt` beside `reel.mp4`, by name."""
    try:
        changed = path.parent.stat().st_mtime_ns
    except OSError:
        return []
    found = _subtitles_in(path.parent, changed)
    stem = path.stem
    return [path.parent / name for name in found if name.startswith(stem) and _LANGUAGE.fullmatch(name[len(stem) :])]


def subtitle_of(name: str, film: str) -> bool:
    """Whether a file or key of this name holds subtitles of that film."""
    stem = film.rpartition(".")[0]
    return name.startswith(stem) and _LANGUAGE.fullmatch(name[len(stem) :]) is not None


_LANGUAGE = re.compile(r"(\.[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,4})?)?(\.(forced|sdh|cc))?\.(srt|vtt)", re.IGNORECASE)


@lru_cache(maxsize=64)
def _subtitles_in(folder: Path, changed: int) -> tuple[str, ...]:
    """Names of all subtitles in a folder as it was at some time."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError:
        return ()
    return tuple(name for name in names if name.lower().endswith((".srt", ".vtt")))


def check_options(options: Mapping[str, str], known: tuple[str, ...], source: str) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise UsageError(f"The source {source} has no option {', '.join(unknown)}; it has: {', '.join(known)}")
