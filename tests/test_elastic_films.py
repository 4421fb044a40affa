"""Films and sounds on a cluster: found as in the local store, at the same moments and in the same order."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import MEDIA, PHOTOS, CommandLine, Ran
from elastic_line import same_order

from sightsound.stores.elastic.store import ElasticStore

SAID = "1\n00:00:02,000 --> 00:00:04,000\nLook, the zeppelin has landed!\n"
SOUNDS = MEDIA / "sounds"
QUERIES = {
    "words find a moment": (["a giraffe", "--kind", "film"], "made_animals.mp4"),
    "a picture finds a moment": (["--image", PHOTOS / "petra.jpg", "--kind", "film"], "made_wonders.mp4"),
    "words find what was said": (["zeppelin", "--kind", "film"], "made_reef.mp4"),
    "words find a sound": (["a dog barking", "--kind", "sound"], "bark.ogg"),
    "a sound finds sounds": (["--sound", SOUNDS / "music_japan.ogg", "--kind", "sound"], "music_japan.ogg"),
    "a sound finds a film": (["--sound", SOUNDS / "music_japan.ogg", "--kind", "film"], "made_animals.mp4"),
    "a clip finds films": (["--clip", MEDIA / "films" / "made_drums.mp4", "--kind", "film"], "made_drums.mp4"),
    "one is followed by another": (
        ["--image", PHOTOS / "colosseum.jpg", "--then", "carved pink rock", "--within", "30s"],
        "made_wonders.mp4",
    ),
    "all kinds together": (["wild animals"], "made_animals.mp4"),
}


@dataclass(frozen=True)
class Place:
    line: CommandLine
    named: dict[str, str]

    def __call__(self, *arguments: object) -> Ran:
        return self.line(*arguments, **self.named)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's films, one of them with subtitles beside it."""
    folder = Path(shutil.copytree(MEDIA / "films", tmp_path_factory.mktemp("media") / "films"))
    (folder / "made_reef.en.srt").write_text(SAID)
    return folder


@pytest.fixture(scope="module")
def places(films: Path, elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Place]]:
    """Both stores, with the same films and sounds."""
    line, prefix = CommandLine(tmp_path_factory.mktemp("home")), f"test{secrets.token_hex(4)}"
    there = {"SIGHTSOUND_STORE": elasticsearch, "SIGHTSOUND_ELASTICSEARCH_PREFIX": prefix}
    made = Place(line, {}), Place(line, {**there, "SIGHTSOUND_ELASTICSEARCH_INDEX": "flat"})
    for place in made:
        assert place("index", films, "--json").json["added"] == 5
        assert place("index", MEDIA / "sounds.csv", "--json").json["added"] == 22
    yield made
    store = ElasticStore(elasticsearch, prefix)
    for name in store.collections():
        store.drop(name)


def named(hit: Any) -> str:
    return Path(hit["path"]).name


@pytest.mark.parametrize("query", QUERIES)
def test_it_is_found_at_its_moment_as_in_the_local_store(places: tuple[Place, Place], query: str) -> None:
    asked, wanted = QUERIES[query]
    here, there = (place("search", *asked, "--limit", 27, "--json").json["hits"] for place in places)
    assert named(there[0]) == wanted
    same_order(*([(named(hit), hit["score"]) for hit in hits] for hits in (here, there)))
    theirs = {hit["id"]: hit for hit in there}
    for hit in here:
        assert theirs[hit["id"]]["score"] == pytest.approx(hit["score"], abs=1e-3)
    assert theirs[here[0]["id"]]["moments"] == here[0]["moments"]
    assert there[0]["kind"] == "sound" or there[0]["moments"]


def test_what_was_said_is_at_its_second(places: tuple[Place, Place]) -> None:
    (hit,) = places[1]("search", "zeppelin", "--limit", 1, "--json").json["hits"]
    assert hit["segments"][0]["text"] == "Look, the zeppelin has landed!"
    assert (hit["moments"][0]["start"], hit["moments"][0]["end"]) == (2, 4)


def test_films_alike_are_the_same_on_each_axis(places: tuple[Place, Place], films: Path) -> None:
    here, there = (place("similar", films / "made_animals.mp4", "--json").json["hits"] for place in places)
    assert len(there) == 4 and set(there[0]["axes"]) == {"look", "sound", "meaning"}
    same_order(*([(named(hit), hit["score"]) for hit in hits] for hits in (here, there)))
    theirs = {hit["id"]: hit for hit in there}
    for hit in here:
        assert theirs[hit["id"]]["axes"] == pytest.approx(hit["axes"], abs=1e-3)
        assert {pair["axis"] for pair in theirs[hit["id"]]["pairs"]} == {pair["axis"] for pair in hit["pairs"]}


def test_nothing_is_read_again_and_all_is_well(places: tuple[Place, Place], films: Path) -> None:
    there = places[1]
    assert there("index", films, "--json").json["unchanged"] == 5
    assert "all is well" in there("check").out
    told = [place("status", "--json").json["collections"][0] for place in places]
    for same in ("items", "failed", "spaces", "calibrated"):
        assert told[0][same] == told[1][same], same
