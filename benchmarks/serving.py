"""The site under fifty clients, against a bare Flask route and against the search alone.

python benchmarks/serving.py --count 100000 --seconds 20
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus, urlsplit

import knn
import million
import numpy as np
import psutil
from report import Row, table

from sightsound.encoders import of_collection
from sightsound.registry import registry
from sightsound.searching import Query, TextPart, search
from sightsound.stores.local import LocalStore

CLIENTS, ROUNDS, SLOW = 50, 3, 100
WORDS = 400
"""Different queries, so that none is answered from what the last one left."""
BARE = """
import sys
from flask import Flask
from waitress import serve
app = Flask("bare")
@app.get("/")
def bare():
    return {"hits": []}
print("Serving", flush=True)
serve(app, host="127.0.0.1", port=int(sys.argv[1]), threads=80, ident="")
"""
FIRST_LOAD = 100_000
"""Bytes that the search page may take with all that it needs, without pictures."""


@dataclass(frozen=True)
class Load:
    """What the clients saw. seconds: of each answer. statuses: how many of each."""

    seconds: Sequence[float]
    statuses: dict[int, int]
    rate: float

    def at(self, place: float) -> float:
        return 1000 * float(np.percentile(self.seconds, place))


@contextmanager
def process(arguments: Sequence[str], port: int, **environment: str) -> Iterator[psutil.Process]:
    """A server at the port, as soon as it listens, and ended with the block."""
    running = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert running.poll() is None, "the server ended"
                time.sleep(0.05)
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait(30)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def loaded(port: int, paths: Sequence[str], clients: int, seconds: float) -> Load:
    """So many clients ask, each for its next path as soon as it has an answer. In a process of its own."""
    told = json.dumps({"port": port, "paths": list(paths), "clients": clients, "seconds": seconds})
    done = subprocess.run([sys.executable, __file__, "--ask"], input=told, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout)
    return Load(made["seconds"], {int(key): value for key, value in made["statuses"].items()}, made["rate"])


def ask() -> None:
    """The clients' process: reads what to do from stdin."""
    told = json.load(sys.stdin)
    paths, end = told["paths"], time.perf_counter() + told["seconds"]
    taken: list[float] = []
    statuses: dict[int, int] = {}
    guard = threading.Lock()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", told["port"], timeout=120)
        place = number * len(paths) // told["clients"]
        while (began := time.perf_counter()) < end:
            connection.request("GET", paths[place % len(paths)])
            answer = connection.getresponse()
            answer.read()
            with guard:
                taken.append(time.perf_counter() - began)
                statuses[answer.status] = statuses.get(answer.status, 0) + 1
            place += 1

    began = time.perf_counter()
    with ThreadPoolExecutor(told["clients"]) as threads:
        list(threads.map(client, range(told["clients"])))
    rate = len(taken) / (time.perf_counter() - began)
    print(json.dumps({"seconds": taken, "statuses": statuses, "rate": rate}))


@contextmanager
def slow_clients(port: int) -> Iterator[None]:
    """Clients that send a request a byte now and then, and never end it."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW)]
    stopping = threading.Event()

    def dribble() -> None:
        while not stopping.wait(0.5):
            for one in sockets:
                try:
                    one.send(b"G")
                except OSError:
                    continue

    thread = threading.Thread(target=dribble)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        for one in sockets:
            one.close()


def first_load(port: int) -> int:
    """Bytes of the search page with its styles and scripts, as sent."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(path: str) -> bytes:
        connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        return connection.getresponse().read()

    page = get("/?q=a+boat+at+dusk&limit=1")
    needed = re.findall(r'(?:href|src)="(/static/[^"#]+)', gzip.decompress(page).decode())
    return len(page) + sum(len(get(urlsplit(path).path)) for path in dict.fromkeys(needed))


def alone(store: Path, words: Sequence[str]) -> float:
    """Milliseconds of a search in a process that is up, and does nothing else: the median."""
    collection = LocalStore(str(store)).open("default")
    encoders = of_collection(registry(), collection)
    taken = []
    for one in words[:100]:
        began = time.perf_counter()
        search(registry(), collection, encoders, Query((TextPart(one),), limit=40))
        taken.append(1000 * (time.perf_counter() - began))
    collection.close()
    return statistics.median(taken[5:])


def measure(count: int, work: Path, seconds: float = 20.0) -> list[Row]:
    store = million.made(count, work)
    words = knn.sentences(WORDS)
    paths = [f"/api/v1/search?q={quote_plus(one)}" for one in words]
    port, other = free_port(), free_port()
    serve = [million.SIGHTSOUND, "serve", "--port", str(port), "--store", str(store)]
    with (
        process([sys.executable, "-c", BARE, str(other)], other),
        process(serve, port, SIGHTSOUND_SITE_RATE="0") as site,
    ):
        until_ready(port)
        single = alone(store, words)
        loaded(port, paths, CLIENTS, seconds / 4)
        before = resident(site)
        rounds = [
            (loaded(port, paths, 1, seconds / 4), loaded(port, paths, CLIENTS, seconds),
             loaded(other, ["/"], CLIENTS, seconds / 4))
            for _ in range(ROUNDS)
        ]  # fmt: skip
        after = resident(site)
        with slow_clients(port):
            beside = loaded(port, paths, CLIENTS, seconds)
        size = first_load(port)
    ones, many, bare = zip(*rounds, strict=True)
    statuses: dict[int, int] = {}
    for load in (*ones, *many, beside):
        for status, times in load.statuses.items():
            statuses[status] = statuses.get(status, 0) + times
    wrong = sum(times for status, times in statuses.items() if status >= 500)

    def middle(loads: Sequence[Load], place: float) -> float:
        return statistics.median(load.at(place) for load in loads)

    what = f"a search over HTTP among {count:,} items"
    spread = f"p50 {middle(many, 50):.0f} ms, p95 {middle(many, 95):.0f} ms, p99 {middle(many, 99):.0f} ms"
    rate, least = (statistics.median(load.rate for load in loads) for loads in (many, bare))
    return [
        Row(
            f"{what}, one client",
            f"p50 {middle(ones, 50):.1f} ms",
            f"`search()` alone {single:.1f} ms",
            [load.at(50) / single for load in ones],
            "at most 1.5",
        ),
        Row(
            f"{what}, {CLIENTS} clients: searches a second",
            f"{rate:.0f} /s",
            f"`search()` alone, one after the other {1000 / single:.0f} /s",
            [load.rate * single / 1000 for load in many],
            "at least 0.8",
            spread,
        ),
        Row(
            "the same, beside a bare Flask route",
            f"p50 {middle(many, 50):.0f} ms",
            f"p50 {middle(bare, 50):.0f} ms ({least:.0f} /s)",
            [a.at(50) / b.at(50) for a, b in zip(many, bare, strict=True)],
            "to see",
        ),
        Row(
            f"its p95 beside {SLOW} clients that never end their requests",
            f"{beside.at(95):.0f} ms",
            f"{middle(many, 95):.0f} ms without",
            [beside.at(95) / middle(many, 95)],
            "at most 1.5",
        ),
        Row(
            "answers of 500 and more, below the queue's limit",
            f"{wrong}",
            f"{sum(statuses.values()):,} answers",
            [wrong / sum(statuses.values())],
            "0",
        ),
        Row("memory of the site", f"{after:.0f} MB", f"{before:.0f} MB at the start", [after / before], "at most 1.2"),
        Row(
            "the search page's first load, without pictures",
            f"{size / 1000:.0f} kB",
            f"{FIRST_LOAD / 1000:.0f} kB",
            [size / FIRST_LOAD],
            "at most 1",
        ),
    ]


def resident(site: psutil.Process) -> float:
    """Megabytes, without mapped files that the system takes back."""
    held = site.memory_info()
    return float(held.rss - held.shared) / 2**20


def until_ready(port: int) -> None:
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/readyz")
        if connection.getresponse().status == 200:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    parser.add_argument("--ask", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        ask()
    else:
        print(table(measure(arguments.count, arguments.work, arguments.seconds)))
