"""Putting scores of different spaces on one scale, and telling matches from chance.

Raw cosines of different spaces, and of different kinds of segment within one space, are not comparable. Each is
measured against what *unrelated* queries score on a sample of the collection: pooled over queries and segments, since
standardising each query by itself would throw away the evidence whether it matches anything at all.

How good an unrelated query's best match among n segments is follows an extreme-value distribution (Gumbel 1958,
"Statistics of Extremes"); its location grows with the logarithm of n.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound.types import Vectors

LEAST = 50
"""Sampled segments under which no confidence is given."""
PROBABLE = 0.8
"""The confidence from which a match is called probable: one unrelated query in five gets a better one by chance."""
SPREAD_FLOOR = 0.02
"""The least spread of cosines that is believed, for samples that are small or all alike."""
SCALE_FLOOR = 0.05
_LOW, _MIDDLE = 0.1, 0.5


@dataclass(frozen=True)
class Calibration:
    """The background of one (space, query medium, segment kind).

    mean, spread: of unrelated queries' scores. location, scale: of the Gumbel distribution that the best
    standardised score among `sample` segments follows for unrelated queries; scale is 0 where it is not known.
    """

    mean: float
    spread: float
    location: float
    scale: float
    sample: int

    def standardise(self, scores: npt.NDArray[np.floating[Any]] | float) -> npt.NDArray[np.floating[Any]] | float:
        """Scores in spreads above the mean of unrelated queries."""
        return (scores - self.mean) / self.spread

    def confidence(self, standardised: float, segments: int) -> float | None:
        """One minus the chance that an unrelated query's best among `segments` is as good: 0..1, or None."""
        if not self.scale:
            return None
        location = self.location + self.scale * np.log(max(segments, 1) / self.sample)
        return float(np.exp(-np.exp(-(standardised - location) / self.scale)))

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Calibration:
        return cls(**value)


def calibrate(scores: Vectors, floor: float = SPREAD_FLOOR) -> Calibration:
    """Learn the background from scores of unrelated queries.

    scores: float32 (queries, sample); NaN where a query should not be compared with a segment (its own item).
    The Gumbel distribution is fitted to each query's best score by its median and its lowest tenth: some of the
    unrelated queries will be related to the collection after all, and those lie above.
    """
    mean, spread = float(np.nanmean(scores)), max(float(np.nanstd(scores)), floor)
    sample = scores.shape[1]
    if sample < LEAST or scores.shape[0] < LEAST:
        return Calibration(mean, spread, 0.0, 0.0, sample)
    best = (np.nanmax(scores, axis=1) - mean) / spread
    low, middle = np.quantile(best, [_LOW, _MIDDLE])
    scale = max(float((middle - low) / (_gumbel(_MIDDLE) - _gumbel(_LOW))), SCALE_FLOOR)
    return Calibration(mean, spread, float(middle - scale * _gumbel(_MIDDLE)), scale, sample)


def _gumbel(share: float) -> float:
    """The standard Gumbel distribution's quantile."""
    return float(-np.log(-np.log(share)))
