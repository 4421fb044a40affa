"""Small items and vectors for tests of stores, and the collection that each test is given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightsound.filters import Condition, parse_condition
from sightsound.stores.base import Collection, Entry, Store
from sightsound.types import Item, Metadata, Segment, SegmentKind, Vectors, item_id

RED, GREEN, BLUE, _ = np.eye(4, dtype=np.float32)

FACTS = ("width", "height", "bytes", "duration", "format", "palette")


def unit(*values: float) -> Vectors:
    vector = np.array(values, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def item(name: str, kind: Any = "photo", source: str = "photos", **said: Any) -> Item:
    """An item named by its file, of one source; facts by their names, the rest is metadata."""
    facts: dict[str, Any] = {name: said.pop(name) for name in FACTS if name in said}
    uri = f"file:///pictures/{name}"
    id, revision = said.pop("id", item_id(uri)), said.pop("revision", "1")
    made = Item(uri, kind, revision, id=id, content=said.pop("content", item_id(name) * 2), facts=facts)
    return made.with_layers({source: Metadata(**said)})


def entry(of: Item, *vectors: Vectors, kind: SegmentKind | None = None, space: str = "colour", first: int = 0) -> Entry:
    """The item with one segment a vector: a photo's own, or a film's frames at one a second."""
    kind = kind or ("photo" if of.kind == "photo" else "frame")
    timed = kind == "frame"
    segments = [
        Segment(of.id, kind, n, float(n) if timed else None, n + 1.0 if timed else None)
        for n in range(first, first + len(vectors))
    ]
    return Entry(of, segments, {space: {s.id: v for s, v in zip(segments, vectors, strict=True)}})


def found(
    collection: Collection, vector: Vectors, k: int = 10, kind: SegmentKind = "photo", **options: Any
) -> list[str]:
    return [hit.item_id for hit in collection.knn("colour", kind, vector, k, **options)]


def parse(*conditions: str) -> tuple[Condition, ...]:
    return tuple(parse_condition(condition) for condition in conditions)


class WithStore:
    """Gives each test an empty store, which a subclass names, and a collection in it."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        raise NotImplementedError

    @pytest.fixture
    def collection(self, store: Store) -> Iterator[Collection]:
        collection = store.open("default", create=True)
        yield collection
        collection.close()
