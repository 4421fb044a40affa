"""Exact nearest neighbours: a scan of int8 rows for candidates, which SQLite's float16 vectors then rank."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import simsimd

from sightsound.config import cores
from sightsound.stores.base import Scored
from sightsound.stores.rows import json_list
from sightsound.stores.shelves import BLOCK_ROWS, Shelf, View
from sightsound.stores.vectorfile import Int8Rows, quantised, unit
from sightsound.types import Vectors

_THREADS = cores()
_WORTH_THREADS = 20_000
_LEAST_CANDIDATES = 100
_MOST_SPARE_CANDIDATES = 1_000

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def nearest(
    connection: sqlite3.Connection, shelf: Shelf, view: View, query: Vectors, k: int, chosen: Mask | None
) -> list[Scored]:
    """The k best of the shelf. chosen: which rows of the view count, None for all."""
    direction = unit(np.asarray(query, np.float32).reshape(1, -1))[0]
    coarse = quantised(direction[None])
    wanted = max(_LEAST_CANDIDATES, min(10 * k, k + _MOST_SPARE_CANDIDATES))
    there_are = len(view.keys) if chosen is None else int(chosen.sum())
    asked = wanted
    while True:
        found = scan(view, coarse, asked, chosen)
        rowids, scores = _rescored(connection, shelf, view.keys[found, 0], direction)
        named = _named(connection, rowids, scores, k)
        # Removed rows stay in the cache for a while: where they took up the room, ask for more.
        enough = len(rowids) >= min(wanted, there_are) and len(named) >= min(k, there_are)
        if enough or asked >= there_are:
            return named
        asked *= 4


def scan(view: View, coarse: Int8Rows, count: int, chosen: Mask | None) -> Places:
    """The places in the view of the `count` rows nearest to the query by int8 cosine."""
    best_places, best = np.empty(0, np.int64), np.empty(0, np.float64)
    offset = 0
    for part in view.parts:
        for start in range(0, len(part), BLOCK_ROWS):
            block = part[start : start + BLOCK_ROWS]
            first = offset + start
            distances, places = _block(coarse, block, first, chosen)
            best, best_places = _least(np.concatenate([best, distances]), np.concatenate([best_places, places]), count)
        offset += len(part)
    return best_places


def _block(
    coarse: Int8Rows, block: Int8Rows, first: int, chosen: Mask | None
) -> tuple[npt.NDArray[np.float64], Places]:
    """Distances of the chosen rows of a block that begins at the place `first`, and their places."""
    if chosen is None:
        return _distances(coarse, block), np.arange(first, first + len(block))
    rows = np.flatnonzero(chosen[first : first + len(block)])
    # Copying rows together costs more than measuring a few that do not count.
    if 2 * len(rows) > len(block):
        return _distances(coarse, block)[rows], rows + first
    return _distances(coarse, block[rows]), rows + first


def _least(distances: npt.NDArray[np.float64], places: Places, count: int) -> tuple[npt.NDArray[np.float64], Places]:
    if len(distances) <= count:
        return distances, places
    kept = np.argpartition(distances, count)[:count]
    return distances[kept], places[kept]


def cosines(blobs: Sequence[bytes], dims: int, direction: Vectors) -> npt.NDArray[np.float32]:
    """Exact cosines of stored vectors with a unit vector, in -1..1."""
    rows = np.frombuffer(b"".join(blobs), dtype="<f2").reshape(-1, dims).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1)
    found: npt.NDArray[np.float32] = np.clip((rows @ direction) / np.maximum(lengths, 1e-12), -1.0, 1.0)
    return found


def _distances(coarse: Int8Rows, block: Int8Rows) -> npt.NDArray[np.float64]:
    if not len(block):
        return np.empty(0, np.float64)
    threads = _THREADS if len(block) > _WORTH_THREADS else 1
    found = simsimd.cdist(coarse, block, metric="cosine", threads=threads)
    return np.array(found, dtype=np.float64, copy=True).reshape(-1)


def _rescored(
    connection: sqlite3.Connection, shelf: Shelf, rowids: Places, direction: Vectors
) -> tuple[list[int], npt.NDArray[np.float32]]:
    """The vectors among `rowids` that still exist, and their exact cosines."""
    query = "SELECT rowid, vector FROM vectors WHERE rowid IN (SELECT value FROM json_each(?)) AND shelf = ?"
    rows = connection.execute(query, (json_list(rowids.tolist()), shelf.id)).fetchall()
    if not rows:
        return [], np.empty(0, np.float32)
    return [rowid for rowid, _ in rows], cosines([vector for _, vector in rows], shelf.dims, direction)


def _named(
    connection: sqlite3.Connection, rowids: Sequence[int], scores: npt.NDArray[np.float32], k: int
) -> list[Scored]:
    """The k best that search may find, with their names; of equal scores, by name."""
    if len(rowids) > k:
        worth = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
        named = _looked_up(connection, {rowids[int(place)]: float(scores[place]) for place in worth})
        if len(named) >= k:
            return named[:k]
    return _looked_up(connection, dict(zip(rowids, scores.tolist(), strict=True)))[:k]


def _looked_up(connection: sqlite3.Connection, scores: dict[int, float]) -> list[Scored]:
    query = (
        "SELECT v.rowid, i.id, s.kind, s.number FROM vectors v JOIN segments s ON s.rowid = v.segment "
        "JOIN items i ON i.rowid = s.item "
        "WHERE v.rowid IN (SELECT value FROM json_each(?)) AND s.pending = 0"
    )
    rows: list[Any] = connection.execute(query, (json_list(scores),)).fetchall()
    found = [Scored(f"{id}:{kind}:{number}", id, kind, scores[rowid]) for rowid, id, kind, number in rows]
    return sorted(found, key=lambda one: (-one.score, one.segment_id))
