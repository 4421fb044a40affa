"""What a collection answers besides text: by id in real time, by search as of the last refresh.

A search of segments is followed by a look at their items: those whose item names another token are passed over.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Collection as Many
from itertools import groupby, islice
from typing import Any, TypeVar

import numpy as np
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from sightsound.errors import StoreError
from sightsound.filters import Filters
from sightsound.stores.base import Order, Scored
from sightsound.stores.elastic import bodies, documents, names
from sightsound.stores.elastic.documents import Known
from sightsound.stores.elastic.errors import is_gone
from sightsound.stores.elastic.indices import Indices, SpaceIndex
from sightsound.stores.refusals import check_query_dims
from sightsound.types import Item, Segment, SegmentKind, Vectors, item_id

SAMPLED_SEGMENTS_OF_AN_ITEM = 16
FACETS = ("kind", "tag", "author", "licence", "source")
_PAGE = 1_000
_VECTORS_PAGE = 500
_NUMBERS = 1_000
"""Of a single item with very many segments, those that are scored at once; times the kinds, fewer than WINDOW."""
_FEW = 50
"""Items that are asked for by id faster than by a search: of 10, in a third of the time, of 1,000, in six times."""
_KEEP_ALIVE = "5m"
_SWITCHES = 5
"""How often a collection may be switched under one question."""
_SHORTEST_PREFIX = 4
_HEX = frozenset("0123456789abcdef")
Answer = TypeVar("Answer")


def searched(indices: Indices, index: str, body: Mapping[str, Any], **options: Any) -> Any:
    """The answer of a search over all shards. Where another index took the alias meanwhile, it is asked; where none has
    it, nothing is found. Raises CollectionMissing, StoreError."""
    connection = indices.connection
    with connection.explaining():
        for _ in range(_SWITCHES):
            try:
                return connection.call(
                    lambda client: client.search(
                        index=index, body=dict(body), allow_partial_search_results=False, **options
                    )
                ).body
            except ApiError as error:
                if not is_gone(error):
                    raise
            indices.load()
            if index not in indices.aliases():
                return NOTHING_FOUND
    raise StoreError(f"'{indices.collection}' was switched again and again under a search; search again.")


NOTHING_FOUND: Mapping[str, Any] = {"hits": {"hits": [], "total": {"value": 0}}, "aggregations": {}}


def hits_of(answer: Mapping[str, Any]) -> list[Any]:
    return list(answer["hits"]["hits"])


def paged(
    indices: Indices, index: str, query: Mapping[str, Any], sort: Sequence[str], size: int = _PAGE, **body: Any
) -> Iterator[Any]:
    """Every hit of a query, in the order of fields that are different together for each document.

    All of one moment, unless another collection takes the name meanwhile, or the consumer takes very long.
    """
    connection = indices.connection
    by = [{field: "asc"} for field in sort]
    after: list[Any] | None = None
    moment = ""

    def page(client: Elasticsearch) -> Any:
        nonlocal moment
        try:
            if not moment:
                moment = client.open_point_in_time(index=index, keep_alive=_KEEP_ALIVE).body["id"]
            asked = {"query": query, "sort": by, "size": size, "track_total_hits": False, **body}
            asked["pit"] = {"id": moment, "keep_alive": _KEEP_ALIVE}
            if after is not None:
                asked["search_after"] = after
            return client.search(body=asked, allow_partial_search_results=False).body
        except (ApiError, TransportError):
            moment = ""  # it may be gone with its node or index; another goes on after the last that was found
            raise

    switches = 0
    try:
        while True:
            with connection.explaining():
                try:
                    answer = connection.call(page)
                except ApiError as error:
                    switches += 1
                    if not is_gone(error) or switches > _SWITCHES:
                        raise
                    indices.load()
                    if index not in indices.aliases():
                        return
                    continue
            moment = answer.get("pit_id", moment)
            found = hits_of(answer)
            yield from found
            if len(found) < size:
                return
            after = found[-1]["sort"][: len(sort)]
    finally:
        _forget(indices, moment)


def _forget(indices: Indices, moment: str) -> None:
    if moment:
        try:
            indices.connection.call(lambda client: client.close_point_in_time(id=moment))
        except (ApiError, StoreError):
            return  # it ends by itself


# By id


def documents_of(indices: Indices, ids: Iterable[str], fields: Sequence[str], realtime: bool = True) -> dict[str, Any]:
    """Fields of the items' documents, by id."""
    found: dict[str, Any] = {}
    remaining = iter(dict.fromkeys(ids))
    while page := list(islice(remaining, _PAGE)):
        answers = gotten(indices, page, fields, realtime)
        found |= {answer["_id"]: answer["_source"] for answer in answers if answer["found"]}
    return {id: source for id, source in found.items() if "record" in source}


def gotten(indices: Indices, ids: Sequence[str], fields: Sequence[str], realtime: bool = True) -> list[Any]:
    """What there is of documents with these ids; each is there, or known not to be. Raises StoreError."""

    def get(client: Elasticsearch) -> list[Any]:
        answer = client.mget(index=indices.items, ids=list(ids), source_includes=list(fields), realtime=realtime)
        for document in answer.body["docs"]:
            if "error" in document:
                gone = document["error"].get("type") == "index_not_found_exception"
                meta = dataclasses.replace(answer.meta, status=404 if gone else 503)
                raise ApiError("part of the documents could not be asked for", meta, {"error": document["error"]})
        return list(answer.body["docs"])

    with indices.connection.explaining():
        return indices.connection.call(get)


def known(indices: Indices, ids: Iterable[str]) -> dict[str, Known]:
    """All that the collection holds of these items."""
    sources = documents_of(indices, ids, documents.WHOLE)
    return {id: documents.known_of(source) for id, source in sources.items()}


def items(indices: Indices, ids: Iterable[str]) -> dict[str, Item]:
    return {id: documents.item_of(source) for id, source in documents_of(indices, ids, documents.RECORD).items()}


def segments(indices: Indices, ids: Iterable[str]) -> dict[str, list[Segment]]:
    found = {id: documents.segments_of(one) for id, one in known(indices, ids).items()}
    return {id: of_item for id, of_item in found.items() if of_item}


# Items by search


def states(indices: Indices, uris: Iterable[str]) -> dict[str, Item]:
    found: dict[str, Item] = {}
    remaining = iter(uris)
    while page := list(islice(remaining, _PAGE)):
        query = bodies.terms("place", [item_id(uri) for uri in page])
        body = {"query": query, "size": bodies.WINDOW, "_source": list(documents.RECORD)}
        for hit in hits_of(searched(indices, indices.items, body)):
            item = documents.item_of(hit["_source"], planned=True)
            found[item.uri] = item
    return found


def holders(indices: Indices, uris: Sequence[str]) -> set[str]:
    """Ids of the items at these URIs, as of the last refresh."""
    query = bodies.terms("place", [item_id(uri) for uri in uris])
    body = {"query": query, "size": bodies.WINDOW, "_source": False}
    return {hit["_id"] for hit in hits_of(searched(indices, indices.items, body))}


def with_content(indices: Indices, contents: Iterable[str]) -> dict[str, list[Item]]:
    wanted = [content for content in contents if content]
    query = bodies.all_of(bodies.SEEN, {"term": {"vectors": True}}, bodies.terms("content", wanted))
    found: dict[str, list[Item]] = {}
    body = {"query": query, "size": bodies.WINDOW, "sort": [{"id": "asc"}], "_source": list(documents.RECORD)}
    for hit in hits_of(searched(indices, indices.items, body)) if wanted else ():
        item = documents.item_of(hit["_source"])
        found.setdefault(item.content, []).append(item)
    return found


def contents_of_size(indices: Indices, size: int) -> list[str]:
    query = bodies.all_of(bodies.SEEN, {"term": {"bytes": size}})
    body = {"query": query, "size": bodies.WINDOW, "_source": False, "docvalue_fields": ["content"]}
    found = {hit["fields"]["content"][0] for hit in hits_of(searched(indices, indices.items, body))}
    return sorted(found - {""})


def of_source(indices: Indices, source: str, folded: str) -> Iterator[tuple[str, str]]:
    query = bodies.all_of({"term": {"source": folded}}, {"term": {"written.source": source}})
    for hit in paged(indices, indices.items, query, ["id"], _source=list(documents.RECORD)):
        item = documents.item_of(hit["_source"])
        yield item.id, item.uri


def find(indices: Indices, reference: str) -> list[str]:
    def ids(query: Mapping[str, Any]) -> list[str]:
        body = {"query": query, "size": 2, "sort": [{"id": "asc"}], "_source": False}
        return [hit["_id"] for hit in hits_of(searched(indices, indices.items, body))]

    found = ids(bodies.reference(reference, item_id(reference))) if reference else []
    beginning = reference.lower()
    if not found and len(beginning) >= _SHORTEST_PREFIX and _HEX.issuperset(beginning):
        found = ids(bodies.prefix(beginning))
    return found


def scan(indices: Indices, filters: Filters, failed: bool) -> Iterator[Item]:
    for hit in paged(indices, indices.items, bodies.seen(filters, failed), ["id"], _source=list(documents.RECORD)):
        yield documents.item_of(hit["_source"])


def count(indices: Indices, query: Mapping[str, Any]) -> int:
    body = {"query": query, "size": 0, "track_total_hits": True}
    return int(searched(indices, indices.items, body)["hits"]["total"]["value"])


def kinds(indices: Indices) -> dict[str, int]:
    """How many items of each kind search can find."""
    by_kind = {"kinds": {"terms": {"field": "item_kind", "size": 20}}}
    answer = searched(indices, indices.items, {"query": bodies.seen(), "size": 0, "aggs": by_kind})
    return {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["kinds"]["buckets"]}


def facets(indices: Indices, filters: Filters, limit: int) -> dict[str, list[tuple[str, int]]]:
    answer = searched(indices, indices.items, bodies.facets(filters, max(1, limit), FACETS))
    found: dict[str, list[tuple[str, int]]] = {}
    for field in FACETS:
        buckets = answer["aggregations"][field]["buckets"][:limit]
        counted = [(_written(bucket), bucket["doc_count"]) for bucket in buckets]
        found[field] = sorted(counted, key=lambda pair: (-pair[1], pair[0]))
    return found


def _written(bucket: Mapping[str, Any]) -> str:
    """How the value of a bucket is written; folded where too many others are written beside it."""
    folded = str(bucket["key"])
    written = [str(one["key"]) for one in bucket.get("written", {}).get("buckets", ())]
    return min((word for word in written if word.casefold() == folded), default=folded)


def listed(indices: Indices, filters: Filters, order: Order, offset: int, limit: int) -> list[str]:
    """Ids. Deep pages are reached from the beginning, a window at a time."""
    found: list[str] = []
    after: list[Any] | None = None
    wanted = offset + limit
    while len(found) < wanted:
        body = bodies.listing(filters, order, min(bodies.WINDOW, wanted - len(found)))
        hits = hits_of(searched(indices, indices.items, body if after is None else {**body, "search_after": after}))
        found += [hit["_id"] for hit in hits]
        if len(hits) < body["size"]:
            break
        after = hits[-1]["sort"]
    return found[offset:wanted]


# Segments


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
    found: dict[str, Vectors] = {}
    remaining = iter(documents_wanted)
    while page := list(islice(remaining, _VECTORS_PAGE)):
        body = {"query": {"ids": {"values": page}}, "size": len(page), "_source": False, "fields": ["vector", "length"]}
        for hit in hits_of(searched(indices, index.alias, body)):
            found[documents_wanted[hit["_id"]]] = as_stored(hit)
    return {id: found[id] for ids in wanted.values() for id in ids if id in found}


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
    for again in range(_SWITCHES):
        try:
            return ask()
        except _Switched:
            if again == _SWITCHES - 1:
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
        raise StoreError(
            f"Space '{space}' holds vectors of another length than the query's {np.size(vector)} numbers."
        )
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
