"""Names for the look of a picture: its colours, of a small palette, and its orientation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

COLOURS = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "grey",
)  # fmt: skip
"""In the order in which they are shown: around the circle of hues, then what has none."""
ORIENTATIONS = ("landscape", "portrait", "square")
LEAST_SHARE = 0.12
"""Of the area: a colour that takes less of a picture does not name it."""
NEARLY_SQUARE = 1.05
"""Sides that differ by no more than this factor make a square."""

_GREY_CHROMA = 0.035
_DARK, _BRIGHT = 0.28, 0.9
_HUES = ((40, "red"), (70, "orange"), (112, "yellow"), (165, "green"), (220, "teal"), (287, "blue"), (333, "purple"))
"""Where each hue ends, in degrees; what is past the last is pink, up to _RED, where red begins."""
_RED = 5
_PINK_FROM, _BROWN_BELOW, _OLIVE_BELOW = 0.7, 0.62, 0.45


def colour_name(rgb: str) -> str:
    """The name of `#rrggbb`, one of COLOURS.

    The eleven basic colour terms of Berlin and Kay (1969), and teal, as regions of hue, chroma and lightness in Oklab
    (B. Ottosson 2020, https://bottosson.github.io/posts/oklab/); the bounds are set by eye. Raises ValueError.
    """
    lightness, chroma, hue = _oklch(rgb)
    if (lightness < _DARK and chroma < 2 * _GREY_CHROMA) or lightness < _DARK / 2:
        return "black"
    if chroma < _GREY_CHROMA:
        return "white" if lightness > _BRIGHT else "grey"
    if hue < _RED:
        return "pink"
    name = next((name for end, name in _HUES if hue < end), "pink")
    if name == "red":
        return "pink" if lightness > _PINK_FROM else "brown" if chroma < 0.09 else "red"
    if name == "orange":
        return "brown" if lightness < _BROWN_BELOW or chroma < 0.08 else "orange"
    if name == "yellow":
        return "brown" if lightness < _OLIVE_BELOW or (hue < 95 and chroma < 0.09) else "yellow"
    return name


def colours_of(facts: Mapping[str, Any]) -> list[str]:
    """The names of the colours in a palette (`palette` of an item's facts), the largest share of the area first.

    Shades of one name count together. Nothing for facts without a palette, or with one that makes no sense.
    """
    shares: dict[str, float] = {}
    for rgb, share in palette_of(facts):
        name = colour_name(rgb)
        shares[name] = shares.get(name, 0.0) + share
    return sorted((name for name, share in shares.items() if share >= LEAST_SHARE), key=lambda name: -shares[name])


def orientation_of(facts: Mapping[str, Any]) -> str:
    """One of ORIENTATIONS by the facts `width` and `height`; "" where they are not known."""
    width, height = facts.get("width"), facts.get("height")
    if not _positive(width) or not _positive(height):
        return ""
    assert isinstance(width, int | float) and isinstance(height, int | float)
    if max(width, height) <= NEARLY_SQUARE * min(width, height):
        return "square"
    return "landscape" if width > height else "portrait"


def palette_of(facts: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """(`#rrggbb`, its share) of the colours in a palette, without what makes no sense."""
    palette = facts.get("palette")
    for colour in palette if isinstance(palette, list) else ():
        match colour:
            case [str(rgb), int() | float() as share] if _is_rgb(rgb):
                yield rgb, float(share)


def _is_rgb(text: str) -> bool:
    return len(text) == 7 and text[0] == "#" and all(digit in "0123456789abcdefABCDEF" for digit in text[1:])


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _oklch(rgb: str) -> tuple[float, float, float]:
    """Lightness 0..1, chroma 0..0.4, hue in degrees."""
    r, g, b = (_linear(int(rgb[at : at + 2], 16) / 255) for at in (1, 3, 5))
    long = math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    medium = math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    short = math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    green_red = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    blue_yellow = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(green_red, blue_yellow), math.degrees(math.atan2(blue_yellow, green_red)) % 360


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
