"""Files to search by that visitors gave: kept by the hash of their content for a while, never decoded here."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sightsound.config import cache_folder
from sightsound.errors import ItemMissing, MediaError, UsageError
from sightsound.magic import HEAD, kind_of
from sightsound.sources import file_revision
from sightsound.types import Item, ItemKind, file_uri
from sightsound.webapp.settings import MEGABYTE, UploadLimits

_ID = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 18


class TooLarge(UsageError):
    status = 413


@dataclass(frozen=True)
class Upload:
    """id: SHA-256 of the content. expires: seconds since the epoch."""

    id: str
    kind: ItemKind
    path: Path
    expires: float

    @property
    def item(self) -> Item:
        """What shows it as an item of a collection is shown."""
        return Item(file_uri(self.path), self.kind, file_revision(self.path.stat()), content=self.id)


class Uploads:
    """A folder of such files, read and written by their owner only. The oldest go where there are too many.

    forgotten: told the id of each that goes, to remove what was made of it.
    """

    def __init__(
        self, limits: UploadLimits, folder: Path | None = None, forgotten: Callable[[str], None] = lambda id: None
    ) -> None:
        self.limits = limits
        self._forgotten = forgotten
        self._folder = folder or cache_folder() / "uploads"
        self._guard = threading.Lock()

    def keep(self, file: IO[bytes]) -> Upload:
        """Keep what the file holds. Raises TooLarge, MediaError for what is no picture, sound or film."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        digest, size = hashlib.sha256(), 0
        handle, name = tempfile.mkstemp(prefix=".part-", dir=self._folder)  # made with 0600
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as out:
                head = b""
                while chunk := file.read(_CHUNK):
                    size += len(chunk)
                    if size > self.limits.bytes:
                        raise TooLarge(f"A file to search by may have {self.limits.bytes / MEGABYTE:,.0f} MB at most")
                    head = head or chunk[:HEAD]
                    digest.update(chunk)
                    out.write(chunk)
            if kind_of(head) is None:
                raise MediaError("The file is no picture, sound or film of a format that is read")
            part.replace(self._folder / digest.hexdigest())
        finally:
            part.unlink(missing_ok=True)
        self.forget()
        return self.find(digest.hexdigest())

    def find(self, id: str) -> Upload:
        """A file that is kept. Raises UsageError for what is no id, ItemMissing where it is not kept any more."""
        if not _ID.fullmatch(id):
            raise UsageError(f"'{id[:80]}' is no upload: it is 64 hex digits, as /api/v1/uploads gives them")
        path = self._folder / id
        try:
            expires = path.stat().st_mtime + self.limits.keep
            with path.open("rb") as file:
                kind = kind_of(file.read(HEAD))
        except FileNotFoundError:
            kind, expires = None, 0.0
        if kind is None or expires < time.time():
            raise ItemMissing("The file to search by is not kept any more: upload it again")
        return Upload(id, kind, path, expires)

    def forget(self, now: Callable[[], float] = time.time) -> None:
        """Remove what is too old, and the oldest of what is too many or too much."""
        with self._guard:
            known = []
            for path in self._folder.iterdir() if self._folder.is_dir() else ():
                try:
                    known.append((path.stat().st_mtime, path.stat().st_size, path))
                except FileNotFoundError:
                    continue
            count = size = 0
            for changed, bytes, path in sorted(known, reverse=True):
                count, size = count + 1, size + bytes
                old = changed + self.limits.keep < now()
                if old or count > self.limits.count or size > self.limits.total_bytes:
                    path.unlink(missing_ok=True)
                    if _ID.fullmatch(path.name):
                        self._forgotten(path.name)
