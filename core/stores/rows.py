"""Items as rows of the local store, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from sightsound.stores.fields import clean, date_of, metadata_of, number, said
from sightsound.types import Item

ITEM_COLUMNS = (
    "i.id, i.uri, i.kind, i.revision, i.content, i.state, i.reason, i.facts, i.layers, i.added, i.metadata, i.pending"
)
SEEN = "i.state IN ('ok', 'stale')"
"""What search, listings and counts are about."""
SEEN_OR_FAILED = "i.state != 'partial'"
UNSEEN = "i.state != 'ok' AND i.state != 'stale'"
FAILED = "i.state != 'ok' AND i.state IN ('failed', 'stale')"
"""The others, and what failed: both by the index of the items that are not `ok`."""


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


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


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
        date_of(item),
        *(number(facts.get(name)) for name in ("bytes", "width", "height", "duration")),
    )


def json_list(values: Iterable[Any]) -> str:
    """Many values as one bound parameter, for `IN (SELECT value FROM json_each(?))`."""
    return json.dumps(list(values))
