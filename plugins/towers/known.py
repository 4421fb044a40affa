"""The models to choose from: those on this machine, and those that open_clip knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sightsound.errors import SightsoundError
from sightsound.plugins.towers import catalogue, openclip
from sightsound.plugins.towers.exports import export_folders, read
from sightsound.plugins.towers.places import is_path


@dataclass(frozen=True)
class Known:
    """name: as --encoders takes it. bytes: of its weights, downloaded and in memory, about. coco: published recall of
    pictures for captions at 1, 5 and 10. rates: things a second on this machine, by tower and precision."""

    name: str
    dims: int
    bytes: int
    here: bool
    coco: tuple[float, ...] = ()
    flickr: tuple[float, ...] = ()
    rates: dict[str, float] = field(default_factory=dict)


def known(every: bool) -> list[Known]:
    """On this machine first, then by recall. Without `every`, of the rest only the best for their size."""
    rates = _rates()
    found = [_of_catalogue(entry, rates) for entry in catalogue.catalogue().values()]
    names = {one.name for one in found}
    others = [
        Known(name, 0, 0, True, rates=made) for name, made in rates.items() if name not in names and not _is_gone(name)
    ]
    best = found if every else _best(found)
    shown = [one for one in found if one.here or one in best]
    return [*others, *sorted(shown, key=lambda one: (not one.here, -sum(one.coco), one.name))]


def _is_gone(name: str) -> bool:
    argument = name.partition(":")[2]
    return is_path(argument) and not Path(argument).exists()


def _of_catalogue(entry: catalogue.Entry, rates: dict[str, dict[str, float]]) -> Known:
    name = f"clip:{entry.name}"
    try:
        here = openclip.resolve(entry.name).here
    except (SightsoundError, ImportError):
        here = False
    return Known(name, entry.dims, entry.bytes, here, entry.coco, entry.flickr, rates.get(name, {}))


def _best(models: list[Known]) -> list[Known]:
    """Those than which no smaller one has as good a recall."""
    kept: list[Known] = []
    for one in sorted((m for m in models if m.coco and m.bytes), key=lambda m: (m.bytes, -sum(m.coco))):
        if not kept or sum(one.coco) > sum(kept[-1].coco):
            kept.append(one)
    return kept


def _rates() -> dict[str, dict[str, float]]:
    """By model, of those that were made ready on this machine."""
    found: dict[str, dict[str, float]] = {}
    for one in filter(None, map(read, export_folders())):
        said = one.manifest
        name = f"{said.set}:{said.argument.partition('@')[0]}"
        found.setdefault(name, {})[f"{said.which} {said.precision}"] = round(said.rate, 1)
    return found
