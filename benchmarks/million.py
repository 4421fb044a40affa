"""A collection of a million items: how it is made, and what everything costs with it, against a tenth of it.

python benchmarks/million.py --count 100000
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import knn
import numpy as np
import psutil
import synthetic
from report import Row, table

from sightsound import calibration
from sightsound.encoders import EncoderSet, choose, of_collection
from sightsound.filters import Filters, parse_condition
from sightsound.indexing import BATCH
from sightsound.registry import registry
from sightsound.searching import Query, TextPart, search
from sightsound.stores.base import Collection
from sightsound.stores.local import LocalStore
from sightsound.stores.vectorfile import Int8Rows, quantised
from sightsound.types import Vectors

ROUNDS, QUERIES, WORD_QUERIES = 5, 50, 20
PLACES = (0.1, 0.5, 1.0)
"""Shares of the items after which memory and the rate are noted."""
MADE = "made.json"
FILTERS = ("tag=often", "licence=CC0-1.0", "date>=2020")
SIGHTSOUND = str(Path(sys.executable).with_name("sightsound"))
MAKE = "import million, pathlib, sys; million.make(int(sys.argv[1]), pathlib.Path(sys.argv[2]))"
EVERY = 0.02


def made(count: int, work: Path) -> Path:
    """The store with `count` items in its collection `default`; kept in the folder, since it takes minutes."""
    folder = work / f"collection-{count}"
    if not (folder / MADE).exists():
        # A process of its own, so that its memory is that of putting alone.
        subprocess.run([sys.executable, "-c", MAKE, str(count), str(work)], check=True, cwd=Path(__file__).parent)
    return folder


def make(count: int, work: Path) -> None:
    folder = work / f"collection-{count}"
    collection = LocalStore(str(folder), create=True).open("default", create=True)
    encoders = choose(registry(), ["starter"])
    with collection.writing():
        collection.set_encoders(encoders.records())
        noted = fill(collection, count, work)
        calibration.refresh(collection, encoders)
    collection.close()
    (folder / MADE).write_text(json.dumps(noted))


def fill(collection: Collection, count: int, work: Path) -> list[dict[str, float]]:
    """Put the items as an indexer does, a batch a commit. Items a second and megabytes resident, at PLACES."""
    noted: list[dict[str, float]] = []
    written = since = 0
    seconds = 0.0
    for chunk in synthetic.photographs(count, work):
        began = time.perf_counter()
        for start in range(0, len(chunk), BATCH):
            collection.put(chunk[start : start + BATCH])
        seconds += time.perf_counter() - began
        written += len(chunk)
        if written >= PLACES[len(noted)] * count:
            memory = psutil.Process().memory_info().rss / 2**20
            noted.append({"items": written, "rate": (written - since) / seconds, "megabytes": memory})
            since, seconds = written, 0.0
    return noted


def measure(count: int, work: Path) -> list[Row]:
    """Rows for `count` items; most of them are compared with a tenth as many."""
    stores = [made(count, work), made(count // 10, work)]
    whole, tenth = (LocalStore(str(folder)).open("default") for folder in stores)
    encoders = of_collection(registry(), whole)
    rows = put_rows(stores[0])
    rows += knn_rows(whole, tenth, stores[0] / "default" / "collection.sqlite", work)
    rows += search_rows(whole, tenth, encoders)
    rows.append(seconds_row("measuring the background", lambda one: calibration.refresh(one, encoders), whole, tenth))
    for collection in (whole, tenth):
        collection.close()
    with tempfile.TemporaryDirectory(dir=work) as folder:
        exported = ["export", f"{folder}/all.jsonl", "--vectors"]
        for command in (["status"], ["search", "a boat at dusk"], ["check"], exported):
            rows += process_rows(command, stores, count)
    return rows + size_rows(stores[0] / "default", count)


def put_rows(store: Path) -> list[Row]:
    noted = json.loads((store / MADE).read_text())
    first, last = noted[0], noted[-1]
    what = f"putting {last['items']:,} items, {BATCH} a commit"
    rate, memory = (f"{{:,.0f}} {unit}".format for unit in ("/s", "MB"))
    at = f"up to item {first['items']:,}"
    return [
        Row(what, rate(last["rate"]), f"{rate(first['rate'])} {at}", [last["rate"] / first["rate"]], "at least 0.5"),
        Row(
            "its memory",
            ", ".join(memory(one["megabytes"]) for one in noted[1:]),
            f"{memory(first['megabytes'])} {at}",
            [last["megabytes"] / first["megabytes"]],
            "about 1",
        ),
    ]


def knn_rows(whole: Collection, tenth: Collection, database: Path, work: Path) -> list[Row]:
    queries = knn.vectors(QUERIES, work)

    def among(collection: Collection) -> Callable[[Vectors], list[str]]:
        return lambda query: [one.segment_id for one in collection.knn(synthetic.SPACE, "photo", query, knn.K)]

    rows, right = stored_rows(database, queries)
    bound = knn.fastest(rows, database, queries)
    count = len(rows)
    places = numbered(database)
    recall = [
        len(set(best) & {places[id] for id in among(whole)(query)}) / knn.K
        for best, query in zip(right, queries, strict=True)
    ]
    searches = (among(whole), bound, among(tenth))
    rounds = [[knn.milliseconds(one, queries) for one in searches] for _ in range(ROUNDS)]
    measured, least, few = (statistics.median(values) for values in zip(*rounds, strict=True))
    what, took = f"a local kNN query among {count:,} x 384", f"{measured:.1f} ms"
    return [
        Row(what, took, f"scan and rescoring {least:.1f} ms", [one / other for one, other, _ in rounds], "at most 1.3"),
        Row(
            "the same",
            took,
            f"{few:.1f} ms among {count // 10:,}",
            [one / other for one, _, other in rounds],
            "under 15",
        ),
        Row(f"its recall@{knn.K}", f"{np.mean(recall):.4f}", "exact", [float(np.mean(recall))], "at least 0.99"),
    ]


def numbered(database: Path) -> dict[str, int]:
    """Where each segment's vector lies among all, by its id."""
    query = (
        "SELECT i.id, v.rowid FROM vectors v JOIN segments s ON s.rowid = v.segment JOIN items i ON i.rowid = s.item"
    )
    with sqlite3.connect(database) as connection:
        return {f"{id}:photo:0": rowid - 1 for id, rowid in connection.execute(query)}


def stored_rows(database: Path, queries: Vectors) -> tuple[Int8Rows, list[list[int]]]:
    """All vectors as int8, and the places of the K nearest to each query by an exact search of them."""
    coarse, scores = [], []
    with sqlite3.connect(database) as connection:
        found = connection.execute("SELECT vector FROM vectors ORDER BY rowid")
        while block := found.fetchmany(10_000):
            vectors = np.frombuffer(b"".join(blob for (blob,) in block), "<f2").reshape(len(block), -1).astype("f4")
            coarse.append(quantised(vectors))
            scores.append((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)) @ queries.T)
    best = np.argpartition(-np.concatenate(scores), knn.K, axis=0)[: knn.K]
    return np.concatenate(coarse), best.T.tolist()


def search_rows(whole: Collection, tenth: Collection, encoders: EncoderSet) -> list[Row]:
    words = knn.sentences(WORD_QUERIES)

    def took(collection: Collection, filters: Filters = ()) -> float:
        queries = [Query((TextPart(text),), filters) for text in words]
        return knn.milliseconds(lambda query: search(registry(), collection, encoders, query), queries)

    took(whole)
    rounds = [(took(whole), took(tenth)) for _ in range(ROUNDS)]
    measured, few = (statistics.median(values) for values in zip(*rounds, strict=True))
    ratios = [one / other for one, other in rounds]
    note = stages(whole, encoders, words)
    rows = [Row("a search in words", f"{measured:.0f} ms", f"{few:.0f} ms with a tenth", ratios, "under 5", note)]
    for condition in FILTERS:
        filters = (parse_condition(condition),)
        some = [took(whole, filters) for _ in range(ROUNDS)]
        what = f"the same among the {whole.count(filters):,} with `{condition}`"
        without = f"{measured:.0f} ms without"
        filtered = statistics.median(some)
        rows.append(Row(what, f"{filtered:.0f} ms", without, [one / measured for one in some], "at most 3"))
    return rows


def stages(collection: Collection, encoders: EncoderSet, words: Sequence[str]) -> str:
    """How long each stage of a search in words takes."""
    taken: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timing(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return call(*arguments, **named)
            finally:
                taken[name].append(1000 * (time.perf_counter() - began))

        return timing

    parts = ("knn", "text", "score", "items", "segments", "counts", "count")
    for name in parts:
        setattr(collection, name, timed(name, getattr(collection, name)))
    (encoder,) = encoders.reading("text", "query")
    encode, whole = timed("encoding", encoder.encode), timed("whole", search)
    for text in words:
        encode([text], "query")
        whole(registry(), collection, encoders, Query((TextPart(text),)))
    for name in parts:
        delattr(collection, name)
    middle = {name: sum(times) / len(words) for name, times in taken.items()}
    rest = 2 * middle["whole"] - sum(middle.values())
    shown = {"encoding the words": middle["encoding"], "kNN for 1,000": middle["knn"], "text": middle["text"]}
    shown |= {
        "scoring the candidates": middle["score"],
        "fusing and the page": rest + middle["items"] + middle["segments"],
    }
    shown["counts"] = middle["counts"] + middle["count"]
    return "on average " + "; ".join(f"{name} {value:.0f} ms" for name, value in shown.items())


def seconds_row(what: str, call: Callable[[Collection], object], whole: Collection, tenth: Collection) -> Row:
    rounds = [(seconds(call, whole), seconds(call, tenth)) for _ in range(ROUNDS)]
    measured, few = (statistics.median(values) for values in zip(*rounds, strict=True))
    ratios = [one / other for one, other in rounds]
    return Row(what, f"{measured:.2f} s", f"{few:.2f} s with a tenth", ratios, "under 15")


def seconds(call: Callable[[Collection], object], collection: Collection) -> float:
    began = time.perf_counter()
    call(collection)
    return time.perf_counter() - began


def process_rows(command: Sequence[str], stores: Sequence[Path], count: int) -> list[Row]:
    """A command of the command line: how long it takes, and its memory at the most."""
    (took, memory, mapped), (short, less, _) = (ran([SIGHTSOUND, *command, "--store", str(store)]) for store in stores)
    name = "`sightsound " + " ".join(word for word in command if "/" not in word) + "`"
    own = f"{memory:.0f} MB" + (f", and {mapped:.0f} MB of mapped files" if mapped > memory else "")
    tenth = f"with {count // 10:,}"
    return [
        Row(name, f"{took:.1f} s", f"{short:.1f} s {tenth}", [took / short], "under 15"),
        Row("its memory", own, f"{less:.0f} MB {tenth}", [memory / less], "at most 2"),
    ]


def ran(command: Sequence[str]) -> tuple[float, float, float]:
    """Seconds, and megabytes at the most: of the process's own, and of files that it maps."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    own = mapped = 0.0
    while process.poll() is None:
        try:
            memory = psutil.Process(process.pid).memory_info()
        except psutil.NoSuchProcess:
            break
        own, mapped = max(own, (memory.rss - memory.shared) / 2**20), max(mapped, memory.shared / 2**20)
        time.sleep(EVERY)
    assert process.wait() == 0
    return time.perf_counter() - began, own, mapped


def size_rows(folder: Path, count: int) -> list[Row]:
    """Bytes for each item, which has one vector of 384 numbers."""
    sizes = {file.suffix: file.stat().st_size / count for file in folder.iterdir()}
    cache = sizes[".vectors"] + sizes[".rows"]
    whole = sum(file.stat().st_size for file in folder.iterdir()) / count
    return [
        Row("bytes a vector, mapped to be searched", f"{cache:.0f}", "int8 384", [cache / 384], "at most 1.1"),
        Row("bytes an item on disk, all told", f"{whole:,.0f}", "float16 768 + int8 384", [whole / 1152], "at most 3"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.count, arguments.work)))
