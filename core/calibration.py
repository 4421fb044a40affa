"""A collection's calibration: made at the end of an index run, stored with it, used by search."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightsound.calibrating import Calibration, calibrate
from sightsound.encoders import ChosenEncoder, EncoderSet
from sightsound.stores.base import Collection
from sightsound.types import Medium, Vectors

SAMPLE = 1000
"""Segments that unrelated queries are scored against: those of the lowest item ids, the same in any store."""
QUERIES = 300
"""Other items' vectors that serve as unrelated queries where the encoder has none of its own."""
WORDS = "words"
"""Stands for the text search where a space is asked for."""
WORDS_SPREAD = 0.15
"""The least spread of text scores: all of a query's words found then weigh about as much as a good cosine."""
STATE = "calibration"

Key = tuple[str, str, str]
"""(space, query medium, segment kind)"""


def refresh(collection: Collection, encoders: EncoderSet) -> None:
    """Measure the background of every space, query medium and segment kind, and store it."""
    found: dict[Key, Calibration] = {}
    counts = collection.counts()
    for (space, kind), _ in counts.items():
        ids, sample = collection.sample(space, kind, SAMPLE)
        for medium, queries, owners in _queries(collection, encoders, space):
            scores = queries @ sample.T
            scores[np.array([[owner == _owner(id) for id in ids] for owner in owners], dtype=bool)] = np.nan
            if not np.isnan(scores).all():
                found[space, medium, kind] = calibrate(scores)
    words = _words(collection, encoders)
    if words:
        found[WORDS, "text", WORDS] = words
    collection.set_state(
        STATE,
        {
            "items": collection.count(),
            "measured": [[*key, calibration.to_json()] for key, calibration in found.items()],
        },
    )


def stored(collection: Collection) -> dict[Key, Calibration]:
    state: dict[str, Any] = collection.state(STATE) or {"measured": []}
    return {(s, m, k): Calibration.from_json(value) for s, m, k, value in state["measured"]}


def calibrated_items(collection: Collection) -> int:
    """How many items the collection had when it was last calibrated."""
    return int((collection.state(STATE) or {"items": 0})["items"])


def _queries(collection: Collection, encoders: EncoderSet, space: str) -> list[tuple[Medium, Vectors, list[str]]]:
    """Unrelated queries into a space by medium: float32 (n, dims), with the item each was taken from ("" for none)."""
    found: list[tuple[Medium, Vectors, list[str]]] = []
    for encoder in _into(encoders, space):
        medium = encoder.spec.reads
        texts = list(encoder.spec.background()) if encoder.spec.background else []
        if texts:
            vectors = [
                v for v in encoder.encode([encoder.spec.prepare(t) for t in texts], "query")[space] if v is not None
            ]
            found.append((medium, np.stack(vectors), [""] * len(vectors)))
        else:
            own = {"image": "photo", "audio": "sound", "text": "description"}[medium]
            ids, vectors_of_items = collection.sample(space, own, QUERIES)  # type: ignore[arg-type]
            if ids:
                found.append((medium, vectors_of_items, [_owner(id) for id in ids]))
    return found


def _into(encoders: EncoderSet, space: str) -> list[ChosenEncoder]:
    return [e for e in encoders.chosen if space in {s.name for s in e.spec.spaces}]


def _words(collection: Collection, encoders: EncoderSet) -> Calibration | None:
    """How much of unrelated queries' words the texts of a sample hold."""
    texts = [t for e in encoders.reading("text") if e.spec.background for t in e.spec.background()]
    count = collection.count()
    if not texts or not count:
        return None
    sample = min(count, SAMPLE)
    scores = np.zeros((len(texts), sample), np.float32)
    for row, text in enumerate(texts):
        best = [scored.score for scored in collection.text(text, sample)]
        scores[row, : len(best)] = best[:sample]
    return calibrate(scores, WORDS_SPREAD)


def _owner(segment_id: str) -> str:
    return segment_id.partition(":")[0]
