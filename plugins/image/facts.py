"""Facts of a picture: its size, its palette, and a perceptual hash."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from sightsound.plugins.image.decode import Decoded

ENOUGH = 128
"""The shorter side, in pixels, that palette and hash need: what is finer would be averaged all the same."""
COLOURS = 5
_HASH_SIDE = 8
_GRID = 4 * _HASH_SIDE
_COSINES = np.cos(np.pi / _GRID * np.outer(np.arange(_GRID), np.arange(_GRID) + 0.5))


def picture_facts(picture: Decoded) -> dict[str, Any]:
    """JSON values: width, height, format, palette, perceptual_hash, and frames for an animation."""
    image = Image.fromarray(picture.image)
    factor = min(image.size) // ENOUGH
    image = image.reduce(factor) if factor > 1 else image
    facts = {
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "palette": palette(image),
        "perceptual_hash": perceptual_hash(image),
    }
    return facts | ({"frames": picture.frames} if picture.frames > 1 else {})


def palette(image: Image.Image) -> list[list[Any]]:
    """Up to five colours by median cut, with their shares of the area, the largest first."""
    small = image.resize((32, 32), Image.Resampling.BOX)
    cut = small.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    colours = bytes(cut.getpalette() or [])
    counted = sorted((-count, number) for number, count in enumerate(cut.histogram()[:COLOURS]) if count)
    area = small.width * small.height
    return [[f"#{colours[3 * n : 3 * n + 3].hex()}", round(-count / area, 3)] for count, n in counted]


def perceptual_hash(image: Image.Image) -> str:
    """64 bits as 16 hex digits: the signs of the low frequencies of a cosine transform about their median.

    The method of pHash (Zauner 2010), bit for bit as the library imagehash computes it. Pictures that look alike
    differ in few bits.
    """
    pixels = np.asarray(image.convert("L").resize((_GRID, _GRID), Image.Resampling.LANCZOS), dtype=np.float64)
    low = (_COSINES @ pixels @ _COSINES.T)[:_HASH_SIDE, :_HASH_SIDE]
    return np.packbits(low > np.median(low)).tobytes().hex()
