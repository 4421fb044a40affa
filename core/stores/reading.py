"""What a local collection answers besides nearest neighbours and text, as queries on one connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection as Many
from collections.abc import Iterable

import numpy as np

from sightsound.errors import StoreError
from sightsound.facets import DURATIONS, Counts, commonest, in_order
from sightsound.filters import Filters
from sightsound.stores import matching, sqlfilters
from sightsound.stores.base import Entry, Scored
from sightsound.stores.fields import FACETS, WORDS, clean
from sightsound.stores.nearest import Mask, cosines
from sightsound.stores.rows import FAILED, ITEM_COLUMNS, SEEN, UNSEEN, item_of, json_list
from sightsound.stores.shelves import View
from sightsound.stores.vectorfile import unit
from sightsound.types import Segment, SegmentKind, Vectors

SAMPLED_SEGMENTS_OF_AN_ITEM = 16
_HEX = frozenset("0123456789abcdef")
_SHORTEST_PREFIX = 4
_LISTED = "(SELECT value FROM json_each(?))"
# Of an item that was never seen, the pieces that there are; of others, what search finds.
_TO_SHOW = "s.pending = (i.state NOT IN ('ok', 'stale'))"


def find(connection: sqlite3.Connection, reference: str) -> list[str]:
    """Ids of at most two items that an id, its beginning or a URI names."""
    reference = clean(reference)
    exact = "SELECT id FROM items WHERE id = ? OR uri = ? LIMIT 2"
    found = [id for (id,) in connection.execute(exact, (reference, reference))]
    prefix = reference.lower()
    if not found and len(prefix) >= _SHORTEST_PREFIX and _HEX.issuperset(prefix):
        query = "SELECT id FROM items WHERE id >= ? AND id < ? ORDER BY id LIMIT 2"
        found = [id for (id,) in connection.execute(query, (prefix, prefix + "g"))]
    return found


def segments(connection: sqlite3.Connection, item_ids: Iterable[str]) -> dict[str, list[Segment]]:
    query = (
        'SELECT i.id, s.kind, s.number, s.start, s."end", s.text FROM items i '
        f"CROSS JOIN segments s ON s.item = i.rowid AND {_TO_SHOW} WHERE i.id IN {_LISTED} ORDER BY "
        "s.kind, s.number"
    )
    found: dict[str, list[Segment]] = {}
    for row in connection.execute(query, (json_list(item_ids),)):
        found.setdefault(row[0], []).append(Segment(*row))
    return found


def vectors(connection: sqlite3.Connection, space: str, segment_ids: Iterable[str]) -> dict[str, Vectors]:
    wanted = [parts for id in segment_ids if len(parts := id.rsplit(":", 2)) == 3 and parts[2].isdecimal()]
    query = (
        "SELECT i.id, s.kind, s.number, v.vector FROM json_each(?) j "
        "CROSS JOIN items i ON i.id = json_extract(j.value, '$[0]') "
        f"CROSS JOIN segments s ON s.item = i.rowid AND {_TO_SHOW} AND s.kind = json_extract(j.value, "
        "'$[1]') "
        "AND s.number = CAST(json_extract(j.value, '$[2]') AS INTEGER) "
        "CROSS JOIN vectors v ON v.segment = s.rowid JOIN shelves h ON h.id = v.shelf AND h.space = ?"
    )
    return {
        f"{id}:{kind}:{number}": np.frombuffer(vector, "<f2").astype(np.float32)
        for id, kind, number, vector in connection.execute(query, (json_list(wanted), space))
    }


def pieces(connection: sqlite3.Connection, item_id: str, spaces: Iterable[str]) -> Entry | None:
    """What was put of an item whose last piece is still to come."""
    query = f"SELECT {ITEM_COLUMNS} FROM items i WHERE i.id = ? AND i.pending IS NOT NULL"
    row = connection.execute(query, (item_id,)).fetchone()
    if row is None:
        return None
    query = (
        'SELECT i.id, s.kind, s.number, s.start, s."end", s.text FROM items i '
        "JOIN segments s ON s.item = i.rowid AND s.pending = 1 WHERE i.id = ? ORDER BY s.kind, s.number"
    )
    found = [Segment(*values) for values in connection.execute(query, (item_id,))]
    query = (
        "SELECT h.space, s.kind, s.number, v.vector FROM items i JOIN segments s ON s.item = i.rowid AND s.pending = 1 "
        "JOIN vectors v ON v.segment = s.rowid JOIN shelves h ON h.id = v.shelf "
        f"WHERE i.id = ? AND h.space IN {_LISTED}"
    )
    given: dict[str, dict[str, Vectors]] = {}
    for space, kind, number, vector in connection.execute(query, (item_id, json_list(spaces))):
        given.setdefault(space, {})[f"{item_id}:{kind}:{number}"] = np.frombuffer(vector, "<f2").astype(np.float32)
    return Entry(item_of(row, planned=True), found, given)


def sample(connection: sqlite3.Connection, space: str, kind: SegmentKind, n: int) -> tuple[list[str], Vectors]:
    """Of the n lowest item ids that have such vectors, the first segments, at most 16 of an item."""
    shelf = connection.execute("SELECT id, dims FROM shelves WHERE space = ? AND kind = ?", (space, kind)).fetchone()
    if shelf is None or n <= 0:
        return [], np.empty((0, shelf[1] if shelf else 0), np.float32)
    has = (
        "SELECT 1 FROM segments s JOIN vectors v ON v.segment = s.rowid AND v.shelf = :shelf "
        "WHERE s.item = i.rowid AND s.pending = 0 AND s.kind = :kind AND s.number < :most"
    )
    query = (
        "SELECT i.id, s.number, v.vector FROM "
        f"(SELECT i.rowid, i.id FROM items i WHERE {SEEN} AND EXISTS ({has}) ORDER BY i.id LIMIT :n) i "
        "CROSS JOIN segments s ON s.item = i.rowid AND s.pending = 0 AND s.kind = :kind AND s.number < :most "
        "CROSS JOIN vectors v ON v.segment = s.rowid AND v.shelf = :shelf ORDER BY i.id, s.number"
    )
    bound = {"shelf": shelf[0], "kind": kind, "n": n, "most": SAMPLED_SEGMENTS_OF_AN_ITEM}
    rows = connection.execute(query, bound).fetchall()
    whole = np.frombuffer(b"".join(row[2] for row in rows), "<f2").reshape(-1, shelf[1]).astype(np.float32)
    return [f"{id}:{kind}:{number}" for id, number, _ in rows], unit(whole)


def score(connection: sqlite3.Connection, space: str, vector: Vectors, item_ids: Iterable[str]) -> list[Scored]:
    query = (
        "SELECT i.id, s.kind, s.number, v.vector FROM items i "
        "CROSS JOIN segments s ON s.item = i.rowid AND s.pending = 0 CROSS JOIN vectors v ON v.segment = "
        "s.rowid "
        f"JOIN shelves h ON h.id = v.shelf AND h.space = ? WHERE i.id IN {_LISTED}"
    )
    rows = connection.execute(query, (space, json_list(item_ids))).fetchall()
    if not rows:
        return []
    direction = unit(np.asarray(vector, np.float32).reshape(1, -1))[0]
    if any(len(row[3]) != 2 * len(direction) for row in rows):
        raise StoreError(f"Space '{space}' holds vectors of another length than the query's {len(direction)} numbers.")
    scores = cosines([row[3] for row in rows], len(direction), direction)
    return [
        Scored(f"{id}:{kind}:{number}", id, kind, float(score))
        for (id, kind, number, _), score in zip(rows, scores, strict=True)
    ]


def chosen(connection: sqlite3.Connection, view: View, filters: Filters, without: Many[str]) -> Mask | None:
    """Which rows of the view a search is about; None for all."""
    mask: Mask | None = None
    owners = view.keys[:, 1]
    if filters:
        mask = np.isin(owners, matching.rowids(connection, filters))
    if without:
        others = np.isin(owners, matching.rowids_of(connection, without), invert=True)
        mask = others if mask is None else mask & others
    return mask


def facets(connection: sqlite3.Connection, filters: Filters, limit: int, fields: Many[str]) -> Counts:
    condition, values = sqlfilters.where(filters)
    if not filters:
        # Nearly all items are counted: leaving out the few that are not keeps to the order of an index.
        condition = f"i.rowid NOT IN (SELECT i.rowid FROM items i WHERE {UNSEEN})"
    found: Counts = {field: [] for field in FACETS if field in fields}
    for field, counted in _words_counted(connection, filters, (condition, values), found).items():
        found[field] = commonest(counted, limit)
    if "kind" in found:
        kinds_of = f"SELECT i.kind, count(*) FROM items i WHERE {condition} GROUP BY i.kind"
        found["kind"] = commonest(connection.execute(kinds_of, values).fetchall(), limit)
    if "date" in found:
        found["date"] = connection.execute(
            f"SELECT substr(i.date, 1, 4) AS year, count(*) FROM items i WHERE {condition} AND i.date != '' "
            "GROUP BY year ORDER BY year DESC LIMIT ?",
            (*values, limit),
        ).fetchall()
    if "duration" in found:
        lengths = ", ".join(["total(i.duration BETWEEN ? AND ?)"] * len(DURATIONS))
        bounds = [bound for pair in DURATIONS.values() for bound in pair]
        query = f"SELECT {lengths} FROM items i WHERE i.duration IS NOT NULL AND {condition}"
        row = connection.execute(query, (*bounds, *values)).fetchone()
        found["duration"] = in_order({key: int(n) for key, n in zip(DURATIONS, row, strict=True)})
    return found


def _words_counted(
    connection: sqlite3.Connection, filters: Filters, where: tuple[str, list[str | float]], fields: Many[str]
) -> Counts:
    """The counts of what lies in `words`, of those of the fields that do."""
    condition, values = where
    named = [field for field in WORDS if field in fields and field != "kind"]
    if not named:
        return {}
    words = (
        f"FROM items i JOIN words w ON w.item = i.rowid WHERE {condition}"
        if filters
        else f"FROM words w WHERE {condition.replace('i.rowid NOT', 'w.item NOT')}"
    )
    if len(named) < len(WORDS) - 1:
        words += f" AND w.field IN ({', '.join('?' * len(named))})"
        values = [*values, *named]
    counts: Counts = {field: [] for field in named}
    for field, word, n in connection.execute(
        f"SELECT w.field, min(w.word), count(DISTINCT w.item) {words} GROUP BY w.field, w.folded", values
    ):
        if field in counts:
            counts[field].append((word, n))
    return counts


def count(connection: sqlite3.Connection, filters: Filters = ()) -> int:
    return len(matching.rowids(connection, filters)) if filters else sum(kinds(connection).values())


def kinds(connection: sqlite3.Connection) -> dict[str, int]:
    """How many items of each kind search can find."""
    query = f"SELECT i.kind, sum(i.items) AS n FROM tallies i WHERE {SEEN} GROUP BY i.kind HAVING n"
    return dict(connection.execute(query).fetchall())


def failed(connection: sqlite3.Connection) -> int:
    """How many items failed, stale ones included."""
    query = f"SELECT coalesce(sum(i.items), 0) FROM tallies i WHERE {FAILED}"
    return int(connection.execute(query).fetchone()[0])


def counts(connection: sqlite3.Connection) -> dict[tuple[str, SegmentKind], int]:
    query = (
        "SELECT h.space, h.kind, h.held - (SELECT count(*) FROM segments s JOIN vectors v ON v.segment = s.rowid "
        "WHERE s.pending = 1 AND v.shelf = h.id) FROM shelves h ORDER BY h.space, h.kind"
    )
    return {(space, kind): count for space, kind, count in connection.execute(query) if count}
