"""The Elasticsearch store against the bare client and bare requests, and each kind of index beside the local store.

python benchmarks/elastic.py --count 10000
python benchmarks/elastic.py bulk        # one part alone: bulk, fill, knn
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import knn
import numpy as np
import synthetic
from report import Row, table

from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.stores.base import Collection, Entry
from sightsound.stores.elastic import bodies
from sightsound.types import Vectors

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from elastic_node import Node

TYPES = ("int8_hnsw", "bbq_hnsw", "hnsw", "flat")
K, QUERIES, ROUNDS = 10, 200, 5
PUT = 500
"""Items that are put at once, as a copy of a collection does."""
BULK = 10_000
"""Items of one round of writing."""
PREFIX = "SIGHTSOUND_ELASTICSEARCH_"


@contextmanager
def node(work: Path) -> Iterator[Node]:
    """A node that keeps its data in the folder, for a benchmark that is run in parts."""
    made = Node(work / "elasticsearch", heap="1g")
    try:
        yield made.start()
    finally:
        made.stop()


def collection_of(url: str, name: str, **options: str) -> Collection:
    """The collection, made with these options of its indices where there is none."""
    os.environ.update({PREFIX + key.upper(): value for key, value in options.items()})
    return open_store(registry(), url).open(name, create=True)


# Writing


def bulk_rows(node: Node, count: int, work: Path) -> list[Row]:
    """Our puts, against the bare client with documents that are ready. In turns, into indices alike."""
    from elasticsearch import Elasticsearch, helpers

    store = open_store(registry(), node.url)
    for name in ("written", "template"):
        if name in store.collections():
            store.drop(name)
    ours = collection_of(node.url, "written", index="int8_hnsw")
    client = Elasticsearch(node.url, request_timeout=120)
    rounds = []
    chunks = synthetic.photographs(count, work)
    template = collection_of(node.url, "template", index="int8_hnsw")
    for number, entries in enumerate(islice(chunks, max(1, count // BULK))):
        documents = ready(node, template, entries, f"bare-{number}")
        with ours.writing():
            began = time.perf_counter()
            for first in range(0, len(entries), PUT):
                ours.put(entries[first : first + PUT])
            mine = time.perf_counter() - began
        began = time.perf_counter()
        helpers.bulk(client, documents)
        bare = time.perf_counter() - began
        settle(node)
        rounds.append((len(entries) / mine, len(entries) / bare))
        print(f"written {number + 1}: {rounds[-1][0]:,.0f} /s, bare {rounds[-1][1]:,.0f} /s", file=sys.stderr)
    rounds = rounds[1:] or rounds  # the first warms the node up
    batches = small_batches(ours, count, work)
    ours.close()
    template.close()
    for name in ("written", "template"):
        store.drop(name)
    node.ask("DELETE", "/bare-*")
    measured, least = (statistics.median(values) for values in zip(*rounds, strict=True))
    what = f"writing {count:,} items with a vector of 384, {PUT} at once"
    note = f"put as an indexer does, 32 at once: {batches:,.0f} /s"
    ratios = [one / other for one, other in rounds]
    bound = f"`helpers.bulk` of the ready documents {least:,.0f} /s"
    return [Row(what, f"{measured:,.0f} /s", bound, ratios, "at least 0.9", note)]


def small_batches(collection: Collection, count: int, work: Path) -> float:
    """Items a second, put as an indexer puts them."""
    entries = next(synthetic.photographs(count, work))[:2_000]
    collection.remove([entry.item.id for entry in entries])
    with collection.writing():
        began = time.perf_counter()
        for first in range(0, len(entries), 32):
            collection.put(entries[first : first + 32])
        return len(entries) / (time.perf_counter() - began)


def ready(node: Node, template: Collection, entries: Sequence[Entry], name: str) -> list[dict[str, Any]]:
    """The documents that the store makes of these entries, for indices that are made alike.

    They are made by putting the first entry, which the others are written like.
    """
    template.put(entries[:1])
    made = []
    aliases = node.ask("GET", "/_alias/sightsound-template--*")
    for index, found in aliases.items():
        described = node.ask("GET", f"/{index}")[index]
        kept = {key: described["settings"]["index"][key] for key in ("number_of_shards", "number_of_replicas")}
        target = f"{name}-{'items' if any('--items' in alias for alias in found['aliases']) else 'space'}"
        # As the store does while it writes, the other indices do not refresh either.
        settings = {**kept, "refresh_interval": "-1"}
        node.ask("PUT", f"/{target}", {"mappings": described["mappings"], "settings": settings})
        shown = {"size": 1_000, "_source": {"exclude_vectors": False}}
        hits = node.ask("POST", f"/{index}/_search", shown)["hits"]["hits"]
        own = next(hit for hit in hits if hit["_id"].startswith(entries[0].item.id))
        for entry in entries:
            source = json.loads(json.dumps(own["_source"]).replace(entries[0].item.id, entry.item.id))
            if "vector" in source:
                ((_, vectors),) = entry.vectors.items()
                (vector,) = vectors.values()
                source["vector"] = vector.astype(np.float16).astype(np.float32).tolist()
            made.append({"_index": target, "_id": own["_id"].replace(entries[0].item.id, entry.item.id), **source})
    return made


def settle(node: Node) -> None:
    """Wait until nothing is merged, so that one's work does not weigh on the other's time."""
    node.ask("POST", "/_refresh", timeout=300)
    while node.ask("GET", "/_stats/merge")["_all"]["total"]["merges"]["current"]:
        time.sleep(0.2)


# Searching


def fill(node: Node, type: str, count: int, work: Path) -> None:
    """Make the collection of this type of index, or go on with it."""
    collection = collection_of(node.url, type, index=type)
    have = collection.count()
    began = time.perf_counter()
    for chunk in synthetic.photographs(count, work):
        if have >= len(chunk):
            have -= len(chunk)
            continue
        with collection.writing():
            for first in range(0, len(chunk), PUT):
                collection.put(chunk[first : first + PUT])
    collection.close()
    settle(node)
    print(f"{type}: filled in {time.perf_counter() - began:.0f} s", file=sys.stderr)


def local(count: int, work: Path) -> Collection:
    folder = work / f"elastic-local-{count}"
    collection = open_store(registry(), str(folder), create=True).open("default", create=True)
    if collection.count() < count:
        for chunk in synthetic.photographs(count, work):
            collection.put(chunk)
    return collection


def knn_rows(node: Node, count: int, work: Path) -> tuple[list[Row], str]:
    """Our kNN against the bare requests that fetch the same; and the table of all types of index."""
    queries = synthetic.clustered(knn.vectors(synthetic.SENTENCES, work), QUERIES, np.random.default_rng(-1 % 2**32))
    beside = local(count, work)
    right = [{one.segment_id for one in beside.knn(synthetic.SPACE, "photo", query, K)} for query in queries]
    collections = {type: collection_of(node.url, type, index=type) for type in TYPES}
    rows, recalls = [], {}
    searches = {type: asking(collection) for type, collection in {"local": beside, **collections}.items()}
    for type, search in searches.items():  # which warms them up too
        found = [set(search(query)) for query in queries]
        recalls[type] = statistics.mean(len(a & b) / K for a, b in zip(found, right, strict=True))
    times: dict[str, list[float]] = {type: [] for type in searches}
    for _ in range(ROUNDS):
        for type, search in searches.items():
            times[type] += milliseconds(search, queries)
    bare = Bare(node, collections["int8_hnsw"], queries[0])
    ours = asking(collections["int8_hnsw"])
    milliseconds(bare, queries)
    rounds = [(milliseconds(ours, queries), milliseconds(bare, queries)) for _ in range(ROUNDS)]
    middles = [[statistics.median(taken) for taken in pair] for pair in rounds]
    measured, least = (statistics.median(values) for values in zip(*middles, strict=True))
    what = f"a kNN query among {count:,} x 384 in Elasticsearch, `int8_hnsw`"
    ratios = [one / other for one, other in middles]
    rows.append(Row(what, f"{measured:.2f} ms", f"the bare requests {least:.2f} ms", ratios, "at most 1.15"))
    recall = recalls["int8_hnsw"]
    rows.append(Row(f"its recall@{K}", f"{recall:.4f}", "float32, exact", [recall], "at least 0.95"))
    lines = ["| Index | p50 | p99 | recall@10 | memory | on disk |", "|---|---|---|---|---|---|"]
    for type in ("local", *TYPES):
        p50, p99 = (float(np.percentile(times[type], place)) for place in (50, 99))
        memory, disk = sizes(node, type) if type in collections else local_sizes(count, work)
        lines.append(
            f"| {'local store' if type == 'local' else f'`{type}`'} | {p50:.1f} ms | {p99:.1f} ms |"
            f" {recalls[type]:.4f} | {memory / 2**20:,.0f} MB | {disk / 2**20:,.0f} MB |"
        )
    for collection in (beside, *collections.values()):
        collection.close()
    return rows, "\n".join(lines)


def asking(collection: Collection) -> Callable[[Vectors], list[str]]:
    return lambda query: [one.segment_id for one in collection.knn(synthetic.SPACE, "photo", query, K)]


def milliseconds(search: Callable[[Vectors], object], queries: Vectors) -> list[float]:
    taken = []
    for query in queries:
        began = time.perf_counter()
        search(query)
        taken.append(1000 * (time.perf_counter() - began))
    return taken


class Bare:
    """The requests that our kNN makes, sent without a client: the search, and the states of the items that it found.

    They are those that were sent for a first query, with the vector and the ids of others.
    """

    def __init__(self, node: Node, collection: Collection, query: Vectors) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port)
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        indices = collection._indices  # type: ignore[attr-defined]
        index = indices.space(synthetic.SPACE)
        body = bodies.nearest("photo", query.tolist(), K, index.type, index.oversample, (), ())
        self._before, self._after = json.dumps(body).split(json.dumps(query.tolist()))
        self._search = f"/{index.alias}/_search"
        self._states = f"/{indices.items}/_mget?_source_includes=tokens"

    def __call__(self, query: Vectors) -> list[str]:
        answer = self._ask(self._search, f"{self._before}{json.dumps(query.tolist())}{self._after}")
        hits = answer["hits"]["hits"]
        items = [hit["fields"]["item"][0] for hit in hits]
        docs = self._ask(self._states, json.dumps({"ids": items}))["docs"]
        assert len(docs) == K
        return items

    def _ask(self, path: str, body: str) -> Any:
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        return json.loads(self._connection.getresponse().read())


def sizes(node: Node, type: str) -> tuple[int, int]:
    """Bytes of memory that searches want for vectors and graph, and on disk, of the segments and the items."""
    stats = node.ask("GET", f"/sightsound-{type}--*/_stats/store,dense_vector")
    held = node.ask("GET", f"/_cat/indices/sightsound-{type}--*?format=json&bytes=b")
    disk = sum(int(one["pri.store.size"]) for one in held)
    off_heap = stats["_all"]["primaries"]["dense_vector"].get("off_heap", {})
    parts = {key: off_heap.get(f"total_{key}_size_bytes", 0) for key in ("veb", "veq", "vex", "vec")}
    quantised = parts["veb"] + parts["veq"]
    return parts["vex"] + (quantised or parts["vec"]), disk


def local_sizes(count: int, work: Path) -> tuple[int, int]:
    folder = work / f"elastic-local-{count}" / "default"
    files = {file: file.stat().st_size for file in folder.iterdir()}
    return sum(size for file, size in files.items() if file.suffix == ".vectors"), sum(files.values())


def measure(count: int, work: Path, parts: Sequence[str] = ("bulk", "fill", "knn")) -> tuple[list[Row], str]:
    """The rows, and the table of the types of index."""
    rows: list[Row] = []
    types = ""
    with node(work) as running:
        if "bulk" in parts:
            rows += bulk_rows(running, count, work)
        for type in TYPES:
            if "fill" in parts or type in parts:
                fill(running, type, count, work)
        if "knn" in parts:
            found, types = knn_rows(running, count, work)
            rows += found
    return rows, types


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    which = ("bulk", "fill", "knn", *TYPES)
    parser.add_argument("parts", nargs="*", default=["bulk", "fill", "knn"], metavar="PART", help=", ".join(which))
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    rows, types = measure(arguments.count, arguments.work, arguments.parts)
    print(table(rows), types, sep="\n\n")
