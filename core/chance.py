"""Putting scores of different spaces on one scale, and telling matches from chance.

Raw cosines of different spaces, and of different kinds of segment within one space, are not comparable. Each is
measured against what *unrelated* queries score on a sample of the collection, pooled over queries: standardising each
query by itself would throw away the evidence whether it matches anything at all.

How good an unrelated query's best match is follows an extreme-value distribution (Gumbel 1958, "Statistics of
Extremes"), fitted on the sample. In a larger collection it lies higher, by as much as the best of more normal scores
does. A score is told by where it lies in that distribution, so that equal standardised scores are equally unlikely to
be chance, whatever gave them.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sightsound.types import Vectors

LEAST = 50
"""Sampled segments, and unrelated queries, under which no confidence is given."""
PROBABLE = 0.8
"""The confidence from which a match is called probable: one unrelated query in five gets a better one by chance."""
SPREAD_FLOOR = 0.02
"""The least spread of scores that is believed, for samples that are small or all alike."""
SCALE_FLOOR = 0.25
"""The least scale of the Gumbel distribution that is believed, in spreads."""
KNEE = 0.8
"""The cosine up to which Fisher's transformation is taken."""
LOWER = (0.1, 0.5)
UPPER = (0.5, 0.9)
"""The quantiles that a Gumbel distribution is fitted by. LOWER for similarities: some of the unrelated queries will be
related to the collection after all, and those lie above. UPPER for shares of words, mostly zero."""


@dataclass(frozen=True)
class Calibration:
    """The background of one (space, query medium, segment kind).

    mean, spread: of unrelated queries' scores. location, scale: of the Gumbel distribution that an unrelated query's
    best score among `sample` segments follows, in spreads above the mean. measured: whether there was enough to tell.
    fisher: whether mean and spread are of scores by Fisher's transformation, see `calibrate_own`.
    """

    mean: float
    spread: float
    location: float
    scale: float
    sample: int
    measured: bool
    fisher: bool = False

    def standardise(self, score: float, among: int, fields: int = 1) -> float:
        """Where the score lies among the best scores of unrelated queries, in a collection of `among` segments.

        0 is the likeliest best score of an unrelated query; each further 1 is e times rarer.
        fields: how many could have matched; each further one is one more chance for an unrelated query to do well.
        """
        if self.fisher:
            score = float(stretched(np.float32(score)))
        location = self.location + normal_extreme(among) - normal_extreme(self.sample)
        return ((score - self.mean) / self.spread - location) / self.scale - math.log(fields)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Calibration:
        return cls(**value)


def confidence(standardised: float) -> float:
    """One minus the chance that an unrelated query finds as good a match: 0 to 1."""
    return math.exp(-math.exp(-max(standardised, -50.0)))


def calibrate(
    scores: Vectors,
    floor: float = SPREAD_FLOOR,
    quantiles: tuple[float, float] = LOWER,
    scale_floor: float = SCALE_FLOOR,
) -> Calibration:
    """Learn the background from scores of queries that have nothing to do with the collection.

    scores: float32 (queries, sample). floor: the least spread that is believed; scale_floor: the least scale.
    """
    mean, spread = float(scores.mean()), max(float(scores.std()), floor)
    queries, sample = scores.shape
    if min(queries, sample) < LEAST:
        return of_normal(mean, spread, sample, measured=False)
    best = (scores.max(axis=1) - mean) / spread
    low, high = (float(value) for value in np.quantile(best, quantiles))
    scale = max((high - low) / (_gumbel(quantiles[1]) - _gumbel(quantiles[0])), scale_floor)
    return Calibration(mean, spread, high - scale * _gumbel(quantiles[1]), scale, sample, measured=True)


def calibrate_own(scores: Vectors) -> Calibration:
    """Learn the background from the collection's own items as queries.

    Most of them have related items, so that their best matches tell nothing of chance. The bulk of the scores does: it
    is taken to be normal, about its median and with its upper spread, after Fisher's transformation, which makes
    correlations so: a cosine near 1, of a copy, then lies further out than the bulk's spread alone would have it.
    scores: float32 (queries, sample); NaN where a query is the segment's own item.
    """
    queries, sample = scores.shape
    middle, upper = (float(value) for value in np.nanquantile(stretched(scores), (0.5, 0.84)))
    made = of_normal(middle, max(upper - middle, SPREAD_FLOOR), sample, measured=min(queries, sample) >= LEAST)
    return replace(made, fisher=True)


def stretched(cosines: Any) -> Any:
    """Fisher's transformation (1915, "Frequency distribution of the values of the correlation coefficient"), the
    inverse hyperbolic tangent; beyond KNEE its tangent there, so that a copy does not drown all other parts of a query.

    cosines: any shape; NaN stays NaN.
    """
    bent = np.arctanh(np.clip(cosines, -KNEE, KNEE))
    return bent + (cosines - np.clip(cosines, -KNEE, KNEE)) / (1 - KNEE**2)


def of_normal(mean: float, spread: float, sample: int, measured: bool) -> Calibration:
    """The background where scores are taken to be normal: the Gumbel limit of the best of `sample` of them."""
    scale = 1 / math.sqrt(2 * math.log(max(sample, 3)))
    return Calibration(mean, spread, normal_extreme(sample), scale, max(sample, 1), measured)


def normal_extreme(count: int) -> float:
    """Where the best of `count` standard normal values is likeliest to lie (Cramer 1946, 28.6.16)."""
    root = math.sqrt(2 * math.log(max(count, 3)))
    return root - (math.log(math.log(max(count, 3))) + math.log(4 * math.pi)) / (2 * root)


def _gumbel(share: float) -> float:
    """The standard Gumbel distribution's quantile."""
    return -math.log(-math.log(share))
