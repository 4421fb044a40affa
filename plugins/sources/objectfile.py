"""An object of S3 as a file that can be read and sought in: one request, whose bytes are kept as they come."""

from __future__ import annotations

import io
import tempfile
import time
from typing import TYPE_CHECKING, Any

from sightsound.errors import MediaError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SPOOL = 8 << 20
"""Bytes of an object that are kept in memory; larger ones lie in a temporary file without a name."""
CHUNK = 1 << 18
TRIES = 5
"""Connections in a row that may break off without a byte."""
PAUSE = 0.2
"""Seconds before the second of them; twice as long each time after."""


class ObjectFile(io.RawIOBase):
    """The object as it was listed, by its ETag. Where the connection breaks off, the rest is asked for.

    What is not wholly there raises MediaError where it is read; so does an object that changed meanwhile.
    request: the arguments of `get_object`. etag: as listed, without quotes; "" for any. uri: for messages.
    """

    def __init__(self, client: Any, request: dict[str, Any], etag: str, uri: str) -> None:
        self._client = client
        self._request = request
        self._etag = etag
        self._uri = uri
        self._spool: Any = tempfile.SpooledTemporaryFile(SPOOL)  # noqa: SIM115 (closed with this file)
        self._body: Any = None
        self._got = 0
        self._at = 0
        self._size = self._ask()

    @property
    def size(self) -> int:
        return self._size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        self.fetch(self._at + len(view))
        self._spool.seek(self._at)
        count = int(self._spool.readinto(view[: max(0, self._size - self._at)]))
        self._at += count
        return count

    def readall(self) -> bytes:
        self.fetch()
        self._spool.seek(self._at)
        self._at = self._size
        return bytes(self._spool.read())

    def fileno(self) -> int:
        """A file of the system, with the whole object in it."""
        self.fetch()
        return int(self._spool.fileno())

    def close(self) -> None:
        self._hang_up()
        self._spool.close()
        super().close()

    def fetch(self, until: int | None = None) -> None:
        """Have the bytes before `until`, or all."""
        until = self._size if until is None else min(until, self._size)
        if self._got >= until:
            return
        broken = 0
        while self._got < until:
            try:
                if self._body is None:
                    self._ask()
                # What a read had so far is lost where it breaks off: after that, by smaller steps.
                chunk = self._body.read(min(CHUNK >> (2 * broken), self._size - self._got))
            except _broken() as error:
                chunk, reason = b"", type(error).__name__
            else:
                reason = "it ended early"
            if chunk:
                self._spool.seek(self._got)
                self._spool.write(chunk)
                self._got += len(chunk)
                broken = 0
                continue
            self._hang_up()
            broken += 1
            if broken >= TRIES:
                raise MediaError(
                    f"the connection broke off at byte {self._got:,} of {self._size:,}, {TRIES} times over ({reason});"
                    " try again with --retry"
                )
            time.sleep(PAUSE * 2 ** (broken - 1))
        if self._got == self._size:
            self._hang_up()

    def _ask(self) -> int:
        """Open a connection to what is still wanted. Returns the size of the whole object."""
        from sightsound.plugins.sources.s3errors import explained

        condition = {"IfMatch": f'"{self._etag}"'} if self._etag else {}
        rest = {"Range": f"bytes={self._got}-"} if self._got else {}
        with explained(MediaError, self._uri):
            answer = self._client.get_object(**self._request, **condition, **rest)
        self._body = answer["Body"]
        etag = answer.get("ETag", "").strip('"')
        if self._etag and etag != self._etag:
            raise MediaError("it changed while it was read; index again to read it as it is now")
        self._etag = etag
        size = int(answer["ContentLength"])
        if self._got:
            said = answer.get("ContentRange", "")
            if said != f"bytes {self._got}-{self._size - 1}/{self._size}":
                raise MediaError(f"the server gives no parts of it, though it broke off (Content-Range: {said[:60]!r})")
            return self._size
        return size

    def _hang_up(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


def _broken() -> tuple[type[BaseException], ...]:
    """What a connection raises that breaks off in the middle of an answer."""
    from botocore.exceptions import HTTPClientError, IncompleteReadError

    return (HTTPClientError, IncompleteReadError, ConnectionError, TimeoutError)
