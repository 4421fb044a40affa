"""Long items come in parts: bounded memory, a deadline that follows progress, a reading that goes on after a kill."""

from __future__ import annotations

import json
import secrets
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from conftest import CommandLine

from sightsound.stores.base import Collection, Store
from sightsound.stores.elastic.store import ElasticStore
from sightsound.stores.local import LocalStore
from sightsound.types import Item, SegmentKind

READER = """
    import json, os, time
    from pathlib import Path
    import numpy as np
    from sightsound import Learnt, Piece, hookimpl

    def noise_of(number, side):
        return np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)

    class Slides:
        '''Reads what the file says: so many frames of noise, so wide, each after so many seconds.'''
        def reads(self, item):
            return item.uri.endswith(".ogv")

        def read(self, file, item, wanted):
            said = json.loads(file.read())
            begun = wanted.begun.get("frame")
            with Path(said["log"]).open("a") as log:
                print(json.dumps([begun.count, begun.start, begun.end] if begun else None), file=log)
            yield Learnt({"duration": said["frames"]})
            for number in range(said["frames"]):
                if number == said.get("hangs"):
                    time.sleep(3600)
                if said.get("until") and number == int(Path(said["until"]).read_text()):
                    raise ValueError("no more came")
                if number == said.get("breaks"):
                    raise ValueError("the rest is missing")
                time.sleep(said.get("wait", 0))
                yield Piece("frame", "image", noise_of(number, said["side"]), float(number), number + 1.0)
            if said.get("damage"):
                yield Learnt({}, damage=said["damage"])
                yield Learnt({}, damage=said.get("more", ""))

    class Locked:
        def missing(self, item):
            return "they need: pip install 'sightsound[video]'"
        def reads(self, item):
            return item.uri.endswith(".flv")
        def read(self, file, item, wanted):
            raise AssertionError("never asked")

    @hookimpl
    def register_readers(register):
        register("slides", Slides())
        register("locked", Locked())

    def whole(image):
        return image

    class Mean:
        fingerprint = "mean 1"
        def encode(self, batch, role):
            hated = [noise_of(int(one), 16) for one in os.environ.get("HATED", "").split() if one.isdigit()]
            if any(np.array_equal(image, one) for image in batch for one in hated):
                raise ValueError("what a frame")
            return np.stack([image.mean(axis=(0, 1)) for image in batch]).astype(np.float32)

    def mean_set(argument):
        from sightsound import EncoderSpec, ImageInput, Space
        return [EncoderSpec("mean", "image", Space("mean", 3), ImageInput(8), whole, load)]

    def load(device):
        return Mean()

    class Words:
        fingerprint = "words 1"
        def encode(self, batch, role):
            if role == "document" and os.environ.get("HATED") in batch:
                raise ValueError("what a title")
            return np.eye(4, dtype=np.float32)[[len(text) % 4 for text in batch]]

    def words_set(argument):
        from sightsound import EncoderSpec, Space, TextInput
        return [EncoderSpec("words", "text", Space("words", 4), TextInput(), str.strip, lambda device: Words())]

    @hookimpl
    def register_encoders(register):
        register("mean", mean_set)
        register("words", words_set)
"""

Film = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A plug-in with a reader of slides."""
    folder = tmp_path / "site"
    (folder / "slides-1.0.dist-info").mkdir(parents=True)
    (folder / "slides-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: slides\nVersion: 1.0\n")
    (folder / "slides-1.0.dist-info" / "entry_points.txt").write_text("[sightsound]\nmine = slides\n")
    (folder / "slides.py").write_text(textwrap.dedent(READER))
    return folder


@pytest.fixture
def film(tmp_path: Path) -> Film:
    (tmp_path / "films").mkdir()

    def make(name: str = "long.ogv", **said: Any) -> Path:
        path = tmp_path / "films" / name
        path.write_text(json.dumps({"log": str(tmp_path / "log"), "side": 16, **said}))
        return path

    return make


def asked(tmp_path: Path) -> list[Any]:
    """What each reading was told of where to begin."""
    return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


def opened(line: CommandLine) -> Collection:
    return LocalStore(str(line.home / "collections")).open("default")


@pytest.fixture(params=["local", "elasticsearch"])
def store(request: pytest.FixtureRequest, sightsound: CommandLine, elasticsearch: str) -> Iterator[Store]:
    """A store of each kind; commands find it by `where`."""
    if request.param == "local":
        yield LocalStore(str(sightsound.home / "collections"), create=True)
        return
    made = ElasticStore(elasticsearch, f"test{secrets.token_hex(4)}")
    yield made
    for name in made.collections():
        made.drop(name)


def where(store: Store, site: Path) -> dict[str, str]:
    named = {"SIGHTSOUND_STORE": store.location, "PYTHONPATH": str(site)}
    return {**named, "SIGHTSOUND_ELASTICSEARCH_PREFIX": store._prefix} if isinstance(store, ElasticStore) else named


def test_a_killed_run_goes_on_within_the_film(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path, store: Store
) -> None:
    path = film(frames=200, wait=0.02)
    process = sightsound.start("index", path, "--encoders", "mean", **where(store, site))
    there = 0
    while there < 64:
        assert process.poll() is None
        time.sleep(0.05)
        if "default" in store.collections():
            collection = store.open("default")
            for item in collection.states([path.as_uri()]).values():
                begun = collection.pieces(item.id)
                there = len(begun.segments) if begun else 0
            assert collection.count() == 0, "half a film was found"
            collection.close()
    process.kill()
    process.communicate()
    report = sightsound("index", path, "--json", **where(store, site)).json
    assert (report["added"], report["failed"]) == (1, 0)
    first, second = asked(tmp_path)
    assert first is None
    count, start, end = second
    assert count >= there and (start, end) == (count - 1, count)
    collection = store.open("default")
    (item,) = collection.scan()
    segments = [segment for segment in collection.segments([item.id])[item.id] if segment.kind == "frame"]
    assert [(s.number, s.start, s.end) for s in segments] == [(n, n, n + 1.0) for n in range(200)]
    assert collection.counts() == {("mean", "frame"): 200, ("film-mean", "signature"): 1}
    (mark,) = [segment for segment in collection.segments([item.id])[item.id] if segment.kind == "signature"]
    assert (mark.start, mark.end) == (0, 200), "the signature is of the whole film, not of what the last run read"
    collection.close()
    assert "all is well" in sightsound("check", **where(store, site)).out
    assert sightsound("index", path, "--json", **where(store, site)).json["unchanged"] == 1


def test_a_film_that_changed_meanwhile_is_read_from_its_start(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    path = film(frames=100, hangs=90)
    ran = sightsound("index", path, "--encoders", "mean", code=3, PYTHONPATH=str(site), SIGHTSOUND_DEADLINE="3")
    assert "got no further for 3 seconds" in ran.err
    film(frames=40)
    assert sightsound("index", path, "--json", PYTHONPATH=str(site)).json["changed"] == 1
    assert asked(tmp_path) == [None, None]
    collection = opened(sightsound)
    assert collection.counts() == {("mean", "frame"): 40, ("film-mean", "signature"): 1}
    collection.close()


def test_the_deadline_is_for_a_hang_and_not_for_a_long_film(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    path = film(frames=80, wait=0.1)
    ran = sightsound("index", path, "--encoders", "mean", "--json", PYTHONPATH=str(site), SIGHTSOUND_DEADLINE="3")
    assert ran.json["added"] == 1


def test_a_film_that_breaks_off_is_listed_and_found_by_what_came_before(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    film("breaks.ogv", frames=100, breaks=70)
    film("goes on.ogv", frames=100, damage="3 packets are damaged, the first at 0:12", more="its sound too")
    films = tmp_path / "films"
    ran = sightsound("index", films, "--encoders", "mean", "--json", code=3, PYTHONPATH=str(site))
    assert (ran.json["added"], ran.json["failed"]) == (0, 2)
    said = {Path(one["uri"]).name: (one["reason"], one["stale"]) for one in sightsound("failed", "--json").json}
    assert said["breaks.ogv"] == ("ValueError: the rest is missing", True)
    assert said["goes%20on.ogv"] == ("3 packets are damaged, the first at 0:12; its sound too", True)
    collection = opened(sightsound)
    assert sorted(item.display_title for item in collection.scan()) == ["breaks.ogv", "goes on.ogv"]
    assert collection.counts() == {("mean", "frame"): 170, ("film-mean", "signature"): 2}
    collection.close()
    assert "all is well" in sightsound("check").out
    again = sightsound("index", films, "--json", code=3, PYTHONPATH=str(site)).json
    assert (again["failed"], again["added"], again["changed"]) == (2, 0, 0)
    film("breaks.ogv", frames=100)
    film("goes on.ogv", frames=90)
    assert sightsound("index", films, "--retry", "--json", PYTHONPATH=str(site)).json["changed"] == 2
    collection = opened(sightsound)
    assert collection.counts() == {("mean", "frame"): 190, ("film-mean", "signature"): 2}
    collection.close()


def test_a_retry_goes_on_where_the_reading_broke_off(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path, store: Store
) -> None:
    """As often as it takes; of a file that changed, nothing is kept."""
    path = film(frames=200)
    until = tmp_path / "until"

    def index(reach: int, *more: str, code: int = 3) -> Any:
        until.write_text(str(reach))
        return sightsound("index", path, *more, "--json", code=code, **where(store, site)).json

    def held() -> tuple[Item, list[tuple[int, float]], dict[tuple[str, SegmentKind], int]]:
        collection = store.open("default")
        (item,) = collection.scan()
        segments = collection.segments([item.id])[item.id]
        counts = collection.counts()
        collection.close()
        return item, [(s.number, s.start or 0.0) for s in segments if s.kind == "frame"], counts

    def vectors(item: Item) -> dict[str, Any]:
        collection = store.open("default")
        found = collection.vectors("mean", [f"{item.id}:frame:{number}" for number in range(200)])
        collection.close()
        return found

    film(frames=200, until=str(until))
    assert index(70, "--encoders", "mean")["failed"] == 1
    item, frames, _ = held()
    assert (item.state, item.facts["read_to"], len(frames)) == ("stale", 70.0, 70)
    first = vectors(item)
    assert index(70)["failed"] == 1 and len(asked(tmp_path)) == 1, "not tried again unasked"
    assert index(70, "--retry")["failed"] == 1
    assert held()[1] == frames, "a retry that got no further takes nothing away"
    assert index(130, "--retry")["failed"] == 1
    item, frames, counts = held()
    assert item.facts["read_to"] == 130.0 and frames == [(n, float(n)) for n in range(130)]
    assert counts == {("mean", "frame"): 130, ("film-mean", "signature"): 1}
    assert index(200, "--retry", code=0)["changed"] == 1
    item, frames, counts = held()
    assert item.state == "ok" and "read_to" not in item.facts and frames == [(n, float(n)) for n in range(200)]
    assert counts == {("mean", "frame"): 200, ("film-mean", "signature"): 1}
    assert asked(tmp_path) == [None, [70, 69, 70], [70, 69, 70], [130, 129, 130]]
    assert sightsound("failed", **where(store, site)).err == "Nothing failed.\n"
    assert "all is well" in sightsound("check", **where(store, site)).out
    now = vectors(item)
    assert len(now) == 200 and all(np.array_equal(now[id], first[id]) for id in first)
    film(frames=190, until=str(until))
    assert index(40)["failed"] == 1
    assert len(held()[1]) == 200, "the last good vectors"
    film(frames=180, until=str(until))
    assert index(180, code=0)["changed"] == 1
    assert len(held()[1]) == 180 and asked(tmp_path)[4:] == [None, None]


def test_what_broke_off_is_read_anew_where_the_file_changed_and_broke_off_at_once(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    path = film(frames=100, breaks=40)
    sightsound("index", path, "--encoders", "mean", code=3, PYTHONPATH=str(site))
    film(frames=90, breaks=0)
    sightsound("index", path, code=3, PYTHONPATH=str(site))
    sightsound("index", path, "--retry", code=3, PYTHONPATH=str(site))
    assert asked(tmp_path) == [None, None, None]


def test_a_copy_of_a_film_that_broke_off_is_none_of_a_whole_one(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    film("one.ogv", frames=100, breaks=40)
    sightsound("index", tmp_path / "films", "--encoders", "mean", code=3, PYTHONPATH=str(site))
    film("two.ogv", frames=100, breaks=40)
    ran = sightsound("index", tmp_path / "films", "--json", code=3, PYTHONPATH=str(site)).json
    assert (ran["copied"], ran["failed"]) == (0, 2)


def test_a_film_whose_reading_hangs_is_found_by_what_came_before_and_keeps_it(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    path = film(frames=100, hangs=70)
    ran = sightsound("index", path, "--encoders", "mean", code=3, PYTHONPATH=str(site), SIGHTSOUND_DEADLINE="3")
    assert "got no further for 3 seconds" in ran.err
    (failed,) = sightsound("failed", "--json").json
    assert failed["stale"]
    collection = opened(sightsound)
    (item,) = collection.scan()
    spans = [(s.start, s.end) for s in collection.segments([item.id])[item.id] if s.kind == "frame"]
    assert spans == [(n, n + 1.0) for n in range(64)], "the parts that were given before it hung"
    collection.close()
    film(frames=100, breaks=10)
    sightsound("index", path, code=3, PYTHONPATH=str(site))
    assert sightsound("failed", "--json").json[0]["reason"] == "ValueError: the rest is missing"
    collection = opened(sightsound)
    assert collection.counts() == {("mean", "frame"): 64, ("film-mean", "signature"): 1}, "the last good vectors go"
    collection.close()


def test_what_can_not_be_read_yet_is_skipped_and_says_what_it_needs(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path
) -> None:
    film("a.ogv", frames=3)
    film("b.flv")
    film("c.flv")
    ran = sightsound("index", tmp_path / "films", "--encoders", "mean", PYTHONPATH=str(site))
    assert ran.out.startswith("3 items: 1 added, ") and "skipped" in ran.out
    assert "2 skipped: they need: pip install 'sightsound[video]'" in ran.err
    assert sightsound("failed").err == "Nothing failed.\n"


def test_memory_does_not_grow_with_the_film(sightsound: CommandLine, film: Film, site: Path, tmp_path: Path) -> None:
    """Pieces of 3 MB each, 1.8 GB in all, which neither the child nor the indexer may hold."""
    path = film(frames=600, side=1000)
    process = sightsound.start("index", path, "--encoders", "mean", PYTHONPATH=str(site))
    most = 0
    while process.poll() is None:
        try:
            indexer = psutil.Process(process.pid)
            for one in (indexer, *indexer.children(recursive=True)):
                most = max(most, one.memory_info().rss)
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.05)
    out, errors = process.communicate()
    assert process.returncode == 0, out + errors
    assert most < 700 << 20


@pytest.mark.parametrize(("hated", "kept"), [(3, 0), (40, 32), (97, 96)], ids=["at first", "within", "at the end"])
def test_a_film_that_an_encoder_fails_at_is_found_by_what_came_before(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path, store: Store, hated: int, kept: int
) -> None:
    path, named = film(frames=100), where(store, site)
    index = ("index", path.parent, "--encoders", "mean")
    ran = sightsound(*index, code=3, **named, HATED=str(hated))
    why = "The encoder mean@slides/mean failed: ValueError: what a frame"
    assert ran.out == "1 item: 1 skipped, 1 failed\n" and f"failed: {path.as_uri()}: {why}\n" in ran.err
    assert vectors_of(store) == kept
    assert why in sightsound("failed", **named).out
    assert "1 failed" in sightsound(*index, code=3, **named).out, "it is not tried again unasked"
    assert "1 changed, read again" in sightsound(*index, "--retry", **named).out
    assert vectors_of(store) == 100
    assert asked(tmp_path)[1:] == [[kept, kept - 1, kept] if kept else None], "it went on where it had failed"
    assert "all is well" in sightsound("check", **named).out


def test_a_film_whose_title_an_encoder_fails_at_keeps_what_was_read(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path, store: Store
) -> None:
    path, named = film(frames=100), where(store, site)
    (table := tmp_path / "films.csv").write_text(f"path,title,kind\n{path},Snoring,film\n")
    index = ("index", table, "--encoders", "mean,words")
    assert "1 failed" in sightsound(*index, code=3, **named, HATED="Snoring").out
    assert vectors_of(store) == 96
    assert "1 changed" in sightsound(*index, "--retry", **named).out
    assert vectors_of(store) == 100 and asked(tmp_path)[1] == [96, 95, 96]
    assert sightsound("search", "Snoring", "--json", **named).json["hits"][0]["title"] == "Snoring"
    assert "all is well" in sightsound("check", **named).out


@pytest.mark.parametrize(("end", "hated"), [(60, 70), (60, 97), (80, 90)])
def test_a_film_that_broke_off_and_then_failed_lacks_nothing_in_the_end(
    sightsound: CommandLine, film: Film, site: Path, tmp_path: Path, store: Store, end: int, hated: int
) -> None:
    (until := tmp_path / "until").write_text(str(end))
    path, named = film(frames=100, until=str(until)), where(store, site)
    index = ("index", path.parent, "--encoders", "mean")
    sightsound(*index, code=3, **named)
    assert vectors_of(store) == end
    until.write_text("1000")
    assert "1 failed" in sightsound(*index, "--retry", code=3, **named, HATED=str(hated)).out
    assert vectors_of(store) in (end, 92) and "what a frame" in sightsound("failed", **named).out
    assert "1 changed" in sightsound(*index, "--retry", **named).out
    assert vectors_of(store) == 100
    assert "all is well" in sightsound("check", **named).out


def test_a_film_that_an_encoder_fails_at_throughout_costs_no_other(
    sightsound: CommandLine, film: Film, site: Path, store: Store
) -> None:
    path, named = film("a.ogv", frames=40), where(store, site)
    film("b.ogv", frames=40, side=17)
    film("c.ogv", frames=41, side=17)
    index = ("index", path.parent, "--encoders", "mean")
    ran = sightsound(*index, code=3, **named, HATED=" ".join(map(str, range(40))))
    assert "2 added" in ran.out and "1 failed" in ran.out
    assert vectors_of(store) == 81


def vectors_of(store: Store) -> int:
    collection = store.open("default")
    try:
        return collection.counts().get(("mean", "frame"), 0)
    finally:
        collection.close()
