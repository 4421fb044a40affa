"""S3 from afar: indexing photographs over a network that takes its time, and planning many objects that did not change.

python benchmarks/s3.py --count 200 --rounds 1 --objects 10000
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import far_server
import psutil
from photographs import make_photographs
from report import Row, table

from sightsound.config import cores
from sightsound.stores.base import Entry
from sightsound.stores.local import LocalStore
from sightsound.types import Item, Metadata, Segment, item_id

LATE = 50
"""Milliseconds that the server adds to each request."""
ROUNDS = 3
PAGE = 1_000
EVERY = 0.02
SIGHTSOUND = str(Path(sys.executable).with_name("sightsound"))


def environment(url: str) -> dict[str, str]:
    credentials = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
    return {**os.environ, **credentials, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}


# Indexing


def indexing(folder: Path, rounds: int) -> Row:
    """The whole command, from the folder and from S3 in turns, each into a new collection."""
    ratios, far, bounds = [], [], []
    with _far(folder) as (url, server):
        for _ in range(rounds):
            local = _indexed(str(folder), url)
            before = sum(server.cpu_times()[:2])
            far.append(_indexed(f"s3://{far_server.BUCKET}", url))
            busy = sum(server.cpu_times()[:2]) - before
            bounds.append(local + busy / cores())
            ratios.append(far[-1] / bounds[-1])
    count = sum(1 for _ in folder.iterdir())
    what = f"indexing {count:,} photographs from S3, each answer {LATE} ms late"
    return Row(what, f"{sum(far) / rounds:.1f} s", f"{sum(bounds) / rounds:.1f} s", ratios, "at most 1.2")


def _indexed(source: str, url: str) -> float:
    with tempfile.TemporaryDirectory() as store:
        command = [SIGHTSOUND, "index", source, "--store", store, "--encoders", "starter"]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment(url))
        return time.perf_counter() - began


@contextmanager
def _far(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    command = [sys.executable, far_server.__file__, str(folder), str(LATE)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        url = next(line.strip() for line in process.stdout if line.startswith(far_server.READY))
        yield url, psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


# Planning


def planning(objects: int) -> list[Row]:
    """The command with --dry-run on a collection that has all the objects: requests, and resident memory at the most.

    A small server answers the listings, since moto takes longer over a page than the planner.
    """
    few, many = (_planned(count) for count in (objects // 10, objects))
    what = f"planning {objects:,} unchanged objects"
    pages = -(-objects // PAGE)
    note = f"in {many[2]:.1f} s, {objects // 10:,} in {few[2]:.1f} s; the listings come from a stand-in, not from moto"
    return [
        Row(f"{what}, requests", f"{many[0]}", f"{pages} pages", [many[0] / pages], "1", note),
        Row(f"{what}, peak memory", f"{many[1]:.0f} MB", f"{few[1]:.0f} MB for a tenth", [many[1] / few[1]], "about 1"),
    ]


def _planned(count: int) -> tuple[int, float, float]:
    """(requests, megabytes, seconds)"""
    with tempfile.TemporaryDirectory() as folder, _listing(count) as (url, asked):
        _fill(folder, count)
        command = [SIGHTSOUND, "index", "s3://many", "--store", folder, "--encoders", "starter", "--dry-run"]
        began, peak = time.perf_counter(), 0.0
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(url))
        while process.poll() is None:
            try:
                peak = max(peak, psutil.Process(process.pid).memory_info().rss / 2**20)
            except psutil.NoSuchProcess:
                break
            time.sleep(EVERY)
        took = time.perf_counter() - began
        said = process.communicate()[0]
    assert f"{count:,} unchanged" in said, said
    return len(asked), peak, took


def _fill(folder: str, count: int) -> None:
    collection = LocalStore(folder, create=True).open("default", create=True)
    with collection.writing():
        for start in range(0, count, 2_000):
            collection.put([_entry(number) for number in range(start, min(count, start + 2_000))])
    collection.close()


def _entry(number: int) -> Entry:
    uri = f"s3://many/{_key(number)}"
    item = Item(uri, "photo", _etag(number), id=item_id(uri), content=f"{number:064x}")
    return Entry(item.with_layers({"s3://many/": Metadata()}), [Segment(item.id, "photo")])


def _key(number: int) -> str:
    return f"{number:08d}.jpg"


def _etag(number: int) -> str:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()


@contextmanager
def _listing(count: int) -> Iterator[tuple[str, list[str]]]:
    """A server that answers ListObjectsV2, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked.append(self.path)
            start = int(parse_qs(urlsplit(self.path).query).get("continuation-token", ["0"])[0])
            end = min(count, start + PAGE)
            more = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < count else ""
            body = (
                '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>many</Name>'
                f"<IsTruncated>{str(end < count).lower()}</IsTruncated>{more}"
                + "".join(_listed(number) for number in range(start, end))
                + "</ListBucketResult>"
            ).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def _listed(number: int) -> str:
    return (
        f"<Contents><Key>{_key(number)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;{_etag(number)}&quot;</ETag><Size>1000</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


def measure(count: int, objects: int, work: Path, rounds: int = ROUNDS) -> list[Row]:
    folder = make_photographs(work / ("photographs" if count == 1_000 else f"photographs-{count}"), count)
    return [indexing(folder, rounds), *planning(objects)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.count, arguments.objects, arguments.work, arguments.rounds)))
