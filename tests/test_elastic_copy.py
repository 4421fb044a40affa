"""Collections go from the local store to Elasticsearch and back, and are the same in both."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CommandLine
from elastic_node import Node
from test_copying import fill, holds, without_times

from sightsound.checksums import checksums
from sightsound.copying import SUFFIX, copy
from sightsound.errors import StoreError
from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.stores.base import Collection, Store
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import RED, entry, item


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Collection]:
    collection = LocalStore(str(tmp_path / "here"), create=True).open("archive", create=True)
    fill(collection)
    yield collection
    collection.close()


@pytest.fixture
def cluster(elasticsearch: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of the test's own on the shared node."""
    monkeypatch.setenv("SIGHTSOUND_ELASTICSEARCH_PREFIX", f"copying{random.randrange(2**32):x}")
    monkeypatch.setenv("SIGHTSOUND_ELASTICSEARCH_INDEX", "flat")
    store = open_store(registry(), elasticsearch)
    yield store
    for name in store.collections():
        store.drop(name)


def comparable(collection: Collection) -> dict[str, Any]:
    """What two stores give alike: scores of words and distances only within a rounding."""
    made = holds(collection)
    made["nearest"] = {one.segment_id: pytest.approx(one.score, abs=1e-3) for one in made["nearest"][:10]}
    made["words"] = [one.item_id for one in made["words"]]
    # Of values that are equally common, either may come first.
    made["facets"] = {field: dict(values) for field, values in made["facets"].items()}
    return made


def test_there_and_back_nothing_changes(archive: Collection, cluster: Store, tmp_path: Path) -> None:
    there = copy(archive, cluster, "archive")
    assert (there.items, there.failed) == (1_204, 1)
    remote = cluster.open("archive")
    scores = {one.segment_id: one.score for one in remote.knn("colour", "frame", RED, 10)}
    assert comparable(remote) | {"nearest": scores} == comparable(archive)
    assert remote.check() == []
    back = copy(remote, LocalStore(str(tmp_path / "back"), create=True), "archive")
    assert back.checksum == there.checksum
    again = LocalStore(str(tmp_path / "back")).open("archive")
    assert holds(again) == holds(archive)
    again.close()
    second = copy(remote, cluster, "second")
    assert second.checksum == there.checksum
    assert copy(archive, cluster, "second").existing
    remote.close()


def test_another_collection_is_never_written_over(archive: Collection, cluster: Store) -> None:
    other = cluster.open("archive", create=True)
    other.put([entry(item("7.jpg"), RED)])
    with pytest.raises(StoreError, match="another collection 'archive' in http"):
        copy(archive, cluster, "archive")
    assert [one.id for one in other.scan()] == [item("7.jpg").id]
    other.close()


def test_an_unfinished_copy_goes_on(archive: Collection, cluster: Store) -> None:
    class Stop(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if done == 1_000:
            raise Stop

    with pytest.raises(Stop):
        copy(archive, cluster, "archive", stop)
    assert cluster.collections() == [f"archive{SUFFIX}"]
    assert copy(archive, cluster, "archive").skipped == 1_000
    assert cluster.collections() == ["archive"]


def test_the_command_copies_between_stores(
    sightsound: CommandLine, elasticsearch: str, copy_photos: Callable[..., Path], tmp_path: Path
) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg", "owl.jpg", "bee.jpg")
    sightsound("index", photos, "--encoders", "starter")
    (photos / "bad.jpg").write_bytes(b"no picture")
    sightsound("index", photos, code=3)
    name = f"copied-{random.randrange(2**32):x}"
    ran = sightsound("copy", elasticsearch, "--as", name)
    assert ran.out == f"5 items with 8 vectors: 5 copied to {elasticsearch} as '{name}', and compared\n"
    there = ["--store", elasticsearch, "--collection", name]
    for command in (["search", "a horse", "--paths"], ["failed", "--json"], ["search", "--kind", "photo", "--paths"]):
        here, copied = (sightsound(*command, *at).out for at in ([], there))
        assert without_times(here) == without_times(copied)
    assert sightsound("index", *there, "--json", code=3).json["unchanged"] == 4
    back = tmp_path / "back"
    sightsound("copy", back, *there, "--as", "default")
    assert "the same collection is in" in sightsound("copy", back).out
    sightsound("remove", "--all", "--yes", *there)


def test_a_copy_to_a_cluster_that_is_killed_goes_on(sightsound: CommandLine, elastic_node: Node) -> None:
    chance = random.Random(4)
    collection = LocalStore(str(sightsound.home / "collections"), create=True).open("default", create=True)
    fill(collection)
    for first in range(0, 6_000, 2_000):
        collection.put([entry(item(f"more {number}.jpg"), RED) for number in range(first, first + 2_000)])
    unfinished = 0
    for attempt in range(6):
        process = sightsound.start("copy", elastic_node.url)
        time.sleep(chance.uniform(1.0, 2.5))
        unfinished += process.poll() is None
        process.kill()
        process.communicate()
        if attempt == 2:
            elastic_node.kill()
            elastic_node.start()
    assert unfinished > 2, "the kills came too late to prove anything"
    sightsound("copy", elastic_node.url)
    made = open_store(registry(), elastic_node.url).open("default")
    every = list(collection.scan(failed=True))
    assert checksums(made, list(made.scan(failed=True))) == checksums(collection, every)
    assert made.check() == []
    made.close()
    collection.close()
