"""Which captions are held back together, so that nothing that is tried was learnt from under another name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FOLDS = 5
"""Parts that the captions fall into: each is tried on what the others taught."""
FEWEST = 3
"""Folds that hold something, without which nothing can be tried: one to try, one to settle by, one to learn from."""


def folds(captions: Sequence[str], contents: Sequence[str]) -> npt.NDArray[np.intp]:
    """Of each picture its fold, 0 to FOLDS - 1. Pictures of one caption, or copies of one file, are in one fold, and so
    is what hangs together by these; by the captions alone, so that the same are in the same fold in any collection.

    captions: of each picture the digest of its caption, in hex. contents: of each the digest of its file, or "".
    """
    parent: dict[str, str] = {}

    def first_of(one: str) -> str:
        while parent.setdefault(one, one) != one:
            parent[one] = one = parent[parent[one]]
        return one

    for caption, content in zip(captions, contents, strict=True):
        if content:
            parent[first_of(f"file {content}")] = first_of(caption)
    least: dict[str, str] = {}
    for caption in captions:
        group = first_of(caption)
        least[group] = min(caption, least.get(group, caption))
    return np.array([int(least[first_of(caption)][:8], 16) % FOLDS for caption in captions], np.intp)
