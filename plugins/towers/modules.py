"""Towers as torch modules from what is sent to them to vectors of unit length: what is exported, and what runs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from sightsound.plugins.towers.pixels import Pixels

Tensor = torch.Tensor


class ImageTower(torch.nn.Module):
    """uint8 (n, height, width, 3) -> float32 (n, dims). Pictures travel as bytes: four times smaller than floats.

    encode: normalised (n, 3, height, width) -> (n, dims). whole: the module that `encode` is of.
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], whole: torch.nn.Module, pixels: Pixels) -> None:
        super().__init__()
        self._encode = encode
        self.whole = whole
        self._scale = [1 / (255 * std) for std in pixels.std]
        self._shift = [mean / std for mean, std in zip(pixels.mean, pixels.std, strict=True)]

    def forward(self, pixels: Tensor) -> Tensor:
        scale, shift = (torch.tensor(one, device=pixels.device).view(3, 1, 1) for one in (self._scale, self._shift))
        values = pixels.permute(0, 3, 1, 2).float() * scale - shift  # in full precision, whatever the weights have
        encoded = self._encode(values.to(next(self.whole.parameters()).dtype))
        return functional.normalize(encoded.float(), dim=-1)


class TextTower(torch.nn.Module):
    """ids and mask, int64 (n, length) -> float32 (n, dims). encode: the same, lengths as they come."""

    def __init__(self, encode: Callable[[Tensor, Tensor], Tensor], whole: torch.nn.Module) -> None:
        super().__init__()
        self._encode = encode
        self.whole = whole

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return functional.normalize(self._encode(ids, mask).float(), dim=-1)
