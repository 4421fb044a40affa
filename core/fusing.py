"""From scores to one order: standardised, weighed, grouped by item, with the confidence that a match is no chance.

Query vectors are never summed. Each candidate is scored on every part of the query; see docs/scoring.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sightsound.calibrating import PROBABLE, Calibration
from sightsound.calibration import Key
from sightsound.stores.base import Scored

UNCALIBRATED = Calibration(0.0, 0.15, 0.0, 0.0, 0)
"""For a space that was never measured: cosines as they are, on about the usual scale."""


@dataclass(frozen=True)
class Match:
    """How well a segment answers a part. field: the space, or the text field that held the words.

    score: raw, a cosine or a share of the words. standardised: in spreads above unrelated queries.
    """

    segment_id: str
    field: str
    score: float
    standardised: float
    confidence: float | None


@dataclass
class Candidate:
    """An item with its best match on each part, by the part's number, and its best segments."""

    item_id: str
    best: dict[int, Match] = field(default_factory=dict)
    segments: dict[str, Match] = field(default_factory=dict)
    total: float = 0.0
    confidence: float | None = None


def matches(
    found: Iterable[Scored],
    field_name: str,
    medium: str,
    calibrations: Mapping[Key, Calibration],
    counts: Mapping[tuple[str, str], int],
    kind: str | None = None,
) -> list[tuple[str, Match]]:
    """(item id, match) of each scored segment. kind: which calibration to use, where not the segment's kind."""
    made = []
    for scored in found:
        key = (field_name, medium, kind or scored.kind)
        calibration = calibrations.get(key, UNCALIBRATED)
        standardised = float(calibration.standardise(scored.score))
        confidence = calibration.confidence(standardised, counts.get((field_name, kind or scored.kind), 1))
        shown = scored.kind if kind else field_name
        made.append((scored.item_id, Match(scored.segment_id, shown, scored.score, standardised, confidence)))
    return made


def fuse(answered: Sequence[tuple[float, Iterable[tuple[str, Match]]]], among: Iterable[str]) -> list[Candidate]:
    """Candidates, best first.

    answered: for each part its weight and the matches that any space or field gave it. A part's score for an item
    is the best over these; an item that a part found nothing for gets the part's lowest score.
    among: the candidates' item ids.
    """
    candidates = {item_id: Candidate(item_id) for item_id in among}
    for number, (weight, found) in enumerate(answered):
        for item_id, match in found:
            candidate = candidates.get(item_id)
            if candidate is None:
                continue
            best = candidate.best.get(number)
            if best is None or match.standardised > best.standardised:
                candidate.best[number] = match
            if weight > 0:
                known = candidate.segments.get(match.segment_id)
                if known is None or match.standardised > known.standardised:
                    candidate.segments[match.segment_id] = match
        scores = [c.best[number].standardised for c in candidates.values() if number in c.best]
        lowest = min(scores, default=0.0)
        for candidate in candidates.values():
            match_ = candidate.best.get(number)
            candidate.total += weight * (match_.standardised if match_ else lowest)
    weights = [weight for weight, _ in answered]
    for candidate in candidates.values():
        candidate.confidence = _confidence(candidate, weights)
    return sorted(candidates.values(), key=lambda c: (-c.total, c.item_id))


def _confidence(candidate: Candidate, weights: Sequence[float]) -> float | None:
    """The positive parts' confidences, averaged by weight, less what the negative parts are sure of."""
    sums: dict[bool, float] = defaultdict(float)
    remains = 1.0
    for number, weight in enumerate(weights):
        match = candidate.best.get(number)
        confidence = match.confidence if match else 0.0
        if confidence is None:
            if weight > 0:
                return None
            continue
        if weight > 0:
            sums[True] += weight * confidence
            sums[False] += weight
        elif confidence >= PROBABLE:  # what is less sure is no reason to doubt
            remains *= 1 - min(-weight, 1.0) * confidence
    return sums[True] / sums[False] * remains if sums[False] else None
