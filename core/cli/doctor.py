"""sightsound doctor"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any

import typer

from sightsound.cli.common import JsonOption, StoreOption, print_json
from sightsound.config import config_files, public, setting
from sightsound.errors import SightsoundError
from sightsound.installed import damaged
from sightsound.opening import open_store
from sightsound.registry import registry

LIBRARIES = (
    *("numpy", "pillow", "onnxruntime", "tokenizers", "simsimd", "pluggy", "typer"),
    *("pillow-heif", "torch", "open-clip-torch", "transformers", "elasticsearch"),
)
SHOWN_FILES = 5
"""Damaged files of a package that are named."""


def register(app: typer.Typer) -> None:
    app.command("doctor", epilog="Example: `sightsound doctor`")(doctor_command)


def doctor_command(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look for what could go wrong: versions, plug-ins and their files, the store, free disk."""
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
    for package in sorted({plugin.distribution for plugin in registry().plugins}):
        again = f"install it again: pip install --force-reinstall --no-deps {package}"
        problems += [f"{package}: {fault}; {again}" for fault in islice(damaged(package), SHOWN_FILES)]
    found["store"] = public(setting("store", store))
    found["collections"] = []
    try:
        place = open_store(registry(), store)
        found["collections"] = place.collections()
        facts, lacks = place.diagnose()
        found |= facts
        problems += lacks
    except SightsoundError as error:
        problems.append(str(error))
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
