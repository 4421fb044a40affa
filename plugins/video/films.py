"""A film as its readers see it: what it says of itself, and its frames in order of time. Files are hostile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from sightsound.errors import MediaError

Picture = npt.NDArray[np.uint8]
Thumb = npt.NDArray[np.float32]
"""What the detector of shots sees of a frame: float32 (3, h, w), red, green and blue of 0..255."""

PIXELS = 50_000_000
"""The largest frame that is decoded; 8K, 7680 x 4320, passes."""
STREAMS = 100
SECONDS = 100_000.0
"""The longest film that is read, over a day."""
LIBRARIES = ("pyav", "decord", "torchcodec")
THUMB = 18
"""Pixels of the shorter side of a thumb."""


@dataclass(frozen=True)
class Frame:
    """One frame. seconds: from the start of the film, and more than that of the frame before.

    rgb: makes the picture, upright sRGB uint8 (h, w, 3), its shorter side `min_side` pixels or what the film has if
    that is less. thumb: makes the thumb, upright. size: bytes, about, that are held as long as the frame is.
    """

    seconds: float
    rgb: Callable[[int], Picture]
    thumb: Callable[[], Thumb]
    size: int


class Film(Protocol):
    """An opened film. width, height: pixels as shown, upright; 0 where it has no pictures. fps: on average, or 0.

    damage, end: what could not be read, and the second at which the last frame is over, known when the frames have
    been read.
    """

    width: int
    height: int
    fps: float
    codec: str
    damage: str
    end: float

    def frames(self, after: float = 0.0) -> Iterator[Frame]:
        """The frames from the second `after` on. Goes on behind what is damaged, and notes it. Raises MediaError where
        none can be decoded."""
        ...


def open_film(file: BinaryIO, demuxer: str, library: str, exact: bool = False) -> Film:
    """Open a film with one of LIBRARIES. demuxer: FFmpeg's name of the container. exact: for pictures that people look
    at, with PyAV. Raises MediaError."""
    from sightsound.plugins.video.with_pyav import PyavFilm

    film = PyavFilm(file, demuxer, exact)
    if library == "pyav" or not film.codec:  # what has no pictures is no film to the others
        return film
    interlaced = film.interlaced
    file.seek(0)
    if interlaced:  # which the others do not say of a frame
        return PyavFilm(file, demuxer, exact)
    if library == "decord":
        from sightsound.plugins.video.with_decord import DecordFilm

        return DecordFilm(file)
    from sightsound.plugins.video.with_torchcodec import TorchcodecFilm

    return TorchcodecFilm(file)


def check_size(width: int, height: int) -> None:
    if width * height > PIXELS:
        raise MediaError(
            f"frames of {width:,} x {height:,} pixels are over the limit of {PIXELS // 1_000_000} megapixels"
        )


def reduced(width: float, height: float, min_side: int) -> tuple[int, int]:
    """The size with its shorter side at `min_side`, never larger than it is."""
    scale = min(1.0, min_side / min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def small_enough(picture: Picture, min_side: int) -> Picture:
    """A decoded picture, its shorter side at `min_side` by the mean of what falls together."""
    height, width = picture.shape[:2]
    size = reduced(width, height, min_side)
    if size == (width, height):
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def thumb_of(picture: Picture) -> Thumb:
    """The thumb of a picture."""
    small = small_enough(picture, THUMB)
    return np.ascontiguousarray(small.transpose(2, 0, 1), np.float32)


def decoded(seconds: float, picture: Picture) -> Frame:
    """A frame of which the whole picture is there, upright sRGB uint8 (h, w, 3)."""
    return Frame(seconds, partial(small_enough, picture), partial(thumb_of, picture), picture.nbytes)


def clock(seconds: float) -> str:
    """Seconds as people read them: 0:07, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
