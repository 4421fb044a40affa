"""Text search over title, description, tags, name and author: FTS5 finds, shares of the query score."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sightsound.filters import Filters
from sightsound.stores import matching, spoken
from sightsound.stores.base import Scored
from sightsound.stores.fields import passages
from sightsound.stores.reading import count
from sightsound.stores.rows import ITEM_COLUMNS, SEEN, item_of, json_list
from sightsound.stores.terms import FIELDS, best_items, terms_of
from sightsound.types import SegmentKind

INSERT = "INSERT INTO passages (rowid, title, description, tags, name, author) VALUES (?, ?, ?, ?, ?, ?)"
_WEIGHTS = "4.0, 1.0, 3.0, 2.0, 1.0"
_MARK, _UNMARK = "\x01", "\x02"
# The plus keeps SQLite from seeking each row in the text index: passing over all matches takes a twentieth of that.
_LISTED = "+passages.rowid IN (SELECT value FROM json_each(?))"


def text_search(
    connection: sqlite3.Connection, words: str, k: int, filters: Filters, among: Iterable[str] | None
) -> list[Scored]:
    """The k items that hold the most of the query's words, each weighed by its rarity, and what is said in them."""
    terms = [f'"{term}"' for term in terms_of(words)]
    if not terms or k <= 0:
        return []
    holders = [_holders(connection, term) for term in terms]
    silent = spoken.is_empty(connection)
    heard = holders if silent else [np.union1d(held, spoken.items_with(connection, term)) for held, term in
                                    zip(holders, terms, strict=True)]  # fmt: skip
    total = max(1, count(connection))
    weights = [math.log(1 + (total - len(held) + 0.5) / (len(held) + 0.5)) for held in heard]
    rowids, place = np.unique(np.concatenate(holders), return_inverse=True)
    shares = np.bincount(
        place.reshape(-1),
        weights=np.repeat(weights, [len(held) for held in holders]),
        minlength=len(rowids),
    ) / sum(weights)
    chosen = _chosen(connection, filters, among)
    if chosen is not None:
        allowed = np.isin(rowids, chosen)
        rowids, shares = rowids[allowed], shares[allowed]
    # Rounded, so that sums in another order are still the same score.
    shares = np.minimum(shares.round(9), 1.0)
    query = " OR ".join(terms)
    kept = _best(connection, query, rowids, shares, k)
    found = _named(connection, query, {int(rowids[at]): float(shares[at]) for at in kept})
    if silent:
        return found
    passages_held = [spoken.passages_with(connection, term) for term in terms]
    return best_items([*found, *spoken.best(connection, passages_held, weights, chosen, k)], k)


def _chosen(
    connection: sqlite3.Connection, filters: Filters, among: Iterable[str] | None
) -> npt.NDArray[np.int64] | None:
    """The items that may be found, as rowids; None for all."""
    chosen = matching.rowids(connection, filters) if filters else None
    if among is not None:
        named = matching.rowids_of(connection, among)
        chosen = named if chosen is None else np.intersect1d(chosen, named)
    return chosen


def _holders(connection: sqlite3.Connection, term: str) -> npt.NDArray[np.int64]:
    return matching.fetched(connection, "SELECT rowid FROM passages WHERE passages MATCH ?", (term,))


def _best(
    connection: sqlite3.Connection,
    query: str,
    rowids: npt.NDArray[np.int64],
    shares: npt.NDArray[np.float64],
    k: int,
) -> list[int]:
    """Places of the k best by share, then by BM25, then in the order that they were added."""
    places = np.arange(len(rowids))
    if len(places) > k:
        places = places[shares >= np.partition(shares, -k)[-k]]
    ranks = np.zeros(len(rowids))
    if len(np.unique(shares[places])) < len(places):
        bm25 = f"SELECT rowid, bm25(passages, {_WEIGHTS}) FROM passages WHERE passages MATCH ? AND {_LISTED}"
        found = np.array(connection.execute(bm25, (query, json_list(rowids[places].tolist()))).fetchall())
        ranks[np.searchsorted(rowids, found[:, 0])] = found[:, 1]
    order = np.lexsort((rowids[places], ranks[places], -shares[places]))
    return [int(place) for place in places[order][:k]]


def _named(connection: sqlite3.Connection, query: str, shares: Mapping[int, float]) -> list[Scored]:
    """The items of these rowids in their order, each with the field that holds the most of the words."""
    marked = ", ".join(f"highlight(passages, {column}, '{_MARK}', '{_UNMARK}')" for column in range(len(FIELDS)))
    rows = connection.execute(
        f"SELECT i.rowid, i.id, {marked} FROM passages CROSS JOIN items i ON i.rowid = passages.rowid "
        f"WHERE passages MATCH ? AND {_LISTED}",
        (query, json_list(shares)),
    )
    named: dict[int, Scored] = {}
    for rowid, id, *texts in rows:
        kind = _best_field(texts)
        named[rowid] = Scored(f"{id}:{kind}:0", id, kind, shares[rowid])
    return [named[rowid] for rowid in shares if rowid in named]


def _best_field(marked: Sequence[str]) -> SegmentKind:
    found = [{part.split(_UNMARK)[0].casefold() for part in text.split(_MARK)[1:]} for text in marked]
    return FIELDS[max(range(len(found)), key=lambda column: (len(found[column]), -column))]


def rebuild(connection: sqlite3.Connection) -> None:
    """Make the whole text index anew from the items."""
    connection.execute("DELETE FROM passages")
    query = f"SELECT {ITEM_COLUMNS}, i.rowid FROM items i WHERE {SEEN}"
    for row in connection.execute(query):
        connection.execute(INSERT, (row[-1], *passages(item_of(row[:-1]))))
