"""Nodes that die, clusters that are overloaded, indexers that are killed: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CommandLine
from elastic_line import ElasticLine, elastic_line, holds_each_once, small_pictures
from elastic_node import Cluster, Node, ask
from fault_proxy import Asked, Fault, Proxy, RejectSome, error

from sightsound.errors import CollectionMissing
from sightsound.plugins.sources.files import file_item
from sightsound.stores.base import Collection
from sightsound.types import file_path

KILLS = 20
RESTARTS = 10
QUEUE_FULL = error(429, "es_rejected_execution_exception", "rejected execution of coordinating operation")


@pytest.fixture
def line(sightsound: CommandLine, tmp_path: Path) -> ElasticLine:
    return elastic_line(sightsound, "", tmp_path)


class Reading:
    """Asks a collection all the while, from a thread: what it has seen, and what failed."""

    def __init__(self, collection: Collection) -> None:
        self.answers = 0
        self.errors: list[Exception] = []
        self.least = collection.count()
        self._collection = collection
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Reading:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        chance = np.random.default_rng(1)
        while not self._stop.is_set():
            try:
                found = self._collection.knn("shades", "photo", chance.standard_normal(64).astype(np.float32), 10)
                items = self._collection.items([scored.item_id for scored in found])
                assert len(items) == len({scored.item_id for scored in found})
                # Copies of a shard are refreshed one after the other: only what was there at the start is in all.
                assert self._collection.count() >= self.least, "what was acknowledged is gone"
                self.answers += 1
            except Exception as error:
                self.errors.append(error)
            time.sleep(0.02)


def operations(url: str) -> int:
    """How many documents the node has indexed since it started."""
    try:
        return int(ask(url, "GET", "/_stats/indexing", timeout=5)["_all"]["primaries"]["indexing"]["index_total"])
    except (OSError, KeyError):
        return 0


def refresh_intervals(url: str) -> set[Any]:
    """Of all indices; None where it was left to Elasticsearch."""
    settings = ask(url, "GET", "/sightsound-*/_settings")
    return {one["settings"]["index"].get("refresh_interval") for one in settings.values()}


# Three nodes


def test_a_node_killed_while_indexing_and_querying_costs_nothing(
    line: ElasticLine, elastic_cluster: Cluster, tmp_path: Path
) -> None:
    line = line.at(",".join(elastic_cluster.urls))
    pictures = small_pictures(tmp_path / "pictures", 300)
    line("index", pictures, SIGHTSOUND_ELASTICSEARCH_REPLICAS="1", SIGHTSOUND_ELASTICSEARCH_SHARDS="2")
    elastic_cluster.nodes[0].wait(3, "green")
    small_pictures(pictures, 900, first=300)
    collection = line.open()
    master = elastic_cluster.nodes[0].ask("GET", "/_cluster/state/master_node")["master_node"]
    names = elastic_cluster.nodes[0].ask("GET", "/_nodes/_all/none")["nodes"]
    victim = next(node for node in elastic_cluster.nodes if node.name == names[master]["name"])
    others = [node for node in elastic_cluster.nodes if node is not victim]
    before = operations(others[0].url)
    with Reading(collection) as reading:
        process = line.start("index", pictures, "--json")
        while operations(others[0].url) < before + 200:
            assert process.poll() is None, "the run was over before the node was killed"
            time.sleep(0.05)
        victim.kill()
        out, errors = process.communicate(timeout=240)
        time.sleep(1)
    assert process.returncode == 0, out + errors
    assert reading.errors == []
    assert reading.answers > 20 and reading.least == 300
    victim.start()
    for node in elastic_cluster.nodes:
        node.wait(3, "green")
    holds_each_once(collection, pictures)
    assert refresh_intervals(victim.url) == {None}
    assert "1,200 unchanged" in line("index", pictures).out
    collection.close()
    line("remove", "--all", "--yes")


# One node


@pytest.mark.parametrize("fault", [QUEUE_FULL, RejectSome(3)], ids=["whole bulks", "a third of their documents"])
def test_everything_arrives_at_a_cluster_that_is_overloaded(
    line: ElasticLine, elasticsearch: str, tmp_path: Path, fault: Fault
) -> None:
    def third(asked: Asked) -> Fault | None:
        return fault if asked.is_bulk and asked.number % 3 == 0 else None

    pictures = small_pictures(tmp_path / "pictures", 600)
    name = "overloaded" if fault is QUEUE_FULL else "rejecting"
    with Proxy(elasticsearch, third) as proxy:
        ran = line.at(proxy.url)("index", pictures, "--collection", name)
        assert "600 added" in ran.out and ran.err == ""
        assert proxy.faults >= proxy.bulks() // 3 > 2
    line = line.at(elasticsearch)
    collection = line.open(name)
    holds_each_once(collection, pictures)
    collection.close()
    line("remove", "--all", "--yes", "--collection", name)


def test_a_node_that_starts_anew_ten_times_while_indexing(
    line: ElasticLine, elastic_node: Node, tmp_path: Path
) -> None:
    line = line.at(elastic_node.url)
    pictures = small_pictures(tmp_path / "pictures", 1_600)
    process = line.start("index", pictures, "--json")
    restarts = 0
    for restart in range(RESTARTS):
        while operations(elastic_node.url) < 200 and process.poll() is None:
            time.sleep(0.05)
        restarts += process.poll() is None
        (elastic_node.kill if restart % 2 else elastic_node.stop)()
        elastic_node.start()
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, out + errors
    assert restarts > RESTARTS / 2, "the run was over too soon to prove anything"
    collection = line.open()
    holds_each_once(collection, pictures)
    collection.close()
    assert refresh_intervals(elastic_node.url) == {None}
    assert "1,600 unchanged" in line("index", pictures).out


def test_an_indexer_killed_at_random_moments_loses_and_doubles_nothing(
    line: ElasticLine, elastic_node: Node, tmp_path: Path
) -> None:
    line = line.at(elastic_node.url)
    chance = random.Random(1)
    pictures = small_pictures(tmp_path / "pictures", 600)
    seen: dict[str, str] = {}
    unfinished, files = 0, 600
    for _ in range(KILLS):
        process = line.start("index", pictures)
        time.sleep(chance.uniform(1.0, 3.0))
        unfinished += process.poll() is None
        process.kill()
        _, errors = process.communicate()
        assert "error" not in errors, "the lock of one that was killed is taken over"
        now = acknowledged(line)
        assert seen.keys() <= now.keys(), "what a reader saw is gone"
        assert all(now[uri] in (revision, revision_of(uri)) for uri, revision in seen.items()), "it went back"
        seen = now
        if len(now) == files:
            small_pictures(pictures, 200, first=files)
            files += 200
            change_some(pictures, chance)
    assert unfinished > KILLS / 3, "the kills came too late to prove anything"
    line("index", pictures)
    collection = line.open()
    holds_each_once(collection, pictures)
    collection.close()
    assert refresh_intervals(elastic_node.url) == {None}


def test_ctrl_c_restores_what_was_switched_off(line: ElasticLine, elastic_node: Node, tmp_path: Path) -> None:
    line = line.at(elastic_node.url)
    pictures = small_pictures(tmp_path / "pictures", 800)
    process = line.start("index", pictures)
    while operations(elastic_node.url) < 200:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(2)
    pressed = time.monotonic()
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, out + errors
    assert time.monotonic() - pressed < 10
    assert errors == "interrupted; run the same command again to go on\n"
    assert refresh_intervals(elastic_node.url) == {None}
    assert "all is well" in line("check").out
    line("index", pictures)
    collection = line.open()
    holds_each_once(collection, pictures)
    collection.close()


def acknowledged(line: ElasticLine) -> dict[str, str]:
    """Revisions by URI of what a reader sees now."""
    try:
        collection = line.open()
    except CollectionMissing:
        return {}
    try:
        return {item.uri: item.revision for item in collection.scan() if item.state == "ok"}
    finally:
        collection.close()


def revision_of(uri: str) -> str:
    path = file_path(uri)
    assert path is not None
    return file_item(path, "photo").revision


def change_some(folder: Path, chance: random.Random) -> None:
    """New bytes at the end of a quarter of the files: other content, the same picture."""
    paths = sorted(folder.iterdir())
    for path in chance.sample(paths, len(paths) // 4):
        with path.open("ab") as file:
            file.write(chance.randbytes(8))
