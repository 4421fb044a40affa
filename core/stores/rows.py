"""Items as rows of the local store, and back."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from sightsound.types import Item, Metadata

ITEM_COLUMNS = (
    "i.id, i.uri, i.kind, i.revision, i.content, i.state, i.reason, i.facts, i.layers, i.added, i.metadata, i.pending"
)
SEEN = "i.state IN ('ok', 'stale')"
"""What search, listings and counts are about."""
SEEN_OR_FAILED = "i.state != 'partial'"
UNSEEN = "i.state != 'ok' AND i.state != 'stale'"
FAILED = "i.state != 'ok' AND i.state IN ('failed', 'stale')"
"""The others, and what failed: both by the index of the items that are not `ok`."""

_DATE = re.compile(r"(\d{4})(?:[-:](\d\d)(?:[-:](\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?)?)?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def item_of(row: sqlite3.Row | tuple[Any, ...], planned: bool = False) -> Item:
    """The item of a row of ITEM_COLUMNS.

    planned: say `partial`, with the revision under way, for an item of which pieces are being written.
    """
    id, uri, kind, revision, content, state, reason, facts, layers, added, metadata, pending = row
    if planned and pending is not None:
        state, revision = "partial", pending
    item = Item(
        uri, kind, revision, id=id, content=content, facts=json.loads(facts), state=state, reason=reason, added=added
    )
    if metadata is not None:
        object.__setattr__(item, "metadata", metadata_of(json.loads(metadata)))
        return item
    return item.with_layers({name: metadata_of(layer) for name, layer in json.loads(layers).items()})


def metadata_of(said: Mapping[str, Any]) -> Metadata:
    return Metadata(**{**said, "tags": tuple(said.get("tags", ()))})


def said(metadata: Metadata) -> dict[str, Any]:
    """What the metadata says, without what it leaves empty."""
    values = vars(metadata)
    return {name: dict(value) if name == "extra" else value for name, value in values.items() if value}


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def merged(item: Item) -> Metadata:
    return item.with_layers(item.layers).metadata if item.layers else item.metadata


def item_values(item: Item) -> tuple[Any, ...]:
    """Values for: uri, kind, revision, content, state, reason, facts, layers, metadata, date, bytes, width,
    height, duration."""
    facts = item.facts
    return (
        item.uri,
        item.kind,
        item.revision,
        item.content,
        item.state,
        clean(item.reason),
        as_json(dict(facts)),
        as_json({name: said(layer) for name, layer in item.layers.items()}),
        None if item.layers else as_json(said(item.metadata)),
        sortable_date(merged(item).date or str(facts.get("date") or "")),
        *(number(facts.get(name)) for name in ("bytes", "width", "height", "duration")),
    )


def number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def word_values(item: Item) -> set[tuple[str, str, str]]:
    """(field, casefolded, as written) of what filters and facets are about."""
    metadata = merged(item)
    words = [("tag", tag) for tag in metadata.tags]
    words += [("source", source) for source in item.sources]
    words += [("author", metadata.author), ("licence", metadata.licence)]
    words.append(("format", str(item.facts.get("format") or "")))
    return {(field, clean(word).casefold(), clean(word)) for field, word in words if word}


def passages(item: Item) -> tuple[str, str, str, str, str]:
    """Title, description, tags, name and author, as the text index holds them."""
    metadata = merged(item)
    return (
        clean(metadata.title),
        clean(metadata.description),
        clean("\n".join(metadata.tags)),
        file_name_words(item),
        clean(metadata.author),
    )


def file_name_words(item: Item) -> str:
    """The file's name without its ending, split where words or numbers begin."""
    path = item.path
    name = path.stem if path else unquote(item.uri.split("?")[0].rstrip("/").rsplit("/", 1)[-1]).rsplit(".", 1)[0]
    return clean(f"{name} {_CAMEL.sub(' ', name)}") if _CAMEL.search(name) else clean(name)


def sortable_date(date: str) -> str:
    """ISO text that sorts by time, as precise as the date; "" where it is none. Time zones are dropped."""
    found = _DATE.match(date.strip())
    if not found:
        return ""
    year, month, day, time = found.groups()
    return "-".join(part for part in (year, month, day) if part) + (f"T{time}" if time else "")


def clean(text: str) -> str:
    """Text that SQLite can hold: no lone surrogates (names that are not UTF-8), no NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", " ")


def json_list(values: Iterable[Any]) -> str:
    """Many values as one bound parameter, for `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(values))
