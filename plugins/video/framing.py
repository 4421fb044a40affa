"""From a film's frames to its shots and the frames that stand for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from weakref import ref

import numpy as np
from PIL import Image

from sightsound import Piece
from sightsound.errors import MediaError
from sightsound.media import Shot
from sightsound.plugins.image.facts import perceptual_hash
from sightsound.plugins.video.films import Film, Frame, Picture, Thumb
from sightsound.plugins.video.palette import FilmPalette
from sightsound.plugins.video.shots import CUT, Seen, ShotDetector
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
SHOT_RATE, SIDE = 4.0, 36
"""Small pictures a second, and pixels of their shorter side, where no encoder of shots asks for more."""
HELD = 64_000_000
"""Bytes of frames that are held as they were decoded, since few of those that may be chosen are."""


class Still:
    """A frame that may be chosen to be encoded; its picture is made when that is sure."""

    def __init__(self, frame: Frame, side: int) -> None:
        self._frame: Frame | None = frame
        self._side = side

    @property
    def size(self) -> int:
        """Bytes that are held until the picture is made."""
        return self._frame.size if self._frame else 0

    @cached_property
    def picture(self) -> Picture:
        assert self._frame is not None
        picture, self._frame = self._frame.rgb(self._side), None
        return picture

    def let_go(self) -> None:
        """Makes the picture now, and holds the frame no longer."""
        _ = self.picture


@dataclass(frozen=True)
class Kept:
    """What is kept of some frames besides their thumbs."""

    small: Picture
    still: Still | None = None


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
        self._often = min(self._step, 1 / SHOT_RATE)
        self._detector = ShotDetector()
        self._last_kept = self._last_still = float("-inf")
        self._stills: list[ref[Still]] = []
        self._resumed = start if start < begins else None
        self._shot: _Shot | None = None

    def take(self, frame: Frame) -> Iterator[Piece]:
        seen = Seen(frame.seconds, frame.thumb())
        settled = list(self._detector.feed(seen))
        if seen.change >= CUT or frame.seconds - self._last_kept >= self._often - 1e-3:
            self._last_kept = frame.seconds
            seen.held = self._kept(frame, ANEW if seen.change >= CUT else CANDIDATES)
        for one in settled:
            yield from self._settled(one)

    def _kept(self, frame: Frame, pause: float) -> Kept:
        small = frame.rgb(self._small_side)
        if frame.seconds - self._last_still < pause:
            return Kept(small)
        self._last_still = frame.seconds
        still = Still(frame, self._side)
        waiting = [*filter(None, (one() for one in self._stills)), still]
        for one in waiting:
            if sum(other.size for other in waiting) > HELD:
                one.let_go()
        self._stills = [ref(one) for one in waiting if one.size]
        return Kept(small, still)

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
            seen.held = seen.held or Kept(enlarged(seen.thumb))
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
        self._candidates: list[tuple[float, bool, Kept]] = []
        self._from = first
        self._chosen: tuple[float, Picture, Picture] | None = None

    def take(self, seen: Seen) -> Iterator[Piece]:
        if seen.seconds - self._from >= EVERY:
            yield from self._choose(seen.seconds)
        self.last = seen.seconds
        kept: Kept | None = seen.held
        if kept is None:
            return
        if kept.still or not self._candidates:
            self._candidates.append((seen.seconds, seen.empty, kept))
        if not self._small or seen.seconds - self._small[-1][0] >= self._step - 1e-3:
            self._small.append((seen.seconds, kept.small))
        if len(self._small) > MOST:
            del self._small[1::2]
            self._step *= 2

    def close(self, end: float) -> Iterator[Piece]:
        if self._chosen is None or end - self._from > STUB:
            yield from self._choose(end)
        if self._chosen:
            yield Piece("frame", "image", self._chosen[1], self._chosen[0], end)
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
        best = min(self._candidates, key=lambda one: (one[2].still is None, one[1], abs(one[0] - middle)))[2]
        self._candidates.clear()
        picture = best.still.picture if best.still else best.small
        if self._chosen is None or not _near_identical(self._chosen[1:], (picture, best.small)):
            if self._chosen:
                yield Piece("frame", "image", self._chosen[1], self._chosen[0], self._from)
            self._chosen = self._from, picture, best.small
        self._from = end


def enlarged(thumb: Thumb) -> Picture:
    """A small picture of a frame of which there is only the thumb."""
    return np.clip(np.rint(thumb), 0, 255).astype(np.uint8).transpose(1, 2, 0).repeat(2, 0).repeat(2, 1)


def _near_identical(one: tuple[Picture, Picture], other: tuple[Picture, Picture]) -> bool:
    """Of two frames the picture, and the small picture."""
    if one[1].shape != other[1].shape:
        return False
    difference = np.abs(one[1].astype(np.int16) - other[1]).mean()
    if difference > SAME_LIGHT:
        return False
    bits = [int(perceptual_hash(Image.fromarray(picture)), 16) for picture, _ in (one, other)]
    return (bits[0] ^ bits[1]).bit_count() <= SAME_BITS or bool(difference < 2)


def moment(film: Film, at: float, side: int) -> Piece:
    """The picture that is seen at a second of the film, or its first. Raises MediaError where there is none."""
    for second in (max(0.0, at), 0.0):
        for frame in film.frames(second):
            return Piece("frame", "image", frame.rgb(side), frame.seconds, frame.seconds)
    raise MediaError("it has no pictures")
