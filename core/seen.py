"""Which URIs a listing named: eight bytes each, so that a bucket of millions can be gone over in little memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

_PAGE = 10_000


class Seen:
    """URIs by their hashes, in this process; that two of a million have the same is less likely than one in 10⁷."""

    def __init__(self) -> None:
        self._hashes = array("q")

    def add(self, uri: str) -> None:
        self._hashes.append(hash(uri))

    def others(self, known: Iterable[tuple[str, str]]) -> Iterator[str]:
        """Of (id, URI) pairs the ids of those whose URI was not added."""
        seen = np.sort(np.array(self._hashes, np.int64))
        remaining = iter(known)
        while page := list(islice(remaining, _PAGE)):
            hashes = np.array([hash(uri) for _, uri in page], np.int64)
            first, last = np.searchsorted(seen, hashes, "left"), np.searchsorted(seen, hashes, "right")
            yield from (id for (id, _), absent in zip(page, first == last, strict=True) if absent)
