"""Requests, built by pure functions. Words of users are only ever values of `term`, `match` and `match_phrase`."""

from __future__ import annotations

import math
from collections.abc import Collection as Many
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sightsound.facets import DURATIONS, WORDS
from sightsound.filters import NUMBER_FIELDS, Condition, Filters
from sightsound.stores.base import SPOKEN, Order
from sightsound.stores.elastic.mapping import QUANTISED, TEXTS, WRITTEN
from sightsound.stores.fields import clean, sortable_date
from sightsound.stores.refusals import check_condition
from sightsound.stores.terms import WORD, searchable

Query = dict[str, Any]

WINDOW = 10_000
"""The most that one search gives, and the most candidates that kNN takes."""
MOST_TERMS = 65_536
"""The most values of one `terms` clause."""
LEAST_CANDIDATES = 150
CANDIDATES = 1.5
"""Candidates of kNN for each neighbour asked for."""
TIE_BREAK = 1e-6
"""What BM25 counts beside the share of the words: enough to order what has the same share."""
WEIGHTS = {"title": 4.0, "description": 1.0, "tags": 3.0, "name": 2.0, "author": 1.0}
# What the english analyzer leaves out of its index.
_LEFT_OUT = frozenset(
    WORD.findall(
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these "
        "they this to was will with"
    )
)
_TEXT_FIELDS = tuple(f"texts.{field}" for field in TEXTS)
# Sorts after whatever may follow a date.
_AFTER = "\U0010ffff"
BARE: Query = {"_source": False, "stored_fields": "_none_", "track_total_hits": False}
"""Hits without what is stored by rows: fetching a thousand then takes a fraction of the time."""
NOTHING: Query = {"match_none": {}}
SEEN: Query = {"term": {"seen": True}}
WELL: Query = {"term": {"state": "ok"}}
FAILED: Query = {"terms": {"state": ["failed", "stale"]}}


def filtered(filters: Filters) -> list[Query]:
    """A clause for each condition. Raises UsageError for one that makes no sense."""
    return [_condition(condition) for condition in filters]


def _condition(condition: Condition) -> Query:
    check_condition(condition)
    if not condition.values:
        return NOTHING
    if condition.field == "date":
        return _any([_date(condition.operator, sortable_date(str(value))) for value in condition.values])
    if condition.field in NUMBER_FIELDS:
        numbers = [float(value) for value in condition.values]
        if condition.operator == "is":
            return {"terms": {condition.field: numbers}}
        if condition.operator == "between":
            return _any([_between(condition.field, *pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)])
        bound = "gte" if condition.operator == ">=" else "lte"
        return _any([{"range": {condition.field: {bound: value}}} for value in numbers])
    field = "item_kind" if condition.field == "kind" else condition.field
    return terms(field, [clean(str(value)).casefold() for value in condition.values])


def _between(field: str, low: float, high: float) -> Query:
    return {"range": {field: {"gte": low} if high == math.inf else {"gte": low, "lte": high}}}


def _date(operator: str, date: str) -> Query:
    if operator == ">=":
        return {"range": {"date": {"gte": date}}}
    if operator == "<=":
        return {"range": {"date": {"lt": date + _AFTER}}}
    return {"range": {"date": {"gte": date, "lt": date + _AFTER}}}


def _any(clauses: Sequence[Query]) -> Query:
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def terms(field: str, values: Iterable[Any]) -> Query:
    """Any of the values, however many."""
    listed = list(values)
    pages = [listed[at : at + MOST_TERMS] for at in range(0, len(listed), MOST_TERMS)]
    return _any([{"terms": {field: page}} for page in pages]) if pages else NOTHING


def all_of(*clauses: Query) -> Query:
    return {"bool": {"filter": list(clauses)}}


def seen(filters: Filters = (), failed: bool = False) -> Query:
    """Items that search can find and for which all filters hold. failed: also those that failed."""
    which: Query = _any([SEEN, FAILED]) if failed else SEEN
    return all_of(which, *filtered(filters))


def nearest(
    kind: str, vector: Sequence[float], k: int, type: str, oversample: float, filters: Filters, without: Many[str]
) -> dict[str, Any]:
    """The search for the k nearest segments of a kind. without: items to leave out."""
    chosen: list[Query] = [{"term": {"kind": kind}}, *filtered(filters)]
    if without:
        chosen.append({"bool": {"must_not": [terms("item", sorted(without))]}})
    return knn(vector, k, type, oversample, chosen)


def committed(items: Sequence[str]) -> dict[str, Any]:
    """The search for the tokens of these items."""
    fields = ["id", "tokens"]
    return {"query": {"ids": {"values": list(items)}}, "size": len(items), **BARE, "docvalue_fields": fields}


def knn(
    vector: Sequence[float], k: int, type: str, oversample: float, chosen: Sequence[Query], past: Sequence[str] = ()
) -> dict[str, Any]:
    """The search for the k nearest documents. past: `_id`s that were found already."""
    clauses = [*chosen, {"bool": {"must_not": [{"ids": {"values": list(past)}}]}}] if past else list(chosen)
    wanted = min(k, WINDOW)
    clause: dict[str, Any] = {
        "field": "vector",
        "query_vector": vector,
        "k": wanted,
        "num_candidates": min(WINDOW, max(LEAST_CANDIDATES, int(CANDIDATES * wanted))),
        "filter": clauses,
    }
    if type in QUANTISED:
        # Ranked by the vectors themselves, so that scores are exact and the order is that of the local store.
        clause["rescore_vector"] = {"oversample": oversample}
    return {
        "knn": clause,
        "size": wanted,
        **BARE,
        "docvalue_fields": ["item", "kind", "number", "token"],
    }


def exact(vector: Sequence[float], type: str, items: Sequence[str], numbers: tuple[int, int] | None) -> dict[str, Any]:
    """The search for the exact scores of all segments of these items.

    With no more segments in the filter than candidates, Elasticsearch scores every one of them, and with
    `rescore_vector` by the full vector: a fifth of the time that fetching the vectors takes.
    numbers: only segments with these numbers, first and last.
    """
    made = knn(vector, WINDOW, type, 1.0, [of_items(items, numbers)])
    made["knn"]["num_candidates"] = WINDOW
    return made


def of_items(items: Sequence[str], numbers: tuple[int, int] | None = None) -> Query:
    """The segments of these items."""
    clause = terms("item", items)
    return clause if numbers is None else all_of(clause, {"range": {"number": {"gte": numbers[0], "lte": numbers[1]}}})


def listing(filters: Filters, order: Order, size: int) -> dict[str, Any]:
    """A page of a list, newest first; undated items last."""
    by: list[Any] = [{"added": "desc"}, {"id": "desc"}]
    if order == "date":
        by = [{"date": {"order": "desc", "missing": "_last"}}, {"id": "asc"}]
    return {"query": seen(filters), "sort": by, "size": size, "_source": False, "track_total_hits": False}


def facets(filters: Filters, limit: int) -> dict[str, Any]:
    """Counts of the folded values; of words that people write, each with how it is written."""
    aggs: dict[str, Any] = {}
    for field in WORDS:
        folded: dict[str, Any] = {"terms": {"field": "item_kind" if field == "kind" else field, "size": limit}}
        if field in WRITTEN:
            folded["aggs"] = {"written": {"terms": {"field": f"written.{field}", "size": 50}}}
        aggs[field] = folded
    aggs["date"] = {"terms": {"field": "year", "size": limit, "order": {"_key": "desc"}}}
    lengths = {key: _between("duration", *bounds) for key, bounds in DURATIONS.items()}
    aggs["duration"] = {"filters": {"filters": lengths}}
    return {"query": seen(filters), "size": 0, "aggs": aggs, "track_total_hits": False}


def holders(terms_asked: Sequence[str]) -> dict[str, Any]:
    """How many items hold each word or phrase in their texts or subtitles, of how many in all; how many have any."""
    each = {str(number): _any(_holding(term, (*_TEXT_FIELDS, "said"))) for number, term in enumerate(terms_asked)}
    aggs = {"terms": {"filters": {"filters": each}}, "said": {"filter": {"exists": {"field": "said"}}}}
    return {"query": seen(), "size": 0, "aggs": aggs, "track_total_hits": True}


def worded(
    terms_asked: Sequence[str], weights: Sequence[float], k: int, filters: Filters, among: Many[str] | None
) -> dict[str, Any]:
    """The search for the k items that hold the most of the words: the share of the weights, BM25 where it is equal.

    Clauses are named `TERM:FIELD`, by their places, so that the answer says which matched.
    """
    shares: list[Query] = []
    for number, (term, weight) in enumerate(zip(terms_asked, weights, strict=True)):
        fields = [
            {"constant_score": {"filter": clause, "boost": weight, "_name": f"{number}:{place}"}}
            for place, clause in enumerate(_holding(term))
        ]
        shares.append({"dis_max": {"queries": fields}})
    chosen = [SEEN, *filtered(filters), *([{"ids": {"values": sorted(among)}}] if among is not None else [])]
    relevance: Query = {
        "multi_match": {
            "query": " ".join(searchable(term) for term in terms_asked),
            "type": "most_fields",
            "fields": [f"texts.{field}^{WEIGHTS[field]:g}" for field in TEXTS],
            "boost": TIE_BREAK,
            "_name": "bm25",
        }
    }
    found = {"bool": {"should": shares, "minimum_should_match": 1}}
    return {
        "query": {"bool": {"filter": chosen, "must": [found], "should": [relevance]}},
        "size": min(k, WINDOW),
        "sort": ["_score", {"added": "asc"}],
        "_source": False,
        "track_total_hits": False,
    }


def spoken(
    terms_asked: Sequence[str],
    weights: Sequence[float],
    k: int,
    filters: Filters,
    among: Many[str] | None,
    past: Iterable[tuple[str, str]],
) -> dict[str, Any]:
    """The search for the k items in which a passage of subtitles holds the most of the words, with the best passages.

    past: writings (item, token) that are known not to count.
    """
    shares = [
        {"constant_score": {"filter": clause, "boost": weight}}
        for term, weight in zip(terms_asked, weights, strict=True)
        for clause in _holding(term, ("said",))
    ]
    chosen = [*filtered(filters), *([terms("item", sorted(among))] if among is not None else [])]
    without = [all_of({"term": {"item": item}}, {"term": {"token": token}}) for item, token in past]
    best = {
        "name": "best",
        "size": SPOKEN,
        "sort": ["_score", {"number": "asc"}],
        "_source": False,
        "docvalue_fields": ["item", "kind", "number", "token"],
    }
    return {
        "query": {"bool": {"filter": chosen, "should": shares, "minimum_should_match": 1, "must_not": without}},
        "collapse": {"field": "item", "inner_hits": best},
        "size": min(k, WINDOW),
        "sort": ["_score", {"item": "asc"}],
        "_source": False,
        "track_total_hits": False,
    }


def _holding(term: str, fields: Sequence[str] = _TEXT_FIELDS) -> list[Query]:
    """A clause for each field in which the word or phrase may be, in their order."""
    words = searchable(term)
    kind, more = ("match_phrase", {}) if " " in term else ("match", {"operator": "and"})
    plain = all(word in _LEFT_OUT for word in words.split())
    return [{kind: {f"{field}{'.plain' if plain else ''}": {"query": words, **more}}} for field in fields]


def prefix(beginning: str) -> Query:
    """Items whose ids begin so; hex digits sort before g."""
    return {"range": {"id": {"gte": beginning, "lt": beginning + "g"}}}


def reference(text: str, place: str) -> Query:
    """Items with this id, or of this URI. place: the hash of the URI."""
    return _any([{"term": {"id": text}}, {"term": {"place": place}}])


def counted_segments() -> dict[str, Any]:
    """How many documents there are of each kind in each space's index."""
    by_kind = {"kinds": {"terms": {"field": "kind", "size": 50}}}
    return {
        "size": 0,
        "track_total_hits": False,
        "aggs": {"indices": {"terms": {"field": "_index", "size": 1_000}, "aggs": by_kind}},
    }


def value_of(hit: Mapping[str, Any], field: str) -> Any:
    """The single value of a field in a hit's `fields`."""
    return hit["fields"][field][0]
