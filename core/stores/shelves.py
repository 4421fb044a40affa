"""Shelves: the vectors of one space and one kind of segment, and what a search scans of them."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import numpy as np

from sightsound.stores import vectorfile
from sightsound.stores.lock import IndexerLock
from sightsound.stores.vectorfile import DamagedError, Int8Rows, Keys, Mapped

# Threads wait for each other after each block, which is dear where another process has one of the cores: few blocks.
BLOCK_ROWS = 262_144
_WORTH_WRITING = 2_000
_DEAD_SHARE = 0.2
_LONGEST_NAME = 150


@dataclass(frozen=True)
class Shelf:
    """last: the highest rowid of a vector that the shelf ever had."""

    id: int
    space: str
    kind: str
    dims: int
    generation: int
    last: int


@dataclass(frozen=True)
class View:
    """What a search scans: keys in order, and the int8 rows in as many matrices as they came in."""

    covered: int
    keys: Keys
    parts: tuple[Int8Rows, ...]

    def with_rows(self, covered: int, blocks: list[tuple[Keys, Int8Rows]]) -> View:
        return View(
            covered,
            np.concatenate([self.keys, *(keys for keys, _ in blocks)]),
            (*self.parts, *(matrix for _, matrix in blocks)),
        )


def shelf_of(connection: sqlite3.Connection, space: str, kind: str) -> Shelf | None:
    row = connection.execute(
        "SELECT id, space, kind, dims, generation, last FROM shelves WHERE space = ? AND kind = ?",
        (space, kind),
    ).fetchone()
    return Shelf(*row) if row else None


def all_shelves(connection: sqlite3.Connection) -> list[Shelf]:
    query = "SELECT id, space, kind, dims, generation, last FROM shelves ORDER BY space, kind"
    return [Shelf(*row) for row in connection.execute(query)]


def add_shelf(connection: sqlite3.Connection, space: str, kind: str, dims: int) -> Shelf:
    generation = secrets.randbits(62)
    cursor = connection.execute(
        "INSERT INTO shelves (space, kind, dims, generation, last) VALUES (?, ?, ?, ?, 0)",
        (space, kind, dims, generation),
    )
    return Shelf(int(cursor.lastrowid or 0), space, kind, dims, generation, 0)


def stored_rows(connection: sqlite3.Connection, shelf: Shelf, after: int) -> Iterator[tuple[Keys, Int8Rows]]:
    """The shelf's vectors with rowids past `after`, as int8, in blocks."""
    rows = connection.execute(
        "SELECT v.rowid, s.item, v.vector FROM vectors v CROSS JOIN segments s ON s.rowid = v.segment "
        "WHERE v.shelf = ? AND v.rowid > ? AND v.rowid <= ? ORDER BY v.rowid",
        (shelf.id, after, shelf.last),
    )
    while block := rows.fetchmany(8192):
        vectors = np.frombuffer(b"".join(vector for _, _, vector in block), dtype="<f2").reshape(-1, shelf.dims)
        yield np.array([row[:2] for row in block], dtype=np.int64), vectorfile.quantised(vectors)


class Caches:
    """The scan caches of a collection. A cache that fails costs time, never a result and never a write."""

    def __init__(self, folder: Path, lock: IndexerLock) -> None:
        self.folder = folder
        self._lock = lock
        self._guard = threading.RLock()
        self._mapped: dict[int, Mapped] = {}
        self._views: dict[int, View] = {}

    def path(self, shelf: Shelf) -> Path:
        name = f"{quote(shelf.space, safe='')}.{shelf.kind}"
        if len(name) > _LONGEST_NAME:
            name = f"{hashlib.sha256(shelf.space.encode()).hexdigest()[:32]}.{shelf.kind}"
        return self.folder / f"{name}.vectors"

    def view(self, connection: sqlite3.Connection, shelf: Shelf, ready: View | None) -> View:
        """Every vector of the shelf as the connection's transaction sees it; more rows may be in it.

        ready: what `prepared` returned before the transaction began.
        """
        view = ready
        if view is None or view.covered < shelf.last:
            view = view or View(0, np.empty((0, 2), np.int64), ())
            view = view.with_rows(shelf.last, list(stored_rows(connection, shelf, view.covered)))
            with self._guard:
                known = self._views.get(shelf.generation)
                if known is None or known.covered < view.covered:
                    self._views[shelf.generation] = view
        return view

    def prepared(self, connection: sqlite3.Connection, shelf: Shelf) -> View | None:
        """What there is to scan before a transaction begins: made, or brought up to date, where that pays."""
        with self._guard:
            view = self._views.get(shelf.generation)
            if view is not None and view.covered >= shelf.last and len(view.parts) < 64:
                return view
            fresh = self._from_disk(connection, shelf)
            lags = fresh is None or shelf.last - fresh.covered > _WORTH_WRITING
            if lags and self._catch_up_if_free(connection, shelf):
                fresh = self._from_disk(connection, shelf) or fresh
            if fresh is not None and (view is None or fresh.covered >= view.covered):
                view = self._views[shelf.generation] = fresh
            elif view is not None and len(view.parts) >= 64:
                whole = np.concatenate(view.parts)
                view = self._views[shelf.generation] = replace(view, parts=(whole,))
            return view

    def appended(self, shelf: Shelf, keys: Keys, matrix: Int8Rows) -> bool:
        """Add rows that were just committed to a shelf. False where the file lags: `catch_up` mends it."""
        path = self.path(shelf)
        with self._guard:
            try:
                header = vectorfile.read_header(path, shelf.generation, shelf.dims)
                if header.covered != shelf.last:
                    return False
                vectorfile.append(path, header, int(keys[-1, 0]), keys, matrix)
                return True
            except (DamagedError, OSError):
                return False

    def catch_up(self, connection: sqlite3.Connection, shelf: Shelf, anew: bool = False) -> None:
        """Bring the file up to what the connection sees. Call with the writer's lock held. Raises OSError."""
        path = self.path(shelf)
        with self._guard:
            try:
                if anew:
                    raise DamagedError("it is made anew")
                header = vectorfile.read_header(path, shelf.generation, shelf.dims)
                if header.covered > shelf.last:
                    raise DamagedError("it is ahead of the collection")
                for keys, matrix in stored_rows(connection, shelf, header.covered):
                    header = vectorfile.append(path, header, int(keys[-1, 0]), keys, matrix)
                if header.covered < shelf.last:
                    empty = np.empty((0, 2), np.int64), np.empty((0, shelf.dims), np.int8)
                    vectorfile.append(path, header, shelf.last, *empty)
            except (DamagedError, FileNotFoundError):
                blocks = stored_rows(connection, shelf, 0)
                vectorfile.write(path, shelf.generation, shelf.dims, shelf.last, blocks)

    def compact(self, connection: sqlite3.Connection) -> None:
        """Leave out removed vectors where they are more than a fifth. Call with the writer's lock held."""
        for shelf in all_shelves(connection):
            try:
                header = vectorfile.read_header(self.path(shelf), shelf.generation, shelf.dims)
                alive = connection.execute("SELECT held FROM shelves WHERE id = ?", (shelf.id,)).fetchone()[0]
                if header.count - alive > _DEAD_SHARE * header.count:
                    self.catch_up(connection, shelf, anew=True)
            except (DamagedError, OSError):
                continue

    def verify(self, connection: sqlite3.Connection, shelf: Shelf) -> str:
        """Why the file does not agree with the collection, or "". Reads everything."""
        if not self.path(shelf).exists():
            return "there was none, as after a restore"
        try:
            mapped = vectorfile.load(self.path(shelf), shelf.generation, shelf.dims)
        except DamagedError as damage:
            return str(damage)
        if mapped.header.covered != shelf.last:
            return "it lags behind the collection"
        for keys, matrix in stored_rows(connection, shelf, 0):
            places = np.searchsorted(mapped.keys[:, 0], keys[:, 0])
            if (places >= len(mapped.keys)).any() or not np.array_equal(mapped.keys[places], keys):
                return "it lacks vectors"
            if not np.array_equal(mapped.matrix[places], matrix):
                return "its vectors differ from the collection's"
        return ""

    def forget(self) -> None:
        with self._guard:
            self._mapped.clear()
            self._views.clear()

    def _from_disk(self, connection: sqlite3.Connection, shelf: Shelf) -> View | None:
        known = self._mapped.get(shelf.generation)
        # Twice: between the header and the rows, a writer may have put another edition in place.
        for _ in range(2):
            try:
                mapped = vectorfile.load(self.path(shelf), shelf.generation, shelf.dims, known)
            except DamagedError:
                continue
            if mapped.header.covered > shelf.last:
                # Written to since the shelf was read, or the database is an older one than the file.
                now = shelf_of(connection, shelf.space, shelf.kind)
                if now is None or now.generation != shelf.generation or mapped.header.covered > now.last:
                    return None
            self._mapped[shelf.generation] = mapped
            return View(mapped.header.covered, mapped.keys, (mapped.matrix,))
        return None

    def _catch_up_if_free(self, connection: sqlite3.Connection, shelf: Shelf) -> bool:
        try:
            with self._lock.held(patience=0):
                damaged = self._from_disk(connection, shelf) is None
                self.catch_up(connection, shelf, anew=damaged)
            return True
        except Exception:  # Busy, read-only or full: the search goes on without the file.
            return False
