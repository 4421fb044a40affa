"""A trained encoder as it lies in a folder, to be copied and shared: `trained.json` and `adapter.npz`."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from sightsound.errors import ModelError, UsageError
from sightsound.plugins.image.adapter import Adapter
from sightsound.plugins.trained import is_trained

ABOUT, WEIGHTS = "trained.json", "adapter.npz"
VERSION = 1
HEADERS = 10_000
"""Bytes of the weights' file besides the weights."""


@dataclass(frozen=True)
class About:
    """What is to be known of a trained encoder before its weights are loaded.

    base: the set it was trained on, by its full name and argument. encoder: which of the set's encoders it turns.
    fingerprint: of that. words: the fingerprint of the encoder of words that it was turned towards. space: the name of
    the space whose vectors are turned. share: of these, beside what is learnt. pictures: how many it learnt from.
    sha256: of the weights, which `write` fills in.
    """

    base: str
    encoder: str
    fingerprint: str
    words: str
    space: str
    share: float
    pictures: int
    sha256: str = ""
    version: int = VERSION


def check_new(path: Path) -> None:
    """Raises UsageError where a trained encoder can't be written to this folder."""
    if "," in str(path) or str(path) != str(path).strip():
        raise UsageError(f"'{path}' can't be named in --encoders, for its comma or its space: name another folder")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path} exists already. Collections may use it: name a folder that does not exist")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to make {path.name} in")


def write(path: Path, adapter: Adapter, about: About) -> About:
    """Make the folder, whole or not at all, and return what it says of itself. Raises ModelError where it can't be."""
    check_new(path)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.mkdir()
    except OSError as error:
        raise ModelError(f"{path} can't be written: {error.strerror or error}") from error
    try:
        adapter.save(part / WEIGHTS)
        about = replace(about, sha256=_sha256(part / WEIGHTS))
        (part / ABOUT).write_text(json.dumps(asdict(about), indent=2) + "\n", encoding="utf-8")
        part.rename(path)
    except BaseException as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise ModelError(f"{path} can't be written: {error.strerror or error}") from error
        raise
    return about


def read(path: Path) -> About:
    """Raises ModelError where the folder holds no trained encoder that this version knows."""
    try:
        said = json.loads((path / ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"There is no trained encoder at {path}, where collections that were made with it look for it. Bring it"
            f" back; or train one and make them anew: sightsound train {path}, then sightsound index --rebuild"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path / ABOUT} can't be read: {error}") from error
    said = said if isinstance(said, dict) else {}
    kinds = {"str": str, "int": int, "float": int | float}
    wanted = {one.name: kinds[str(one.type)] for one in fields(About)}
    wrong = [name for name, kind in wanted.items() if not isinstance(said.get(name), kind) or said[name] is True]
    if wrong:
        raise ModelError(f"{path / ABOUT} is damaged: it does not say its {wrong[0]}")
    if said["version"] > VERSION:
        raise ModelError(f"{path} was trained by a newer sightsound: install that")
    about = About(**{name: said[name] for name in wanted})
    if not 0 < about.share < math.inf or about.version < 1 or is_trained(about.base):
        raise ModelError(f"{path / ABOUT} is damaged: what it says of itself can't be")
    return about


def read_adapter(path: Path, about: About, features: int, dims: int) -> Adapter:
    """Its weights, for so many features and dims. Raises ModelError where they are not those that were written."""
    weights = path / WEIGHTS
    try:
        with ZipFile(weights) as file:
            unpacked = sum(part.file_size for part in file.infolist())
        if unpacked <= 4 * features * (dims + 1) + HEADERS and _sha256(weights) == about.sha256:
            adapter = Adapter.load(weights)
            if adapter.mean.shape == (features,) and adapter.matrix.shape == (features, dims):
                return adapter
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{weights} can't be read: {error}") from error
    raise ModelError(f"{weights} is damaged, or of another encoder: copy the whole folder again, or train anew")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
