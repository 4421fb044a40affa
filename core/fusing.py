"""From scores to one order: standardised, weighed, grouped by item, with the confidence that a match is no chance.

Query vectors are never summed. Each candidate is scored on every part of the query; see docs/scoring.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sightsound.calibration import Key
from sightsound.chance import Calibration, confidence, of_normal
from sightsound.stores.base import Scored
from sightsound.types import Medium, SegmentKind

UNMEASURED = of_normal(0.15, 0.1, 100, measured=False)
"""For a space that was never calibrated: about what text and picture models give unrelated things."""
SAME = 0.995
"""The cosine from which two pictures or two sounds are taken for copies of one another, in every space that has both:
in one alone they may only be of one class."""
COPY = 12.0
"""What a copy scores at least, standardised: no likeness in another space comes before the thing itself."""


MEDIUM_OF: Mapping[SegmentKind, Medium] = {"photo": "image", "frame": "image", "sound": "audio"}


@dataclass(frozen=True)
class Match:
    """How well a segment answers a part. field: the space, or the text field that held the words.

    score: raw, a cosine or a share of the words. standardised: as `Calibration.standardise` gives it. measured: whether
    that rests on enough to tell a confidence. own: whether the part and the segment are of one medium, and no words.
    """

    segment_id: str
    field: str
    score: float
    standardised: float
    measured: bool
    own: bool = False

    @property
    def confidence(self) -> float | None:
        return confidence(self.standardised) if self.measured else None


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
    fields: int,
    kind: str | None = None,
) -> list[tuple[str, Match]]:
    """(item id, match) of each scored segment.

    counts: segments by (space, kind). fields: how many (space, kind) could answer the part, text fields being one.
    kind: which calibration to use, where not the segment's kind.
    """
    made = []
    for scored in found:
        background = calibrations.get((field_name, medium, kind or scored.kind), UNMEASURED)
        standardised = background.standardise(scored.score, counts.get((field_name, kind or scored.kind), 1), fields)
        shown = scored.kind if kind else field_name
        own = medium != "text" and MEDIUM_OF.get(scored.kind) == medium
        match = Match(scored.segment_id, shown, scored.score, standardised, background.measured, own)
        made.append((scored.item_id, match))
    return made


def fuse(answered: Sequence[tuple[float, Iterable[tuple[str, Match]]]], among: Iterable[str]) -> list[Candidate]:
    """Candidates, best first.

    answered: for each part its weight and the matches that any space or field gave it. A part's score for an item
    is the best over these; an item that a part found nothing for gets the part's lowest score. The total is the mean
    of the positive parts' scores by weight; a negative part takes from it only what is better than chance.
    among: the candidates' item ids.
    """
    candidates = {item_id: Candidate(item_id) for item_id in among}
    wanted = sum(weight for weight, _ in answered if weight > 0)
    for number, (weight, matched) in enumerate(answered):
        found = list(matched)
        copies = _copies(match for _, match in found if match.own)
        for item_id, match in found:
            if copies and match.own and match.segment_id in copies:
                match = replace(match, standardised=max(match.standardised, COPY))
            if item_id in candidates:
                _keep_best(candidates[item_id], number, match, shown=weight > 0)
        scores = [c.best[number].standardised for c in candidates.values() if number in c.best]
        lowest = min(scores, default=0.0)
        for candidate in candidates.values():
            best = candidate.best.get(number)
            score = best.standardised if best else lowest
            candidate.total += weight * (score if weight > 0 else max(score, 0.0)) / (wanted or 1.0)
    if wanted:
        for candidate in candidates.values():
            known = [candidate.best[n].measured for n, (w, _) in enumerate(answered) if w > 0 and n in candidate.best]
            candidate.confidence = confidence(candidate.total) if all(known) else None
    return sorted(candidates.values(), key=lambda candidate: (-candidate.total, candidate.item_id))


def _copies(found: Iterable[Match]) -> Collection[str]:
    """Ids of the segments that are copies of a part, by what they scored on it in spaces of their own medium."""
    best: dict[str, dict[str, float]] = defaultdict(dict)
    for match in found:
        scores = best[match.segment_id]
        scores[match.field] = max(match.score, scores.get(match.field, -1.0))
    return {segment_id for segment_id, scores in best.items() if min(scores.values()) >= SAME}


def _keep_best(candidate: Candidate, number: int, match: Match, shown: bool) -> None:
    best = candidate.best.get(number)
    if best is None or match.standardised > best.standardised:
        candidate.best[number] = match
    if shown:
        known = candidate.segments.get(match.segment_id)
        if known is None or match.standardised > known.standardised:
            candidate.segments[match.segment_id] = match
