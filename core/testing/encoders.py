"""The check of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sightsound.media import Shot
from sightsound.testing.expecting import expect, pickled
from sightsound.types import AudioInput, Encoder, EncoderSpec, ImageInput, Role, ShotInput, Vectors

SAME = 0.999
"""The least cosine of one thing's vectors that count as the same."""
ROLES: tuple[Role, ...] = ("document", "query")


def check_encoder(spec: EncoderSpec, media: Sequence[Any] | None = None) -> None:
    """Load the encoder on the CPU and encode: the vectors' shape, type and length, and that they stay the same.

    media: what `prepare` is given, at least two that differ; without it, made up for the medium that the spec reads.
    """
    expect(spec.name, "the spec has no name")
    spaces = [space.name for space in spec.spaces]
    expect(spaces and len(set(spaces)) == len(spaces), f"the spec's spaces must differ; they are {spaces}")
    expect(all(space.dims > 0 for space in spec.spaces), "every space needs dims above 0")
    things = list(media) if media is not None else _made_up(spec)
    expect(len(things) > 1, "give at least two media, or none")
    prepare = pickled(spec.prepare, "prepare")
    prepared = [prepare(thing) for thing in things]
    for one in prepared:
        pickled(one, "what prepare returns")
    encoder, other = spec.load("cpu"), spec.load("cpu")
    fingerprint = encoder.fingerprint
    expect(isinstance(fingerprint, str) and fingerprint, "the fingerprint must be a string that names the model")
    expect(fingerprint == other.fingerprint, "the fingerprint differs between two loads of the same model")
    for role in ROLES:
        together = _encoded(spec, encoder, prepared, role)
        _check_alike(together, _encoded(spec, other, prepared, role), "two loads of the model give other vectors")
        alone = [_encoded(spec, encoder, [one], role) for one in prepared]
        joined = [np.concatenate([arrays[number] for arrays in alone]) for number in range(len(together))]
        _check_alike(together, joined, "a thing gets another vector in a batch than alone")
    distinct = any(np.abs(vectors[0] - vectors[1:]).max() > 1e-3 for vectors in together)
    expect(distinct, "different things get the same vector")
    if spec.background is not None:
        texts = list(spec.background())
        expect(len(set(texts)) >= 50, "the background needs at least 50 different queries")


def _encoded(spec: EncoderSpec, encoder: Encoder, batch: Sequence[Any], role: Role) -> list[Vectors]:
    """The arrays of all spaces, each checked. Rows that say "no vector" are taken as they are."""
    made = encoder.encode(list(batch), role)
    arrays = list(made) if isinstance(made, tuple) else [made]
    expect(
        len(arrays) == len(spec.spaces), f"the spec names {len(spec.spaces)} spaces, encode gave {len(arrays)} arrays"
    )
    for array, space in zip(arrays, spec.spaces, strict=True):
        wanted = (len(batch), space.dims)
        expect(isinstance(array, np.ndarray), f"encode must return NumPy arrays, not {type(array).__name__}")
        expect(array.shape == wanted, f"the vectors of {space.name} have shape {array.shape}, not {wanted}")
        expect(array.dtype == np.float32, f"the vectors of {space.name} are {array.dtype}, not float32")
        lengths = np.linalg.norm(np.nan_to_num(array), axis=1)
        good = (np.abs(lengths - 1) < 1e-3) | (lengths == 0)
        expect(good.all(), f"the vectors of {space.name} are not of unit length: {lengths[~good][:3]}")
    return arrays


def _check_alike(some: list[Vectors], others: list[Vectors], otherwise: str) -> None:
    for one, other in zip(some, others, strict=True):
        one, other = np.nan_to_num(one), np.nan_to_num(other)
        cosines = (one * other).sum(axis=1)
        both_none = ~one.any(axis=1) & ~other.any(axis=1)
        expect(((cosines >= SAME) | both_none).all(), f"{otherwise}: cosine {cosines.min():.4f}, not {SAME}")


def _made_up(spec: EncoderSpec) -> list[Any]:
    noise = np.random.default_rng(0)
    if isinstance(spec.input, ImageInput):
        side = max(spec.input.min_side, 8)
        slope = np.linspace(0, 255, side, dtype=np.uint8)
        ramp = np.stack([np.tile(slope, (side, 1))] * 3, axis=2)
        wide = noise.integers(0, 256, (side, 3 * side, 3), dtype=np.uint8)
        tall = np.full((2 * side, side, 3), (250, 120, 10), np.uint8)
        tiny = noise.integers(0, 256, (1, 2, 3), dtype=np.uint8)
        return [ramp, wide, tall, tiny]
    if isinstance(spec.input, AudioInput):
        count = int(spec.input.rate * spec.input.seconds)
        tone = np.sin(2 * np.pi * 440 * np.arange(count) / spec.input.rate)
        long = [tone.astype(np.float32), noise.uniform(-1, 1, count).astype(np.float32)]
        return [*long, long[1][: max(1, count // 8)]]
    if isinstance(spec.input, ShotInput):
        shape = (4, max(spec.input.min_side, 8), 2 * max(spec.input.min_side, 8), 3)
        still, restless = np.full(shape, (200, 90, 20), np.uint8), noise.integers(0, 256, shape, dtype=np.uint8)
        return [Shot(frames, np.arange(4) / spec.input.rate) for frames in (still, restless, restless[:1])]
    return ["a boat at dusk", "Ein Fahrrad vor der Wand", "夕暮れの船", "word " * 2000, "x"]
