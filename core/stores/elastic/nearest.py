"""What a collection answers about segments and their vectors, as of the last refresh.

A search of segments is followed by a look at their items: those whose item names another token are passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Collection as Many
from itertools import groupby, islice
from typing import Any, TypeVar

import numpy as np

from sightsound.errors import StoreError
from sightsound.filters import Filters
from sightsound.stores.base import Entry, Scored
from sightsound.stores.elastic import bodies, documents, names
from sightsound.stores.elastic.indices import Indices, SpaceIndex
from sightsound.stores.elastic.reading import SWITCHES, documents_of, gotten, hits_of, known, paged, searched
from sightsound.stores.refusals import check_query_dims
from sightsound.types import SegmentKind, Vectors

SAMPLED_SEGMENTS_OF_AN_ITEM = 16
_VECTORS_PAGE = 500
_NUMBERS = 1_000
"""Of a single item with very many segments, those that are scored at once; times the kinds, fewer than WINDOW."""
_FEW = 50
"""Items that are asked for by id faster than by a search: of 10, in a third of the time, of 1,000, in six times."""
Answer = TypeVar("Answer")


def pieces(indices: Indices, item_id: str, spaces: Iterable[str]) -> Entry | None:
    """What was put of an item whose last piece is still to come. Searches have to see what was written."""
    sources = documents_of(indices, [item_id], documents.WHOLE)
    one = documents.known_of(sources[item_id]) if sources else None
    if one is None or one.pending is None:
        return None
    found = documents.segments_of(dataclasses.replace(one, item=dataclasses.replace(one.item, state="partial")))
    tokens = dict.fromkeys(one.pending.rows, one.pending.token)
    wanted: dict[str, list[str]] = {space: [] for space in spaces}
    for space, identity in documents.identities(item_id, tokens, one.pending.rows):
        if space in wanted:
            wanted[space].append(identity)
    given = {
        space: _vectors_of(indices, index.alias, {id: id.rpartition(":")[0] for id in ids})
        for space, ids in wanted.items()
        if ids and (index := indices.space(space))
    }
    return Entry(documents.item_of(sources[item_id], planned=True), found, given)


def counts(indices: Indices) -> dict[tuple[str, SegmentKind], int]:
    """Vectors of each space and kind, without those of items of which pieces are being written."""
    answer = searched(indices, indices.segments, bodies.counted_segments(), ignore_unavailable=True)
    found: dict[tuple[str, SegmentKind], int] = {}
    for bucket in answer.get("aggregations", {}).get("indices", {}).get("buckets", ()):
        space = indices.space_of(bucket["key"])
        if space:
            found |= {(space, kind["key"]): kind["doc_count"] for kind in bucket["kinds"]["buckets"]}
    for key, waiting in _waiting(indices).items():
        found[key] = found.get(key, 0) - waiting
    return {key: found[key] for key in sorted(found) if found[key] > 0}


def _waiting(indices: Indices) -> dict[tuple[str, SegmentKind], int]:
    body = {"query": {"term": {"pending": True}}, "size": bodies.WINDOW, "_source": ["segments", *documents.WHOLE]}
    found: dict[tuple[str, Any], int] = {}
    for hit in hits_of(searched(indices, indices.items, body)):
        pending = documents.known_of(hit["_source"]).pending
        for kind, rows in (pending.rows if pending else {}).items():
            for row in rows.values():
                for space in row[4]:
                    found[space, kind] = found.get((space, kind), 0) + 1
    return found


def vectors(indices: Indices, space: str, segment_ids: Iterable[str]) -> dict[str, Vectors]:
    wanted: dict[str, list[str]] = {}
    for id in segment_ids:
        wanted.setdefault(id.partition(":")[0], []).append(id)
    index = indices.space(space) if wanted else None
    if index is None:
        return {}
    documents_wanted: dict[str, str] = {}
    for id, one in known(indices, wanted).items():
        if one.seen or not one.pending:
            tokens, rows = one.tokens, one.rows
        else:
            rows = one.pending.rows
            tokens = dict.fromkeys(rows, one.pending.token)
        here = [identity for s, identity in documents.identities(id, tokens, rows) if s == space]
        there = {identity.rpartition(":")[0]: identity for identity in here}
        documents_wanted |= {there[segment]: segment for segment in wanted[id] if segment in there}
    found = _vectors_of(indices, index.alias, documents_wanted)
    return {id: found[id] for ids in wanted.values() for id in ids if id in found}


def _vectors_of(indices: Indices, alias: str, segments: Mapping[str, str]) -> dict[str, Vectors]:
    """Stored vectors by segment. segments: `_id` of a document -> the segment's id."""
    found: dict[str, Vectors] = {}
    remaining = iter(segments)
    while page := list(islice(remaining, _VECTORS_PAGE)):
        body = {"query": {"ids": {"values": page}}, "size": len(page), "_source": False, "fields": ["vector", "length"]}
        for hit in hits_of(searched(indices, alias, body)):
            found[segments[hit["_id"]]] = as_stored(hit)
    return found


def as_stored(hit: Any) -> Vectors:
    """A vector as it was put, from the fields `vector` and `length` of its document."""
    whole = np.asarray(hit["fields"]["vector"], np.float64) * bodies.value_of(hit, "length")
    vector: Vectors = whole.astype(np.float16).astype(np.float32)
    return vector


def sample(indices: Indices, space: str, kind: SegmentKind, n: int) -> tuple[list[str], Vectors]:
    """Of the n lowest item ids that have such vectors, the first segments, at most 16 of an item."""
    index = indices.space(space)
    if index is None or n <= 0:
        return [], np.empty((0, index.dims if index else 0), np.float32)
    query = bodies.all_of({"term": {"kind": kind}}, {"range": {"number": {"lt": SAMPLED_SEGMENTS_OF_AN_ITEM}}})
    hits = paged(
        indices,
        index.alias,
        query,
        ["item", "number", "token"],
        _VECTORS_PAGE,
        _source=False,
        fields=["vector", "length", "item", "kind", "number", "token"],
    )
    ids: list[str] = []
    rows: list[Vectors] = []
    owners: set[str] = set()
    for _, page in groupby(enumerate(hits), key=lambda numbered: numbered[0] // _VECTORS_PAGE):
        for hit in committed(indices, [hit for _, hit in page]):
            owner = bodies.value_of(hit, "item")
            if owner not in owners and len(owners) == n:
                return ids, np.stack(rows)
            owners.add(owner)
            ids.append(f"{owner}:{kind}:{bodies.value_of(hit, 'number')}")
            rows.append(_unit(as_stored(hit)))
    return ids, np.stack(rows) if rows else np.empty((0, index.dims), np.float32)


def _unit(vector: Vectors) -> Vectors:
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


class _Switched(Exception):
    """The segments are of one collection and the items of another, which took its name in between."""


def committed(indices: Indices, hits: Sequence[Any]) -> list[Any]:
    """The hits whose items name their tokens, as of the last refresh. Raises _Switched."""
    owners = list(dict.fromkeys(bodies.value_of(hit, "item") for hit in hits))
    tokens: dict[str, Many[str]] = {}
    generations = {names.generation(hit["_index"]) for hit in hits}
    for at in range(0, len(owners), bodies.WINDOW):
        page = owners[at : at + bodies.WINDOW]
        if len(page) <= _FEW:
            for answer in gotten(indices, page, ("tokens",), realtime=False):
                generations.add(names.generation(answer["_index"]))
                tokens[answer["_id"]] = answer.get("_source", {}).get("tokens", ())
            continue
        for hit in hits_of(searched(indices, indices.items, bodies.committed(page))):
            generations.add(names.generation(hit["_index"]))
            tokens[bodies.value_of(hit, "id")] = hit["fields"].get("tokens", ())
    if owners and not tokens:
        generations.add(names.generation(indices.behind()))
    if len(generations) > 1:
        raise _Switched
    return [hit for hit in hits if _token(hit) in tokens.get(bodies.value_of(hit, "item"), ())]


def steadily(ask: Callable[[], Answer]) -> Answer:
    """What `ask` finds in one collection and not partly in another."""
    for again in range(SWITCHES):
        try:
            return ask()
        except _Switched:
            if again == SWITCHES - 1:
                raise StoreError("The collection was switched again and again under a search; search again.") from None
    raise AssertionError("not reached")


def _id(hit: Any) -> str:
    item, kind, number, token = (bodies.value_of(hit, field) for field in ("item", "kind", "number", "token"))
    return documents.segment_id(item, kind, number, token)


def _token(hit: Any) -> str:
    return f"{bodies.value_of(hit, 'kind')}={bodies.value_of(hit, 'token')}"


def nearest(
    indices: Indices, space: str, kind: SegmentKind, vector: Vectors, k: int, filters: Filters, without: Many[str]
) -> list[Scored]:
    """The k nearest; asks again where some of those that were found are not committed, or k is more than a window."""
    index = indices.space(space)
    if index is None or k <= 0:
        return []
    check_query_dims(space, index.dims, vector)
    body = bodies.nearest(kind, _query(vector), k, index.type, index.oversample, filters, without)
    chosen = body["knn"]["filter"]
    found: list[Scored] = []
    past: dict[str, None] = {}
    while True:
        hits = hits_of(searched(indices, index.alias, body))
        fresh = [hit for hit in hits if _id(hit) not in past]
        found += [_scored(hit) for hit in committed(indices, fresh)]
        if len(found) >= k or len(hits) < body["size"] or not fresh:
            return sorted(found, key=lambda one: (-one.score, one.segment_id))[:k]
        past |= dict.fromkeys(_id(hit) for hit in fresh)
        body = bodies.knn(_query(vector), k - len(found), index.type, index.oversample, chosen, list(past))


def score(indices: Indices, space: str, vector: Vectors, item_ids: Sequence[str]) -> list[Scored]:
    """Exact cosines with every segment of the items."""
    index = indices.space(space)
    if index is None or not item_ids:
        return []
    if np.size(vector) != index.dims:
        raise StoreError(f"Space '{space}' holds vectors of another length than the query's {np.size(vector)} numbers.")
    return [_scored(hit) for hit in committed(indices, _exact(indices, index, _query(vector), item_ids))]


def _exact(indices: Indices, index: SpaceIndex, vector: list[float], items: Sequence[str]) -> list[Any]:
    """The segments of these items with their exact scores; in parts where there are more than a window of them."""
    body = bodies.exact(vector, index.type, items, None)
    hits = hits_of(searched(indices, index.alias, body))
    if len(hits) < bodies.WINDOW:
        return hits
    if len(items) > 1:
        middle = len(items) // 2
        parts = items[:middle], items[middle:]
        return [hit for part in parts for hit in _exact(indices, index, vector, part)]
    found: list[Any] = []
    last = _last_number(indices, index, items[0])
    for first in range(0, last + 1, _NUMBERS):
        part_body = bodies.exact(vector, index.type, items, (first, first + _NUMBERS - 1))
        found += hits_of(searched(indices, index.alias, part_body))
    return found


def _last_number(indices: Indices, index: SpaceIndex, item: str) -> int:
    highest = {"highest": {"max": {"field": "number"}}}
    answer = searched(indices, index.alias, {"query": bodies.of_items([item]), "size": 0, "aggs": highest})
    return int(answer["aggregations"]["highest"]["value"] or 0)


def _query(vector: Vectors) -> list[float]:
    direction = np.asarray(vector, np.float32).reshape(-1)
    length = np.linalg.norm(direction)
    values: list[float] = (direction / (length if length > 0 else 1)).tolist()
    return values


def _scored(hit: Any) -> Scored:
    """Elasticsearch gives (1 + cosine) / 2."""
    item, kind, number = (bodies.value_of(hit, field) for field in ("item", "kind", "number"))
    cosine = min(1.0, max(-1.0, 2.0 * hit["_score"] - 1.0))
    return Scored(f"{item}:{kind}:{number}", item, kind, cosine)
