"""What the libraries' models have in common, before and after their weights are read."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sightsound.errors import ModelError
from sightsound.plugins.towers.pixels import Pixels
from sightsound.plugins.towers.places import Place
from sightsound.plugins.towers.tokens import Ids, Recipe
from sightsound.plugins.towers.weights import checksum_of_all, find_weights, has_weights
from sightsound.types import Role, Space

if TYPE_CHECKING:
    import torch

Which = Literal["image", "text", "audio"]


@dataclass(frozen=True)
class Built:
    """A tower in torch, with its weights.

    module: uint8 (n, height, width, 3), or ids and mask, int64 (n, length) -> float32 (n, dims), unit length.
    tokenize: texts -> ids and mask, by the model's own library. tokens, recipe: the same for `tokenizers` alone, or
    None where that library's does something of its own.
    """

    module: torch.nn.Module
    tokenize: Callable[[Sequence[str]], tuple[Ids, Ids]] | None = None
    tokens: Any = None
    recipe: Recipe | None = None


@dataclass(frozen=True)
class Model(ABC):
    """A model by its config. Cheap: no weights are read.

    argument: names it for ever, as a collection keeps it. title: what people call it. names: of the files that may
    hold its weights, the best first. pixels: None where it reads no pictures. bytes: of the weights, about; 0: unknown.
    """

    argument: str
    title: str
    space: Space
    place: Place
    names: tuple[str, ...]
    pixels: Pixels | None
    bytes: int

    @property
    @abstractmethod
    def set(self) -> str:
        """The encoder set that it is chosen by."""

    @abstractmethod
    def tells_apart(self, which: Which) -> str:
        """What besides the weights makes this tower's vectors what they are, for its fingerprint."""

    @abstractmethod
    def build(self, which: Which) -> Built:
        """Read the weights, on the CPU, in float32. Imports torch. Raises ModelError."""

    def prompt(self, role: Role) -> str:
        """What is put before a text."""
        return ""

    @property
    def towers(self) -> tuple[Which, ...]:
        return ("image", "text") if self.pixels else ("text",)

    @property
    def here(self) -> bool:
        return has_weights(self.place, self.names)

    def weights(self) -> list[Path]:
        """Raises ModelError where they are missing, damaged or refused."""
        return find_weights(self.place, self.names)

    def fingerprint(self, which: Which) -> str:
        return f"{self.title} {checksum_of_all(self.weights())[:16]} {self.tells_apart(which)}"


def read_json(path: Path) -> dict[str, Any]:
    """Raises ModelError."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error
    if not isinstance(held, dict):
        raise ModelError(f"{path} is not a JSON object")
    return held


def required(held: Mapping[str, Any], keys: Sequence[str], path: Path) -> list[Any]:
    """The values of these keys. Raises ModelError that names those that are missing: none is guessed."""
    missing = [key for key in keys if held.get(key) is None]
    if missing:
        raise ModelError(
            f"{path} does not say {', '.join(missing)}. Without, the model's vectors would be wrong and look right, so"
            " nothing is assumed: add what its publisher says"
        )
    return [held[key] for key in keys]


def triple(value: Any, path: Path) -> tuple[float, float, float]:
    numbers = [value] * 3 if isinstance(value, int | float) else list(value)
    if len(numbers) != 3 or not all(isinstance(number, int | float) for number in numbers):
        raise ModelError(f"{path}: mean and std are three numbers each, not {value}")
    return float(numbers[0]), float(numbers[1]), float(numbers[2])
