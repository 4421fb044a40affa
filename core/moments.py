"""Moments: the stretches of a film or sound that answer a query, and pairs of them that follow each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sightsound.chance import PROBABLE, confidence
from sightsound.fusing import Candidate, Match
from sightsound.types import Segment, SegmentKind

NEAR = 0.1
"""Seconds between two segments that still adjoin."""
AS_GOOD = 1.0
"""Standardised scores this far below the best still belong to it, where none is probable."""
MOST = 20
"""Moments of an item that are kept."""
SHOWN = 4
TIMED: frozenset[SegmentKind] = frozenset({"frame", "sound", "subtitle"})


class Stretch(Protocol):
    """A stretch of time, in seconds."""

    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


@dataclass(frozen=True)
class Moment:
    """start, end: seconds. match: the best of the segments that it is made of."""

    start: float
    end: float
    match: Match


def moments(matched: Iterable[tuple[Segment, Match]]) -> list[Moment]:
    """The stretches that match, best first: of the probable segments, or of those about as good as the best one.

    Segments that overlap or adjoin make one moment.
    """
    timed = [(s, m) for s, m in matched if s.kind in TIMED and s.start is not None and s.end is not None]
    if not timed:
        return []
    best = max(match.standardised for _, match in timed)
    probable = [(s, m) for s, m in timed if m.confidence is not None and m.confidence >= PROBABLE]
    kept = probable or [(s, m) for s, m in timed if m.standardised >= best - AS_GOOD]
    made: list[Moment] = []
    for segment, match in sorted(kept, key=lambda one: (one[0].start or 0.0, one[0].end or 0.0)):
        start, end = segment.start or 0.0, segment.end or 0.0
        last = made[-1] if made else None
        if last and start <= last.end + NEAR:
            better = match if match.standardised > last.match.standardised else last.match
            made[-1] = Moment(last.start, max(last.end, end), better)
        else:
            made.append(Moment(start, end, match))
    return sorted(made, key=lambda moment: -moment.match.standardised)[:MOST]


@dataclass(frozen=True)
class Followed:
    """An item in which something is followed by something else. segments: the one and the other of the best pair."""

    item_id: str
    score: float
    confidence: float | None
    segments: tuple[tuple[Segment, Match], tuple[Segment, Match]]
    moments: Sequence[Moment]
    first: Candidate


def followed(
    first: Iterable[Candidate], second: Iterable[Candidate], segments: Mapping[str, Sequence[Segment]], within: float
) -> list[Followed]:
    """Items in which a segment of the one begins at most `within` seconds before one of the other, best pair first.

    A pair is as good as the worse of its two, so that neither can make up for the other.
    """
    others = {candidate.item_id: candidate for candidate in second}
    found = []
    for candidate in first:
        other = others.get(candidate.item_id)
        by_id = {segment.id: segment for segment in segments.get(candidate.item_id, ())}
        if other is None:
            continue
        pairs = _pairs(_timed(candidate, by_id), _timed(other, by_id), within)
        if pairs:
            best = pairs[0]
            match, then = best[0][1], best[1][1]
            score = min(match.standardised, then.standardised)
            sure = confidence(score) if match.measured and then.measured else None
            whole = [Moment(one.start or 0.0, two.end or 0.0, m) for (one, m), (two, _) in pairs]
            found.append(Followed(candidate.item_id, score, sure, best, _apart(whole), candidate))
    return sorted(found, key=lambda one: (-one.score, one.item_id))


Placed = tuple[Segment, Match]


def _timed(candidate: Candidate, by_id: Mapping[str, Segment]) -> list[Placed]:
    """In order of time."""
    placed = [(by_id[m.segment_id], m) for m in candidate.segments.values() if m.segment_id in by_id]
    timed = [(s, m) for s, m in placed if s.kind in TIMED and s.start is not None and s.end is not None]
    return sorted(timed, key=lambda one: one[0].start or 0.0)


def _pairs(first: Sequence[Placed], second: Sequence[Placed], within: float) -> list[tuple[Placed, Placed]]:
    """For each of `first` the best that follows it in time, the best pairs first."""
    made = []
    begin = 0
    for one in first:
        start, end = one[0].start or 0.0, one[0].end or 0.0
        while begin < len(second) and (second[begin][0].start or 0.0) <= start:
            begin += 1
        best: Placed | None = None
        for other in second[begin:]:
            if (other[0].start or 0.0) > end + within:
                break
            if best is None or other[1].standardised > best[1].standardised:
                best = other
        if best is not None:
            made.append((one, best))
    return sorted(made, key=lambda pair: -min(pair[0][1].standardised, pair[1][1].standardised))


def _apart(moments: Sequence[Moment]) -> list[Moment]:
    """The best of those that overlap."""
    kept: list[Moment] = []
    for moment in moments:
        if len(kept) < MOST and all(moment.end <= other.start or moment.start >= other.end for other in kept):
            kept.append(moment)
    return kept


def clock(seconds: float) -> str:
    """1:05, or 1:02:05 from an hour on."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(moments: Sequence[Stretch]) -> str:
    """The best moments, in the order of time: `0:04–0:12, 1:30–1:34`."""
    best = sorted(moments[:SHOWN], key=lambda moment: moment.start)
    more = len(moments) - len(best)
    said = ", ".join(f"{clock(moment.start)}–{clock(math.ceil(moment.end))}" for moment in best)
    return f"{said} and {more} more" if more > 0 else said
