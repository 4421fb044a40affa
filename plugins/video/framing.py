"""From a film's frames to its shots and the frames that stand for them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from sightsound import Piece
from sightsound.errors import MediaError
from sightsound.media import Shot
from sightsound.plugins.image.facts import perceptual_hash
from sightsound.plugins.video.films import Film, Frame, Picture
from sightsound.plugins.video.palette import FilmPalette
from sightsound.plugins.video.shots import CUT, SIDE, Seen, ShotDetector
from sightsound.types import ShotInput

EVERY = 5.0
"""Seconds of a shot that one frame stands for, at the most, unless nothing changes."""
STUB = 1.5
"""Seconds at the end of a long shot that need no frame of their own."""
CANDIDATES = 1.0
"""Seconds between frames that may be chosen to be encoded."""
ANEW = 0.3
"""The same, where the picture has changed as at a cut; less than the shortest shot."""
SAME_BITS = 6
"""Bits in which the perceptual hashes of near-identical frames differ at the most, of 64."""
SAME_LIGHT = 12.0
"""The mean difference of their small pictures at the most, of 255."""
MOST = 512
"""Small pictures of one shot that are kept; of a longer shot every other, and so on."""
SHOT_RATE = 4.0


class Framing:
    """Takes a film's frames in order, and gives the pieces of each shot as soon as they are settled.

    side: pixels of the shorter side of the frames to encode. shot: what encoders of shots ask for. begins: the second
    that frames come from. start: of the shot that is then under way. shots: how many there were. palette: of the shots
    that were given.
    """

    def __init__(self, side: int, shot: ShotInput | None, begins: float, start: float, shots: int) -> None:
        self.begins = begins
        self.shots = shots
        self.palette = FilmPalette()
        self._side = side
        self._small_side = max(SIDE, shot.min_side if shot else 0)
        self._step = 1 / (shot.rate if shot else SHOT_RATE)
        self._detector = ShotDetector()
        self._last_candidate = float("-inf")
        self._resumed = start if start < begins else None
        self._shot: _Shot | None = None

    def take(self, frame: Frame) -> Iterator[Piece]:
        seen = Seen(frame.seconds, frame.rgb(self._small_side))
        settled = list(self._detector.feed(seen))
        if frame.seconds - self._last_candidate >= (ANEW if seen.change >= CUT else CANDIDATES):
            self._last_candidate = frame.seconds
            seen.held = frame.rgb(self._side)
        for one in settled:
            yield from self._settled(one)

    def finish(self, end: float) -> Iterator[Piece]:
        for seen in self._detector.rest():
            yield from self._settled(seen)
        if self._shot:
            yield from self._closed(self._shot, max(end, self._shot.last))

    def _settled(self, seen: Seen) -> Iterator[Piece]:
        if self._shot is None or seen.begins:
            if self._shot is not None:
                yield from self._closed(self._shot, seen.seconds)
            start, self._resumed = seen.seconds if self._resumed is None else self._resumed, None
            self._shot = _Shot(start, seen.seconds, self._step)
            self.shots += 1
        yield from self._shot.take(seen)

    def _closed(self, shot: _Shot, end: float) -> Iterator[Piece]:
        for piece in shot.close(end):
            if isinstance(piece.media, Shot):
                self.palette.add(piece.media.frames, end - max(shot.start, self.begins))
            yield piece


class _Shot:
    """One shot as it goes on: the frame that stands for its latest stretch, and what may stand for the next."""

    def __init__(self, start: float, first: float, step: float) -> None:
        self.start = start
        self.last = first
        self._step = step
        self._small: list[tuple[float, Picture]] = []
        self._candidates: list[tuple[float, Picture, Seen]] = []
        self._from = first
        self._kept: tuple[float, Picture, Picture] | None = None

    def take(self, seen: Seen) -> Iterator[Piece]:
        if seen.seconds - self._from >= EVERY:
            yield from self._choose(seen.seconds)
        self.last = seen.seconds
        if seen.held is not None or not self._candidates:
            self._candidates.append((seen.seconds, seen.held if seen.held is not None else seen.small, seen))
        if not self._small or seen.seconds - self._small[-1][0] >= self._step - 1e-3:
            self._small.append((seen.seconds, seen.small))
        if len(self._small) > MOST:
            del self._small[1::2]
            self._step *= 2

    def close(self, end: float) -> Iterator[Piece]:
        if self._kept is None or end - self._from > STUB:
            yield from self._choose(end)
        if self._kept:
            yield Piece("frame", "image", self._kept[1], self._kept[0], end)
        alike = [(seconds, small) for seconds, small in self._small if small.shape == self._small[-1][1].shape]
        frames = np.stack([small for _, small in alike])
        seconds = np.array([seconds for seconds, _ in alike])
        yield Piece("shot", "shot", Shot(frames, seconds), self.start, end)

    def _choose(self, end: float) -> Iterator[Piece]:
        """The frame of the stretch up to `end`; where it looks like the one before, that stands for both."""
        if not self._candidates:
            return
        middle = (self._from + end) / 2
        # A picture that was decoded in full, and shows something, goes before one that does not.
        best = min(self._candidates, key=lambda one: (one[2].held is None, one[2].empty, abs(one[0] - middle)))
        self._candidates.clear()
        if self._kept is None or not _near_identical(self._kept, best):
            if self._kept:
                yield Piece("frame", "image", self._kept[1], self._kept[0], self._from)
            self._kept = (self._from, best[1], best[2].small)
        self._from = end


def _near_identical(kept: tuple[float, Picture, Picture], other: tuple[float, Picture, Seen]) -> bool:
    small, others = kept[2], other[2].small
    if small.shape != others.shape or np.abs(small.astype(np.int16) - others).mean() > SAME_LIGHT:
        return False
    bits = int(perceptual_hash(Image.fromarray(kept[1])), 16) ^ int(perceptual_hash(Image.fromarray(other[1])), 16)
    return bits.bit_count() <= SAME_BITS or bool(np.abs(small.astype(np.int16) - others).mean() < 2)


def moment(film: Film, at: float, side: int) -> Piece:
    """The picture that is seen at a second of the film, or its first. Raises MediaError where there is none."""
    for second in (max(0.0, at), 0.0):
        for frame in film.frames(second):
            return Piece("frame", "image", frame.rgb(side), frame.seconds, frame.seconds)
    raise MediaError("it has no pictures")
