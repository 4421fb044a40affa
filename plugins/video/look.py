"""The look of a film, shot by shot: colour, light, contrast, saturation and motion, as one vector.

- Palette: a soft histogram over CIE L*a*b*, the space in which equal distances look equally far apart (CIE 1976;
  conversion as in IEC 61966-2-1 and CIE 15), with fixed colours for bins.
- Brightness, contrast, saturation: mean and spread of L*, and chroma, as in the film and affect literature (Wang and
  Cheong 2006, "Affective understanding in film").
- Motion: what changes from picture to picture (Rasheed, Sheikh and Shah 2005, "On the use of computable features for
  film classification"), and how that changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound import EncoderSpec, Role, ShotInput, Space, Vectors
from sightsound.media import Shot

RATE = 4.0
SIDE = 36
PICTURES = 48
"""Pictures of a shot that colours are taken of."""
LIGHTNESS = (8.0, 25.0, 42.0, 58.0, 75.0, 92.0)
HUES = 8
CHROMA = 38.0
"""Distance of the coloured bins from grey; that of muted and of vivid colours."""
SOFT = 18.0
"""How far, in L*a*b*, a colour spreads over its neighbouring bins."""
LEVELS = 8
"""Steps on which a quantity is written, softly, so that near values have near vectors."""
DIMS = len(LIGHTNESS) * (HUES + 1) + 6 * LEVELS
WEIGHTS = (0.55, 0.09, 0.09, 0.09, 0.05, 0.08, 0.05)
"""Shares of palette, brightness, contrast, saturation, its spread, motion, and the spread of motion in a likeness."""

Floats = npt.NDArray[np.float32]


def look() -> EncoderSpec:
    return EncoderSpec("look", "shot", Space("look", DIMS), ShotInput(SIDE, RATE), shot_look, load)


def load(device: str) -> Look:
    return Look()


class Look:
    """The vectors are made where the film is read; here they are only stacked."""

    fingerprint = "look 3"
    """To be raised too where the reader of films makes other pictures of a shot."""

    def encode(self, batch: Sequence[Any], role: Role) -> Vectors:
        return np.stack(batch)


def shot_look(shot: Shot) -> Floats:
    """float32 (DIMS,), unit length: what a shot looks like."""
    pictures = shot.frames[:: max(1, len(shot.frames) // PICTURES)]
    lab = to_lab(pictures[:, ::2, ::2])
    flat = lab.reshape(-1, 3)
    chroma = np.hypot(flat[:, 1], flat[:, 2])
    moving = _changes(shot)
    parts = [
        np.sqrt(_palette(flat)),
        _level(flat[:, 0].mean() / 100),
        _level(flat[:, 0].std() / 40),
        _level(chroma.mean() / 70),
        _level(chroma.std() / 40),
        _level(float(np.sqrt(moving.mean() / 60)) if len(moving) else 0.0),
        _level(float(np.sqrt(moving.std() / 60)) if len(moving) else 0.0),
    ]
    made = [np.sqrt(weight) * part / np.linalg.norm(part) for weight, part in zip(WEIGHTS, parts, strict=True)]
    vector: Floats = np.concatenate(made).astype(np.float32)
    return vector


def _changes(shot: Shot) -> Floats:
    """How much of the light changes a second, between pictures, on a scale of 255: float32 (n - 1,)."""
    if len(shot.frames) < 2:
        return np.zeros(0, np.float32)
    grey = shot.frames.astype(np.float32).mean(axis=3)
    steps = np.maximum(np.diff(shot.seconds), 1e-3)
    changed: Floats = (np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2)) / steps / RATE * 4).astype(np.float32)
    return changed


def _level(value: float) -> Floats:
    """A quantity of 0..1 as a soft step on a scale: near values overlap, far ones do not."""
    place = np.clip(value, 0, 1) * (LEVELS - 1)
    level: Floats = np.exp(-((np.arange(LEVELS, dtype=np.float32) - place) ** 2) / 2 / 0.8**2).astype(np.float32)
    return level


def _palette(lab: Floats) -> Floats:
    """The shares of the colours, each spread over the bins near it."""
    bins = _bins()
    # The square of a colour itself is the same for all bins, and so says nothing of which it is near.
    nearness = (lab @ bins.T - (bins**2).sum(axis=1) / 2) / SOFT**2
    near = np.exp(nearness - nearness.max(axis=1, keepdims=True))
    shares: Floats = (near / near.sum(axis=1, keepdims=True)).mean(axis=0).astype(np.float32)
    return shares


@cache
def _bins() -> Floats:
    """The colours that the palette is told in: for each lightness grey and HUES hues."""
    angles = np.arange(HUES) * 2 * np.pi / HUES
    rings = [[light, 0.0, 0.0] for light in LIGHTNESS]
    rings += [[light, CHROMA * np.cos(a), CHROMA * np.sin(a)] for light in LIGHTNESS for a in angles]
    return np.array(rings, np.float32)


_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    np.float32,
)
_WHITE = np.array([0.95047, 1.0, 1.08883], np.float32)


def to_lab(rgb: npt.NDArray[np.uint8]) -> Floats:
    """sRGB uint8 (…, 3) -> CIE L*a*b* (D65), float32 (…, 3): L* 0..100, a* and b* about -128..127."""
    linear = _linear()[rgb]
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab: Floats = np.stack(
        [116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    ).astype(np.float32)
    return lab


@cache
def _linear() -> Floats:
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)
