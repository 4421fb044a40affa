"""The encoder set `trained:FOLDER`: those of the set it was trained on, its pictures turned, in a space of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sightsound.encoders import choose
from sightsound.errors import ModelError, UsageError
from sightsound.plugins.trained import folder
from sightsound.plugins.trained.fitting import Turned
from sightsound.registry import registry
from sightsound.types import Device, Encoder, EncoderSpec, Role, Space, Vectors


def specs_for(argument: str) -> list[EncoderSpec]:
    if not argument:
        raise UsageError(
            "--encoders trained:FOLDER names the folder of a trained encoder. To make one: sightsound train FOLDER"
        )
    path = Path(argument).expanduser().absolute()
    about = folder.read(path)
    base = [chosen.spec for chosen in choose(registry(), [about.base]).chosen]
    space = next((space for spec in base for space in spec.spaces if space.name == about.space), None)
    if space is None or not any(_is_turned(spec, about) for spec in base):
        raise ModelError(f"{path} was trained on {about.base}, which has no {about.encoder} in {about.space} any more")
    own = Space(f"{space.name}-{path.name}-{about.sha256[:8]}", space.dims)
    return [_in_own_space(spec, path, about, space, own) for spec in base]


def _is_turned(spec: EncoderSpec, about: folder.About) -> bool:
    return spec.name == about.encoder and about.space in {space.name for space in spec.spaces}


def _in_own_space(spec: EncoderSpec, path: Path, about: folder.About, space: Space, own: Space) -> EncoderSpec:
    """Encoders that have nothing to do with the space that is turned stay as they are."""
    if space not in spec.spaces:
        return spec
    spaces = tuple(own if one == space else one for one in spec.spaces)
    return replace(spec, space=spaces, pinned=str(path), load=Load(spec, path, about))


@dataclass(frozen=True)
class Load:
    """Loads an encoder of the base. Raises ModelError where it is not the one that was trained on."""

    spec: EncoderSpec
    path: Path
    about: folder.About

    def __call__(self, device: Device) -> Encoder:
        encoder = self.spec.load(device)
        if _is_turned(self.spec, self.about):
            self._check(encoder, self.about.fingerprint)
            return Trained(encoder, self.spec.spaces, self.path, self.about)
        if self.spec.reads == "text" and "query" in self.spec.roles:
            self._check(encoder, self.about.words)
        return encoder

    def _check(self, encoder: Encoder, trained_on: str) -> None:
        if encoder.fingerprint != trained_on:
            raise ModelError(
                f"{self.path} was trained on another version of {self.about.base}: it was {trained_on}, and is"
                f" {encoder.fingerprint}. Train it anew"
            )


class Trained:
    """The encoder of pictures, with its vectors in one space turned."""

    def __init__(self, base: Encoder, spaces: Sequence[Space], path: Path, about: folder.About) -> None:
        self._base = base
        self._at = [space.name for space in spaces].index(about.space)
        adapter = folder.read_adapter(path, about, sum(space.dims for space in spaces), spaces[self._at].dims)
        self._turned = Turned(adapter, about.share)
        self.fingerprint = f"{base.fingerprint} trained {about.sha256[:16]} share {about.share}"

    def encode(self, batch: Sequence[Any], role: Role) -> tuple[Vectors, ...]:
        """As the base does; where that gives a picture no vector, there is none."""
        gave = self._base.encode(batch, role)
        arrays = [np.asarray(array, np.float32) for array in (gave if isinstance(gave, tuple) else (gave,))]
        lengths = [np.linalg.norm(array, axis=1, keepdims=True) for array in arrays]
        units = [array / np.maximum(length, 1e-12) for array, length in zip(arrays, lengths, strict=True)]
        usable = np.all([np.isfinite(length) & (length > 1e-6) for length in lengths], axis=0)
        arrays[self._at] = np.where(usable, self._turned(units[self._at], np.concatenate(units, axis=1)), 0)
        return tuple(arrays)
