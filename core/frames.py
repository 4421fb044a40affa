"""Of which moments of a film pictures are made: too few to fill a cache with one film, and each of the right shot."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable

from sightsound.recent import Recent
from sightsound.types import Item, Segment

ROUNDED = 0.01
"""Seconds by which an address may fall short of the shot that it means."""
FILMS = 64
"""Films whose shots are remembered."""
Shots = list[tuple[float, float]]


class Frames:
    """segments: gives an item's segments. Methods may be called from any thread."""

    def __init__(self, segments: Callable[[str], Iterable[Segment]]) -> None:
        self._segments = segments
        self._known = Recent[tuple[str, str, str], Shots](FILMS)

    def nearest(self, item: Item, at: float) -> float | None:
        """The second that is shown for the second `at` of a film: the nearest whole one within its shot, or the middle
        of a shot that has none. None, for the picture of the whole film, where it is not known how long it is."""
        shots = self._shots(item)
        duration = float(item.facts.get("duration") or (shots[-1][1] if shots else 0.0))
        if not duration:
            return None
        at = min(at, duration)
        place = bisect_right(shots, (at + ROUNDED, math.inf)) - 1
        start, end = shots[place] if place >= 0 else (0.0, duration)
        if end <= at:  # after the shot, or in the last moment of the film
            end = duration
        first, last = math.ceil(start), math.ceil(end) - 1
        return float(min(max(round(at), first), last)) if first <= last else round((start + end) / 2, 3)

    def _shots(self, item: Item) -> Shots:
        key = item.id, item.revision, item.content
        if (shots := self._known.get(key)) is None:
            shots = shots_of(self._segments(item.id))
            self._known.keep(key, shots)
        return shots


def shots_of(segments: Iterable[Segment]) -> Shots:
    """(start, end) of each shot in seconds, in their order; of the frames that stand for them where no shot is kept."""
    timed = [s for s in segments if s.kind in ("shot", "frame") and s.start is not None and s.end is not None]
    kind = "shot" if any(s.kind == "shot" for s in timed) else "frame"
    return sorted({(s.start or 0.0, s.end or 0.0) for s in timed if s.kind == kind})
