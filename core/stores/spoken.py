"""Text search over what is said: each passage of subtitles by itself, so that a word gives the moment it is said at."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sightsound.stores import matching
from sightsound.stores.base import SPOKEN, Scored
from sightsound.stores.rows import SEEN, json_list

Rowids = npt.NDArray[np.int64]
_FOUND = (
    "SELECT s.{} FROM spoken CROSS JOIN segments s ON s.rowid = spoken.rowid AND s.pending = 0 "
    f"JOIN items i ON i.rowid = s.item AND {SEEN} WHERE spoken MATCH ?"
)


def is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM spoken_docsize LIMIT 1").fetchone() is None


def passages_with(connection: sqlite3.Connection, term: str) -> Rowids:
    """The passages, as rowids of segments, that hold a term."""
    return matching.fetched(connection, _FOUND.format("rowid"), (term,))


def items_with(connection: sqlite3.Connection, term: str) -> Rowids:
    return matching.fetched(connection, _FOUND.format("item"), (term,))


def best(
    connection: sqlite3.Connection, holders: Sequence[Rowids], weights: Sequence[float], items: Rowids | None, k: int
) -> list[Scored]:
    """The best passages of at most k items, at most SPOKEN of each, best first.

    holders: for each term the passages that hold it. items: those that count, ascending; None for all.
    """
    rowids, place = np.unique(np.concatenate(holders), return_inverse=True)
    counted = np.repeat(weights, [len(held) for held in holders])
    shares = np.bincount(place.reshape(-1), weights=counted, minlength=len(rowids)) / sum(weights)
    shares = np.minimum(shares.round(9), 1.0)
    rows = connection.execute(
        "SELECT s.rowid, s.item, i.id, s.number FROM json_each(?) j CROSS JOIN segments s ON s.rowid = j.value "
        "JOIN items i ON i.rowid = s.item",
        (json_list(rowids.tolist()),),
    ).fetchall()
    allowed = None if items is None else set(items.tolist())
    share = dict(zip(rowids.tolist(), shares.tolist(), strict=True))
    found: list[Scored] = []
    taken: dict[str, int] = {}
    for rowid, item, id, number in sorted(rows, key=lambda row: (-share[row[0]], row[0])):
        if (allowed is not None and item not in allowed) or (id not in taken and len(taken) >= k):
            continue
        taken[id] = taken.get(id, 0) + 1
        if taken[id] <= SPOKEN:
            found.append(Scored(f"{id}:subtitle:{number}", id, "subtitle", share[rowid]))
    return found


def fault(connection: sqlite3.Connection) -> str:
    """Why the index can't be trusted, or ""."""
    try:
        connection.execute("INSERT INTO spoken (spoken, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


def mend(connection: sqlite3.Connection) -> list[str]:
    wrong = fault(connection)
    if not wrong:
        return []
    connection.execute("INSERT INTO spoken (spoken) VALUES ('rebuild')")
    return [f"mended: the index of subtitles was made again ({wrong})"]
