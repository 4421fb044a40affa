"""A collection's calibration: made at the end of an index run, stored with it, used by search."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound.backgrounds import background_vectors
from sightsound.chance import UPPER, Calibration, calibrate, calibrate_own
from sightsound.encoders import ChosenEncoder, EncoderSet
from sightsound.stores.base import Collection
from sightsound.types import Medium, SegmentKind, Vectors

SAMPLE = 1000
"""Segments or items that unrelated queries are scored against: those of the lowest item ids, the same in any store."""
QUERIES = 300
"""Other items' vectors that serve as unrelated queries where the encoder has none of its own."""
OWN: dict[Medium, SegmentKind] = {"image": "photo", "audio": "sound", "text": "description", "shot": "shot"}
"""Which segments those are, by the medium that the encoder reads."""
WORD_QUERIES = 60
"""Unrelated queries that the text search is tried with: each reads all texts that hold one of its words."""
WORDS = "words"
"""Stands for the text search where a space is asked for."""
WORDS_SPREAD = 0.25
"""The least spread of text scores: all of a query's words found are then a sure match, half of them are not."""
STATE = "calibration"

Key = tuple[str, str, str]
"""(space, query medium, segment kind)"""


def refresh(collection: Collection, encoders: EncoderSet) -> None:
    """Measure the background of every space, query medium and segment kind, and store it."""
    found: dict[Key, Calibration] = {}
    for space, kind in collection.counts():
        ids, sample = collection.sample(space, kind, SAMPLE)
        for encoder in encoders.chosen:
            if space in {one.name for one in encoder.spec.spaces}:
                background = _against(collection, encoder, space, ids, sample)
                if background:
                    found[space, encoder.spec.reads, kind] = background
    words = _words(collection, encoders)
    if words:
        found[WORDS, "text", WORDS] = words
    measured = [[*key, background.to_json()] for key, background in found.items()]
    collection.set_state(STATE, {"items": collection.count(), "measured": measured})


def _against(
    collection: Collection, encoder: ChosenEncoder, space: str, ids: list[str], sample: Vectors
) -> Calibration | None:
    """The background of this encoder's queries against a sample of segments; None where there is nothing to tell."""
    texts = encoder.background()
    if texts:
        return calibrate(background_vectors(encoder, texts)[space] @ sample.T)
    own_ids, own = collection.sample(space, OWN[encoder.spec.reads], QUERIES)
    if not own_ids:
        return None
    scores = own @ sample.T
    scores[_owners(own_ids)[:, None] == _owners(ids)] = np.nan
    return None if np.isnan(scores).all() else calibrate_own(scores)


def stored(collection: Collection) -> dict[Key, Calibration]:
    state: dict[str, Any] = collection.state(STATE) or {"measured": []}
    return {(s, m, k): Calibration.from_json(value) for s, m, k, value in state["measured"]}


def calibrated_items(collection: Collection) -> int:
    """How many items the collection had when it was last calibrated."""
    return int((collection.state(STATE) or {"items": 0})["items"])


def _words(collection: Collection, encoders: EncoderSet) -> Calibration | None:
    """How much of unrelated queries' words the texts of a sample of items hold, those of the lowest ids."""
    texts = [text for encoder in encoders.reading("text", "query") for text in encoder.background()]
    sample = [item.id for item in islice(collection.scan(), SAMPLE)]
    if not texts or not sample:
        return None
    texts = texts[:: max(1, len(texts) // WORD_QUERIES)][:WORD_QUERIES]
    scores = np.zeros((len(texts), len(sample)), np.float32)
    for row, text in enumerate(texts):
        found = dict[str, float]()
        for scored in collection.text(text, len(sample), among=sample):
            found[scored.item_id] = max(scored.score, found.get(scored.item_id, 0.0))
        scores[row, : len(found)] = list(found.values())
    return calibrate(scores, WORDS_SPREAD, UPPER, scale_floor=1.0)


def _owners(segment_ids: list[str]) -> npt.NDArray[np.str_]:
    """The items that segments are of."""
    return np.array([id.partition(":")[0] for id in segment_ids])
