"""The encoders of a collection: chosen by name, loaded on first use, their vectors checked, never mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sightsound.config import setting
from sightsound.errors import (
    EncodingError,
    FingerprintMismatch,
    MediaError,
    ModelError,
    PluginError,
    SightsoundError,
    explain,
)
from sightsound.filters import any_of
from sightsound.jobs import Preparation
from sightsound.media import Wanted
from sightsound.registry import Registry
from sightsound.stores.base import Collection, EncoderRecord
from sightsound.types import AudioInput, Encoder, EncoderSpec, ImageInput, Medium, Role, ShotInput, Space, Vectors

HEARD = ("sound", "film")
"""Kinds of item that have a sound, or shots, to encode."""
LATER: tuple[Medium, ...] = ("audio", "shot")
"""Media whose encoders a collection may take up later, as long as it holds nothing that they would read."""


@dataclass(frozen=True)
class ChosenEncoder:
    """One encoder of a set. set: its full name with its argument, so that it means the same whatever is installed."""

    set: str
    spec: EncoderSpec

    @property
    def key(self) -> str:
        return f"{self.set}/{self.spec.name}"

    @cached_property
    def loaded(self) -> Encoder:
        if self.spec.missing:
            raise ModelError(". ".join(self.spec.missing.splitlines()))
        try:
            return self.spec.load(setting("device"))
        except ImportError as error:
            raise PluginError(f"The encoder {self.key} needs {error.name}: pip install {error.name}") from error
        except SightsoundError:
            raise
        except Exception as error:  # a stranger's encoder, or a damaged file of a known one
            raise EncodingError(f"The encoder {self.key} can't be loaded: {explain(error)}") from error

    @property
    def preparation(self) -> Preparation:
        return Preparation(self.key, self.spec.reads, self.spec.prepare, self.spec.input)

    @property
    def record(self) -> EncoderRecord:
        return EncoderRecord(self.set, self.spec.name, self.spec.reads, self.spec.spaces, self.loaded.fingerprint)

    def encode(self, batch: Sequence[Any], role: Role) -> dict[str, list[Vectors | None]]:
        """Vectors by space name, float32 (dims,) of unit length; None where the encoder gives none.

        Raises PluginError for arrays of another shape than the spec promises, EncodingError where the encoder fails.
        """
        if not batch:
            return {space.name: [] for space in self.spec.spaces}
        encoder = self.loaded
        with self._failing():
            encoded = encoder.encode(batch, role)
            gave = encoded if isinstance(encoded, tuple) else (encoded,)
            arrays = [np.asarray(array, dtype=np.float32) for array in gave]
        if len(arrays) != len(self.spec.spaces):
            raise PluginError(
                f"The encoder {self.key} names {len(self.spec.spaces)} spaces and gave {len(arrays)} arrays"
            )
        return {
            space.name: self._checked(array, space, len(batch))
            for space, array in zip(self.spec.spaces, arrays, strict=True)
        }

    def prepared(self, texts: Iterable[str]) -> list[Any]:
        """Texts as `encode` takes them. Raises EncodingError."""
        with self._failing():
            return [self.spec.prepare(text) for text in texts]

    def background(self) -> list[str]:
        """Unrelated queries; none where the encoder has none of its own. Raises EncodingError."""
        with self._failing():
            return list(self.spec.background()) if self.spec.background else []

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a stranger's encoder may raise anything
            if isinstance(error, SightsoundError) and not isinstance(error, MediaError):
                raise
            raise EncodingError(f"The encoder {self.key} failed: {explain(error)}") from error

    def _checked(self, array: Vectors, space: Space, count: int) -> list[Vectors | None]:
        if array.shape != (count, space.dims):
            raise PluginError(
                f"The encoder {self.key} gave vectors of shape {array.shape} for the space {space.name};"
                f" {(count, space.dims)} was promised"
            )
        lengths = np.linalg.norm(array, axis=1)
        usable = np.isfinite(array).all(axis=1) & (lengths > 1e-6)
        return [
            np.asarray(row / length, dtype=np.float32) if good else None
            for row, length, good in zip(array, lengths, usable, strict=True)
        ]


@dataclass(frozen=True)
class EncoderSet:
    """All encoders that a collection uses."""

    chosen: tuple[ChosenEncoder, ...]

    def reading(self, medium: Medium, role: Role) -> list[ChosenEncoder]:
        """The encoders that read the medium, and encode it in this role."""
        return [e for e in self.chosen if e.spec.reads == medium and role in e.spec.roles]

    @property
    def wanted(self) -> Wanted:
        """What readers need to deliver for all of these encoders."""
        sides = [e.spec.input.min_side for e in self.chosen if isinstance(e.spec.input, ImageInput)]
        sounds = dict.fromkeys(e.spec.input for e in self.chosen if isinstance(e.spec.input, AudioInput))
        shots = [e.spec.input for e in self.chosen if isinstance(e.spec.input, ShotInput)]
        return Wanted(
            ImageInput(max(sides)) if sides else None,
            tuple(sounds),
            ShotInput(max(s.min_side for s in shots), max(s.rate for s in shots)) if shots else None,
        )

    @property
    def sets(self) -> list[str]:
        return list(dict.fromkeys(encoder.set for encoder in self.chosen))

    def records(self) -> list[EncoderRecord]:
        return [encoder.record for encoder in self.chosen]


def choose(registry: Registry, sets: Iterable[str]) -> EncoderSet:
    """The encoders of these sets (`name`, `name:argument`). Raises PluginError for a set nobody registered.

    An encoder that two sets share is taken once. Two that name one space with different dims are refused.
    """
    chosen: list[ChosenEncoder] = []
    for written in dict.fromkeys(sets):
        name, _, argument = written.partition(":")
        registered = registry.encoders.get(name)
        specs = [spec for one in registered for spec in one.thing(argument)]
        exact = next((spec.pinned for spec in specs if spec.pinned), argument)
        full = f"{registered[0].full_name}:{exact}" if exact else registered[0].full_name
        chosen += [ChosenEncoder(full, spec) for spec in specs if all(spec != other.spec for other in chosen)]
    _check_spaces(chosen)
    return EncoderSet(tuple(chosen))


def _check_spaces(chosen: Sequence[ChosenEncoder]) -> None:
    """Vectors of one space must be comparable. Raises PluginError where they can't be."""
    first: dict[str, tuple[Space, ChosenEncoder]] = {}
    for encoder in chosen:
        for space in encoder.spec.spaces:
            known, other = first.setdefault(space.name, (space, encoder))
            if known.dims != space.dims:
                raise PluginError(f"Two encoders fill the space {space.name} with {known.dims} and {space.dims} dims")
            if other.set != encoder.set and other.set.partition(":")[0] == encoder.set.partition(":")[0]:
                raise PluginError(
                    f"{other.set} and {encoder.set} both fill the space {space.name}, with vectors that can't be"
                    " compared: choose one"
                )


def of_collection(registry: Registry, collection: Collection) -> EncoderSet:
    """The encoders that the collection was built with, as far as they are installed; their weights not yet loaded."""
    records = collection.encoders()
    return EncoderSet(_recorded(choose(registry, [record.set for record in records]).chosen, records))


def for_indexing(registry: Registry, collection: Collection) -> EncoderSet:
    """Those, and encoders of sounds that its sets have meanwhile, where it holds nothing yet that they would read."""
    records = collection.encoders()
    chosen = choose(registry, [record.set for record in records]).chosen
    if collection.count(any_of("kind", HEARD)):
        return EncoderSet(_recorded(chosen, records))
    known = {record.name for record in records}
    return EncoderSet(tuple(e for e in chosen if e.spec.name in known or e.spec.reads in LATER))


def _recorded(chosen: Sequence[ChosenEncoder], records: Sequence[EncoderRecord]) -> tuple[ChosenEncoder, ...]:
    names = {(record.set, record.name) for record in records}
    return tuple(encoder for encoder in chosen if (encoder.set, encoder.spec.name) in names)


def take_up(collection: Collection, encoders: EncoderSet) -> None:
    """Record encoders of sounds in a collection that holds nothing yet that they would read."""
    records = collection.encoders()
    if not records:
        collection.set_encoders(encoders.records())
    elif any(e.spec.reads in LATER for e in encoders.chosen) and not collection.count(any_of("kind", HEARD)):
        kept = [record for record in records if record.reads not in LATER]
        now = [*kept, *(e.record for e in encoders.chosen if e.spec.reads in LATER)]
        place = {(e.set, e.spec.name): number for number, e in enumerate(encoders.chosen)}
        now.sort(key=lambda record: place.get((record.set, record.name), len(place)))
        if now != records:
            collection.set_encoders(now)


def _said(fingerprint: str, spaces: Sequence[Space]) -> str:
    return f"{fingerprint} ({', '.join(space.name for space in spaces)})"


def check_fingerprint(collection: Collection, encoder: ChosenEncoder) -> None:
    """Raises FingerprintMismatch where the collection was built with another model than this one."""
    for record in collection.encoders():
        if (record.set, record.name) == (encoder.set, encoder.spec.name):
            if record.fingerprint == encoder.loaded.fingerprint and record.spaces == encoder.spec.spaces:
                return
            raise FingerprintMismatch(
                f"The collection '{collection.name}' was built with another version of the encoder {encoder.key}:"
                f" it has {_said(record.fingerprint, record.spaces)}, installed is"
                f" {_said(encoder.loaded.fingerprint, encoder.spec.spaces)}. Their vectors can't be compared."
                f" Build it anew with: sightsound index --rebuild --collection {collection.name}"
            )
    raise FingerprintMismatch(
        f"The collection '{collection.name}' was built without the encoder {encoder.key}. Build it anew with:"
        f" sightsound index --rebuild --collection {collection.name}"
    )
