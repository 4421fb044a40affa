"""Items that can't be read as long as something is not installed: they are counted and passed over, not failed."""

from __future__ import annotations

from collections import Counter

from sightsound.media import Reader
from sightsound.registry import Registry
from sightsound.types import Item, ItemKind


class Skipping:
    """Finds each item's reader, and remembers what the readers lack."""

    def __init__(self, registry: Registry) -> None:
        self.readers: tuple[Reader, ...] = tuple(entry.thing for entry in registry.readers)
        self._counted: Counter[tuple[ItemKind, str]] = Counter()

    def skips(self, item: Item) -> bool:
        """Whether the item is to be passed over; it is then counted."""
        reader = next((reader for reader in self.readers if reader.reads(item)), None)
        missing = str(getattr(reader, "missing", ""))
        self._counted[item.kind, missing] += bool(missing)
        return bool(missing)

    @property
    def warnings(self) -> list[str]:
        """A line for each thing that is missing, with the command that adds it."""
        return [
            f"{count:,} {kind}{'' if count == 1 else 's'} skipped. {missing}"
            for (kind, missing), count in self._counted.items()
            if missing
        ]
