"""Signatures: of each film one vector for its look, one for its sound and one for its meaning, in spaces of their own.

Any encoder makes them, with no more than its vectors: what reads shots gives the look, what reads sounds the sound,
what reads pictures the meaning. They are kept as segments of the kind `signature`, so that kNN finds films alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sightsound.encoders import EncoderSet
from sightsound.types import Medium, Segment, SegmentKind, Vectors

Axis = Literal["look", "sound", "meaning"]
PREFIX = "film-"
"""Begins the name of the space of signatures, before that of the vectors they are made of."""
KIND: SegmentKind = "signature"
MOST_DIMS = 4096
"""More numbers than that a vector can't have in Elasticsearch."""
MEAN, SPREAD, COURSE, LENGTHS = 0.65, 0.1, 0.15, 0.1
"""What the parts of a signature count in a likeness, where all are there."""
STEPS = np.exp2(np.arange(-1.0, 6.5))
"""Seconds: the shot lengths that lengths are told by, from half a second to a minute."""


@dataclass(frozen=True)
class Source:
    """What an axis is made of: segments of this kind, their vectors in this space. number: that of its segment."""

    axis: Axis
    number: int
    kind: SegmentKind
    space: str

    @property
    def signatures(self) -> str:
        """The space of the signatures."""
        return f"{PREFIX}{self.space}"


_AXES: tuple[tuple[Axis, Medium, SegmentKind], ...] = (
    ("look", "shot", "shot"),
    ("sound", "audio", "sound"),
    ("meaning", "image", "frame"),
)


def sources(encoders: EncoderSet) -> list[Source]:
    """The axes that these encoders give. Of several encoders of a medium the first counts, and the space it names
    first; for sounds the last one, which is about sounds and not about words."""
    found = []
    for number, (axis, medium, kind) in enumerate(_AXES):
        reading = encoders.reading(medium, "document")
        if reading:
            spaces = reading[0].spec.spaces
            found.append(Source(axis, number, kind, spaces[-1 if axis == "sound" else 0].name))
    return found


def signed(
    item_id: str,
    sources_: Iterable[Source],
    segments: Sequence[Segment],
    vectors: Mapping[str, Mapping[str, Vectors]],
) -> dict[Source, tuple[Segment, Vectors]]:
    """A film's signatures, as segments with their vectors; none for an axis that it has nothing of.

    segments, vectors: all of the film, space -> segment id -> vector.
    """
    made = {}
    for source in sources_:
        known = vectors.get(source.space, {})
        mine = [s for s in segments if s.kind == source.kind and s.id in known and s.end is not None]
        if mine:
            spans = np.array([(s.start or 0.0, s.end or 0.0) for s in mine])
            vector = signature(np.stack([known[s.id] for s in mine]), spans, source.axis == "look")
            end = float(spans[:, 1].max())
            made[source] = Segment(item_id, KIND, source.number, 0.0, end), vector
    return made


def signature(vectors: Vectors, spans: npt.NDArray[np.float64], with_lengths: bool = False) -> Vectors:
    """The vectors of a film's segments as one: their mean by time, their spread, and where they go from the first
    third of the film to its last; with the lengths of its segments, as a rhythm, where these say something.

    vectors: float32 (n, dims), unit length. spans: (n, 2), seconds. Returns float32, unit length; its length depends
    on dims alone.
    """
    weights = np.maximum(spans[:, 1] - spans[:, 0], 1e-3)
    weights /= weights.sum()
    mean = weights @ vectors.astype(np.float64)
    parts = [MEAN**0.5 * _unit(mean)]
    if 3 * vectors.shape[1] + 4 * len(STEPS) <= MOST_DIMS:
        parts.append(SPREAD**0.5 * _unit(np.sqrt(weights @ (vectors - mean) ** 2)))
        parts.append(COURSE**0.5 * _unit(_third(vectors, spans, weights, 2) - _third(vectors, spans, weights, 0)))
    if with_lengths:
        parts.append(LENGTHS**0.5 * _unit(_rhythm(spans)))
    made: Vectors = _unit(np.concatenate(parts)).astype(np.float32)
    return made


def _third(
    vectors: Vectors, spans: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], number: int
) -> npt.NDArray[np.float64]:
    """The mean of the vectors in a third of the film, each by how much of it lies there."""
    length = float(spans[:, 1].max()) / 3
    inside = np.clip(np.minimum(spans[:, 1], (number + 1) * length) - np.maximum(spans[:, 0], number * length), 0, None)
    shares = inside if inside.sum() > 0 else weights
    mean: npt.NDArray[np.float64] = (shares / shares.sum()) @ vectors
    return mean


def _rhythm(spans: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How long shots are, softly on the scale of STEPS: in the whole film, and in each third of it."""
    lengths = np.log2(np.maximum(spans[:, 1] - spans[:, 0], 0.1))
    soft = np.exp(-((lengths[:, None] - np.log2(STEPS)) ** 2) / 2 / 0.7**2)
    soft /= soft.sum(axis=1, keepdims=True)
    thirds = np.minimum(3 * spans.mean(axis=1) // max(float(spans[:, 1].max()), 1e-3), 2)
    whole = soft.mean(axis=0)
    parts = [whole, *(soft[thirds == third].mean(axis=0) if (thirds == third).any() else whole for third in range(3))]
    return np.concatenate([2 * parts[0], *parts[1:]])


def _unit(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    unit: npt.NDArray[np.float64] = vector / length if length > 1e-6 else np.zeros_like(vector)
    return unit
