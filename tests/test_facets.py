"""Colours and orientation by name, and what a search can be narrowed to. Counts of stores: see their contract."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from conftest import CommandLine

from sightsound.colours import COLOURS, colour_name, colours_of, orientation_of
from sightsound.encoders import of_collection
from sightsound.facets import FACETS, counted, facets
from sightsound.filters import Condition, parse_condition
from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.searching import Answer, Query, TextPart, search
from sightsound.stores.base import Collection

SHADES = {
    "red": "#e01010 #7a1010 #dc143c",
    "orange": "#ff8c00 #f28c28",
    "yellow": "#ffd700 #f4e04d",
    "green": "#228b22 #7fff00 #2c4a1e",
    "teal": "#008080 #00c8d8",
    "blue": "#1e5bd0 #87ceeb #000060",
    "purple": "#800080 #8a2be2 #b9a7e0",
    "pink": "#ffc0cb #ff69b4 #f8a5c2",
    "brown": "#8b4513 #5c4530 #d2b48c",
    "black": "#000000 #0a0a0a #202428",
    "white": "#ffffff #fafafa #f5f0dc",
    "grey": "#808080 #404040 #c8c8c8",
}


def test_every_colour_is_named_and_shades_are_called_what_people_call_them() -> None:
    assert tuple(SHADES) == COLOURS
    named = {shade: colour_name(shade) for shades in SHADES.values() for shade in shades.split()}
    assert named == {shade: name for name, shades in SHADES.items() for shade in shades.split()}


def test_a_picture_has_the_colours_that_take_enough_of_it() -> None:
    palette = [["#808080", 0.5], ["#1e5bd0", 0.25], ["#e01010", 0.08], ["#7a1010", 0.07], ["#ffd700", 0.1]]
    assert colours_of({"palette": palette}) == ["grey", "blue", "red"]


@pytest.mark.parametrize(
    "palette",
    [None, 5, "#ffffff", {}, [5], [["#fff", 1.0]], [["#gggggg", 1.0]], [["#ffffff"]], [["#ffffff", "all"]], [[]]],
)
def test_a_palette_that_makes_no_sense_has_no_colours(palette: Any) -> None:
    assert colours_of({"palette": palette}) == []


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        *((30, 20, "landscape"), (20, 30, "portrait"), (100, 98, "square"), (100, 106, "portrait")),
        *((0, 20, ""), (None, 20, ""), ("30", 20, ""), (True, 1, ""), (-3, -2, "")),
    ],
)
def test_orientation(width: Any, height: Any, expected: str) -> None:
    assert orientation_of({"width": width, "height": height}) == expected


@pytest.fixture
def collection(demo: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.setenv("SIGHTSOUND_HOME", str(demo.home))
    opened = open_store(registry()).open("default")
    yield opened
    opened.close()


def asked(collection: Collection, query: Query) -> Answer:
    return search(registry(), collection, of_collection(registry(), collection), query)


def narrowed(collection: Collection, query: Query) -> dict[str, list[tuple[str, int]]]:
    return facets(collection, query, asked(collection, query), lambda wider: asked(collection, wider))


def test_facets_of_a_search_count_its_probable_hits_whichever_page_is_shown(collection: Collection) -> None:
    query = Query((TextPart("a castle"),), limit=94)
    probable = [hit.item for hit in asked(collection, query).hits if hit.probable]
    assert 0 < len(probable) < 94
    for limit, offset in ((94, 0), (1, 0), (1, 5)):
        query = Query((TextPart("a castle"),), limit=limit, offset=offset)
        assert narrowed(collection, query) == counted(probable)
    assert set(counted(probable)) == set(FACETS)


def test_a_chosen_facet_still_shows_what_else_could_be_chosen(collection: Collection) -> None:
    words = (TextPart("a castle"),)
    wide = narrowed(collection, Query(words))
    (colour, count), *others = wide["colour"]
    filters = (Condition("colour", "is", (colour,)),)
    narrow = narrowed(collection, Query(words, filters))
    assert narrow["colour"] == wide["colour"] and others
    assert sum(n for _, n in narrow["kind"]) == count == len(asked(collection, Query(words, filters)).likely)


def test_what_is_only_filtered_is_counted_whole(collection: Collection) -> None:
    query = Query((), (parse_condition("orientation=portrait"),), limit=1)
    found = narrowed(collection, query)
    assert found["kind"] == [("photo", collection.count(query.filters))]
    assert dict(found["orientation"]) == dict(collection.facets()["orientation"]), "as if nothing were chosen of it"


def test_only_pushing_away_is_counted_too(collection: Collection) -> None:
    query = Query((TextPart("a castle", -1.0),), (parse_condition("orientation=portrait"),))
    found = narrowed(collection, query)
    assert found["kind"] == [("photo", collection.count(query.filters))]
    assert len(found["orientation"]) > 1


def test_colours_and_spans_are_filters_of_the_command_line(demo: CommandLine) -> None:
    whole = {hit["id"]: hit["facts"] for hit in demo("search", "--kind", "photo", "--limit", 94, "--json").json["hits"]}
    green = demo("search", "--where", "colour=Green", "--limit", 94, "--json").json["hits"]
    assert {hit["id"] for hit in green} == {id for id, facts in whole.items() if "green" in colours_of(facts)} != set()
    wide = demo("search", "--where", "width=600-640", "--limit", 94, "--json").json["hits"]
    assert {hit["id"] for hit in wide} == {id for id, facts in whole.items() if 600 <= facts["width"] <= 640} != set()
