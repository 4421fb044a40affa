"""Items and segments as documents, and back.

An item's document is written last and says which of its segments count: `tokens` names, for each kind, the writing
that they must come from. What is not shown by filters, facets or text search lies as JSON in `record` (the item) and
`segments`, which are stored and not indexed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from sightsound.stores.base import Entry
from sightsound.stores.elastic.mapping import SAID, TEXTS, WORDS, WRITTEN
from sightsound.stores.fields import clean, date_of, merged, metadata_of, number, passages, said, word_values, year
from sightsound.stores.terms import searchable
from sightsound.types import Item, Segment, Vectors, item_id

Row = tuple[int, float | None, float | None, str, tuple[str, ...]]
"""A segment of an item and a kind: number, start, end, text, the spaces in which it has a vector, and SAID where its
text is found by itself."""
Rows = Mapping[str, Mapping[int, Row]]
"""kind -> number -> row"""
RECORD = ("record", "added")
"""The fields of an item's document that make the item."""
WHOLE = (*RECORD, "tokens", "segments")
_LONG = 4_096
"""Characters from which on segments are packed."""
_QUICKLY = 1
"""The level of zlib: a third of the time of the usual one, for a quarter more."""
_MOST_KEYS = 200
_LONGEST_KEY = 200


@dataclass(frozen=True)
class Pending:
    """The pieces of an item that are there before its last: of which revision, under which token."""

    revision: str
    token: str
    rows: Rows = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What the collection holds of an item. tokens: kind -> the writing that its segments come from."""

    item: Item
    tokens: Mapping[str, str] = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    pending: Pending | None = None

    @property
    def seen(self) -> bool:
        return self.item.state in ("ok", "stale")

    def has_vectors(self) -> bool:
        return any(set(row[4]) - {SAID} for rows in self.rows.values() for row in rows.values())


def item_of(source: Mapping[str, Any], planned: bool = False) -> Item:
    """The item of a document. planned: `partial`, with the revision under way, where pieces are being written."""
    record = json.loads(source["record"])
    item = Item(
        record["uri"],
        record["kind"],
        record["revision"],
        id=record["id"],
        content=record["content"],
        facts=record["facts"],
        state=record["state"],
        reason=record["reason"],
        added=source["added"],
    )
    if planned and "pending" in record:
        item = replace(item, state="partial", revision=record["pending"])
    if "metadata" in record:
        return replace(item, metadata=metadata_of(record["metadata"]))
    return item.with_layers({name: metadata_of(layer) for name, layer in record["layers"].items()})


def known_of(source: Mapping[str, Any]) -> Known:
    """All that a document says. It needs the fields WHOLE."""
    parts = json.loads(_unpacked(source["segments"]))
    pending = parts.get("pending")
    return Known(
        item_of(source),
        tokens_of(source),
        _rows_of(parts["rows"]),
        Pending(pending["revision"], pending["token"], _rows_of(pending["rows"])) if pending else None,
    )


def tokens_of(source: Mapping[str, Any]) -> dict[str, str]:
    return dict(token.split("=", 1) for token in source.get("tokens", ()))


def segments_of(known: Known) -> list[Segment]:
    """What search finds of the item; of one that was never seen, the pieces that there are."""
    rows = known.rows if known.seen or not known.pending else known.pending.rows
    return [
        Segment(known.item.id, kind, number, start, end, text)  # type: ignore[arg-type]
        for kind in sorted(rows)
        for _, (number, start, end, text, _) in sorted(rows[kind].items())
    ]


def item_document(known: Known, session: str, changed: float) -> dict[str, Any]:
    item = known.item
    metadata = merged(item)
    record: dict[str, Any] = {
        "id": item.id,
        "uri": item.uri,
        "kind": item.kind,
        "revision": item.revision,
        "content": item.content,
        "state": item.state,
        "reason": item.reason,
        "facts": dict(item.facts),
    }
    if item.layers:
        record["layers"] = {name: said(layer) for name, layer in item.layers.items()}
    else:
        record["metadata"] = said(item.metadata)
    parts: dict[str, Any] = {"rows": _rows_written(known.rows)}
    if known.pending:
        record["pending"] = known.pending.revision
        parts["pending"] = {
            "revision": known.pending.revision,
            "token": known.pending.token,
            "rows": _rows_written(known.pending.rows),
        }
    document: dict[str, Any] = {
        "id": item.id,
        "uri": clean(item.uri),
        "place": item_id(item.uri),
        "content": item.content,
        "state": item.state,
        "seen": known.seen,
        "pending": known.pending is not None,
        "vectors": known.has_vectors(),
        "tokens": [f"{kind}={token}" for kind, token in sorted(known.tokens.items())],
        "session": session,
        "added": item.added,
        "changed": changed,
        "year": year(item) or None,
        "written": {},
        "texts": {name: searchable(text) for name, text in zip(TEXTS, passages(item), strict=True) if text},
        "record": json.dumps(record, separators=(",", ":")),
        "segments": _packed(json.dumps(parts, separators=(",", ":"))),
        **filter_fields(item),
    }
    for name, _, written in sorted(word_values(item)):
        if name in WRITTEN:
            document["written"].setdefault(name, []).append(written)
    if "subtitle" in known.rows:
        document["said"] = [searchable(row[3]) for row in known.rows["subtitle"].values()]
    extra = _flat(metadata.extra)
    return {**document, "extra": extra} if extra else document


def filter_fields(item: Item) -> dict[str, Any]:
    """What filters compare. The same fields, empty or not, so that an update leaves none of an earlier one."""
    fields: dict[str, Any] = {
        "item_kind": item.kind,
        **{name: [] for name in WORDS},
        "date": date_of(item) or None,
        **{name: number(item.facts.get(name)) for name in ("bytes", "width", "height", "duration")},
    }
    for name, folded, _ in sorted(word_values(item)):
        if folded not in fields[name]:
            fields[name].append(folded)
    return fields


def segment_id(item: str, kind: str, number: int, token: str) -> str:
    """The `_id` of a segment's document: the same for the same writing, so that a retry is harmless."""
    return f"{item}:{kind}:{number}:{token}"


def segment_document(
    row: Row, item: str, kind: str, token: str, filters: bytes, vector: Vectors | None, session: str
) -> bytes:
    """filters: what `filter_fields` gives for the item, as `inner_json` writes it. vector: None for a passage.

    Rounded to float16, a vector is not quite of unit length, which Elasticsearch takes for rounding and does not mend:
    so it gets the direction, for exact cosines, and the length beside it, to give the vector back as it was.
    """
    made = {"item": item, "kind": kind, "number": row[0], "start": row[1], "end": row[2], "token": token}
    made["session"] = session
    if vector is None:
        made["said"] = searchable(row[3])
    else:
        length = np.linalg.norm(vector)
        made |= {"length": float(length), "vector": vector / length}
    head = orjson.dumps(made, option=orjson.OPT_SERIALIZE_NUMPY)
    return head[:-1] + b"," + filters + b"}"


def inner_json(fields: Mapping[str, Any]) -> bytes:
    """The fields of a JSON object without its braces, to be written into many objects."""
    return orjson.dumps(fields)[1:-1]


def rows_of(entry: Entry) -> dict[str, dict[int, Row]]:
    """The segments of an entry by kind and number. Raises ValueError for a vector of a segment that it has not."""
    spaces: dict[str, list[str]] = {}
    for space, vectors in entry.vectors.items():
        for id in vectors:
            spaces.setdefault(id, []).append(space)
    rows: dict[str, dict[int, Row]] = {}
    for segment in entry.segments:
        here = tuple(sorted(spaces.pop(segment.id, ())))
        if segment.kind == "subtitle" and segment.text:
            here = (SAID, *here)
        row = (segment.number, segment.start, segment.end, segment.text, here)
        rows.setdefault(segment.kind, {})[segment.number] = row
    if spaces:
        id = next(iter(spaces))
        raise ValueError(f"a vector of {spaces[id][0]} is for {id}, which is not among the entry's segments")
    return rows


def token_of(item: str, kind: str, rows: Mapping[int, Row], vectors: Mapping[tuple[str, str], Vectors]) -> str:
    """Names what is written of a kind: the same for the same segments with the same vectors.

    vectors: (space, segment id) -> vector as it is stored.
    """
    digest = hashlib.blake2b(digest_size=8)
    for place, row in sorted(rows.items()):
        digest.update(json.dumps(row).encode())
        for space in row[4]:
            if space != SAID:  # the text is in the row
                digest.update(vectors[space, f"{item}:{kind}:{place}"].tobytes())
    return digest.hexdigest()


def pending_token(known: Known | None, revision: str) -> str:
    """Names the pieces of a revision: the same in each of them, and not what search finds now."""
    before = sorted(known.tokens.items()) if known else []
    return hashlib.blake2b(json.dumps([revision, before]).encode(), digest_size=8).hexdigest()


def identities(item: str, tokens: Mapping[str, str], rows: Rows) -> Iterator[tuple[str, str]]:
    """(space, `_id`) of every document of these segments."""
    for kind, numbered in rows.items():
        for row in numbered.values():
            for space in row[4]:
                yield space, segment_id(item, kind, row[0], tokens[kind])


def _rows_of(written: Mapping[str, Any]) -> dict[str, dict[int, Row]]:
    spaces = written["spaces"]
    return {
        kind: {row[0]: (row[0], row[1], row[2], row[3], tuple(spaces[place] for place in row[4])) for row in rows}
        for kind, rows in written["kinds"].items()
    }


def _rows_written(rows: Rows) -> dict[str, Any]:
    """Rows as JSON; the spaces are named once."""
    spaces: dict[str, int] = {}
    kinds: dict[str, list[Any]] = {}
    for kind, numbered in rows.items():
        kinds[kind] = [
            [*row[:4], [spaces.setdefault(space, len(spaces)) for space in row[4]]] for row in numbered.values()
        ]
    return {"spaces": list(spaces), "kinds": kinds}


def _packed(written: str) -> str:
    """JSON as it is stored: of a long film packed, since Elasticsearch reads a document whole, whatever is asked of it.

    Two hours of film with 19,000 segments are 0.2 MB instead of 0.9.
    """
    if len(written) < _LONG:
        return written
    return base64.b64encode(zlib.compress(written.encode(), _QUICKLY)).decode()


def _unpacked(stored: str) -> str | bytes:
    return stored if stored.startswith("{") else zlib.decompress(base64.b64decode(stored))


def _flat(extra: Mapping[str, str]) -> dict[str, str]:
    """Free attributes for the one field that holds them all."""
    kept: Sequence[tuple[str, str]] = [(clean(key).strip(), clean(value)) for key, value in extra.items()]
    return {key: value for key, value in kept[:_MOST_KEYS] if key and len(key) <= _LONGEST_KEY and "\0" not in key}
