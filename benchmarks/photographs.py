"""Photographs to index: seeded crops of the demo photographs, as JPEG of 1 to 12 megapixels."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

DEMO = Path(__file__).parent.parent / "examples" / "media" / "photos"


def make_photographs(folder: Path, count: int, megapixels: tuple[float, float] = (1.0, 12.0)) -> Path:
    """Write `count` photographs into the folder, the same ones every time; those that lie there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    originals = sorted(DEMO.iterdir())
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        if not path.exists():
            chance = random.Random(number)
            with Image.open(originals[number % len(originals)]) as original:
                _crop(original.convert("RGB"), chance, megapixels).save(path, quality=chance.randint(75, 95))
    return folder


def _whole_blocks(side: float) -> int:
    """Cameras make sides of whole JPEG blocks."""
    return max(32, 16 * round(side / 16))


def _crop(original: Image.Image, chance: random.Random, megapixels: tuple[float, float]) -> Image.Image:
    share = chance.uniform(0.6, 1.0)
    width, height = int(original.width * share), int(original.height * share)
    left, top = chance.randint(0, original.width - width), chance.randint(0, original.height - height)
    scale = (chance.uniform(*megapixels) * 1e6 / (width * height)) ** 0.5
    size = (_whole_blocks(width * scale), _whole_blocks(height * scale))
    return original.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
