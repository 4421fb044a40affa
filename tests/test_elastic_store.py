"""The Elasticsearch store: the contract, and what only a cluster can do."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MEDIA, CommandLine
from elastic_line import same_order
from elastic_node import ask

from sightsound.errors import CollectionBusy, NewerSchema, StoreError
from sightsound.stores import open_elasticsearch, open_local
from sightsound.stores.base import Collection, EncoderRecord, Entry
from sightsound.stores.elastic import bodies
from sightsound.stores.elastic.mapping import SCHEMA
from sightsound.stores.elastic.store import ElasticStore
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import BLUE, GREEN, RED, StoreContract, entry, found, item, parse
from sightsound.types import Space


def prefix() -> str:
    return f"test{secrets.token_hex(4)}"


def emptied(store: ElasticStore) -> Iterator[ElasticStore]:
    yield store
    for name in store.collections():
        store.drop(name)


class TestElasticStore(StoreContract):
    @pytest.fixture
    def store(self, elasticsearch: str) -> Iterator[ElasticStore]:
        yield from emptied(ElasticStore(elasticsearch, prefix()))


@pytest.fixture
def store(elasticsearch: str) -> Iterator[ElasticStore]:
    yield from emptied(ElasticStore(elasticsearch, prefix()))


@pytest.fixture
def collection(store: ElasticStore) -> Iterator[Collection]:
    collection = store.open("default", create=True)
    yield collection
    collection.close()


def indices(url: str, store: ElasticStore, end: str = "") -> dict[str, Any]:
    """Settings of the indices of a store's collections whose names hold `end`, by name."""
    found = ask(url, "GET", f"/{store._prefix}-*/_settings?flat_settings=true")
    return {name: has["settings"] for name, has in sorted(found.items()) if end in name}


# Locations


def test_only_urls_are_for_this_store(tmp_path: Path, elasticsearch: str) -> None:
    assert open_elasticsearch(str(tmp_path), create=True) is None
    assert open_elasticsearch("s3://bucket", create=True) is None
    assert open_local(elasticsearch, create=True) is None
    assert isinstance(open_elasticsearch(elasticsearch, create=False), ElasticStore)


def test_the_environment_names_the_store(sightsound: CommandLine, elasticsearch: str) -> None:
    named = {"ELASTICSEARCH_URL": elasticsearch, "SIGHTSOUND_ELASTICSEARCH_PREFIX": prefix()}
    said = sightsound("status", "--json", **named).json
    assert said == {"store": elasticsearch.rstrip("/"), "collections": []}
    chosen = sightsound("status", "--json", "--store", sightsound.home / "here", **named).json
    assert chosen["store"] == str(sightsound.home / "here")


def test_a_client_that_is_not_installed_is_named(sightsound: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "elasticsearch.py").write_text("raise ImportError('not here')")
    said = sightsound("status", "--store", "http://localhost:1", code=1, PYTHONPATH=str(tmp_path)).err
    assert said.count("\n") == 1 and "pip install 'sightsound[elasticsearch]'" in said


def test_help_imports_no_client() -> None:
    script = (
        "import sys; from sightsound.registry import registry; assert registry().stores.get('elasticsearch');"
        "print([name for name in ('elasticsearch', 'elastic_transport', 'orjson', 'numpy') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_a_prefix_that_can_begin_no_index_is_refused(elasticsearch: str, sightsound: CommandLine) -> None:
    said = sightsound("status", "--store", elasticsearch, code=2, SIGHTSOUND_ELASTICSEARCH_PREFIX="Team A").err
    assert "elasticsearch_prefix" in said


# Indices


def test_indices_are_made_from_the_encoders(store: ElasticStore, elasticsearch: str) -> None:
    collection = store.open("holidays-2024", create=True)
    collection.set_encoders([EncoderRecord("clip:B/32", "image", "image", (Space("ViT-B/32", 512),), "f")])
    begin = f"{store._prefix}-holidays-2024--"
    assert list(indices(elasticsearch, store)) == [f"{begin}items-v0001", f"{begin}~56i~54-~42~2f32-v0001"]
    aliases = ask(elasticsearch, "GET", f"/_alias/{begin}*")
    assert set(aliases[f"{begin}items-v0001"]["aliases"]) == {f"{begin}items"}
    assert set(aliases[f"{begin}~56i~54-~42~2f32-v0001"]["aliases"]) == {f"{begin}segments", f"{begin}~56i~54-~42~2f32"}
    collection.close()


def test_what_a_newer_sightsound_wrote_is_refused(store: ElasticStore, elasticsearch: str) -> None:
    store.open("default", create=True).close()
    (name,) = indices(elasticsearch, store)
    about = {"collection": "default"}
    ask(elasticsearch, "PUT", f"/{name}/_mapping", {"_meta": {"sightsound": {**about, "schema": 99}}})
    with pytest.raises(NewerSchema, match="upgrade sightsound"):
        store.open("default")
    ask(elasticsearch, "PUT", f"/{name}/_mapping", {"_meta": {"sightsound": {**about, "schema": SCHEMA}}})


def test_what_an_older_sightsound_wrote_is_searched_and_built_anew(store: ElasticStore, elasticsearch: str) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg"), RED)])
    collection.close()
    for name in indices(elasticsearch, store):
        found_ = ask(elasticsearch, "GET", f"/{name}/_mapping")[name]["mappings"]["_meta"]["sightsound"]
        ask(elasticsearch, "PUT", f"/{name}/_mapping", {"_meta": {"sightsound": {**found_, "schema": 1}}})
    old = store.open("default")
    assert found(old, RED) == [item("a.jpg").id] and old.facets()["kind"] == [("photo", 1)]
    for ask_old in (lambda: old.count(parse("colour=red")), lambda: old.put([entry(item("b.jpg"), RED)])):
        with pytest.raises(StoreError, match=r"older sightsound.*index --rebuild --collection default"):
            ask_old()
    with old.writing():
        beside = store.open("default.rebuilt", create=True)
        beside.put([entry(item("b.jpg"), RED)])
        beside.close()
    store.switch("default.rebuilt", "default")
    assert found(store.open("default"), RED) == [item("b.jpg").id]


def test_collections_whose_names_are_alike_are_apart(store: ElasticStore) -> None:
    names = ["a", "A", "a-b", "a--b", "a-items", "items", "a.rebuilt"]
    for number, name in enumerate(names):
        made = store.open(name, create=True)
        made.put([entry(item(f"{number}.jpg"), RED)])
        made.close()
    assert store.collections() == sorted(names)
    for number, name in enumerate(names):
        assert [one.uri[-5:] for one in store.open(name).scan()] == [f"{number}.jpg"]
    store.drop("a")
    assert store.collections() == sorted(names[1:])


# Vectors


@pytest.mark.parametrize(("type", "least"), [("flat", 1.0), ("hnsw", 0.95), ("int8_hnsw", 0.95), ("bbq_hnsw", 0.9)])
def test_every_type_of_index_finds_the_nearest(
    store: ElasticStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, type: str, least: float
) -> None:
    monkeypatch.setenv("SIGHTSOUND_ELASTICSEARCH_INDEX", type)
    chance = np.random.default_rng(1)
    centres = chance.standard_normal((20, 96))
    rows = (centres[chance.integers(0, 20, 1500)] + 0.5 * chance.standard_normal((1500, 96))).astype(np.float32)
    entries = [entry(item(f"{n}.jpg"), row) for n, row in enumerate(rows)]
    there, here = store.open("default", create=True), LocalStore(str(tmp_path), create=True).open("d", create=True)
    for collection in (there, here):
        with collection.writing():
            collection.put(entries)
    shared = 0
    for query in (rows[:10] + 0.3 * chance.standard_normal((10, 96))).astype(np.float32):
        exact = here.knn("colour", "photo", query, 10)
        near = there.knn("colour", "photo", query, 10)
        shared += len({one.item_id for one in exact} & {one.item_id for one in near})
        scores = {one.item_id: one.score for one in here.score("colour", query, [one.item_id for one in near])}
        assert [one.score for one in near] == pytest.approx([scores[one.item_id] for one in near], abs=1e-6)
        ids = [e.item.id for e in entries[::3]]
        theirs = {one.segment_id: one.score for one in there.score("colour", query, ids)}
        ours = {one.segment_id: one.score for one in here.score("colour", query, ids)}
        assert theirs.keys() == ours.keys() and len(ours) == len(ids)
        assert max(abs(theirs[id] - ours[id]) for id in ours) < 1e-6
    assert shared >= least * 100
    there.close()
    here.close()


def test_more_than_a_window_is_found_scored_and_listed(collection: Collection) -> None:
    """Elasticsearch gives 10,000 hits at once: a film may have more frames, a collection more items."""
    many = bodies.WINDOW + 50
    film = item("long.mp4", "film")
    angles = np.linspace(0, np.pi / 2, many)
    rows = np.stack([np.cos(angles), np.sin(angles), 0 * angles, 0 * angles], axis=1).astype(np.float32)
    with collection.writing():
        collection.put([entry(film, *rows)])
        collection.put([entry(item(f"{n}.jpg", date="2024"), GREEN) for n in range(many)])
    assert len({one.segment_id for one in collection.score("colour", RED, [film.id])}) == many
    near = collection.knn("colour", "frame", RED, many)
    assert len({one.segment_id for one in near}) == many and near[0].score > near[-1].score
    assert collection.count() == many + 1 and len(list(collection.scan())) == many + 1
    ids = collection.list((), "date", 0, many + 1)
    assert len(set(ids)) == many + 1 and ids[-1] == film.id
    assert collection.list((), "date", many - 3, 10) == ids[many - 3 :]
    assert collection.check() == []


# The acknowledgement


def test_segments_that_no_item_names_are_passed_over_and_removed(
    collection: Collection, store: ElasticStore, elasticsearch: str
) -> None:
    """What a writer leaves that was killed before the item's document was written."""
    sea, storm = item("sea.jpg"), item("storm.jpg")
    collection.put([entry(sea, GREEN), entry(storm, BLUE)])
    index = f"{store._prefix}-default--colour"
    left = {"item": sea.id, "kind": "photo", "number": 0, "token": "other", "session": "dead"}
    left |= {"vector": [1, 0, 0, 0], "length": 1}
    for n in range(40):
        stray = {**left, "item": f"{n:032x}"} if n else left
        ask(elasticsearch, "PUT", f"/{index}/_doc/{stray['item']}:photo:0:other?refresh=true", stray)
    assert found(collection, RED, 2) == [sea.id, storm.id] or found(collection, RED, 2) == [storm.id, sea.id]
    assert [one.score for one in collection.score("colour", RED, [sea.id])] == pytest.approx([0], abs=1e-3)
    assert collection.sample("colour", "photo", 50)[0] == sorted(f"{one.id}:photo:0" for one in (sea, storm))
    assert collection.check() == ["mended: removed 40 segments that no search would use"]
    assert collection.check() == [] and collection.counts() == {("colour", "photo"): 2}


def test_a_vector_that_is_lost_is_said(collection: Collection, store: ElasticStore, elasticsearch: str) -> None:
    sea = item("sea.jpg")
    collection.put([entry(sea, RED)])
    index = f"{store._prefix}-default--colour"
    (hit,) = ask(elasticsearch, "GET", f"/{index}/_search")["hits"]["hits"]
    ask(elasticsearch, "DELETE", f"/{index}/_doc/{hit['_id']}?refresh=true")
    assert collection.check() == [f"broken: 1 vectors of colour are missing, such as one of {sea.uri}; index again"]


def test_a_document_that_is_refused_costs_its_item_only(collection: Collection) -> None:
    good, bad = item("good.jpg"), item("bad.jpg", content="x" * 40_000)
    refused = collection.put([entry(good, RED), entry(bad, RED)])
    assert list(refused) == [bad.id] and "failed to parse field [content]" in refused[bad.id]
    assert found(collection, RED) == [good.id] and collection.check() == []
    (failure,) = collection.failures()
    assert failure.uri == bad.uri and "Elasticsearch refused it" in failure.reason and failure.source == "photos"
    assert collection.put([entry(good, GREEN), entry(item("good.jpg", content="x" * 40_000), BLUE)])
    assert collection.items([good.id])[good.id].state == "stale"
    assert collection.knn("colour", "photo", GREEN, 1)[0].score == pytest.approx(1, abs=1e-3)


def test_what_is_said_anew_reaches_the_filters_of_every_segment(collection: Collection) -> None:
    film = item("film.mp4", "film", tags=("old",))
    collection.put([entry(film, RED, GREEN)])
    collection.put([Entry(item("film.mp4", "film", tags=("new",)), replaces=frozenset())])
    assert found(collection, RED, kind="frame", filters=parse("tag=new")) == [film.id, film.id]
    assert found(collection, RED, kind="frame", filters=parse("tag=old")) == []
    assert collection.vectors("colour", [f"{film.id}:frame:1"])[f"{film.id}:frame:1"] == pytest.approx(GREEN)


# Loading, and what a writer leaves that was killed

KILLED = """
import os, signal, sys
from sightsound.stores.elastic.store import ElasticStore
from sightsound.testing.stores import RED, GREEN, entry, item
collection = ElasticStore(sys.argv[1], sys.argv[2]).open("default", create=True)
with collection.writing():
    collection.put([entry(item(f"{n}.jpg"), RED) for n in range(5)])
    collection.put([entry(item("0.jpg", revision="2"), GREEN)])
    print("written", flush=True)
    if len(sys.argv) > 3:
        sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def start(store: ElasticStore, url: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", KILLED, url, store._prefix, *more]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "written\n"
    return process


def refresh_intervals(url: str, store: ElasticStore) -> set[str | None]:
    return {settings.get("index.refresh_interval") for settings in indices(url, store).values()}


def test_the_refresh_is_off_while_loading_and_as_it_was_after(store: ElasticStore, elasticsearch: str) -> None:
    collection = store.open("default", create=True)
    collection.put([entry(item("a.jpg"), RED)])
    for name in indices(elasticsearch, store):
        ask(elasticsearch, "PUT", f"/{name}/_settings", {"index.refresh_interval": "7s"})
    with collection.writing():
        collection.put([entry(item("b.jpg"), RED, space="form")])
        assert refresh_intervals(elasticsearch, store) == {"-1"}
        assert collection.count() == 2, "the writer sees what it wrote"
    assert refresh_intervals(elasticsearch, store) == {"7s"}
    with pytest.raises(RuntimeError), collection.writing():
        raise RuntimeError
    assert refresh_intervals(elasticsearch, store) == {"7s"}
    collection.close()


def test_a_killed_writer_leaves_what_it_acknowledged(store: ElasticStore, elasticsearch: str) -> None:
    start(store, elasticsearch).wait()
    assert refresh_intervals(elasticsearch, store) == {"-1"}
    collection = store.open("default")
    assert refresh_intervals(elasticsearch, store) == {None}
    assert collection.count() == 5
    assert sum(abs(one.score - 1) < 1e-3 for one in collection.knn("colour", "photo", RED, 9)) == 4
    began = time.monotonic()
    collection.put([entry(item("6.jpg"), RED)])
    assert time.monotonic() - began < 5, "the lock of a dead process of this machine is no one's"
    assert collection.counts() == {("colour", "photo"): 6}, "the vector of the first revision is gone"
    assert collection.check() == []
    collection.close()


def test_a_second_writer_is_refused_or_waits(store: ElasticStore, elasticsearch: str) -> None:
    process = start(store, elasticsearch, "waits")
    collection = store.open("default")
    with pytest.raises(CollectionBusy, match=rf"by process {process.pid} on host .* since .*; add --wait"):
        collection.put([entry(item("z.jpg"), RED)])
    with pytest.raises(CollectionBusy):
        store.drop("default")
    threading.Timer(1.0, lambda: process.communicate("go\n")).start()
    with collection.writing(wait=True):
        collection.put([entry(item("z.jpg"), RED)])
    assert process.wait() == -signal.SIGKILL
    assert collection.count() == 6
    collection.close()


def test_a_writer_of_another_machine_that_is_gone_is_noticed(store: ElasticStore, elasticsearch: str) -> None:
    """Its clock may be wrong: it counts as dead when its lock was not renewed while we watched."""
    process = start(store, elasticsearch, "waits")
    lock = f"/{store._prefix}-default--items/_doc/lock"
    value = ask(elasticsearch, "GET", lock)["_source"]["value"].replace(os.uname().nodename, "elsewhere")
    process.kill()
    process.wait()
    stopped = {"value": value.replace('"renewed": 1', '"renewed": ')}
    ask(elasticsearch, "PUT", f"{lock}?refresh=true", stopped)
    collection = store.open("default")
    began = time.monotonic()
    collection.put([entry(item("z.jpg"), RED)])
    assert 5 < time.monotonic() - began < 30
    assert collection.count() == 6
    collection.close()


def test_a_writer_that_lost_its_hold_acknowledges_nothing(
    collection: Collection, store: ElasticStore, elasticsearch: str
) -> None:
    lock = f"/{store._prefix}-default--items/_doc/lock"
    with pytest.raises(StoreError, match="lost its hold"), collection.writing():
        collection.put([entry(item("a.jpg"), RED)])
        ask(elasticsearch, "PUT", f"{lock}?refresh=true", {"value": '{"pid": 1, "host": "other", "session": "x"}'})
        time.sleep(6)  # a renewal
        collection.put([entry(item("b.jpg"), RED)])
    ask(elasticsearch, "DELETE", lock)
    assert collection.count() == 1


# Switching


def test_no_search_fails_or_mixes_while_a_collection_takes_a_name(store: ElasticStore) -> None:
    """Eight times, a collection of other vectors takes the name under a reader that holds it open."""
    first = store.open("default", create=True)
    first.put([entry(item(f"{n}.jpg"), RED) for n in range(20)])
    reader, stop, wrong = store.open("default"), threading.Event(), list[Any]()
    searches = 0

    def search() -> None:
        nonlocal searches
        while not stop.is_set():
            try:
                hits = reader.knn("colour", "photo", RED, 20)
                same = {round(abs(hit.score), 2) for hit in hits}
                ids = [one.id for one in reader.scan()]
                if len(hits) != 20 or len(same) != 1 or len(ids) != 20:
                    wrong.append((len(hits), same, len(ids)))
                searches += 1
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(8):
        built = store.open("default.rebuilt", create=True)
        built.put([entry(item(f"{n}.jpg"), (GREEN, RED)[turn % 2]) for n in range(20)])
        built.close()
        store.switch("default.rebuilt", "default")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and searches > 8
    assert store.collections() == ["default"]
    reader.close()
    first.close()


# The same answers as the local store


@pytest.fixture(scope="module", params=["flat", "int8_hnsw"])
def clustered(
    request: pytest.FixtureRequest, elasticsearch: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Any]]:
    """The demo photographs in a cluster; a function that runs commands there."""
    line = CommandLine(tmp_path_factory.mktemp("clustered"))
    where = {
        "SIGHTSOUND_STORE": elasticsearch,
        "SIGHTSOUND_ELASTICSEARCH_PREFIX": prefix(),
        "SIGHTSOUND_ELASTICSEARCH_INDEX": request.param,
    }

    def run(*arguments: object, code: int = 0) -> Any:
        return line(*arguments, code=code, **where)

    run("index", MEDIA / "media.csv")
    yield request.param, run
    for _ in emptied(ElasticStore(elasticsearch, where["SIGHTSOUND_ELASTICSEARCH_PREFIX"])):
        pass


MEANINGS = ["a castle by the water", "a wild animal", "people at work", "something to eat", "a boat at dusk"]
PICTURES = ["cat.jpg", "tajmahal.jpg", "polar_bear.jpg", "fish25.jpg"]
IN_TITLES = ["castle", "bear", "golden temple", "kitten", "a view of the fish"]


def ranked(answer: Any) -> list[tuple[str, float]]:
    return [(hit["path"], hit["score"]) for hit in answer.json["hits"]]


@pytest.mark.parametrize("query", [*MEANINGS, *PICTURES, *IN_TITLES])
def test_the_demo_is_found_as_in_the_local_store(demo: CommandLine, clustered: tuple[str, Any], query: str) -> None:
    type, run = clustered
    words = [query] if not query.endswith(".jpg") else ["--image", MEDIA / "photos" / query]
    here, there = (ranked(ran("search", *words, "--json", "--limit", "94")) for ran in (demo, run))
    shared = len({path for path, _ in here[:10]} & {path for path, _ in there[:10]})
    if query in IN_TITLES:
        assert shared >= 8
        return
    assert shared == 10
    if type == "flat":
        same_order(here, there)


def test_every_command_works_on_a_cluster(demo: CommandLine, clustered: tuple[str, Any], tmp_path: Path) -> None:
    _, run = clustered
    for command in (["failed"], ["check"], ["search", "--kind", "photo", "--where", "width>=300"], ["index"]):
        run(*command)
    told, here = run("status", "--json").json["collections"][0], demo("status", "--json").json["collections"][0]
    for same in ("items", "failed", "spaces", "encoders", "calibrated"):
        assert told[same] == here[same], same
    assert told["sources"] == [f"table:{MEDIA / 'media.csv'}"]
    run("export", tmp_path / "there.jsonl", "--vectors")
    assert len((tmp_path / "there.jsonl").read_text().splitlines()) == 94
    assert run("similar", MEDIA / "photos" / "cat.jpg", "--limit", "1", "--json").json["hits"]
    told = run("doctor", "--json").json
    assert told["elasticsearch"].startswith("9.") and told["problems"] == []
