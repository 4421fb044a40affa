"""The indices of a collection: what they hold, and how they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sightsound.config import number, setting
from sightsound.errors import ConfigError
from sightsound.filters import WORD_FIELDS

SCHEMA = 2
"""Grows when the mapping changes; `_meta` of every index says with which it was made."""
OLDEST = 1
"""The oldest that can still be searched, to be built anew beside it."""
SINCE_2 = frozenset({"colour", "orientation"})
"""Fields of filters that collections of schema 1 lack."""
TYPES = ("int8_hnsw", "bbq_hnsw", "hnsw", "flat")
QUANTISED = ("int8_hnsw", "bbq_hnsw")
OVERSAMPLE_INT8 = 2.0
"""How many times as many candidates as asked for are ranked again by the vectors themselves."""
LEAST_DIMS_BBQ = 65
"""Below, Elasticsearch refuses bbq, and there is nothing to gain."""
SAID = ""
"""Stands for a space where passages of subtitles are kept: beside the spaces, written and removed as vectors are."""
TEXTS = ("title", "description", "tags", "name", "author")
"""The texts of an item, in the order of `fields.passages`."""
WORDS = tuple(field for field in WORD_FIELDS if field != "kind")
WRITTEN = ("tag", "author", "licence", "source")
"""The words that people write, in more than one way: facets show them as they are written."""
_LONGEST_KEYWORD = 8000
"""Characters; a keyword of more than 32,766 bytes is refused."""

_KEYWORD: dict[str, Any] = {"type": "keyword"}
_WORD: dict[str, Any] = {"type": "keyword", "ignore_above": _LONGEST_KEYWORD}
_NUMBER: dict[str, Any] = {"type": "double"}
_STORED: dict[str, Any] = {"type": "keyword", "index": False, "doc_values": False}
_UNSOUGHT: dict[str, Any] = {"type": "double", "index": False}
_TEXT: dict[str, Any] = {
    "type": "text",
    "analyzer": "english",
    "fields": {"plain": {"type": "text", "analyzer": "standard"}},
}
FILTERS: dict[str, Any] = {
    "item_kind": _KEYWORD,
    **dict.fromkeys(WORDS, _WORD),
    "date": _KEYWORD,
    **dict.fromkeys(("bytes", "width", "height", "duration"), _NUMBER),
}
"""What filters ask: of items, and again of segments, so that kNN can filter before it takes the nearest."""


@dataclass(frozen=True)
class IndexOptions:
    """How vectors are indexed, and over how many shards. type: one of TYPES. replicas: a number, or a range `0-1`."""

    type: str = "int8_hnsw"
    m: int = 16
    ef_construction: int = 100
    oversample: float = 3.0
    shards: int = 1
    replicas: str = "0-1"


def index_options() -> IndexOptions:
    """As the settings say. Raises ConfigError."""
    type, replicas = setting("elasticsearch_index"), setting("elasticsearch_replicas")
    if type not in TYPES:
        raise ConfigError(f"The setting elasticsearch_index is '{type}'; there are: {', '.join(TYPES)}")
    low, _, high = replicas.partition("-")
    if not low.isdecimal() or ("-" in replicas and not (high.isdecimal() or high == "all")):
        raise ConfigError(f"The setting elasticsearch_replicas is '{replicas}'; write a number, or a range such as 0-1")
    return IndexOptions(
        type,
        int(number("elasticsearch_m")),
        int(number("elasticsearch_ef_construction")),
        number("elasticsearch_oversample"),
        int(number("elasticsearch_shards")),
        replicas,
    )


def vector_field(dims: int, options: IndexOptions) -> dict[str, Any]:
    """Every option is written: what Elasticsearch takes by default differs by version, length and licence."""
    type = "int8_hnsw" if options.type == "bbq_hnsw" and dims < LEAST_DIMS_BBQ else options.type
    how: dict[str, Any] = {"type": type}
    if type != "flat":
        how |= {"m": options.m, "ef_construction": options.ef_construction}
    return {"type": "dense_vector", "dims": dims, "index": True, "similarity": "cosine", "index_options": how}


def space_mapping(space: str, dims: int, options: IndexOptions) -> dict[str, Any]:
    """A document a segment that has a vector in the space."""
    field = vector_field(dims, options)
    type = field["index_options"]["type"]
    oversample = options.oversample if type == "bbq_hnsw" else OVERSAMPLE_INT8
    return _segments_mapping(space, dims, type, oversample, {"vector": field, "length": _UNSOUGHT})


def said_mapping() -> dict[str, Any]:
    """A document a passage of subtitles, so that a word gives the moment it is said at."""
    return _segments_mapping(SAID, 0, "", 0.0, {"said": _TEXT})


def _segments_mapping(space: str, dims: int, type: str, oversample: float, own: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "item": _KEYWORD,
        "kind": _KEYWORD,
        "number": {"type": "integer"},
        "start": _UNSOUGHT,
        "end": _UNSOUGHT,
        "token": _KEYWORD,
        "session": _KEYWORD,
        **own,
        **FILTERS,
    }
    meta = {"schema": SCHEMA, "space": space, "dims": dims, "type": type, "oversample": oversample}
    return {"dynamic": "strict", "_meta": {"sightsound": meta}, "properties": properties}


def items_mapping(collection: str) -> dict[str, Any]:
    """A document an item; and one for each thing that the collection keeps, which has only `value`."""
    properties = {
        "id": _KEYWORD,
        "uri": _STORED,
        "place": _KEYWORD,
        "content": _KEYWORD,
        "state": _KEYWORD,
        "seen": {"type": "boolean"},
        "pending": {"type": "boolean"},
        "vectors": {"type": "boolean"},
        "tokens": _KEYWORD,
        "session": _KEYWORD,
        "added": _NUMBER,
        "changed": _NUMBER,
        "year": _KEYWORD,
        "written": {"properties": dict.fromkeys(WRITTEN, _WORD)},
        "texts": {"properties": dict.fromkeys(TEXTS, _TEXT)},
        "said": _TEXT,
        "extra": {"type": "flattened", "ignore_above": _LONGEST_KEYWORD, "depth_limit": 2},
        "record": _STORED,
        "segments": _STORED,
        "value": _STORED,
        **FILTERS,
    }
    meta = {"schema": SCHEMA, "collection": collection}
    return {"dynamic": "strict", "_meta": {"sightsound": meta}, "properties": properties}


def index_settings(options: IndexOptions, refresh: bool = True) -> dict[str, Any]:
    """refresh: False while much is being loaded."""
    made: dict[str, Any] = {"number_of_shards": options.shards}
    if "-" in options.replicas:
        made["auto_expand_replicas"] = options.replicas
    else:
        made["number_of_replicas"] = int(options.replicas)
    return made if refresh else {**made, "refresh_interval": "-1"}


def meta_of(index: Mapping[str, Any]) -> Mapping[str, Any]:
    """What we noted in the mapping of an index, as `GET _mapping` gives it; empty for an index that is not ours."""
    meta: Mapping[str, Any] = index.get("mappings", {}).get("_meta", {}).get("sightsound", {})
    return meta
