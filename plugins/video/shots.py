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
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

SIDE = 36
"""Pixels of the shorter side of the frames that the detector looks at."""
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
SETTLED = 0.3
"""Seconds without a blend after which the last one is over."""
RATE = 15.0
"""Frames a second that are looked at for blends."""
FLAT, DARK, LIGHT = 6.0, 24.0, 232.0
"""An empty frame: its spread is less, its mean is below or above."""
EVEN = 1.5
"""A spread that shows nothing to tell a view by."""

Thumb = npt.NDArray[np.float32]
_THIRDS = np.full(3, 1 / 3, np.float32)


@dataclass
class Seen:
    """A frame: its time, its small picture, and whatever the caller hangs on it."""

    seconds: float
    small: npt.NDArray[np.uint8]
    held: Any = None
    thumb: Thumb = field(init=False)
    change: float = 0.0
    begins: bool = False

    def __post_init__(self) -> None:
        h, w = self.small.shape[0] // 2 * 2, self.small.shape[1] // 2 * 2
        blocks = self.small[:h, :w] if min(h, w) else self.small[:1, :1].repeat(2, 0).repeat(2, 1)
        wide = blocks.astype(np.uint16)
        rows = wide[::2] + wide[1::2]
        self.thumb = (rows[:, ::2] + rows[:, 1::2]).astype(np.float32) / np.float32(4)

    @cached_property
    def mean(self) -> float:
        return float(self.thumb.mean())

    @cached_property
    def spread(self) -> float:
        flat = self.thumb.reshape(-1)
        return math.sqrt(max(0.0, float(flat @ flat) / flat.size - self.mean**2))

    @cached_property
    def grey(self) -> Thumb:
        """The thumb without its colours, and without its mean."""
        grey: Thumb = self.thumb @ _THIRDS
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
        self._last_looked = float("-inf")
        self._began: float | None = None
        self._only_empty = True
        self._was_empty = False

    def feed(self, frame: Seen) -> Iterator[Seen]:
        """Frames of which is settled whether a shot begins with them."""
        before = self._waiting[-1] if self._waiting else None
        if before is not None and before.thumb.shape == frame.thumb.shape:
            frame.change = float(np.abs(frame.thumb - before.thumb).mean())
        elif before is not None:  # the picture changed its size: as good as a cut
            frame.change = 255.0
        self._waiting.append(frame)
        self._look_for_cut()
        if frame.seconds - self._last_looked >= 1 / RATE - 1e-3:
            self._last_looked = frame.seconds
            self._look_for_blend(frame)
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
        near = list(islice(reversed(self._waiting), 2 * AROUND + 2))[::-1]
        if len(near) < AROUND + 2:
            return
        place = len(near) - 1 - AROUND
        frame = near[place]
        around = [f.change for f in (*near[max(0, place - AROUND) : place], *near[place + 1 :])]
        usual = sum(around) / len(around)
        if frame.change < CUT or frame.change < TIMES * usual:
            return
        if not frame.empty and not _is_flash(near[max(0, place - AROUND) : place], near[place:]):
            frame.begins = True
            if self._blend is not None and self._blend.middle > frame.seconds - SPANS[-1]:
                self._blend = None  # what looked like a blend was the cut

    def _look_for_blend(self, last: Seen) -> None:
        self._settle(last.seconds)
        waiting = list(self._waiting)
        for span in SPANS:
            start = bisect_left(waiting, last.seconds - span - 1e-3, key=lambda one: one.seconds)
            found = _blend_over(span, waiting[start:])
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
    if any(one.begins or one.thumb.shape != last.thumb.shape for one in frames):
        return None
    way = last.thumb - first.thumb
    strength = float(np.abs(way).mean())
    if strength < BLEND or _is_fade(first, last) or _same_view(first, last):
        return None
    steps = np.unique(np.linspace(1, len(frames) - 2, min(POINTS, len(frames) - 2)).astype(int))
    between = np.stack([frames[step].thumb for step in steps]) - first.thumb
    shares = (between * way).sum(axis=(1, 2, 3)) / float((way * way).sum())
    residues = np.abs(between - shares[:, None, None, None] * way).mean(axis=(1, 2, 3))
    rising = (np.diff(shares) > -0.05).all()
    inside = int(((shares > 0.06) & (shares < 0.94)).sum())
    if not rising or inside < min(3, len(steps)) or (residues > RESIDUE * strength).any():
        return None
    largest = float(np.diff([0.0, *shares, 1.0]).max())
    if largest > LARGEST:
        return None
    times = [first.seconds, *(frames[step].seconds for step in steps), last.seconds]
    all_shares = np.array([0.0, *shares, 1.0])
    middle = times[int(np.argmax(all_shares >= 0.5))]
    return _Blend(strength, middle, last.seconds)


def _is_flash(before: list[Seen], after: list[Seen]) -> bool:
    """Whether the film goes on, behind a frame or two, as it was."""
    change = after[0].change
    return any(
        one.thumb.shape == other.thumb.shape and float(np.abs(one.thumb - other.thumb).mean()) < 0.5 * change
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
    height, width = one.shape[:2]
    across, down = min(MOVES[0], width // 3), min(MOVES[1], height // 3)
    middle = one[down : height - down, across : width - across]
    shifted = sliding_window_view(other, middle.shape[:2], axis=(0, 1))[: 2 * down + 1, : 2 * across + 1]
    differences = np.abs(shifted - np.moveaxis(middle, 2, 0)).mean(axis=(2, 3, 4))
    return bool(differences.min() < STILL * differences[down, across])
