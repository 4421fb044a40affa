"""The linear map that is learnt, and how well captions find their pictures by it.

Ridge regression from all that an encoder sees in a picture onto the vector of its caption
(`plugins/image/adapter.py`), added to the vector that the picture had. How strongly is settled by captions that are
held back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sightsound.errors import ModelError
from sightsound.plugins.image.adapter import Adapter, fit
from sightsound.plugins.trained.captioned import Captioned
from sightsound.types import Vectors

RIDGES = (1e2, 1e3, 1e4, 1e5)
SHARES = (0.5, 1.0, 2.0, 4.0)
"""Never less: what no caption speaks of is known from the vector that the picture had, and is forgotten without it."""
ENOUGH = 2000
"""Pictures that settle these two: more would not settle them better."""
AT_ONCE = 1000
"""Captions that are scored against all pictures at once."""

Ranks = npt.NDArray[np.int64]
Step = Callable[[], None]


@dataclass(frozen=True)
class Turned:
    """What makes a picture's new vector. share: of the vector it had, beside 1 of what the adapter predicts."""

    adapter: Adapter
    share: float

    def __call__(self, pictures: Vectors, seen: Vectors) -> Vectors:
        """float32 (n, dims) and (n, all the encoder sees) as in `Captioned` -> float32 (n, dims), unit length."""
        made = np.nan_to_num(self.adapter.apply(seen)) + np.float32(self.share) * pictures
        return np.asarray(made / (np.linalg.norm(made, axis=1, keepdims=True) + 1e-12), dtype=np.float32)


def learnt(from_these: Captioned, step: Step) -> Turned:
    """The map learnt from these, with the settings that find the captions of one fold best by what the others teach."""
    held_back = from_these.fold == from_these.fold.max()
    known, unknown = from_these.only(~held_back), from_these.only(held_back & (np.cumsum(held_back) <= ENOUGH))
    best, settings = -1.0, (RIDGES[-1], SHARES[-1])
    for ridge in RIDGES:
        adapter = _fitted(known, ridge)
        for share in SHARES:
            found = mrr(ranks(Turned(adapter, share)(unknown.pictures, unknown.seen), unknown))
            if found > best:
                best, settings = found, (ridge, share)
        step()
    ridge, share = settings
    return Turned(_fitted(from_these, ridge), share)


STEPS = len(RIDGES)
"""Steps that `learnt` takes."""


def _fitted(these: Captioned, ridge: float) -> Adapter:
    """A caption that many pictures share counts more than another, but not as often as they are."""
    shared = np.bincount(these.caption)[these.caption]
    try:
        return fit(these.seen, these.captions[these.caption], (1 / np.sqrt(shared)).astype(np.float32), ridge)
    except ValueError as error:
        raise ModelError(f"Nothing can be learnt: {error}") from error


def ranks(vectors: Vectors, these: Captioned) -> Ranks:
    """From 1, for each different caption of these: where its first picture comes among all of their pictures, after
    those that are as near.

    vectors: float32 (n, dims), of these pictures.
    """
    different = np.unique(these.caption)
    found = np.empty(len(different), np.int64)
    for start in range(0, len(different), AT_ONCE):
        some = different[start : start + AT_ONCE]
        scores = these.captions[some] @ vectors.T
        own = these.caption == some[:, None]
        best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
        worse = scores < best  # which nothing is where a vector is none
        found[start : start + len(some)] = 1 + (~worse & ~own).sum(axis=1)
    return found


def mrr(found: Ranks) -> float:
    """The mean of 1 / rank."""
    return float((1 / found).mean())
