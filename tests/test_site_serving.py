"""`sightsound serve` as a process: it starts, gets ready, answers many at once, sees what is indexed, and ends."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PHOTOS, CommandLine
from flask import Flask
from served import STARTS, Served, serving, site_of

from sightsound import EncoderSpec, Space, TextInput
from sightsound.encoders import ChosenEncoder
from sightsound.errors import EncodingError
from sightsound.webapp.errors import Refused
from sightsound.webapp.metrics import Metrics
from sightsound.webapp.queue import EncodeQueue, Line

SEARCH = "/api/v1/search?limit=5&q="


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + STARTS
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# Start and end


def test_it_is_alive_at_once_and_ready_when_models_are_loaded(demo: CommandLine) -> None:
    with serving(demo) as site:
        assert site("/healthz").json == {"status": "ok"}
        first = site("/readyz")
        assert first.status in (200, 503) and (first.status == 200) == first.json["ready"]
        site.until_ready()
        metrics = site("/metrics").body.decode()
        assert 'sightsound_searches_total{outcome="answered"} 1.0' in metrics, "the warm-up asks one query"
        code, said = site.end()
        assert (code, "Traceback" in said) == (0, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_seconds_and_answers_what_is_under_way(number: signal.Signals, demo: CommandLine) -> None:
    with serving(demo) as site, ThreadPoolExecutor(8) as pool:
        site.until_ready()
        asked = [pool.submit(site, f"{SEARCH}dog+{n}") for n in range(8)]
        until(lambda: b"api.search" in site("/metrics").body)
        began = time.monotonic()
        site.process.send_signal(number)
        site.process.communicate(timeout=60)
        assert time.monotonic() - began < 30
        assert site.process.returncode == 0
        answered = [one.result().status for one in asked if one.exception() is None]
        assert answered and set(answered) == {200}


def test_it_ends_while_clients_hold_connections_open(demo_site: Served, demo: CommandLine) -> None:
    with (
        serving(demo) as site,
        socket.create_connection(("127.0.0.1", site.port)) as idle,
        socket.create_connection(("127.0.0.1", site.port)) as half,
    ):
        half.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        assert site("/healthz").status == 200
        assert site.end()[0] == 0
        assert idle


def test_a_port_in_use_is_told_in_one_line(demo: CommandLine, demo_site: Served) -> None:
    ran = demo("serve", "--port", demo_site.port, code=1)
    assert re.fullmatch(r"error: 127\.0\.0\.1:\d+ can't be served at: Address already in use\. .+\n", ran.err)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--host", "192.0.2.1", "--open"], 1, "192.0.2.1:8000 can't be served at"),
        (["--host", "no such host", "--open"], 1, "can't be served at"),
        (["--host", "0.0.0.0"], 2, "set an API key (SIGHTSOUND_API_KEY), or say --open"),
        (["--host", "::"], 2, "set an API key"),
        (["--port", "70000"], 2, "65535"),
    ],
)
def test_an_address_that_is_wrong_is_told_in_one_line(
    arguments: list[str], code: int, said: str, demo: CommandLine
) -> None:
    assert said in demo("serve", *arguments, code=code).err.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("API_KEY", "short", "16 letters or more"),
        ("SITE_RATE", "fast", "site_rate is 'fast'"),
        ("SITE_QUEUE", "0", "site_queue"),
        ("UPLOAD_MEGABYTES", "-1", "upload_megabytes"),
    ],
)
def test_settings_that_are_wrong_are_told(name: str, value: str, said: str, demo: CommandLine) -> None:
    ran = demo("serve", "--port", 0, code=2, **{f"SIGHTSOUND_{name}": value})
    assert said in ran.err
    assert name != "API_KEY" or value not in ran.err, "a key is not repeated"


def test_with_a_key_it_serves_every_address(demo: CommandLine) -> None:
    key = "a-key-of-the-tests-0123456789"
    with serving(demo, "--host", "0.0.0.0", SIGHTSOUND_API_KEY=key) as site:
        here = Served(site.process, f"http://127.0.0.1:{site.port}", site.log).until_ready()
        assert here(f"{SEARCH}dog").status == 401
        assert here(f"{SEARCH}dog", headers={"Authorization": f"Bearer {key}"}).status == 200
        assert here("/", headers={"Host": "evil.example"}).status == 421
        assert key not in site.end()[1]


def test_flask_runs_it_too(demo: CommandLine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "flask", "--app", "sightsound.webapp", "run", "--port", str(port)]
    log = demo.home / "flask.log"
    with log.open("w") as said:
        process = subprocess.Popen(command, env=demo.environment(), cwd=demo.home, stderr=said, text=True)
    try:
        site = Served(process, f"http://127.0.0.1:{port}", log)

        def answers() -> bool:
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0

        until(answers)
        assert site.until_ready()(f"{SEARCH}dog").json["hits"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


# What is indexed


def test_a_store_without_a_collection_says_what_to_do_until_there_is_one(
    sightsound: CommandLine, copy_photos: Callable[..., Path]
) -> None:
    with serving(sightsound) as site:
        until(lambda: site("/readyz").status == 200)
        assert "sightsound index" in site("/readyz").json["reason"]
        page = site("/")
        assert page.status == 200 and b"sightsound index FOLDER" in page.body
        missing = site(f"{SEARCH}cat")
        assert missing.status == 404 and missing.json["error"]["code"] == "collection_missing"
        sightsound("index", copy_photos("cat.jpg", "horse.jpg"))
        assert site(f"{SEARCH}cat").json["total"] == 2
        sightsound("index", copy_photos("cat.jpg", "horse.jpg", "dog.jpg"))
        assert site(f"{SEARCH}cat").json["total"] == 3
        hit = site(f"{SEARCH}dog").json["hits"][0]
        sightsound("remove", hit["id"], "--yes")
        assert site(f"{SEARCH}dog").json["total"] == 2
        sightsound("index", "--rebuild", "--encoders", "starter")
        assert site(f"{SEARCH}cat").json["total"] >= 2


def test_a_collection_that_is_damaged_is_not_ready_and_fails_in_words(
    sightsound: CommandLine, copy_photos: Callable[..., Path]
) -> None:
    sightsound("index", copy_photos("cat.jpg"))
    (database,) = sightsound.home.rglob("collection.sqlite")
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.write_bytes(b"not a database at all" * 1000)
    with serving(sightsound) as site:
        until(lambda: "damaged" in (site("/readyz").json["reason"] or ""))
        assert site("/readyz").status == 503 and site("/healthz").status == 200
        answer = site(f"{SEARCH}cat")
        assert answer.status == 503 and "damaged" in answer.json["error"]["message"]
        assert "sightsound_store_up 0.0" in site("/metrics").body.decode()


def test_a_collection_on_elasticsearch_is_served_alike(
    sightsound: CommandLine, copy_photos: Callable[..., Path], elasticsearch: str
) -> None:
    there = ["--store", elasticsearch, "--collection", "served"]
    sightsound("index", copy_photos("cat.jpg", "horse.jpg", "dog.jpg"), *there)
    with serving(sightsound, *there) as site, ThreadPoolExecutor(20) as pool:
        site.until_ready()
        expected = sightsound("search", "a dog", "--limit", 5, "--json", *there).json
        for answer in pool.map(site, [f"{SEARCH}a+dog"] * 20):
            assert answer.status == 200 and answer.json == expected


# Many at once


def test_twenty_at_once_get_the_same_answers_as_one_by_one(demo_site: Served) -> None:
    words = ["a+dog", "a+cat", "a+boat", "a+castle", "a+bird"]
    alone = {word: demo_site(SEARCH + word).json for word in words}
    with ThreadPoolExecutor(20) as pool:
        together = list(pool.map(lambda number: demo_site(SEARCH + words[number % 5]), range(100)))
    assert all(one.status == 200 for one in together)
    for number, one in enumerate(together):
        expected = alone[words[number % 5]]
        assert [hit["id"] for hit in one.json["hits"]] == [hit["id"] for hit in expected["hits"]]
        for hit, known in zip(one.json["hits"], expected["hits"], strict=True):
            assert hit["score"] == pytest.approx(known["score"], abs=2e-3)


def test_twenty_threads_search_while_one_indexes(sightsound: CommandLine, copy_photos: Callable[..., Path]) -> None:
    sightsound("index", copy_photos("cat.jpg", "horse.jpg"))
    with serving(sightsound) as site, ThreadPoolExecutor(20) as pool:
        site.until_ready()
        folder = copy_photos(*(path.name for path in sorted(PHOTOS.glob("*.jpg"))[:12]), "cat.jpg", "horse.jpg")
        asked = [pool.submit(lambda: {site(SEARCH + f"animal+{n}").status for n in range(5)}) for _ in range(20)]
        sightsound("index", folder)
        assert set().union(*(one.result() for one in asked)) == {200}
        assert site(SEARCH + "animal").json["total"] >= 12


def test_past_the_bound_one_is_told_to_come_again(demo: CommandLine, site_app: Flask) -> None:
    app = site_of(demo, queue=2)
    line: Line = app.extensions["sightsound"].line
    with line.place(), line.place():
        answer = app.test_client().get(f"{SEARCH}dog")
        assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1
        assert answer.json is not None and "try again" in answer.json["error"]["message"]
        metrics = app.test_client().get("/metrics").text
        assert "sightsound_queue_depth 2.0" in metrics
        assert 'sightsound_searches_total{outcome="refused"} 1.0' in metrics
    assert app.test_client().get(f"{SEARCH}dog").status_code == 200


# The encode queue


@dataclass
class Slow:
    """An encoder that waits, to see what comes together; a text that is `bad` fails its batch."""

    fingerprint: str = "slow 1"
    open: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)
    inside: int = 0

    def encode(self, batch: Sequence[str], role: str) -> Any:
        self.inside += 1
        assert self.inside == 1, "two threads are in one encoder"
        self.open.wait(60)
        self.batches.append(list(batch))
        self.inside -= 1
        if "bad" in batch:
            raise ValueError("bad")
        return np.stack([np.eye(8, dtype=np.float32)[int(text) % 8] for text in batch])


def slow_encoder(encoder: Slow) -> ChosenEncoder:
    spec = EncoderSpec("slow", "text", Space("slow", 8), TextInput(), str.strip, lambda device: encoder)
    return ChosenEncoder("tests", spec)


def waiting(queue: EncodeQueue) -> int:
    return len(queue._waiting)


def test_what_waits_is_encoded_in_one_batch_and_each_gets_its_own() -> None:
    encoder, queue = Slow(), EncodeQueue(Metrics())
    chosen = slow_encoder(encoder)
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(queue.encode, chosen, ["0"], "query")]
        until(lambda: encoder.inside == 1)
        asked += [pool.submit(queue.encode, chosen, [str(number)], "query") for number in range(1, 20)]
        until(lambda: waiting(queue) == 19)
        encoder.open.set()
        for number, one in enumerate(asked):
            (vector,) = one.result(60)["slow"]
            assert vector is not None and int(np.argmax(vector)) == number % 8
    assert [len(batch) for batch in encoder.batches] == [1, 19]
    queue.close()


def test_one_bad_query_costs_no_other() -> None:
    encoder, queue = Slow(), EncodeQueue(Metrics())
    chosen = slow_encoder(encoder)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(queue.encode, chosen, ["0"], "query")
        until(lambda: encoder.inside == 1)
        good, bad = (
            pool.submit(queue.encode, chosen, ["1"], "query"),
            pool.submit(queue.encode, chosen, ["bad"], "query"),
        )
        until(lambda: waiting(queue) == 2)
        encoder.open.set()
        assert first.result(60) and good.result(60)
        with pytest.raises(EncodingError, match="ValueError: bad"):
            bad.result(60)
    queue.close()
    with pytest.raises(Refused, match="stopping"):
        queue.encode(chosen, ["1"], "query")


# Hostile clients


def ask_raw(site: Served, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as connection:
        connection.sendall(request)
        got = b""
        while chunk := connection.recv(65536):
            got += chunk
        return got


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 263_000 + b"\r\n\r\n", 431),
        (b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413),
    ],
)
def test_what_is_no_http_is_refused_in_json(request_: bytes, status: int, demo_site: Served) -> None:
    head, _, body = ask_raw(demo_site, request_).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert set(json.loads(body)["error"]) == {"code", "message"}


def test_slow_clients_do_not_starve_others(demo_site: Served) -> None:
    slow = [socket.create_connection(("127.0.0.1", demo_site.port)) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nab")
        assert demo_site(f"{SEARCH}dog").status == 200
    finally:
        for connection in slow:
            connection.close()


# Logs and measures


def test_logs_are_json_with_the_requests_id_and_without_what_was_asked(demo: CommandLine) -> None:
    with serving(demo, "--json-logs") as site:
        site.until_ready()
        answer = site(f"{SEARCH}secret+words", headers={"X-Request-ID": "abc-123"})
        assert answer.headers["X-Request-ID"] == "abc-123"
        odd = site("/api/v1/nothing", headers={"X-Request-ID": "a b{"})
        assert re.fullmatch("[0-9a-f]{32}", odd.headers["X-Request-ID"])
        site(f"{SEARCH}dog&limit=0")
        said = site.end()[1]
    lines = [json.loads(line) for line in said.splitlines()]
    (line,) = [line for line in lines if line.get("request_id") == "abc-123"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/search", 200)
    assert line["milliseconds"] > 0 and line["level"] == "info" and line["time"].endswith("+00:00")
    assert "secret" not in said
    assert [one["status"] for one in lines if "status" in one] == [200, 404, 400]


def test_measures_tell_of_searches_and_of_the_collection(demo_site: Served) -> None:
    demo_site(f"{SEARCH}dog")
    told = demo_site("/metrics")
    assert told.headers["Content-Type"].startswith("text/plain")
    text = told.body.decode()
    for stage in ("wait", "encode", "search"):
        assert f'sightsound_search_seconds_count{{stage="{stage}"}}' in text
    for line in (
        'sightsound_items{kind="photo"} 94.0',
        "sightsound_failed_items 0.0",
        "sightsound_queue_depth 0.0",
        "sightsound_store_up 1.0",
    ):
        assert line in text
    assert "sightsound_index_items_per_second" in text and "sightsound_encode_batch_queries_count" in text
