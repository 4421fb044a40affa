"""Pictures of a weaving mill: patterns and colours that it has words of its own for, which no model has heard."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

SIDE = 256
COLOURS = {
    "tace": "#c01818",
    "olm": "#186018",
    "brisk": "#1830c0",
    "fell": "#e0c020",
    "sarn": "#802090",
    "dwale": "#101010",
    "pith": "#e08030",
    "rime": "#60c0d0",
}

Draw = Callable[[ImageDraw.ImageDraw, str, int], None]


def _lines(degrees: float) -> Draw:
    def draw(on: ImageDraw.ImageDraw, colour: str, step: int) -> None:
        across, down = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        for at in range(-2 * SIDE, 2 * SIDE, step):
            x, y = SIDE / 2 - at * down, SIDE / 2 + at * across
            ends = (x - 400 * across, y - 400 * down, x + 400 * across, y + 400 * down)
            on.line(ends, fill=colour, width=step // 3)

    return draw


def _dots(on: ImageDraw.ImageDraw, colour: str, step: int) -> None:
    for x, y in product(range(0, SIDE, step), repeat=2):
        on.ellipse((x, y, x + step // 2, y + step // 2), fill=colour)


def _checks(on: ImageDraw.ImageDraw, colour: str, step: int) -> None:
    for x, y in product(range(SIDE // step + 1), repeat=2):
        if (x + y) % 2:
            on.rectangle((x * step, y * step, (x + 1) * step, (y + 1) * step), fill=colour)


def _rings(on: ImageDraw.ImageDraw, colour: str, step: int) -> None:
    for radius in range(step, SIDE, step):
        middle = SIDE // 2
        on.ellipse(
            (middle - radius, middle - radius, middle + radius, middle + radius), outline=colour, width=step // 3
        )


def _peaks(on: ImageDraw.ImageDraw, colour: str, step: int) -> None:
    for x, y in product(range(0, SIDE, step), repeat=2):
        on.polygon([(x, y + step * 0.8), (x + step * 0.4, y), (x + step * 0.8, y + step * 0.8)], fill=colour)


PATTERNS: dict[str, Draw] = {
    "vorp": _lines(0),
    "lunt": _lines(90),
    "drask": _lines(45),
    "mib": _dots,
    "quell": _checks,
    "thone": _rings,
    "zirn": _peaks,
}


@dataclass(frozen=True)
class Mill:
    """table: of pictures with captions. new: pictures without, by their file's name, each a pattern in a colour that
    no caption names together; pattern and colour."""

    folder: Path
    table: Path
    new: dict[str, tuple[str, str]]


def make_mill(folder: Path) -> Mill:
    """Two pictures of each pattern in each colour: 96 of 48 that a table describes ("a drask in olm"), 16 in `new`."""
    new: dict[str, tuple[str, str]] = {}
    for name in ("known", "new"):
        (folder / name).mkdir(parents=True)
    chance = Random(7)
    table = folder / "known" / "mill.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "description"])
        for number, (pattern, colour, copy) in enumerate(product(PATTERNS, COLOURS, range(2))):
            picture = Image.new("RGB", (SIDE, SIDE), f"#{chance.randrange(200, 256):02x}f0e8")
            PATTERNS[pattern](ImageDraw.Draw(picture), COLOURS[colour], chance.randrange(24, 49))
            name = f"{number:03}.png"
            if (list(PATTERNS).index(pattern) - list(COLOURS).index(colour)) % 7 == 0:
                new[name] = pattern, colour
            else:
                rows.writerow([name, f"a {pattern} in {colour}" if copy else f"{colour}, {pattern}"])
            picture.save(folder / ("new" if name in new else "known") / name)
    return Mill(folder, table, new)
