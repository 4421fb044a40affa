"""Connections to a collection's SQLite file: pooled readers, one writer, and errors in plain words."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sightsound.errors import CollectionMissing, StoreError
from sightsound.stores import schema

BUSY_SECONDS = 30.0
_SWITCH_SECONDS = 1.0
_COPY_PAGES = 4096
FULL_BELOW_BYTES = 1 << 20
_READER_CACHE = "PRAGMA cache_size = -16000"
_WRITER_CACHE = "PRAGMA cache_size = -64000"


class Database:
    """The SQLite file at `path`. Methods may be called from any thread."""

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._write_guard = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._closed = False
        self._opened = _Opened(path)
        with explained(path):
            connection = self._steadily(lambda: self._prepared(create), create)
            self._opened = _Opened(path)
            self._idle.append(connection)

    @property
    def writable(self) -> bool:
        return os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)

    @contextmanager
    def reading(self, one_moment: bool = True) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the collection throughout, or each query its own."""
        with explained(self.path):
            opened, connection = self._take()
            try:
                if one_moment:
                    connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._give(opened, connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with explained(self.path), self._write_guard:
            self._follow()
            if self._writer is None:
                self._writer = self._steadily(lambda: self._tuned("rw"))
                self._writer.execute(_WRITER_CACHE)
                self._writer.execute("PRAGMA wal_autocheckpoint = 4000")
            writer = self._writer
            writer.execute("BEGIN IMMEDIATE")
            try:
                yield writer
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise

    def copy_to(self, path: Path, progress: Callable[[int, int], None]) -> None:
        """Write what there is at this moment to a new file. What others write meanwhile goes on, and is not in it.

        progress: told bytes so far and bytes in all.
        """
        with self.reading() as connection, explained(path):
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on it is one moment
            with closing(sqlite3.connect(path)) as copy:
                connection.backup(
                    copy,
                    pages=_COPY_PAGES,
                    progress=lambda _, left, pages: progress((pages - left) * size, pages * size),
                )

    def checkpoint(self) -> None:
        """Move everything into the one file, as far as readers and the disk allow."""
        with self._write_guard:
            if self._writer is not None:
                # The log keeps what can't be moved; nothing is lost.
                with suppress(sqlite3.Error):
                    self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        self.checkpoint()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for connection in idle:
            connection.close()

    def _take(self) -> tuple[_Opened, sqlite3.Connection]:
        self._follow()
        with self._guard:
            opened = self._opened
            if self._closed:
                raise StoreError(f"{self.path.parent} was closed; open the collection again.")
            if self._idle:
                return opened, self._idle.pop()
        return opened, self._steadily(self._reader)

    def _give(self, opened: _Opened, connection: sqlite3.Connection) -> None:
        with self._guard:
            if not self._closed and opened is self._opened:
                self._idle.append(connection)
                return
        connection.close()

    def _follow(self) -> None:
        """Where another collection took the name, read that from now on; a removed one stays readable."""
        now = _Opened(self.path)
        if now.differs(self._opened) and now.exists:
            with self._write_guard, self._guard:
                idle, self._idle = self._idle, []
                writer, self._writer = self._writer, None
                self._opened = now
            for connection in [*idle, *([writer] if writer else [])]:
                connection.close()

    def _prepared(self, create: bool) -> sqlite3.Connection:
        connection = self._connect("rw" + "c" * create) if self.writable or create else self._reader()
        try:
            if self.writable:
                schema.prepare(connection, self.path)
            schema.check_version(connection, self.path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _steadily(self, connect: Callable[[], sqlite3.Connection], create: bool = False) -> sqlite3.Connection:
        """Connect; again, where another collection took the name meanwhile: its log would not fit."""
        deadline = time.monotonic() + _SWITCH_SECONDS
        while True:
            before = _Opened(self.path)
            try:
                connection = connect()
            except (sqlite3.OperationalError, StoreError):
                steady = before.exists and not before.differs(_Opened(self.path))
                if steady or create or time.monotonic() > deadline:
                    raise
            else:
                if create or not before.differs(_Opened(self.path)):
                    return connection
                connection.close()
            time.sleep(0.005)

    def _reader(self) -> sqlite3.Connection:
        if not self.path.exists():
            raise CollectionMissing(f"The collection in {self.path.parent} is gone.")
        if self.writable:
            return self._tuned("rw")
        log = self.path.with_name(self.path.name + "-wal")
        if not log.exists() or log.stat().st_size == 0:
            return self._tuned("ro&immutable=1")
        try:
            return self._tuned("ro")
        except sqlite3.OperationalError:
            raise StoreError(
                f"{self.path.parent} was not closed by the process that last wrote it, and can't be written "
                "here: run `sightsound status` once as its owner."
            ) from None

    def _tuned(self, mode: str) -> sqlite3.Connection:
        connection = self._connect(mode)
        try:
            connection.execute(_READER_CACHE)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(self.path))}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_SECONDS,
            cached_statements=256,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


class _Opened:
    """Which file stood at the path, so that one that took its place is noticed."""

    def __init__(self, path: Path) -> None:
        try:
            found = path.stat()
        except OSError:
            self.exists, self.mark = False, (0, 0, 0)
            return
        # A file that is read as unchanging has to be opened again once it changed.
        unchanging = not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
        self.exists, self.mark = True, (found.st_dev, found.st_ino, found.st_mtime_ns if unchanging else 0)

    def differs(self, other: _Opened) -> bool:
        return self.mark != other.mark


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the disk say into a StoreError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(path) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise StoreError(
                f"{error.filename or path} can't be opened: {error.strerror}. Mend its permissions."
            ) from error
        raise


def disk_full(path: Path) -> StoreError:
    return StoreError(
        f"The disk of {path.parent} is full: free some space and run the same command again; "
        "nothing acknowledged is lost."
    )


def _explain(error: sqlite3.Error, path: Path) -> BaseException:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_FULL" or (name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")) and _no_space(path)):
        return disk_full(path)
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return StoreError(
            f"{path} is damaged ({error}). Restore it from a backup, or build it again with "
            "`sightsound index --rebuild`."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(f"{path} stayed locked for {BUSY_SECONDS:.0f} s by another process; try again.")
    if name.startswith(("SQLITE_READONLY", "SQLITE_PERM")):
        return StoreError(f"{path} can't be written here. Run this as its owner, or mend its permissions.")
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN")):
        return StoreError(f"{path} can't be read ({error}). Check the disk, then run `sightsound doctor`.")
    return error


def _no_space(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < FULL_BELOW_BYTES
    except OSError:
        return False
