"""A tower in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound.onnxmodel import OnnxModel, parts
from sightsound.types import Role, Vectors

CPU_BATCH = 8


class Session:
    """Loads its weights at the first run in a role, and once for each."""

    def __init__(self, path: Path) -> None:
        self._models: dict[Role, OnnxModel] = {
            "document": OnnxModel(path, "document"),
            "query": OnnxModel(path, "query", prepack=False),
        }

    def run(self, arrays: Sequence[npt.NDArray[Any]], role: Role) -> Vectors:
        """pixels; or ids and mask -> float32 (n, dims). What the model does not look at is left out."""
        model, names = self._models[role], ("pixels",) if len(arrays) == 1 else ("ids", "mask")
        given = {name: array for name, array in zip(names, arrays, strict=True) if name in model.inputs}
        rows = parts(len(arrays[0]), CPU_BATCH)
        made = model.run([{name: array[part] for name, array in given.items()} for part in rows])
        return np.concatenate([vectors for (vectors,) in made]).astype(np.float32, copy=False)
