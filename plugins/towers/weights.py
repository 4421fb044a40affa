"""Model weights as safetensors, and what they are known by. Pickles run what they please when they are read."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sightsound.config import cache_folder, setting
from sightsound.errors import ModelError, one_line
from sightsound.keeping import keep
from sightsound.plugins.towers.places import Place

SAFE = ".safetensors"
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
CHUNK = 1 << 22


def find_weights(place: Place, names: Sequence[str]) -> list[Path]:
    """The files that hold the weights, the first of `names` that is there: one, or the shards of an index file.

    Raises ModelError where there are none, or only a pickle that was not allowed.
    """
    for name in names:
        found = place.find(name)
        if found is None:
            continue
        if name.endswith(".index.json"):
            return _shards(place, found)
        return [found if name.endswith(SAFE) else _converted(found)]
    raise ModelError(f"{place.written} holds no weights: {' or '.join(n for n in names if n.endswith(SAFE))} is needed")


def has_weights(place: Place, names: Sequence[str]) -> bool:
    return any(place.find(name) for name in names)


def _shards(place: Place, index: Path) -> list[Path]:
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{index} is damaged: {error}") from error
    found = {name: place.find(name) for name in names if Path(name).name == name and name.endswith(SAFE)}
    missing = [name for name in names if not found.get(name)]
    if missing:
        raise ModelError(f"{place.written} lacks {', '.join(missing)}, which {index.name} names")
    return [path for path in found.values() if path]


def _converted(pickle: Path) -> Path:
    """The pickle's tensors as a safetensors file in the cache, made once; only where the user allowed pickles."""
    if setting("allow_pickle") not in ("yes", "true", "1"):
        raise ModelError(
            f"{pickle} is a pickle: a file that can run any program when it is read, so it was not. Take the model's"
            f" {SAFE} file; or, where you trust whoever made it, add --allow-pickle, which reads it with torch's"
            " restricted loader and keeps the tensors as safetensors"
        )
    made = cache_folder() / "converted" / f"{checksum(pickle)[:32]}{SAFE}"
    if not made.exists():
        from safetensors.torch import save_file

        tensors = _tensors(pickle)
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            save_file(tensors, Path(folder) / made.name)
            (Path(folder) / made.name).replace(made)
    return made


def _tensors(pickle: Path) -> dict[str, Any]:
    import torch

    try:
        held = torch.load(pickle, map_location="cpu", weights_only=True)
    except Exception as error:  # a stranger's file: the loader raises what the pickle brings out of it
        raise ModelError(
            f"{pickle} holds more than tensors, or is damaged, and was not read further: {one_line(error)}"
        ) from error
    held = held.get("state_dict", held) if isinstance(held, dict) else {}
    tensors = {str(name): value for name, value in held.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise ModelError(f"{pickle} holds no tensors by name")
    # Tensors that share memory can't be kept as such: each gets its own.
    return {name.removeprefix("module."): value.contiguous().clone() for name, value in tensors.items()}


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex; kept by path, size and time of change, since weights are large."""
    real = Path(os.path.realpath(path))
    status = real.stat()
    key = [str(real), status.st_size, status.st_mtime_ns]
    notes = cache_folder() / "checksums" / f"{hashlib.sha256(str(real).encode()).hexdigest()[:32]}.json"
    try:
        kept = json.loads(notes.read_text(encoding="utf-8"))
        if kept["file"] == key:
            return str(kept["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    digest = hashlib.sha256()
    with real.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    said = json.dumps({"file": key, "sha256": digest.hexdigest()}).encode()
    keep(notes, lambda file: file.write(said))
    return digest.hexdigest()


def checksum_of_all(paths: Sequence[Path]) -> str:
    """One checksum for weights in several files."""
    sums = [checksum(path) for path in paths]
    return sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()


def published(path: Path) -> str:
    """The SHA-256 that the hub gave for a file in its cache, whose blobs are named by it; "" for any other file."""
    name = Path(os.path.realpath(path)).name
    return name if len(name) == 64 and set(name) <= set("0123456789abcdef") else ""
