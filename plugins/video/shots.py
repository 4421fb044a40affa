"""Where one shot of a film ends and the next begins, found as its frames come.

Hard cuts: a frame differs from the one before far more than its neighbours do from theirs, which is the adaptive
detector of PySceneDetect (github.com/Breakthrough/PySceneDetect). Fades and dissolves: over a stretch of time each
frame is a blend of the first and the last, the further on the more of the last (Hampapur, Jain and Weymouth 1994,
"Digital video segmentation"), which moving cameras and brightening light are not.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sightsound.plugins.video.films import Thumb

SHORTEST = 0.4
"""Seconds; what is shorter is no shot."""
CUT = 9.0
"""The least mean difference of a cut, of 255."""
TIMES = 3.0
"""How many times that of its neighbours it must be."""
AROUND = 2
"""Neighbours on either side."""
SPANS = (0.4, 0.8, 1.6)
"""Seconds over which blends are looked for."""
POINTS = 7
"""Frames within a span that must be blends of its ends."""
BLEND = 14.0
"""The least mean difference of a span's ends, of 255."""
RESIDUE = 0.3
"""What of that the frames between may differ from a blend."""
LARGEST = 0.6
"""The largest step between two of these frames, as a share of the way."""
ALIKE = 0.6
"""Ends that correlate more are the same view in another light."""
MOVES = (6, 3)
"""How far a camera is followed, in pixels of the thumbs, across and down."""
STILL = 0.6
"""It moved where the shifted picture differs by less than this share of what the unshifted one does."""
LOOKS = 5
"""How often in the length of a span a blend over it is looked for."""
SETTLED = 0.4
"""Seconds without a blend after which the last one is over; more than lie between looks."""
FLAT, DARK, LIGHT = 6.0, 24.0, 232.0
"""An empty frame: its spread is less, its mean is below or above."""
EVEN = 1.5
"""A spread that shows nothing to tell a view by."""

_THIRDS = np.full(3, 1 / 3, np.float32)


@dataclass
class Seen:
    """A frame: its time, its thumb, and whatever the caller hangs on it.

    change: the mean difference from the frame before. changed: the sum of all changes up to this frame.
    """

    seconds: float
    thumb: Thumb
    held: Any = None
    change: float = 0.0
    changed: float = 0.0
    begins: bool = False

    @cached_property
    def mean(self) -> float:
        return float(self.thumb.sum()) / self.thumb.size

    @cached_property
    def spread(self) -> float:
        flat = self.thumb.reshape(-1)
        return math.sqrt(max(0.0, float(flat @ flat) / flat.size - self.mean**2))

    @cached_property
    def grey(self) -> Thumb:
        """The thumb without its colours, and without its mean."""
        grey: Thumb = _THIRDS @ self.thumb.reshape(3, -1)
        grey -= grey.mean()
        return grey

    @cached_property
    def contrast(self) -> float:
        """The length of `grey`."""
        return float(np.linalg.norm(self.grey))

    @cached_property
    def empty(self) -> bool:
        """Black or white all over, as between a fade out and a fade in. It belongs to the shot before it."""
        return (self.mean < DARK or self.mean > LIGHT) and self.spread < FLAT


@dataclass
class _Blend:
    """A transition under way: its strongest span, and the last frame at which one was seen."""

    strength: float
    middle: float
    end: float


class ShotDetector:
    """Takes frames in order and gives them back some seconds later, `begins` set on the first of each shot."""

    def __init__(self) -> None:
        self._waiting: deque[Seen] = deque()
        self._blend: _Blend | None = None
        self._looked = dict.fromkeys(SPANS, float("-inf"))
        self._began: float | None = None
        self._only_empty = True
        self._was_empty = False

    def feed(self, frame: Seen) -> Iterator[Seen]:
        """Frames of which is settled whether a shot begins with them."""
        before = self._waiting[-1] if self._waiting else None
        if before is not None and before.thumb.shape == frame.thumb.shape:
            frame.change = difference(frame.thumb, before.thumb)
        elif before is not None:  # the picture changed its size: as good as a cut
            frame.change = 255.0
        frame.changed = frame.change + (before.changed if before is not None else 0.0)
        self._waiting.append(frame)
        self._look_for_cut()
        self._look_for_blends(frame)
        while self._waiting and self._waiting[0].seconds < frame.seconds - SPANS[-1] - 2 * SETTLED:
            yield self._give()

    def rest(self) -> Iterator[Seen]:
        """The frames that are left, at the end of the film."""
        self._settle(float("inf"))
        while self._waiting:
            yield self._give()

    def _give(self) -> Seen:
        frame = self._waiting.popleft()
        after_empty = self._was_empty and not frame.empty
        self._was_empty = frame.empty
        if self._began is None:
            frame.begins = True
        elif frame.begins or after_empty:
            frame.begins = frame.seconds - self._began >= SHORTEST and not self._only_empty
        if frame.begins:
            self._began = frame.seconds
            self._only_empty = True
        self._only_empty = self._only_empty and frame.empty
        return frame

    def _look_for_cut(self) -> None:
        """Whether the frame two before the last is the first of a shot."""
        if len(self._waiting) < AROUND + 2 or self._waiting[-1 - AROUND].change < CUT:
            return
        near = list(islice(reversed(self._waiting), 2 * AROUND + 2))[::-1]
        place = len(near) - 1 - AROUND
        frame = near[place]
        around = [f.change for f in (*near[max(0, place - AROUND) : place], *near[place + 1 :])]
        usual = sum(around) / len(around)
        if frame.change < TIMES * usual:
            return
        if not frame.empty and not _is_flash(near[max(0, place - AROUND) : place], near[place:]):
            frame.begins = True
            if self._blend is not None and self._blend.middle > frame.seconds - SPANS[-1]:
                self._blend = None  # what looked like a blend was the cut

    def _look_for_blends(self, last: Seen) -> None:
        self._settle(last.seconds)
        for span, looked in self._looked.items():
            if last.seconds - looked < span / LOOKS - 1e-3:
                continue
            self._looked[span] = last.seconds
            start = bisect_left(self._waiting, last.seconds - span - 1e-3, key=lambda one: one.seconds)
            if last.changed - self._waiting[start].changed < BLEND:  # the ends differ by no more
                continue
            found = _blend_over(span, list(islice(self._waiting, start, None)))
            if found is None:
                continue
            if self._blend is None or found.strength > self._blend.strength:
                self._blend = found
            self._blend.end = last.seconds

    def _settle(self, now: float) -> None:
        blend = self._blend
        if blend is None or now - blend.end < SETTLED:
            return
        self._blend = None
        frame = min(self._waiting, key=lambda one: abs(one.seconds - blend.middle), default=None)
        near = [one for one in self._waiting if one.begins and abs(one.seconds - blend.middle) < 2 * SHORTEST]
        if frame is not None and not near:
            frame.begins = True


def _blend_over(span: float, frames: list[Seen]) -> _Blend | None:
    """The transition that the frames of this span are, if they are one."""
    first, last = frames[0], frames[-1]
    if len(frames) < POINTS // 2 + 2 or last.seconds - first.seconds < 0.8 * span:
        return None
    if first.thumb.shape != last.thumb.shape:
        return None
    way = (last.thumb - first.thumb).reshape(-1)
    strength = float(np.abs(way).sum()) / way.size
    if strength < BLEND or _is_fade(first, last):
        return None
    if any(one.begins or one.thumb.shape != last.thumb.shape for one in frames):
        return None
    length, steps = float(way @ way), _steps(len(frames))
    shares = np.empty(len(steps))
    for n in _from_middle(len(steps)):  # where something moves it is no blend there
        between = (frames[steps[n]].thumb - first.thumb).reshape(-1)
        shares[n] = share = float(between @ way) / length
        residue = float(np.abs(between - np.float32(share) * way).sum()) / way.size
        if residue > RESIDUE * strength:
            return None
    rising = (np.diff(shares) > -0.05).all()
    inside = int(((shares > 0.06) & (shares < 0.94)).sum())
    if not rising or inside < min(3, len(steps)) or _same_view(first, last):
        return None
    largest = float(np.diff([0.0, *shares, 1.0]).max())
    if largest > LARGEST:
        return None
    times = [first.seconds, *(frames[step].seconds for step in steps), last.seconds]
    all_shares = np.array([0.0, *shares, 1.0])
    middle = times[int(np.argmax(all_shares >= 0.5))]
    return _Blend(strength, middle, last.seconds)


@cache
def _steps(frames: int) -> list[int]:
    """Which of so many frames are looked at between the first and the last."""
    return sorted(set(np.linspace(1, frames - 2, min(POINTS, frames - 2)).astype(int).tolist()))


@cache
def _from_middle(count: int) -> list[int]:
    return sorted(range(count), key=lambda n: abs(2 * n + 1 - count))


def difference(one: Thumb, other: Thumb) -> float:
    """The mean of what they differ by, of 255."""
    return float(np.abs(one - other).sum()) / one.size


def _is_flash(before: list[Seen], after: list[Seen]) -> bool:
    """Whether the film goes on, behind a frame or two, as it was."""
    change = after[0].change
    return any(
        one.thumb.shape == other.thumb.shape and difference(one.thumb, other.thumb) < 0.5 * change
        for one in before
        for other in after
    )


def _is_fade(first: Seen, last: Seen) -> bool:
    """Whether one end is empty, or all but: the empty frames themselves tell where the next shot begins."""
    dim, other = sorted((first, last), key=lambda seen: seen.spread)
    dims = dim.mean < 2 * DARK and dim.spread < 0.5 * other.spread
    return first.empty or last.empty or dims


def _same_view(one: Seen, other: Seen) -> bool:
    if min(one.contrast, other.contrast) < EVEN * math.sqrt(one.grey.size):
        return False
    likeness = float(np.vdot(one.grey, other.grey)) / (one.contrast * other.contrast)
    return likeness > ALIKE or _has_moved(one.thumb, other.thumb)


def _has_moved(one: Thumb, other: Thumb) -> bool:
    """Whether the one, shifted, is much more like the other: the camera moved."""
    height, width = one.shape[1:]
    across, down = min(MOVES[0], width // 3), min(MOVES[1], height // 3)
    middle = one[:, down : height - down, across : width - across]
    shifted = sliding_window_view(other, middle.shape[1:], axis=(1, 2))[:, : 2 * down + 1, : 2 * across + 1]
    differences = np.abs(shifted - middle[:, None, None]).mean(axis=(0, 3, 4))
    return bool(differences.min() < STILL * differences[down, across])
