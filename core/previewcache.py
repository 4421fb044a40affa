"""Files that were made to be shown, kept in the cache folder by the content they show. The oldest go."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".part"
STALE = 6 * 3600.0
"""Seconds after which a file that was never finished belongs to a process that was killed."""
SHARE = 0.05
"""Of what the cache may take, what is written until it is looked through again."""
LEFT = 0.9
"""What is left of that when old ones go."""
TOUCHED = 600.0
"""Seconds within which a file need not be marked as used again."""


class PreviewCache:
    """A folder of files that can be made again. Any number of processes may use it at once.

    A file is there whole or not at all. most: bytes that all may take together; the ones longest unused go.
    """

    def __init__(self, folder: Path, most: float) -> None:
        self.folder = folder
        self.most = most
        self._guard = threading.Lock()
        self._unseen = most  # so that what others left is looked through at the first file
        self._trimming = threading.Lock()

    def open(self, name: str) -> BinaryIO | None:
        """The file of this name, at its start, or None. It can be read to its end though it is removed meanwhile."""
        path = self._path(name)
        try:
            file = path.open("rb")
        except OSError:
            return None
        with contextlib.suppress(OSError):
            if time.time() - os.fstat(file.fileno()).st_mtime > TOUCHED:
                os.utime(path)
        return file

    def put(self, name: str, data: bytes) -> None:
        with self.writing(name) as partial:
            partial.write_bytes(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A file to write to; it takes its name when the block ends without an error. Raises OSError."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, written = tempfile.mkstemp(PARTIAL, path.name[:80] + ".", path.parent)
        os.close(descriptor)
        partial = Path(written)
        try:
            yield partial
            size = partial.stat().st_size
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        self._wrote(size)

    def forget(self, beginning: str) -> None:
        """Remove what has a name that begins so: with a content, all that was made of it."""
        for path in self._path(beginning).parent.glob(f"{beginning}*"):
            path.unlink(missing_ok=True)

    def size(self) -> int:
        """Bytes that the cache takes."""
        return sum(size for _, size, _ in self._files())

    def trim(self) -> None:
        """Remove what was never finished, and where all is too large, what was not used for the longest time."""
        files, now = [], time.time()
        for used, size, path in self._files():
            if path.name.endswith(PARTIAL):
                if now - used > STALE:
                    path.unlink(missing_ok=True)
            else:
                files.append((used, size, path))
        total = sum(size for _, size, _ in files)
        if total <= self.most:
            return
        for _, size, path in sorted(files)[:-1]:  # the latest stays, however large
            if total <= self.most * LEFT:
                break
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size

    def _wrote(self, size: int) -> None:
        with self._guard:
            self._unseen += size
            if self._unseen < self.most * SHARE:
                return
            self._unseen = 0.0
        with self._trimming:
            self.trim()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """(last used, bytes, path) of every file."""
        with contextlib.suppress(OSError):
            for folder in list(os.scandir(self.folder)):
                with contextlib.suppress(OSError):
                    for entry in os.scandir(folder.path):
                        with contextlib.suppress(OSError):
                            status = entry.stat(follow_symlinks=False)
                            yield status.st_mtime, status.st_size, Path(entry.path)

    def _path(self, name: str) -> Path:
        if not name.replace("-", "").replace(".", "").isalnum() or name.startswith("."):
            raise ValueError(f"'{name}' can't be the name of a kept file")
        return self.folder / name[:2] / name
