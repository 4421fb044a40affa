"""One tower of a model as an encoder: on the CPU by ONNX Runtime, on a GPU by torch."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sightsound.errors import ModelError
from sightsound.plugins.towers.devices import device_for, precision_of_queries, precision_on
from sightsound.plugins.towers.exports import Export, ExportError, exported
from sightsound.plugins.towers.model import Built, Model, Which
from sightsound.plugins.towers.tokens import TOKENS, Ids, Recipe, Tokenizer
from sightsound.types import Role, Vectors

say = logging.getLogger("sightsound").info
warn = logging.getLogger("sightsound").warning


class Runner(Protocol):
    def run(self, arrays: Sequence[npt.NDArray[Any]], role: Role) -> Vectors: ...


@dataclass(frozen=True)
class Load:
    """`EncoderSpec.load` for a tower."""

    model: Model
    which: Which

    def __call__(self, device: str) -> Tower:
        return Tower(self.model, self.which, device)


class Tower:
    """Loads its weights at the first thing to encode. Queries run on the CPU unless a device is named: one query is
    done before a GPU's libraries have loaded."""

    def __init__(self, model: Model, which: Which, device: str) -> None:
        self._model = model
        self._which: Which = which
        self._device = device
        self._runners: dict[str, Runner] = {}

    @cached_property
    def fingerprint(self) -> str:
        return self._model.fingerprint(self._which)

    def encode(self, batch: Sequence[Any], role: Role) -> Vectors:
        """Pixels as `Pixels` gives them, or texts -> float32 (n, dims), rows of unit length. Raises ModelError."""
        beside = role == "query" and self._device == "auto"
        device = "cpu" if beside else device_for(self._device)
        if device not in self._runners:
            self._runners[device] = self._runner(device, precision_of_queries() if beside else precision_on(device))
        runner = self._runners[device]
        if self._which == "image":
            return runner.run([np.stack(batch)], role)
        prompt = self._model.prompt(role)
        return self._by_length(runner, *self._tokenize([prompt + text for text in batch]), role)

    def _by_length(self, runner: Runner, ids: Ids, mask: Ids, role: Role) -> Vectors:
        """Short texts beside short ones, so that little is computed for what fills the rows."""
        lengths = mask.sum(axis=1)
        if lengths.min() == ids.shape[1] or len(ids) <= 1:
            return runner.run([ids, mask], role)
        order = np.argsort(lengths, kind="stable")
        vectors = np.empty((len(ids), self._model.space.dims), np.float32)
        for start in range(0, len(ids), 32):
            rows = order[start : start + 32]
            width = ids.shape[1] if self._fixed else int(lengths[rows].max())
            vectors[rows] = runner.run([ids[rows, :width], mask[rows, :width]], role)
        return vectors

    def _runner(self, device: str, precision: str) -> Runner:
        if device == "cpu":
            try:
                return self._export(precision).session()
            except ExportError as error:
                warn(
                    f"{self._model.title} ({self._which}) can't be used by ONNX Runtime and runs by torch, which is"
                    f" slower on a CPU: {error}"
                )
                precision = "fp32"
        from sightsound.plugins.towers.torchrun import TorchRunner

        built = self._built
        runner = TorchRunner(built.module, device, precision, warn)
        made = runner.run([np.zeros((1, *self._shape), np.uint8)], "query") if self._which == "image" else None
        if made is not None and made.shape[1] != self._model.space.dims:
            raise ModelError(
                f"The vectors of {self._model.title} have {made.shape[1]} dims, and its config says"
                f" {self._model.space.dims}"
            )
        return runner

    @property
    def _shape(self) -> tuple[int, int, int]:
        assert self._model.pixels is not None
        return (self._model.pixels.height, self._model.pixels.width, 3)

    def _export(self, precision: str) -> Export:
        return exported(self._model, self._which, precision, say)

    @cached_property
    def _built(self) -> Built:
        return self._model.build(self._which)

    @cached_property
    def _light(self) -> Tokenizer | None:
        """The tokenizer without the model's library, where an export has shown that it does the same."""
        try:
            found = self._export(precision_of_queries())
        except ExportError:
            return None
        recipe = found.manifest.recipe
        return Tokenizer.load(found.folder / TOKENS, Recipe(**recipe)) if recipe else None

    @property
    def _fixed(self) -> bool:
        return self._light is None or self._light.fixed

    def _tokenize(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        if self._light:
            return self._light(texts)
        assert self._built.tokenize is not None
        return self._built.tokenize(texts)
