"""A tower in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound.config import cores
from sightsound.types import Vectors

CPU_BATCH = 8


class Session:
    """Loads its weights at the first run.

    many: whether much is encoded. Where not, weights are not laid out anew for speed: that takes longer than a query.
    """

    def __init__(self, path: Path, many: bool = True) -> None:
        self._path = path
        self._many = many

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cores()
        options.log_severity_level = 3
        if not self._many:
            options.add_session_config_entry("session.disable_prepacking", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        return onnxruntime.InferenceSession(str(self._path), options, providers=["CPUExecutionProvider"])

    @cached_property
    def _inputs(self) -> list[str]:
        return [given.name for given in self._session.get_inputs()]

    def run(self, arrays: Sequence[npt.NDArray[Any]]) -> Vectors:
        """pixels; or ids and mask -> float32 (n, dims). What the model does not look at is left out."""
        session, names = self._session, ("pixels",) if len(arrays) == 1 else ("ids", "mask")
        given = {name: array for name, array in zip(names, arrays, strict=True) if name in self._inputs}
        count = len(arrays[0])
        made = [
            session.run(None, {name: array[start : start + CPU_BATCH] for name, array in given.items()})[0]
            for start in range(0, count, CPU_BATCH)
        ]
        return np.concatenate(made).astype(np.float32, copy=False)
