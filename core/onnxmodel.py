"""Models in ONNX Runtime, as fast as a CPU runs them: for encoders, the built-in ones and others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt

from sightsound.config import cores
from sightsound.errors import ModelError, explain
from sightsound.types import Role

Feed = Mapping[str, npt.NDArray[Any]]
"""What one run is given: arrays by input name, as many rows in each."""


class OnnxModel:
    """Loads its weights at the first run.

    Documents come in batches: these are cut into parts that run beside each other, a core each. One run on all cores is
    slower, since its threads wait for each other after each layer, the more so where others want the cores too. A query
    is one run, on all cores.

    model: the file, or what would be in it. prepack: lay the weights out anew for speed when they are loaded; of a
    large model that takes longer than a query.
    """

    def __init__(self, model: Path | bytes, role: Role, prepack: bool = True) -> None:
        self._model = model if isinstance(model, bytes) else str(model)
        self._many = role == "document"
        self._prepack = prepack

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 if self._many else cores()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not self._prepack:
            options.add_session_config_entry("session.disable_prepacking", "1")
        try:
            return onnxruntime.InferenceSession(self._model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own, of many kinds
            if isinstance(self._model, bytes):
                raise ModelError(f"A model can't be loaded: {explain(error)}") from error
            name = Path(self._model).name
            said = explain(error).replace(self._model, name).rstrip(".")
            raise ModelError(f"The model {name} can't be loaded: {said}. See: sightsound doctor") from error

    @cached_property
    def _cores(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(cores(), "encoding")

    @cached_property
    def inputs(self) -> list[str]:
        return [given.name for given in self._session.get_inputs()]

    def run(self, feeds: Sequence[Feed]) -> list[list[npt.NDArray[Any]]]:
        """The model's outputs for each feed."""
        session = self._session
        if self._many and len(feeds) > 1:
            return list(self._cores.map(lambda feed: session.run(None, dict(feed)), feeds))
        return [session.run(None, dict(feed)) for feed in feeds]


def parts(count: int, most: int) -> Iterator[slice]:
    """Slices of `count` rows for runs beside each other: no more than `most` rows in each, and work for every core."""
    size = max(1, min(most, -(-count // cores())))
    for start in range(0, count, size):
        yield slice(start, start + size)
