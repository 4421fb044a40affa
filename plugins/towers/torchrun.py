"""A tower in torch: on a GPU, or where it can't be exported."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sightsound.errors import ModelError
from sightsound.types import Role, Vectors

FIRST = 8
"""Inputs of the batch that shows how much memory one takes."""
MOST = 512
SHARE = 0.7
"""Of the free memory that batches may take: two are in flight."""
IN_FLIGHT = 2
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchRunner:
    """Runs batches as large as the device's memory takes, two at a time; halves them where memory runs out.

    module: (n, …) on the device -> float (n, dims). say: called with a line for people.
    """

    def __init__(self, module: torch.nn.Module, device: str, precision: str, say: Callable[[str], None]) -> None:
        self._device = torch.device(device)
        self._module = module.to(self._device, DTYPES[precision]).eval()
        self._say = say
        self._said = False
        self.batch = 0

    def run(self, arrays: Sequence[npt.NDArray[Any]], role: Role) -> Vectors:
        """The same in either role. Raises ModelError where not even one input fits into memory."""
        count = len(arrays[0])
        if not self.batch:
            self.batch = self._fitting([array[:FIRST] for array in arrays])
        done: list[Vectors] = []
        flying: deque[torch.Tensor] = deque()
        start = 0
        while start < count or flying:
            try:
                if start < count and len(flying) < IN_FLIGHT:
                    flying.append(self._launch([array[start : start + self.batch] for array in arrays]))
                    start += len(flying[-1])
                else:
                    done.append(flying[0].float().cpu().numpy())
                    flying.popleft()
            except torch.OutOfMemoryError:
                start -= sum(len(one) for one in flying)
                flying.clear()
                self._halve()
        return np.concatenate(done) if done else np.zeros((0, 0), np.float32)

    def _launch(self, arrays: Sequence[npt.NDArray[Any]]) -> torch.Tensor:
        with torch.inference_mode():
            made: torch.Tensor = self._module(*(self._sent(array) for array in arrays))
        return made

    def _sent(self, array: npt.NDArray[Any]) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type == "cuda":
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor.to(self._device)

    def _fitting(self, first: Sequence[npt.NDArray[Any]]) -> int:
        """A batch whose memory, by that of a first small one, fits twice into what is free."""
        if self._device.type != "cuda":
            return FIRST * 4
        try:
            self._launch(first)  # so that libraries have their workspaces
            torch.cuda.synchronize(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            before = torch.cuda.memory_allocated(self._device)
            self._launch(first)
            torch.cuda.synchronize(self._device)
        except torch.OutOfMemoryError:
            return FIRST
        one = max(1, (torch.cuda.max_memory_allocated(self._device) - before) // len(first[0]))
        free, _ = torch.cuda.mem_get_info(self._device)
        return max(1, min(MOST, int(SHARE * free / IN_FLIGHT / one)))

    def _halve(self) -> None:
        if self.batch == 1:
            raise ModelError(
                "The GPU has not enough memory for this model, even one input at a time. Close what else uses it, take"
                " a smaller model, or --device cpu"
            )
        self.batch = max(1, self.batch // 2)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if not self._said:
            self._said = True
            self._say(f"The GPU's memory ran out; going on with batches of {self.batch}.")
