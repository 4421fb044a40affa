"""A folder of photographs."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from sightsound import Item, Source
from sightsound.errors import SourceError
from sightsound.plugins.sources.files import beside, check_options, file_item, kind_of

IGNORED = (".*", "__MACOSX", "@eaDir", "Thumbs.db", "*.part")
OPTIONS = ("ignore", "recursive")
TABLES = (".csv", ".tsv", ".jsonl")


def open_folder(argument: str, options: Mapping[str, str]) -> Source | None:
    """A folder, or a single file of a kind that is read. None for URLs, tables and other files."""
    if "://" in argument or argument.lower().endswith(TABLES):
        return None
    path = Path(argument).expanduser()
    if re.match(r"[a-z][a-z0-9+-]+:", argument) and not path.exists():
        return None  # unsplash:lake is another source's
    if path.suffix and not path.is_dir() and kind_of(path) is None:
        return None
    check_options(options, OPTIONS, "folder")
    patterns = tuple(pattern.strip() for pattern in options.get("ignore", "").split(",") if pattern.strip())
    recursive = options.get("recursive", "yes").lower() not in ("no", "false", "0")
    return FolderSource(Path(os.path.abspath(path)), patterns, recursive)


class FolderSource(Source):
    """Files below a folder, in the order of their names. Links are followed; loops do no harm.

    ignore: patterns (`*.tmp`, `raw/*`) matched with names and with paths relative to the folder, besides IGNORED.
    """

    def __init__(self, root: Path, ignore: tuple[str, ...] = (), recursive: bool = True) -> None:
        self.root = root
        self.ignore = ignore
        self.recursive = recursive
        self.name = f"folder:{os.fsencode(root).decode('utf-8', 'backslashreplace')}"
        self.warnings: list[str] = []

    def count(self) -> int:
        found = sum(1 for _ in self._files())
        self.warnings.clear()
        return found

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        if not self.root.exists():
            raise SourceError(f"{self.root} does not exist; is the disk mounted?")
        self.warnings.clear()
        seen: set[int] = set()
        for path in self._files():
            kind = kind_of(path)
            if kind:
                item = file_item(path, kind)
                if hash(item.uri) not in seen:
                    seen.add(hash(item.uri))
                    yield item

    def beside(self, item: Item) -> list[Item]:
        return beside(item)

    def _files(self) -> Iterator[Path]:
        """Every file with a media extension, depth first."""
        if not self.root.is_dir():
            yield self.root
            return
        visited: set[tuple[int, int]] = set()
        folders = [self.root]
        while folders:
            folder = folders.pop()
            try:
                status = folder.stat()
                entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
            except OSError as error:
                if folder == self.root:
                    raise SourceError(f"{folder} can't be read: {error.strerror}") from error
                self.warnings.append(f"{folder} can't be read: {error.strerror}")
                continue
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            below: list[Path] = []
            for entry in entries:
                path = Path(entry.path)
                if self._ignored(path):
                    continue
                if _is_folder(entry):
                    below.append(path)
                elif kind_of(path):
                    yield path
            if self.recursive:
                folders += reversed(below)

    def _ignored(self, path: Path) -> bool:
        relative = str(path.relative_to(self.root))
        return any(fnmatch.fnmatch(path.name, pattern) for pattern in (*IGNORED, *self.ignore)) or any(
            fnmatch.fnmatch(relative, pattern) for pattern in self.ignore
        )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
