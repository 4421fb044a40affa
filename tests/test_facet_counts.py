"""Facets of a search that is narrowed by many of them: right, and without a search for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from conftest import CommandLine
from flask import Flask
from served import site_of
from werkzeug.datastructures import MultiDict

from sightsound.facets import counted, facets
from sightsound.filters import Condition
from sightsound.searching import Answer, Query
from sightsound.stores.fields import FACETS
from sightsound.webapp.asking import asking_of
from sightsound.webapp.site import Site

NINE = {
    "kind": ["photo", "film"],
    "source": [],
    "tag": [],
    "author": [],
    "licence": [],
    "colour": ["blue", "green", "grey", "brown"],
    "orientation": ["landscape", "portrait"],
    "date": [],
    "duration": ["0-10"],
}
"""Values of each facet; those of the whole collection where none are named."""


@pytest.fixture
def here(demo: CommandLine, site_app: Flask) -> Iterator[Site]:
    app = site_of(demo)
    with app.test_request_context():
        yield app.extensions["sightsound"]
    app.extensions["sightsound"].close()


def query_of(here: Site, words: str, fields: tuple[str, ...]) -> Query:
    known = here.collection.facets()
    arguments = [("q", words)] if words else []
    for field in fields:
        arguments += [(field, value) for value in NINE[field] or [value for value, _ in known[field][:4]]]
    return asking_of(MultiDict(arguments)).query(here.uploads)


def by_hand(here: Site, query: Query, field: str) -> list[tuple[str, int]]:
    """The counts of one field, by a search of its own without that field's filter."""
    others = tuple(one for one in query.filters if not (isinstance(one, Condition) and one.field == field))
    if not query.parts:
        return here.collection.facets(others)[field]
    answer = here.search(replace(query, filters=others, limit=1))
    return counted(here.collection.items(answer.likely).values())[field]


@pytest.mark.parametrize("words", ["water", "a castle", "an animal", ""])
@pytest.mark.parametrize(
    "fields",
    [
        ("colour",),
        ("colour", "orientation"),
        ("kind", "author", "colour"),
        ("kind", "source", "licence", "colour", "orientation"),
        ("kind", "source", "tag", "author", "licence", "colour", "orientation", "date", "duration"),
    ],
    ids=lambda fields: f"{len(fields)} of them",
)
def test_counts_are_those_of_a_search_for_each_and_need_two(fields: tuple[str, ...], words: str, here: Site) -> None:
    asked: list[Query] = []

    def search(query: Query) -> Answer:
        asked.append(query)
        return here.search(query)

    query = query_of(here, words, fields)
    told = facets(here.collection, query, search(query), search)
    assert len(asked) == (2 if words else 1)
    for field in FACETS:
        assert told[field] == by_hand(here, query, field), field


def test_a_search_beyond_its_depth_tells_no_more_than_it_looked_at(here: Site) -> None:
    query = query_of(here, "a castle", ())
    assert len(here.search(query).likely) > 1
    assert len(here.search(replace(query, depth=1, limit=1)).likely) == 1
