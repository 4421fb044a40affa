"""The vectors of an encoder's unrelated queries: the same for every collection, so they are kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from sightsound.config import cache_folder
from sightsound.encoders import ChosenEncoder
from sightsound.errors import EncodingError
from sightsound.keeping import keep
from sightsound.types import Vectors


def background_vectors(encoder: ChosenEncoder, texts: Sequence[str]) -> dict[str, Vectors]:
    """By space, float32 (n, dims); a text without a vector is left out. Raises EncodingError."""
    known = "\n".join([encoder.loaded.fingerprint, *(space.name for space in encoder.spec.spaces), *texts])
    path = cache_folder() / "backgrounds" / f"{hashlib.sha256(known.encode()).hexdigest()[:32]}.npz"
    kept = _read(path, [space.name for space in encoder.spec.spaces])
    if kept is None:
        made = encoder.encode(encoder.prepared(texts), "query")
        usable = {space: [one for one in found if one is not None] for space, found in made.items()}
        if not all(usable.values()):
            raise EncodingError(f"The encoder {encoder.key} gave no vector for any of its background queries")
        vectors = {space: np.stack(found) for space, found in usable.items()}
        keep(path, lambda file: np.savez(file, **vectors))  # type: ignore[arg-type]
        return vectors
    return kept


def _read(path: Path, spaces: Sequence[str]) -> dict[str, Vectors] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {space: file[space] for space in spaces}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):  # none, or a damaged one
        return None
