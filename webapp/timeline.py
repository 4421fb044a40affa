"""A film or sound as a timeline: its shots, what is heard and said in it, and where it answers the query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sightsound.searching import Hit
from sightsound.types import Item, Segment

MOST_TICKS = 10
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400)
"""Seconds between two ticks."""
ROOMY = 30
"""Shots that fit across a page; a timeline of more is wider, and scrolls."""
SHOT = 44
"""Pixels that a shot has then."""
WIDEST = 40_000


@dataclass(frozen=True)
class Entry:
    """A stretch on the timeline. start, end: seconds. left, width: percent of the whole. lit: it answers the query."""

    start: float
    end: float
    left: float
    width: float
    text: str = ""
    lit: bool = False
    confidence: float | None = None

    @property
    def middle(self) -> float:
        """The second whose picture stands for it."""
        return round((self.start + self.end) / 2, 2)


@dataclass(frozen=True)
class Timeline:
    """duration: seconds. ticks: without an end. pixels: how wide it is at least; 0 for as wide as the page."""

    duration: float
    shots: Sequence[Entry]
    sounds: Sequence[Entry]
    words: Sequence[Entry]
    matches: Sequence[Entry]
    ticks: Sequence[Entry]
    pixels: int


def timeline_of(
    item: Item, segments: Sequence[Segment], heard: Mapping[str, str], hit: Hit | None
) -> Timeline | None:
    """The timeline of an item whose length is known; None for others.

    heard: words by the id of a segment of sound. hit: the item as the query's hit.
    """
    timed = sorted(
        (s for s in segments if s.start is not None and s.end is not None and s.kind != "signature"),
        key=lambda s: (s.start or 0.0, s.end or 0.0),
    )
    known = item.facts.get("duration")
    duration = float(known) if isinstance(known, int | float) else max((s.end or 0.0 for s in timed), default=0.0)
    if item.kind not in ("film", "sound") or duration <= 0:
        return None
    scale = _Scale(duration)
    shot = "shot" if any(s.kind == "shot" for s in timed) else "frame"
    shots = [(s.start or 0.0, s.end or 0.0, "") for s in timed if s.kind == shot]
    sounds = _joined([s for s in timed if s.kind == "sound"], heard)
    words = [(s.start or 0.0, s.end or 0.0, s.text) for s in timed if s.kind == "subtitle"]
    moments = hit.moments if hit else ()
    matches = [replace(scale.entry(m.start, m.end), confidence=m.match.confidence) for m in moments]
    return Timeline(
        duration,
        [scale.entry(*one, _answering(segments, hit, "frame")) for one in shots],
        [scale.entry(*one, _answering(segments, hit, "sound")) for one in sounds],
        [scale.entry(*one, _answering(segments, hit, "subtitle")) for one in words],
        sorted(matches, key=lambda one: one.start),
        [scale.entry(tick, tick) for tick in _ticks(duration)],
        min(len(shots) * SHOT, WIDEST) if len(shots) > ROOMY else 0,
    )


@dataclass(frozen=True)
class _Scale:
    duration: float

    def entry(self, start: float, end: float, text: str = "", answering: Sequence[tuple[float, float]] = ()) -> Entry:
        start, end = (min(max(time, 0.0), self.duration) for time in (start, end))
        left = 100 * start / self.duration
        lit = any(first < end and last > start for first, last in answering)
        return Entry(start, end, round(left, 3), round(100 * end / self.duration - left, 3), text, lit)


def _answering(segments: Sequence[Segment], hit: Hit | None, kind: str) -> list[tuple[float, float]]:
    """The stretches that answer the query by what is seen, heard or said in them: the best segments of its moments."""
    if hit is None:
        return []
    best = {moment.match.segment_id for moment in hit.moments}
    best |= {s.id for s, _ in hit.segments if any(m.start <= (s.start or 0.0) < m.end for m in hit.moments)}
    return [(s.start or 0.0, s.end or 0.0) for s in segments if s.kind == kind and s.id in best]


def _joined(sounds: Sequence[Segment], heard: Mapping[str, str]) -> list[tuple[float, float, str]]:
    """Windows overlap: each lasts until the next begins, and those of the same word are one."""
    made: list[tuple[float, float, str]] = []
    for number, segment in enumerate(sounds):
        following = sounds[number + 1].start if number + 1 < len(sounds) else None
        end = min(segment.end or 0.0, following) if following is not None else segment.end or 0.0
        word = heard.get(segment.id, "")
        last = made[-1] if made else None
        if last and word and last[2] == word and (segment.start or 0.0) <= last[1] + 0.01:
            made[-1] = (last[0], end, word)
        else:
            made.append((segment.start or 0.0, end, word))
    return made


def _ticks(duration: float) -> list[float]:
    step = next((step for step in STEPS if duration / step <= MOST_TICKS), STEPS[-1])
    return [float(tick) for tick in range(0, int(duration) + 1, step) if tick < duration * 0.985]
