"""The palette of a film: its colours by how large and for how long they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from sightsound.plugins.image.facts import palette
from sightsound.plugins.video.films import Film, Picture

STEPS = 16
"""Of each channel: colours that lie within one step are counted as one, and told by their mean."""
FRAMES = 8
"""Small pictures of a shot that are looked at."""
GLANCES = 12
"""Moments of what an interrupted reading saw that are looked at again."""
SIDE = 32
"""Of the picture in which each colour has its share."""


class FilmPalette:
    """Counts the colours of a film's shots, in memory that does not grow with the film."""

    def __init__(self) -> None:
        self._seconds = np.zeros(STEPS**3)
        self._sums = np.zeros((STEPS**3, 3))

    def add(self, pictures: Picture, seconds: float) -> None:
        """pictures: uint8 (n, h, w, 3), of a stretch that lasts so many seconds."""
        pixels = pictures[:: -(-len(pictures) // FRAMES), ::2, ::2].reshape(-1, 3)
        places = pixels // (256 // STEPS) @ np.array([STEPS**2, STEPS, 1])
        share = seconds / len(pixels)
        self._seconds += share * np.bincount(places, minlength=STEPS**3)
        for channel in range(3):
            self._sums[:, channel] += share * np.bincount(places, pixels[:, channel], minlength=STEPS**3)

    def colours(self) -> list[list[Any]]:
        """As a picture's palette is told, `#rrggbb` with its share, the largest first; nothing where none was seen."""
        seen = np.flatnonzero(self._seconds)
        if not len(seen):
            return []
        means = np.clip(np.rint(self._sums[seen] / self._seconds[seen, None]), 0, 255).astype(np.uint8)
        ends = np.cumsum(self._seconds[seen])
        steps = (np.arange(SIDE**2) + 0.5) / SIDE**2 * ends[-1]
        chosen = means[np.minimum(np.searchsorted(ends, steps), len(seen) - 1)]
        return palette(Image.fromarray(chosen.reshape(SIDE, SIDE, 3)))


def glances(film: Film, end: float, side: int) -> Iterator[tuple[Picture, float]]:
    """Pictures of the film up to a second, uint8 (1, h, w, 3), each with the seconds that it stands for."""
    stretch = end / GLANCES
    for number in range(GLANCES):
        for frame in islice(film.frames((number + 0.5) * stretch), 1):
            yield frame.rgb(side)[None], stretch
