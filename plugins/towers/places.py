"""Where a model's files lie: a folder, or the Hugging Face hub's cache. Nothing is fetched here."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from sightsound.errors import ModelError

FOLDER_BEGINS = ("/", "./", "../", "~", ".\\")


@dataclass(frozen=True)
class Folder:
    """weights: the one file that holds them, where the user named a file and not the folder."""

    path: Path
    weights: str = ""

    def find(self, name: str) -> Path | None:
        path = self.path / name
        return path if path.is_file() else None

    @property
    def written(self) -> str:
        return str(self.path / self.weights if self.weights else self.path)

    @property
    def space(self) -> str:
        """The name of its model's space: folders of one name are not the same model."""
        return f"{self.path.name}-{hashlib.sha256(str(self.path).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Repository:
    """revision: a commit, or "" for the one that the cache calls main."""

    name: str
    revision: str = ""

    def find(self, name: str) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(self.name, name, revision=self.revision or None)
        return Path(found) if isinstance(found, str) else None

    @property
    def written(self) -> str:
        return f"{self.name}@{self.revision}" if self.revision else self.name

    @property
    def cache(self) -> Path:
        """The folder in the cache that holds the repository, whether it is there or not."""
        from huggingface_hub import constants

        return Path(constants.HF_HUB_CACHE) / f"models--{self.name.replace('/', '--')}"


Place = Folder | Repository


def pinned(repository: Repository, *names: str) -> Repository:
    """The repository at the commit under which the cache holds the first of these files that it has."""
    for name in names:
        found = repository.find(name)
        if found:
            parts = found.parts
            return Repository(repository.name, parts[parts.index("snapshots") + 1])
    return repository


def is_path(argument: str) -> bool:
    return argument.startswith(FOLDER_BEGINS) or argument.endswith(".safetensors")


def folder(argument: str) -> Folder:
    """The folder that the argument names, or that holds the file it names. Raises ModelError."""
    path = Path(os.path.abspath(Path(argument).expanduser()))
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Folder(path.parent, path.name)
    raise ModelError(f"There is no model at {path}")
