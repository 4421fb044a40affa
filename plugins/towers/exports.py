"""Towers for ONNX Runtime, which is faster on a CPU and starts without torch: made once, kept with their checksums.

They are made in a process of its own (`__main__.py`), so that torch's memory is gone when it ends.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock

from sightsound.config import cache_folder, setting
from sightsound.errors import ModelError
from sightsound.plugins.towers.model import Model, Which
from sightsound.plugins.towers.sessions import Session
from sightsound.plugins.towers.weights import checksum

VERSION = 1
"""Of what an export is: a later one is made anew."""
MODEL = "model.onnx"
MANIFEST = "manifest.json"
REFUSED = 3
"""Exit code where it is the model itself that can't be used, by torch neither."""


NOT_NOW = 4
"""Exit code where the machine is the reason, such as a full disk: another time it may do."""


class ExportError(Exception):
    """The tower can't be exported: torch runs it."""


@dataclass(frozen=True)
class Manifest:
    """cosine: the least to torch. rate: things a second, on the machine that made it, in batches. recipe: of the
    tokenizer, or None where the model's own library must cut texts. files: SHA-256 by name."""

    title: str
    set: str
    argument: str
    which: str
    precision: str
    cosine: float
    rate: float
    recipe: dict[str, Any] | None
    files: dict[str, str]


@dataclass(frozen=True)
class Export:
    folder: Path
    manifest: Manifest

    def session(self) -> Session:
        return Session(self.folder / MODEL)


def exports_folder() -> Path:
    return cache_folder() / "exports"


def export_folders() -> list[Path]:
    folder = exports_folder()
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.is_dir() and path.name.endswith(("-fp32", "-int8")))


def folder_of(model: Model, which: Which, precision: str) -> Path:
    key = hashlib.sha256(f"{VERSION} {model.fingerprint(which)}".encode()).hexdigest()[:16]
    return exports_folder() / f"{model.space.name}-{key}-{which}-{precision}"


def exported(model: Model, which: Which, precision: str, say: Callable[[str], None]) -> Export:
    """The tower's export, made where there is none or where it is damaged. Raises ExportError, ModelError.

    say: called with a line for people before the work begins, and with its outcome.
    """
    folder = folder_of(model, which, precision)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        found = read(folder)
        if found is None:
            if reason := _given_up(folder):
                raise ExportError(reason)
            anew = " again: the one in the cache is damaged" if folder.exists() else ", once"
            say(f"Making {model.title} ({which}) ready for this machine{anew}. This takes about a minute.")
            found = _make(model, which, precision, folder)
            said = f"; cosine to full precision {found.manifest.cosine:.4f}" if precision != "fp32" else ""
            say(f"{model.title} ({which}) is ready: {found.manifest.rate:,.0f} a second{said}.")
        return found


def read(folder: Path) -> Export | None:
    """The export in a folder; None where there is none, or where a file is not as it was made."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        whole = all(checksum(folder / name) == wanted for name, wanted in manifest.files.items())
    except (OSError, ValueError, TypeError):
        return None
    return Export(folder, manifest) if whole else None


def _give_up(folder: Path, reason: str) -> None:
    """Keep that these versions of the libraries can't export it: each try takes a minute."""
    kept = {"versions": _versions(), "reason": reason}
    Path(f"{folder}.given-up").write_text(json.dumps(kept), encoding="utf-8")


def _given_up(folder: Path) -> str:
    try:
        kept = json.loads(Path(f"{folder}.given-up").read_text(encoding="utf-8"))
        return str(kept["reason"]) if kept["versions"] == _versions() else ""
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _versions() -> list[str]:
    found = []
    for name in ("sightsound", "torch", "onnxruntime", "transformers", "open_clip_torch"):
        with suppress(PackageNotFoundError):
            found.append(f"{name} {version(name)}")
    return found


def _make(model: Model, which: Which, precision: str, folder: Path) -> Export:
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Path(work) / "made"
        made.mkdir()
        command = [sys.executable, "-m", __package__, model.set, model.argument, which, precision, str(made)]
        offline = {"HF_HUB_OFFLINE": "1", "SIGHTSOUND_ALLOW_PICKLE": setting("allow_pickle")}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=os.environ | offline)
        if done.returncode or not (made / MANIFEST).is_file():
            lines = (done.stderr or done.stdout).strip().splitlines()
            said = lines[-1] if lines else f"exit code {done.returncode}"
            if done.returncode == REFUSED:
                raise ModelError(said)
            if done.returncode == 1:
                _give_up(folder, said)
            raise ExportError(said)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    found = read(folder)
    if found is None:
        raise ExportError(f"{folder} can't be read back")
    return found
