"""Verifying a local collection, and mending what can be made again."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path

import numpy as np

from sightsound.stores import schema, spoken, vectorfile, words
from sightsound.stores.rows import SEEN
from sightsound.stores.shelves import Caches, Shelf, all_shelves
from sightsound.stores.vectorfile import DamagedError

_MOST_LINES = 20


def check_database(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the tables, a line each."""
    found = [f"broken: {line}" for (line,) in connection.execute("PRAGMA integrity_check(20)") if line != "ok"]
    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(_MOST_LINES):
        found.append(f"broken: row {rowid} of {table} hangs on a missing row of {parent}")
    empty = connection.execute(
        f"SELECT count(*), min(i.uri) FROM items i WHERE {SEEN} AND NOT EXISTS "
        "(SELECT 1 FROM segments s WHERE s.item = i.rowid AND s.pending = 0)"
    ).fetchone()
    if empty[0]:
        found.append(f"broken: {empty[0]} items have no segments, such as {empty[1]}; index them again")
    for shelf in all_shelves(connection):
        wrong = _wrong_vectors(connection, shelf)
        if wrong:
            found.append(f"broken: {wrong} vectors of {shelf.space}, {shelf.kind}, are not whole; index again")
    return found


def mend_counts(connection: sqlite3.Connection, writable: bool) -> list[str]:
    """Compare what the triggers counted with what there is."""
    items = "SELECT kind, state, count(*) FROM items GROUP BY kind, state"
    vectors = "SELECT id, (SELECT count(*) FROM vectors v WHERE v.shelf = h.id) FROM shelves h"
    right = all(
        set(connection.execute(found)) == set(connection.execute(counted))
        for found, counted in (
            (items, "SELECT kind, state, items FROM tallies WHERE items != 0"),
            (vectors, "SELECT id, held FROM shelves"),
        )
    )
    if right:
        return []
    if not writable:
        return ["broken: the counts of items and vectors are wrong; their owner can mend them"]
    schema.recount(connection)
    return ["mended: items and vectors were counted again"]


def passages_fault(connection: sqlite3.Connection) -> str:
    """Why the text index can't be trusted, or ""."""
    try:
        connection.execute("INSERT INTO passages (passages) VALUES ('integrity-check')")
    except sqlite3.DatabaseError as error:
        return str(error)
    differing = connection.execute(
        "SELECT count(*) FROM items i LEFT JOIN passages_docsize d ON d.id = i.rowid "
        f"WHERE ({SEEN}) != (d.id IS NOT NULL)"
    ).fetchone()[0]
    orphans = connection.execute("SELECT count(*) FROM passages_docsize WHERE id NOT IN (SELECT rowid FROM items)")
    return "it does not hold the items that there are" if differing or orphans.fetchone()[0] else ""


def mend_passages(connection: sqlite3.Connection) -> list[str]:
    fault = passages_fault(connection)
    if not fault:
        return spoken.mend(connection)
    connection.execute("INSERT INTO passages (passages) VALUES ('rebuild')")
    words.rebuild(connection)
    return [f"mended: the text index was made again ({fault})", *spoken.mend(connection)]


def mend_caches(connection: sqlite3.Connection, caches: Caches, writable: bool) -> list[str]:
    """Compare each scan cache with the collection, and make it again where they differ."""
    shelves = all_shelves(connection)
    found = _remove_leftovers(caches, shelves) if writable else []
    for shelf in shelves:
        fault = caches.verify(connection, shelf)
        if fault:
            found.append(_mend_cache(connection, caches, shelf, fault, writable))
    return found


def _remove_leftovers(caches: Caches, shelves: list[Shelf]) -> list[str]:
    wanted, found = set[Path](), []
    for shelf in shelves:
        path = caches.path(shelf)
        if path.is_file():
            wanted.add(path)
        with suppress(DamagedError):
            wanted |= set(vectorfile.files(path, vectorfile.read_header(path, shelf.generation, shelf.dims)))
    for path in sorted(caches.folder.iterdir()):
        if path.suffix in (".vectors", ".rows", ".tmp") and path not in wanted:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
            found.append(f"mended: removed {path.name}, which no search would use")
    return found


def _mend_cache(connection: sqlite3.Connection, caches: Caches, shelf: Shelf, fault: str, writable: bool) -> str:
    which = f"the scan cache of {shelf.space}, {shelf.kind}"
    if not writable:
        return f"broken: {which}: {fault}; searches work without it; its owner can mend it"
    try:
        caches.catch_up(connection, shelf, anew=True)
    except OSError as error:
        return f"broken: {which}: {fault}, and it can't be written: {error}"
    return f"mended: {which} was made again ({fault})"


def _wrong_vectors(connection: sqlite3.Connection, shelf: Shelf) -> int:
    wrong = 0
    rows = connection.execute("SELECT vector FROM vectors WHERE shelf = ?", (shelf.id,))
    while block := rows.fetchmany(8192):
        whole = [vector for (vector,) in block if len(vector) == 2 * shelf.dims]
        wrong += len(block) - len(whole)
        lengths = np.linalg.norm(np.frombuffer(b"".join(whole), "<f2").reshape(-1, shelf.dims).astype("f4"), axis=1)
        wrong += int((~(np.abs(lengths - 1) < 0.01)).sum())
    return wrong
