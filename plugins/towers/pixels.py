"""How an image model wants its pictures: resized and cut to its square, as its training did it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Resize = Literal["shortest", "squash", "longest"]
FINER = 2
"""Readers deliver pictures at least this many times as fine as the model's side, so that the resizing here is the one
that counts."""


@dataclass(frozen=True)
class Pixels:
    """Importable and picklable: it runs in the reading processes, with Pillow alone.

    height, width: of what the model takes. resize: the shorter side to fit and the rest cut off, squashed to fit,
    or the longer side to fit and the rest filled. to: the shorter side before cutting, where it is not the model's.
    resample: Pillow's number. rounding: how an odd margin is halved; torchvision and transformers differ.
    mean, std: of the channels, of values 0..1; applied in the model, since pictures travel as bytes.
    """

    height: int
    width: int
    resize: Resize
    resample: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    to: int = 0
    fill: int = 0
    rounding: Literal["even", "down"] = "even"

    @property
    def min_side(self) -> int:
        return FINER * max(self.height, self.width, self.to)

    def __call__(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """uint8 (h, w, 3) -> uint8 (height, width, 3)."""
        from PIL import Image

        picture = Image.fromarray(image)
        if self.resize == "squash":
            return np.asarray(self._resized(picture, (self.width, self.height)))
        if self.resize == "longest":
            ratio = max(picture.height / self.height, picture.width / self.width)
            size = (max(1, round(picture.width / ratio)), max(1, round(picture.height / ratio)))
        else:
            size = self._by_shorter_side(picture.width, picture.height)
        return np.asarray(self._cut(self._resized(picture, size)))

    def _by_shorter_side(self, width: int, height: int) -> tuple[int, int]:
        to = self.to or min(self.height, self.width)
        if self.height != self.width and not self.to:
            ratio = min(height / self.height, width / self.width)
            return max(1, round(width / ratio)), max(1, round(height / ratio))
        return (to, max(1, int(to * height / width))) if width <= height else (max(1, int(to * width / height)), to)

    def _resized(self, picture: Any, size: tuple[int, int]) -> Any:
        return picture if picture.size == size else picture.resize(size, self.resample)

    def _cut(self, picture: Any) -> Any:
        """The middle; what lies outside of a smaller picture is filled."""
        from PIL import Image

        if picture.size == (self.width, self.height):
            return picture
        ground = Image.new("RGB", (self.width, self.height), (self.fill,) * 3)
        ground.paste(picture, (-self._margin(picture.width, self.width), -self._margin(picture.height, self.height)))
        return ground

    def _margin(self, has: int, wants: int) -> int:
        if has < wants:
            return -((wants - has) // 2)
        return round((has - wants) / 2.0) if self.rounding == "even" else (has - wants) // 2

    def __str__(self) -> str:
        size = f"{self.width}x{self.height}" + (f" of {self.to}" if self.to else "")
        numbers = " ".join(f"{number:.4g}" for number in (*self.mean, *self.std))
        return f"{size} {self.resize} resample {self.resample} {self.rounding} fill {self.fill} {numbers}"
