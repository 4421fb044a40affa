"""Verifying a collection: items and segments compared, and what nothing names removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sightsound.stores.elastic import bodies, bulk, documents, reading
from sightsound.stores.elastic.bulk import Operation
from sightsound.stores.elastic.indices import Indices
from sightsound.stores.elastic.mapping import SAID
from sightsound.stores.elastic.writing import every

_PAGE = 500
_COMPOSITE = 1_000


def check(indices: Indices) -> list[str]:
    """What was found, a line each; what begins with `mended` is well again. Searches have to see what was written."""
    found: list[str] = []
    missing: dict[str, int] = {}
    example = ""
    empty: list[str] = []
    removed = 0
    hits = reading.paged(
        indices, indices.items, {"exists": {"field": "id"}}, ["id"], _PAGE, _source=list(documents.WHOLE)
    )
    while page := list(islice(hits, _PAGE)):
        known = {hit["_id"]: documents.known_of(hit["_source"]) for hit in page}
        lacking, gone = _compare(indices, known)
        removed += gone
        for space, uri in lacking:
            missing[space] = missing.get(space, 0) + 1
            example = example or uri
        empty += [one.item.uri for one in known.values() if one.seen and not one.rows]
    removed += _remove_strays(indices)
    for space, number in sorted(missing.items()):
        what = "passages of subtitles" if space == SAID else f"vectors of {space}"
        found.append(f"broken: {number} {what} are missing, such as one of {example}; index again")
    if empty:
        found.append(f"broken: {len(empty)} items have no segments, such as {empty[0]}; index them again")
    if removed:
        found.append(f"mended: removed {removed} segments that no search would use")
    if indices.refreshes and indices.refresh_is_off():
        indices.refresh_by_themselves(True)
        found.append("mended: new items are shown by themselves again")
    if removed:
        indices.refresh(indices.segments)
    return found


def tidy_session(indices: Indices, session: str) -> None:
    """Remove what a writer that was killed left: segments of its items that nothing names, items half removed."""
    written: dict[str, Any] = {"term": {"session": session}}
    ids: set[str] = set()
    for alias, field, sort in ((indices.items, "id", ["id"]), (indices.segments, "item", ["item", "token", "number"])):
        if alias == indices.segments and not indices.spaces():
            continue
        for hit in reading.paged(indices, alias, written, sort, _source=False, docvalue_fields=[field]):
            ids.add(bodies.value_of(hit, field))
    remaining = iter(sorted(ids))
    while page := list(islice(remaining, _PAGE)):
        known = reading.known(indices, page)
        _compare(indices, {id: known.get(id) for id in page})
        half = [id for id, one in known.items() if one.item.state == "partial" and not one.pending]
        bulk.run(indices.connection, [Operation(indices.items, id, id) for id in half])
    indices.refresh(indices.segments, indices.items)


def bytes_of(indices: Indices) -> int:
    """What the collection takes on disks, copies of shards included."""
    aliases = [indices.items, *([indices.segments] if indices.spaces() else [])]
    stats = indices.connection.asked(lambda client: client.indices.stats(index=aliases, metric="store"))
    return int(stats["_all"]["total"]["store"]["size_in_bytes"])


def _compare(indices: Indices, known: Any) -> tuple[list[tuple[str, str]], int]:
    """(space, URI) of each vector that items name and that is not there; how many documents went that none names."""
    aliases = {index.physical: index for index in indices.spaces().values()}
    wanted = {(space, id): one.item.uri for one in known.values() if one is not None for space, id in every(one)}
    there: set[tuple[str, str]] = set()
    strays: list[Operation] = []
    if aliases:
        for hit in _documents(indices, list(known)):
            index = aliases.get(hit["_index"])
            if index is None:
                continue
            if (index.space, hit["_id"]) in wanted:
                there.add((index.space, hit["_id"]))
            else:
                strays.append(Operation(index.alias, hit["_id"]))
    bulk.run(indices.connection, strays)
    return [(space, uri) for (space, id), uri in wanted.items() if (space, id) not in there], len(strays)


def _documents(indices: Indices, items: Sequence[str]) -> Iterator[Any]:
    query = bodies.of_items(items)
    return reading.paged(
        indices, indices.segments, query, ["item", "kind", "number", "token"], bodies.WINDOW, _source=False
    )


def _remove_strays(indices: Indices) -> int:
    """Remove segments whose items are not there at all."""
    if not indices.spaces():
        return 0
    removed = 0
    for owners in _owners(indices):
        known = reading.documents_of(indices, owners, documents.WHOLE)
        lost = [owner for owner in owners if owner not in known]
        if lost:
            removed += _compare(indices, dict.fromkeys(lost))[1]
    return removed


def _owners(indices: Indices) -> Iterator[list[str]]:
    """The ids of all items that segments say they are of."""
    after: dict[str, Any] | None = None
    while True:
        composite: dict[str, Any] = {"size": _COMPOSITE, "sources": [{"item": {"terms": {"field": "item"}}}]}
        if after:
            composite["after"] = after
        answer = reading.searched(indices, indices.segments, {"size": 0, "aggs": {"items": {"composite": composite}}})
        buckets: Iterable[Any] = answer["aggregations"]["items"]["buckets"]
        owners = [bucket["key"]["item"] for bucket in buckets]
        if owners:
            yield owners
        after = answer["aggregations"]["items"].get("after_key")
        if len(owners) < _COMPOSITE or not after:
            return
