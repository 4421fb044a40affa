"""sightsound doctor"""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

from sightsound.cli.common import JsonOption, StoreOption, megabytes, print_json
from sightsound.config import config_files, setting
from sightsound.errors import SightsoundError
from sightsound.opening import open_store
from sightsound.registry import registry

LIBRARIES = (
    *("numpy", "pillow", "onnxruntime", "tokenizers", "simsimd", "pluggy", "typer"),
    *("pillow-heif", "torch", "open-clip-torch", "transformers"),
)


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog="Example: `sightsound doctor`")(doctor_command)


def doctor_command(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look for what could go wrong: versions, plug-ins, the store, free disk."""
    problems: list[str] = []
    found: dict[str, Any] = {
        "sightsound": _version("sightsound"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "settings files": [str(path) for path in config_files() if path.exists()],
    }
    for plugin in registry().plugins:
        if plugin.error:
            problems.append(f"plug-in {plugin.name}@{plugin.distribution}: {plugin.error}")
    location = setting("store", store)
    found["store"] = location
    try:
        found["collections"] = open_store(registry(), store).collections()
    except SightsoundError as error:
        found["collections"] = []
        problems.append(str(error))
    if "://" not in location:
        place = Path(location)
        while not place.exists() and place != place.parent:
            place = place.parent
        free = shutil.disk_usage(place).free
        found["free disk"] = megabytes(free)
        if free < 500e6:
            problems.append(f"only {megabytes(free)} are free where {location} lies")
        if not os.access(place, os.W_OK):
            problems.append(f"{place} can't be written by this user; indexing needs --store elsewhere")
    found["problems"] = problems
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            if name == "problems":
                continue
            said = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            print(f"{name + ':':16} {', '.join(said) or 'none' if isinstance(said, list) else said}")
        print("\n" + ("\n".join(f"problem: {problem}" for problem in problems) or "No problems found."))
    if problems:
        raise typer.Exit(1)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
