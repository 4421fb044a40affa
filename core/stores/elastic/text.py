"""Text search: how rare the words are, then the items that hold the most of them."""

from __future__ import annotations

import math
from collections.abc import Collection as Many
from collections.abc import Mapping
from typing import Any

from sightsound.filters import Filters
from sightsound.stores.base import Scored
from sightsound.stores.elastic import bodies
from sightsound.stores.elastic.indices import Indices
from sightsound.stores.elastic.mapping import SAID
from sightsound.stores.elastic.nearest import committed
from sightsound.stores.elastic.reading import hits_of, searched
from sightsound.stores.terms import FIELDS, best_items, searchable, terms_of


def search(indices: Indices, words: str, k: int, filters: Filters, among: Many[str] | None) -> list[Scored]:
    """The k items that hold the most of the query's words, each word weighed by its rarity; with what is said."""
    asked = [term for term in terms_of(words) if searchable(term)]
    if not asked or k <= 0 or (among is not None and not among):
        return []
    counted = searched(indices, indices.items, bodies.holders(asked))
    total = max(1, counted["hits"]["total"]["value"])
    buckets = counted["aggregations"]["terms"]["buckets"]
    held = [buckets[str(number)]["doc_count"] for number in range(len(asked))]
    if not any(held):
        return []
    weights = [math.log(1 + (total - n + 0.5) / (n + 0.5)) for n in held]
    shares = [weight / sum(weights) for weight in weights]
    body = bodies.worded(asked, shares, k, filters, among)
    found = [
        _matched(hit, shares)
        for hit in hits_of(searched(indices, indices.items, body, include_named_queries_score=True))
    ]
    ordered = [scored for scored, _ in sorted(found, key=lambda one: (-one[0].score, -one[1]))]
    if not counted["aggregations"]["said"]["doc_count"]:
        return ordered
    return best_items([*ordered, *_spoken(indices, asked, shares, k, filters, among)], k)


def _spoken(
    indices: Indices, asked: list[str], shares: list[float], k: int, filters: Filters, among: Many[str] | None
) -> list[Scored]:
    """The best passages of at most k items; asks again where some of those that were found are not committed."""
    said = indices.space(SAID)
    past: set[tuple[str, str]] = set()
    while said is not None:
        answer = searched(indices, said.alias, bodies.spoken(asked, shares, k, filters, among, sorted(past)))
        hits = [hit for item in hits_of(answer) for hit in hits_of(item["inner_hits"]["best"])]
        found = committed(indices, hits)
        if len(found) == len(hits):
            return [_passage(hit) for hit in found]
        counted = {hit["_id"] for hit in found}
        past |= {
            (bodies.value_of(hit, "item"), bodies.value_of(hit, "token")) for hit in hits if hit["_id"] not in counted
        }
    return []


def _passage(hit: Mapping[str, Any]) -> Scored:
    item, number = bodies.value_of(hit, "item"), bodies.value_of(hit, "number")
    # Elasticsearch adds up in single precision.
    return Scored(f"{item}:subtitle:{number}", item, "subtitle", min(1.0, round(hit["_score"], 6)))


def _matched(hit: Mapping[str, Any], shares: list[float]) -> tuple[Scored, float]:
    """The item with its share and the field in which most words match, and its BM25."""
    terms: set[int] = set()
    in_field = [0] * len(FIELDS)
    matched: Mapping[str, float] = hit["matched_queries"]
    for name in matched:
        number, colon, place = name.partition(":")
        if colon:
            terms.add(int(number))
            in_field[int(place)] += 1
    kind = FIELDS[max(range(len(FIELDS)), key=lambda place: (in_field[place], -place))]
    # Rounded, so that sums in another order are still the same score.
    share = min(1.0, round(sum(shares[number] for number in terms), 9))
    return Scored(f"{hit['_id']}:{kind}:0", hit["_id"], kind, share), matched.get("bm25", 0.0)
