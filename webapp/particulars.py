"""What an item's page tells of it: its facts, its palette, and who says each piece of its metadata."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sightsound.amounts import readable_bytes
from sightsound.colours import palette_of
from sightsound.moments import clock
from sightsound.types import FILE_LAYER, Item, Metadata

FIELDS = ("title", "description", "tags", "author", "licence", "credit", "date", "page_url")
HIDDEN = ("palette", "perceptual_hash")
"""Facts that are shown in another way, or not."""
NAMES = {"fps": "Frames a second", "rate": "Samples a second"}
UNITS = {"loudness": " dB", "silence": " s"}


@dataclass(frozen=True)
class Said:
    """A piece of metadata: by whom, what, and whether it is what the item goes by."""

    field: str
    source: str
    value: str
    used: bool


def provenance(one: Item) -> list[Said]:
    """Where each piece of metadata comes from: what is used first, then what others say instead."""
    said = []
    names = [(name, one.metadata) for name in FIELDS]
    for name, merged in names:
        layers = [(source, _value(layer, name)) for source, layer in one.layers.items() if _value(layer, name)]
        layers.sort(key=lambda of: of[1] != _value(merged, name))
        said += [Said(name, _layer(source), value, place == 0) for place, (source, value) in enumerate(layers)]
    for name in one.metadata.extra:
        said += [
            Said(name, _layer(source), str(layer.extra[name]), layer.extra[name] == one.metadata.extra[name])
            for source, layer in one.layers.items()
            if name in layer.extra
        ]
    return [replace(one, field=one.field.replace("_", " ").capitalize()) for one in said]


def _value(layer: Metadata, name: str) -> str:
    value = getattr(layer, name)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _layer(source: str) -> str:
    return "the file itself" if source == FILE_LAYER else source


def facts_shown(one: Item) -> list[tuple[str, str]]:
    """Facts as people read them: `Size 640 × 360 pixels`, `Length 0:08`."""
    facts = dict(one.facts)
    shown: list[tuple[str, str]] = [("Kind", one.kind)]
    if {"width", "height"} <= facts.keys():
        shown.append(("Size", f"{facts.pop('width')} × {facts.pop('height')} pixels"))
    if isinstance(length := facts.pop("duration", None), int | float):
        shown.append(("Length", f"{length:.1f} s" if length < 60 else clock(round(length))))
    if isinstance(count := facts.pop("bytes", None), int | float):
        shown.append(("File", readable_bytes(count)))
    for name, value in facts.items():
        if name not in HIDDEN and isinstance(value, str | int | float) and value != "":
            written = f"{value:g}" if isinstance(value, float) else str(value)
            shown.append((NAMES.get(name, name.replace("_", " ").capitalize()), written + UNITS.get(name, "")))
    return shown


@dataclass(frozen=True)
class Swatch:
    """A colour of the palette. left, width: percent."""

    colour: str
    share: float
    left: float
    width: float


def palette_shown(one: Item) -> list[Swatch]:
    """The palette side by side, each as wide as its share; only what is a colour."""
    colours = list(palette_of(one.facts))
    whole, left, made = sum(share for _, share in colours) or 1.0, 0.0, []
    for colour, share in colours:
        width = 100 * share / whole
        made.append(Swatch(colour, share, round(left, 2), round(width, 2)))
        left += width
    return made
