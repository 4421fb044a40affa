"""What a collection answers about items besides text: by id in real time, by search as of the last refresh."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from sightsound.errors import StoreError
from sightsound.facets import WORDS, Counts, commonest, in_order
from sightsound.filters import Filters
from sightsound.stores.base import Order
from sightsound.stores.elastic import bodies, documents
from sightsound.stores.elastic.documents import Known
from sightsound.stores.elastic.errors import is_gone
from sightsound.stores.elastic.indices import Indices
from sightsound.types import Item, Segment, item_id

_PAGE = 1_000
_KEEP_ALIVE = "5m"
SWITCHES = 5
"""How often a collection may be switched under one question."""
_SHORTEST_PREFIX = 4
_HEX = frozenset("0123456789abcdef")


def searched(indices: Indices, index: str, body: Mapping[str, Any], **options: Any) -> Any:
    """The answer of a search over all shards. Where another index took the alias meanwhile, it is asked; where none has
    it, nothing is found. Raises CollectionMissing, StoreError."""
    connection = indices.connection
    with connection.explaining():
        for _ in range(SWITCHES):
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
                    if not is_gone(error) or switches > SWITCHES:
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


def with_content(indices: Indices, contents: Sequence[str], recent: Iterable[str]) -> dict[str, list[Item]]:
    """recent: ids of items that were written since the last refresh and had one of the contents."""
    query = bodies.all_of(bodies.WELL, {"term": {"vectors": True}}, bodies.terms("content", contents))
    body = {"query": query, "size": bodies.WINDOW, "_source": False}
    ids = {hit["_id"] for hit in hits_of(searched(indices, indices.items, body))} if contents else set()
    fields = (*documents.RECORD, "content", "state", "vectors")
    found: dict[str, list[Item]] = {}
    for _, source in sorted(documents_of(indices, ids.union(recent), fields).items()):
        if source["state"] == "ok" and source["vectors"] and source["content"] in contents:
            found.setdefault(source["content"], []).append(documents.item_of(source))
    return found


def contents_of_sizes(indices: Indices, sizes: Iterable[int]) -> dict[int, list[str]]:
    """Of very many items, not those of all: what is left out is read again, to no harm."""
    query = bodies.all_of(bodies.WELL, bodies.terms("bytes", sizes))
    body = {"query": query, "size": bodies.WINDOW, "_source": False, "docvalue_fields": ["bytes", "content"]}
    found: dict[int, set[str]] = {}
    for hit in hits_of(searched(indices, indices.items, body)):
        if content := bodies.value_of(hit, "content"):
            found.setdefault(int(bodies.value_of(hit, "bytes")), set()).add(content)
    return {size: sorted(contents) for size, contents in found.items()}


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


def facets(indices: Indices, filters: Filters, limit: int) -> Counts:
    counted = searched(indices, indices.items, bodies.facets(filters, max(1, limit)))["aggregations"]
    found: Counts = {}
    for field in WORDS:
        buckets = counted[field]["buckets"][:limit]
        found[field] = commonest([(_written(bucket), bucket["doc_count"]) for bucket in buckets], limit)
    found["date"] = [(bucket["key"], bucket["doc_count"]) for bucket in counted["date"]["buckets"][:limit]]
    lengths = counted["duration"]["buckets"]
    found["duration"] = in_order({key: bucket["doc_count"] for key, bucket in lengths.items()})
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
