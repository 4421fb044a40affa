"""What is asked of Elasticsearch, compared with what it should be asked: pure functions, no server."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sightsound.config import public
from sightsound.errors import ConfigError, UsageError
from sightsound.filters import Condition
from sightsound.stores.elastic import bodies, documents, mapping, names
from sightsound.stores.elastic.documents import Known, Pending
from sightsound.stores.elastic.mapping import SAID, IndexOptions
from sightsound.testing.stores import GREEN, RED, entry, item, parse
from sightsound.types import Metadata

# Names


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("default", "default"),
        ("holiday-2024", "holiday-2024"),
        ("default.rebuilt", "default.rebuilt"),
        ("a--b", "a-~2db"),
        ("-a-", "~2da~2d"),
        ("Walks", "~57alks"),
        ("items", "~69tems"),
        ("segments", "~73egments"),
        ("minilm-v0001", "minilm-~760001"),
        ("ViT-B/32", "~56i~54-~42~2f32"),
        ("é~", "~c3~a9~7e"),
    ],
)
def test_names_are_kept_where_they_can_be_and_can_always_be_read_back(name: str, made: str) -> None:
    assert names.written(name) == made and names.read(made) == name


def test_no_two_names_share_an_index() -> None:
    parts = ["a", "b", "-", "--", "A", "items", "segments", "-v0001", "~", "~61", "é", "."]
    some = [first + second + third for first in parts for second in parts for third in ("", *parts)]
    aliases = {names.space_alias("p", c, s) for c in some for s in some[:40]}
    fixed = {names.alias("p", c, of) for c in some for of in (names.ITEMS, names.SEGMENTS)}
    physical = {names.physical(alias, 1) for alias in aliases | fixed}
    assert len(aliases | fixed | physical) == len(set(some)) * (len(set(some[:40])) + 2) * 2
    assert {names.collection_of("p", names.alias("p", c, names.ITEMS)) for c in some} == set(some)


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="fewer capitals"):
        names.written("A" * 60)


def test_what_is_built_beside_a_collection_is_its_next_version() -> None:
    assert names.base("sightsound", "walks.rebuilt") == names.base("sightsound", "walks") == "sightsound-walks"
    assert names.generation("s-walks--items-v0002") == names.generation("s-walks--mini-lm-v0002") == "s-walks-v2"


# Indices


@pytest.mark.parametrize(
    ("type", "dims", "how"),
    [
        ("int8_hnsw", 384, {"type": "int8_hnsw", "m": 16, "ef_construction": 100}),
        ("bbq_hnsw", 384, {"type": "bbq_hnsw", "m": 16, "ef_construction": 100}),
        ("bbq_hnsw", 64, {"type": "int8_hnsw", "m": 16, "ef_construction": 100}),
        ("hnsw", 384, {"type": "hnsw", "m": 16, "ef_construction": 100}),
        ("flat", 384, {"type": "flat"}),
    ],
)
def test_index_options_are_always_written(type: str, dims: int, how: dict[str, object]) -> None:
    made = mapping.space_mapping("form", dims, IndexOptions(type))
    assert made["properties"]["vector"] == {
        "type": "dense_vector",
        "dims": dims,
        "index": True,
        "similarity": "cosine",
        "index_options": how,
    }
    assert made["dynamic"] == "strict" and made["_meta"]["sightsound"]["type"] == how["type"]


def test_settings_say_how_new_indices_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mapping.index_options() == IndexOptions()
    chosen = {"INDEX": "bbq_hnsw", "M": "32", "EF_CONSTRUCTION": "200", "OVERSAMPLE": "5", "SHARDS": "3"}
    for name, value in {**chosen, "REPLICAS": "2"}.items():
        monkeypatch.setenv(f"SIGHTSOUND_ELASTICSEARCH_{name}", value)
    options = mapping.index_options()
    assert options == IndexOptions("bbq_hnsw", 32, 200, 5.0, 3, "2")
    assert mapping.index_settings(options) == {"number_of_shards": 3, "number_of_replicas": 2}
    assert mapping.space_mapping("s", 384, options)["_meta"]["sightsound"]["oversample"] == 5.0
    assert mapping.index_settings(IndexOptions(), refresh=False) == {
        "number_of_shards": 1,
        "auto_expand_replicas": "0-1",
        "refresh_interval": "-1",
    }
    for name, value in {"INDEX": "ivf", "REPLICAS": "many"}.items():
        monkeypatch.setenv(f"SIGHTSOUND_ELASTICSEARCH_{name}", value)
        with pytest.raises(ConfigError, match=value):
            mapping.index_options()
        monkeypatch.delenv(f"SIGHTSOUND_ELASTICSEARCH_{name}")


# Filters


@pytest.mark.parametrize(
    ("condition", "clause"),
    [
        ("kind=Photo", {"terms": {"item_kind": ["photo"]}}),
        ("author=Jane DOE", {"terms": {"author": ["jane doe"]}}),
        ("width>=800", {"range": {"width": {"gte": 800.0}}}),
        ("duration<=60", {"range": {"duration": {"lte": 60.0}}}),
        ("bytes=5", {"terms": {"bytes": [5.0]}}),
        ("date=2024", {"range": {"date": {"gte": "2024", "lt": "2024\U0010ffff"}}}),
        ("date>=2024-05", {"range": {"date": {"gte": "2024-05"}}}),
        ("date<=2024-05", {"range": {"date": {"lt": "2024-05\U0010ffff"}}}),
    ],
)
def test_a_condition_is_a_clause(condition: str, clause: object) -> None:
    assert bodies.filtered(parse(condition)) == [clause]


def test_what_users_write_is_only_ever_a_value() -> None:
    hostile = '"}},{"match_all":{}} OR *:* AND _exists_:x /.*/ \\ {{#toJson}}'
    clauses = bodies.filtered((Condition("tag", "is", (hostile,)),))
    assert clauses == [{"terms": {"tag": [hostile.casefold()]}}]
    asked = json.dumps(bodies.worded(["heron", hostile], [0.5, 0.5], 10, (), None))
    assert not {"query_string", "simple_query_string", "script", "regexp", "wildcard"} & set(asked.split('"'))


def test_many_values_are_asked_for_in_parts() -> None:
    clause = bodies.terms("item", [str(n) for n in range(bodies.MOST_TERMS + 1)])
    parts = clause["bool"]["should"]
    assert [len(part["terms"]["item"]) for part in parts] == [bodies.MOST_TERMS, 1]
    assert bodies.terms("item", []) == {"match_none": {}}


# Searches


def test_filters_are_inside_the_knn_clause() -> None:
    body = bodies.nearest("photo", [1.0, 0.0], 1000, "int8_hnsw", 2.0, parse("tag=sea"), ["b", "a"])
    assert body == {
        "knn": {
            "field": "vector",
            "query_vector": [1.0, 0.0],
            "k": 1000,
            "num_candidates": 1500,
            "filter": [
                {"term": {"kind": "photo"}},
                {"terms": {"tag": ["sea"]}},
                {"bool": {"must_not": [{"terms": {"item": ["a", "b"]}}]}},
            ],
            "rescore_vector": {"oversample": 2.0},
        },
        "size": 1000,
        "_source": False,
        "stored_fields": "_none_",
        "track_total_hits": False,
        "docvalue_fields": ["item", "kind", "number", "token"],
    }


@pytest.mark.parametrize("type", ["hnsw", "flat"])
def test_what_is_not_quantised_is_not_ranked_twice(type: str) -> None:
    assert "rescore_vector" not in bodies.nearest("photo", [1.0], 5, type, 2.0, (), ())["knn"]


@pytest.mark.parametrize("k", [1, 10, 5_000, 10_000, 50_000])
def test_limits_of_elasticsearch_are_kept(k: int) -> None:
    body = bodies.nearest("photo", [1.0], k, "int8_hnsw", 2.0, (), ())
    assert body["knn"]["k"] == body["size"] == min(k, 10_000)
    assert body["knn"]["k"] <= body["knn"]["num_candidates"] <= 10_000


def test_what_was_found_is_not_asked_for_again() -> None:
    body = bodies.knn([1.0], 5, "flat", 1.0, [{"term": {"kind": "photo"}}], ["x:photo:0:t"])
    assert body["knn"]["filter"][1] == {"bool": {"must_not": [{"ids": {"values": ["x:photo:0:t"]}}]}}


def test_exact_scores_are_of_as_many_candidates_as_there_can_be() -> None:
    clause = bodies.exact([1.0], "bbq_hnsw", ["a"], (0, 999))["knn"]
    assert (clause["k"], clause["num_candidates"], clause["rescore_vector"]) == (10_000, 10_000, {"oversample": 1.0})
    assert clause["filter"] == [
        {"bool": {"filter": [{"terms": {"item": ["a"]}}, {"range": {"number": {"gte": 0, "lte": 999}}}]}}
    ]


def test_words_are_matched_in_each_text_and_phrases_as_phrases() -> None:
    word, phrase = bodies._holding("Río"), bodies._holding("rio de janeiro")
    assert word[0] == {"match": {"texts.title": {"query": "rio", "operator": "and"}}}
    assert phrase[2] == {"match_phrase": {"texts.tags": {"query": "rio de janeiro"}}}
    assert bodies._holding("the")[0] == {"match": {"texts.title.plain": {"query": "the", "operator": "and"}}}


def test_undated_items_are_listed_last() -> None:
    body = bodies.listing((), "date", 20)
    assert body["sort"] == [{"date": {"order": "desc", "missing": "_last"}}, {"id": "asc"}]
    assert body["query"] == {"bool": {"filter": [{"term": {"seen": True}}]}}


# Documents


def test_an_item_comes_back_from_its_document() -> None:
    said = {"photos": Metadata(title="Wave \ud800", tags=("Sea", "sea"), extra={"shelf": "3", "": "x"})}
    sea = item("sea.jpg", width=800, bytes=5)
    rows = documents.rows_of(entry(sea, RED, GREEN))
    known = Known(sea.with_layers(said), {"photo": "t"}, rows, Pending("2", "p", rows))
    document = json.loads(json.dumps(documents.item_document(known, "session", 1.0)))
    assert documents.known_of(document) == known
    assert documents.item_of(document, planned=True).state == "partial"
    assert document["tokens"] == ["photo=t"] and document["tag"] == ["sea"]
    assert document["written"]["tag"] == ["Sea", "sea"] and document["extra"] == {"shelf": "3"}
    assert set(document) <= set(mapping.items_mapping("c")["properties"])


def test_the_document_of_a_two_hour_film_stays_small() -> None:
    """Elasticsearch reads a document whole, also where only a field of it is asked for."""
    film = item("long.mp4", "film")
    frames = {n: (n, 2.4 * n, 2.4 * (n + 1), "", ("colour",)) for n in range(3_000)}
    sounds = {n: (n, n * 0.51, n * 0.51 + 0.96, "", ("text", "sound")) for n in range(14_000)}
    said = {n: (n, 3.6 * n, 3.6 * n + 2, f"what somebody says, {n}\ud800", (SAID, "text")) for n in range(2_000)}
    rows = {"frame": frames, "sound": sounds, "subtitle": said}
    known = Known(film, dict.fromkeys(rows, "t"), rows)
    document = json.loads(json.dumps(documents.item_document(known, "session", 1.0)))
    assert documents.known_of(document) == known
    assert len(json.dumps(document)) < 500_000


def test_a_segments_document_fits_its_mapping() -> None:
    one = entry(item("film.mp4", "film", tags=("sea",)), RED)
    row = documents.rows_of(one)["frame"][0]
    filters = documents.inner_json(documents.filter_fields(one.item))
    made = json.loads(documents.segment_document(row, one.item.id, "frame", "t", filters, RED, "s"))
    assert made["vector"] == [1, 0, 0, 0] and (made["start"], made["end"], made["tag"]) == (0.0, 1.0, ["sea"])
    assert set(made) <= set(mapping.space_mapping("colour", 4, IndexOptions())["properties"])


def test_a_token_names_what_is_written() -> None:
    def token(one: object, *vectors: np.ndarray) -> str:
        made = entry(item("film.mp4", "film"), *vectors)
        rows = documents.rows_of(made)
        stored = {("colour", id): vector for id, vector in made.vectors["colour"].items()}
        return documents.token_of(made.item.id, "frame", rows["frame"], stored)

    assert token(0, RED, GREEN) == token(1, RED, GREEN)
    assert len({token(0, RED, GREEN), token(0, GREEN, RED), token(0, RED)}) == 3


def test_pieces_have_one_token_which_is_none_that_is_found() -> None:
    film = item("film.mp4", "film")
    first = documents.pending_token(None, "1")
    assert first == documents.pending_token(Known(film), "1")
    again = documents.pending_token(Known(film, {"frame": first}), "1")
    assert again not in (first, documents.pending_token(None, "2"))


# Secrets


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("http://user:p@ss@host:9200/x", "http://host:9200/x"),
        ("https://a:b@one,https://c:d@two:9201", "https://one,https://two:9201"),
        ("http://host:9200", "http://host:9200"),
        ("/home/me@work/photos", "/home/me@work/photos"),
        ("cloud://name:abc", "cloud://name:abc"),
    ],
)
def test_passwords_are_not_shown(location: str, shown: str) -> None:
    assert public(location) == shown
