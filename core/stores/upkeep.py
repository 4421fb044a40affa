"""What happens to stored items besides being written: they fail, leave a source, or are removed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from sightsound.stores.rows import ITEM_COLUMNS, item_of, json_list
from sightsound.stores.writing import refresh, remove_rows
from sightsound.types import Item

_PAGE = 1_000
_HAS_VECTORS = (
    "EXISTS (SELECT 1 FROM segments s JOIN vectors v ON v.segment = s.rowid WHERE s.item = ? AND s.pending = 0)"
)


def fail(connection: sqlite3.Connection, item: Item, reason: str) -> None:
    """Keep the last good vectors of a seen item; of any other keep only that it failed, and who named it."""
    row = connection.execute(
        f"SELECT {ITEM_COLUMNS}, i.rowid FROM items i WHERE i.id = ? OR i.uri = ? ORDER BY i.id = ? DESC",
        (item.id, item.uri, item.id),
    ).fetchone()
    if row is None:
        _insert_failed(connection, replace(item, state="failed", reason=reason))
        return
    rowid, stored = row[-1], item_of(row[:-1])
    connection.execute("DELETE FROM segments WHERE item = ? AND pending = 1", (rowid,))
    layers = {**stored.layers, **item.layers}
    kept = stored.state in ("ok", "stale") and connection.execute(f"SELECT {_HAS_VECTORS}", (rowid,)).fetchone()[0]
    if kept:
        # The revision is the one that failed, so that it is not tried again unasked; the rest stays.
        now = replace(stored, revision=item.revision, state="stale", reason=reason)
    else:
        now = replace(item, id=stored.id, uri=stored.uri, state="failed", reason=reason)
        connection.execute("DELETE FROM segments WHERE item = ?", (rowid,))
    refresh(connection, rowid, now.with_layers(layers) if layers else now)


def release(connection: sqlite3.Connection, ids: Iterable[str], source: str) -> int:
    """Returns how many items were removed, since no other source names them."""
    gone = set()
    query = f"SELECT {ITEM_COLUMNS}, i.rowid FROM items i WHERE i.id IN (SELECT value FROM json_each(?))"
    remaining = iter(ids)
    while page := list(islice(remaining, _PAGE)):
        for row in connection.execute(query, (json_list(page),)).fetchall():
            item, pending, rowid = item_of(row[:-1]), row[-2], row[-1]
            if source not in item.sources:
                continue
            kept = item.with_layers({name: layer for name, layer in item.layers.items() if name != source})
            if kept.sources:
                refresh(connection, rowid, kept, pending)
            else:
                gone.add(rowid)
    return remove_rows(connection, gone)


def remove(connection: sqlite3.Connection, ids: Iterable[str]) -> int:
    query = "SELECT rowid FROM items WHERE id IN (SELECT value FROM json_each(?))"
    return remove_rows(connection, [rowid for (rowid,) in connection.execute(query, (json_list(ids),)).fetchall()])


def _insert_failed(connection: sqlite3.Connection, item: Item) -> None:
    cursor = connection.execute(
        "INSERT INTO items (id, uri, kind, revision, content, state, reason, facts, layers, date, added, "
        "changed) "
        "VALUES (?, ?, ?, '', '', 'failed', '', '{}', '{}', '', ?, 0)",
        (item.id, item.uri, item.kind, item.added or time.time()),
    )
    refresh(connection, int(cursor.lastrowid or 0), item)
