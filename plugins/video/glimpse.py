"""A decoded frame at a few points of its planes, without a scaler: what the detector of shots sees of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace

from sightsound.plugins.video.films import THUMB, Thumb, reduced

LUMA, CHROMA = (4, 4), (1, 2)
"""Points down and across that are looked at for each pixel of the thumb, in the plane of light and in those of colour.
Fewer, and textures that a camera moves over no longer look like themselves moved."""
_BITS = {
    "yuv420p": 8,
    "yuvj420p": 8,
    "yuv422p": 8,
    "yuvj422p": 8,
    "yuv444p": 8,
    "yuvj444p": 8,
    "yuv420p10le": 10,
    "yuv422p10le": 10,
    "yuv444p10le": 10,
}
_FULL = 2
"""FFmpeg's number for colours that use the whole range."""
_WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""What red and blue count in the light, by FFmpeg's number of the colour space: ITU-R BT.709, BT.2020."""
_OLD_WEIGHTS = (0.299, 0.114)
"""The same of ITU-R BT.601."""

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Glimpse:
    """Makes the thumbs of frames of one layout, from their planes. places: the points that are taken of each plane."""

    places: tuple[Places, ...]
    samples: type[np.uint8] | type[np.uint16]
    matrix: Floats
    offset: Floats
    shape: tuple[int, int, int]

    def __call__(self, planes: Sequence[Any]) -> Thumb:
        taken = [np.frombuffer(plane, self.samples).take(at) for plane, at in zip(planes, self.places, strict=True)]
        thumb: Thumb = self.matrix @ np.concatenate(taken).astype(np.float32)
        thumb += self.offset
        return thumb.reshape(self.shape)


def layout(frame: Any, planes: Sequence[Any]) -> tuple[Any, ...]:
    """What frames have in common that one Glimpse is for."""
    lines = [plane.line_size for plane in planes]
    said = frame.color_range, frame.colorspace, frame.interlaced_frame
    return frame.format.name, frame.width, frame.height, lines, said


def glimpse(frame: Any, aspect: float, meant: Colorspace | None) -> Glimpse | None:
    """For frames laid out as this one; None where it is in planes of another kind. aspect: of its pixels. meant: what
    its colours are taken for, where it does not say."""
    bits = _BITS.get(frame.format.name)
    if bits is None or any(plane.line_size <= 0 for plane in frame.planes):
        return None
    width, height = reduced(frame.width * aspect, frame.height, THUMB)
    samples = np.uint8 if bits == 8 else np.uint16
    points = (LUMA, CHROMA, CHROMA)
    step = 2 if frame.interlaced_frame else 1  # the lines of one field
    places = tuple(_places(p, each, width, height, samples, step) for p, each in zip(frame.planes, points, strict=True))
    full = frame.color_range == _FULL or frame.format.name.startswith("yuvj")
    red, blue = _weights(frame.colorspace if meant is None else meant)
    matrix, offset = _to_rgb(red, blue, full)
    counts = np.prod(points, axis=1)
    mean_of_each = np.repeat(matrix / (counts * float(1 << (bits - 8))), counts, axis=1).astype(np.float32)
    return Glimpse(places, samples, mean_of_each, offset, (3, height, width))


def _places(plane: Any, each: tuple[int, int], width: int, height: int, samples: type[np.generic], step: int) -> Places:
    """Of points spread evenly over the plane, intp (n, height × width): for each pixel of the thumb, so many. They are
    in every `step`-th line."""
    down, across = each
    line = plane.line_size // np.dtype(samples).itemsize
    rows = ((np.arange(height * down) + 0.5) * (plane.height // step) / (height * down)).astype(np.intp) * step
    columns = ((np.arange(width * across) + 0.5) * plane.width / (width * across)).astype(np.intp)
    grid = (rows[:, None] * line + columns).reshape(height, down, width, across)
    return np.ascontiguousarray(grid.transpose(1, 3, 0, 2).reshape(down * across, height * width))


def _weights(colorspace: int) -> tuple[float, float]:
    return _WEIGHTS.get(int(colorspace), _OLD_WEIGHTS)


def _to_rgb(red: float, blue: float, full: bool) -> tuple[npt.NDArray[np.float64], Floats]:
    """From the planes' values, of 8 bits, to sRGB 0..255: a matrix and what is added (BT.601, BT.709, BT.2020)."""
    light, colour, black = (1.0, 1.0, 0.0) if full else (255 / 219, 255 / 224, 16.0)
    green = 1 - red - blue
    of_red, of_blue = 2 * (1 - red), 2 * (1 - blue)
    matrix = np.array(
        [
            [light, 0, colour * of_red],
            [light, -colour * of_blue * blue / green, -colour * of_red * red / green],
            [light, colour * of_blue, 0],
        ]
    )
    offset = -matrix @ np.array([[black], [128], [128]])
    return matrix, offset.astype(np.float32)
