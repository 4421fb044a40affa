"""A kNN query of the local store, against the bare scan and rescoring; and whether it finds the right vectors.

python benchmarks/knn.py --count 10000
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import simsimd
from report import Row, table

from sightsound.config import cores
from sightsound.encoders import choose
from sightsound.registry import registry
from sightsound.stores.base import Collection, Entry
from sightsound.stores.local import LocalStore
from sightsound.stores.vectorfile import Int8Rows, quantised
from sightsound.types import Item, Segment, Vectors, item_id

K, CANDIDATES, QUERIES, ROUNDS = 10, 100, 200, 5
WORDS = {
    "who": "a boy|a girl|two men|an old woman|a dog|three cats|a horse|a crowd|a fisherman|a cook|a nurse|a dancer|"
    "a violinist|soldiers|children|a farmer|a monk|tourists|a cyclist|a referee|a puppy|seagulls|an elephant|a bee",
    "how": "slowly|happily|quietly|in a hurry|with a smile|in the rain|at dawn|at night|in winter|under a blue sky|"
    "on a Sunday|during a storm|by candlelight|for the first time|without shoes|in black and white",
    "does": "walks along|runs across|sleeps on|paints|repairs|looks at|climbs|eats on|sings in|waits at|cleans|films|"
    "plays in|jumps over|carries a bag through|reads a paper on|dances in|swims near|builds|guards|leaves|enters",
    "where": "a bridge|the beach|a busy street|a kitchen|the harbour|a mountain path|an old church|a train station|"
    "the stadium|a green field|a wooden boat|a library|the market|a snowy roof|the airport|a hospital|a castle|"
    "a playground|the desert|a river bank|a farm|the office|a tent|a museum|a vineyard|the subway|a garden",
}


def sentences(count: int) -> list[str]:
    """Different sentences of a small grammar, the same ones every time."""
    whole = [" ".join(words) for words in itertools.product(*(group.split("|") for group in WORDS.values()))]
    if count > len(whole):
        raise SystemExit(f"The grammar makes {len(whole):,} sentences")
    return random.Random(0).sample(whole, count)


def vectors(count: int, work: Path) -> Vectors:
    """MiniLM's vectors of that many sentences, float32 (count, 384); kept in the folder, since they take minutes."""
    path = work / f"sentences-{count}.npy"
    if not path.exists():
        (encoder,) = choose(registry(), ["starter"]).reading("text", "document")
        path.parent.mkdir(parents=True, exist_ok=True)
        made = [encoder.loaded.encode(part, "document") for part in parts(sentences(count), 256)]
        np.save(path, np.concatenate([np.asarray(one) for one in made]).astype(np.float16))
    loaded = np.load(path).astype(np.float32)
    return np.asarray(loaded / np.linalg.norm(loaded, axis=1, keepdims=True), np.float32)


def parts(whole: list[str], size: int) -> list[list[str]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def fill(collection: Collection, matrix: Vectors) -> None:
    for start in range(0, len(matrix), 1000):
        entries = []
        for number, vector in enumerate(matrix[start : start + 1000], start):
            uri = f"bench://{number}"
            item = Item(uri, "text", "1", id=item_id(uri))
            segment = Segment(item.id, "description")
            entries.append(Entry(item, [segment], {"minilm": {segment.id: vector}}))
        collection.put(entries)


def fastest(rows: Int8Rows, database: Path, queries: Vectors) -> Callable[[Vectors], list[int]]:
    """The bound, on one core or on all: threads do not always pay."""
    searches = [bare(rows, database, threads) for threads in (1, cores())]
    return min(searches, key=lambda search: milliseconds(search, queries[:20]))


def bare(rows: Int8Rows, database: Path, threads: int) -> Callable[[Vectors], list[int]]:
    """Distances to all int8 rows, the nearest candidates' vectors from SQLite, and their exact order."""
    connection = sqlite3.connect(database)

    def search(query: Vectors) -> list[int]:
        distances = np.asarray(simsimd.cdist(quantised(query[None]), rows, metric="cosine", threads=threads))[0]
        nearest = np.argpartition(distances, CANDIDATES)[:CANDIDATES] + 1
        sql = "SELECT rowid, vector FROM vectors WHERE rowid IN (SELECT value FROM json_each(?))"
        found = connection.execute(sql, (json.dumps(nearest.tolist()),)).fetchall()
        exact = np.frombuffer(b"".join(blob for _, blob in found), "<f2").reshape(len(found), -1) @ query
        return [found[place][0] - 1 for place in np.argsort(-exact)[:K]]

    return search


def milliseconds(search: Callable[[Any], object], queries: Iterable[Any]) -> float:
    """The median of the queries."""
    taken = []
    for query in queries:
        began = time.perf_counter()
        search(query)
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def measure(count: int, work: Path) -> list[Row]:
    every = vectors(count + QUERIES, work)
    matrix, queries = every[:count], every[count:]
    with tempfile.TemporaryDirectory() as folder:
        collection = LocalStore(folder).open("default", create=True)
        fill(collection, matrix)
        numbers = {item_id(f"bench://{number}"): number for number in range(count)}

        def stored(query: Vectors) -> list[int]:
            found = collection.knn("minilm", "description", query, K)
            return [numbers[one.item_id] for one in found]

        bound = fastest(quantised(matrix), Path(folder) / "default" / "collection.sqlite", queries)
        right = [set(np.argpartition(-(matrix @ query), K)[:K]) for query in queries]
        recall = [len(right[n] & set(stored(query))) / K for n, query in enumerate(queries)]
        assert all(right[n] & set(bound(query)) for n, query in enumerate(queries[:20]))
        rounds = [(milliseconds(stored, queries), milliseconds(bound, queries)) for _ in range(ROUNDS)]
        collection.close()
    measured, least = (statistics.median(values) for values in zip(*rounds, strict=True))
    what = f"a local kNN query among {count:,} x 384"
    ratios = [one / other for one, other in rounds]
    return [
        Row(what, f"{measured:.2f} ms", f"scan and rescoring {least:.2f} ms", ratios, "at most 1.3"),
        Row(f"its recall@{K}", f"{np.mean(recall):.4f}", "float32, exact", [float(np.mean(recall))], "at least 0.99"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.count, arguments.work)))
