"""Which items filters let through, as rowids: each condition by its own index, and not by the items' rows.

Of a million items, reading the rows of those that match takes longer than a search.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound.filters import AllButOne, Condition, Filters
from sightsound.stores.rows import UNSEEN, json_list
from sightsound.stores.sqlfilters import query_of

Rowids = npt.NDArray[np.int64]
"""(n,): each once, ascending."""


def rowids(connection: sqlite3.Connection, filters: Filters) -> Rowids:
    """The items that search can find and for which every one of the filters holds; there is at least one."""
    found = _all(connection, filters)
    unseen = fetched(connection, f"SELECT i.rowid FROM items i WHERE {UNSEEN}")
    return found[np.isin(found, unseen, invert=True)]


def _all(connection: sqlite3.Connection, filters: Filters) -> Rowids:
    first, *others = (
        fetched(connection, *query_of(one)) if isinstance(one, Condition) else _all_but_one(connection, one)
        for one in filters
    )
    for other in others:
        first = np.intersect1d(first, other, assume_unique=True)
    return first


def _all_but_one(connection: sqlite3.Connection, groups: AllButOne) -> Rowids:
    held = np.concatenate([_all(connection, group) for group in groups.groups])
    found, times = np.unique(held, return_counts=True)
    return found[times >= len(groups.groups) - 1]


def rowids_of(connection: sqlite3.Connection, ids: Iterable[str]) -> Rowids:
    """The items that have these ids."""
    query = "SELECT rowid FROM items WHERE id IN (SELECT value FROM json_each(?))"
    return fetched(connection, query, (json_list(ids),))


def fetched(connection: sqlite3.Connection, query: str, values: Sequence[Any] = ()) -> Rowids:
    """What a query for rowids gives. As one text: rows through Python's cursor take three times as long."""
    joined = f"WITH found(item) AS ({query}) SELECT group_concat(item) FROM found"
    (text,) = connection.execute(joined, values).fetchone()
    found: Rowids = np.sort(np.fromstring(text or "", np.int64, sep=","))
    return found[np.diff(found, prepend=-1) > 0]
