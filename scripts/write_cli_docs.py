"""Writes docs/cli.md from the help texts of the command line itself.

python scripts/write_cli_docs.py
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from sightsound.cli.app import build
from sightsound.config import SETTINGS
from sightsound.hookspecs import PROJECT
from sightsound.registry import installed, load, owner

DOCS = Path(__file__).parent.parent / "docs" / "cli.md"
HEAD = """# The command line

Made by `python scripts/write_cli_docs.py` from the help texts; `sightsound COMMAND --help` shows the same.

An ITEM is an id, the beginning of one, a path or a URI. Data go to stdout, progress and remarks to stderr. Exit codes:
0 all went well, 1 an error, 2 the command was written wrongly, 3 some items failed or a source stopped at its rate
limit, 130 interrupted.

## Settings

By flag, then by environment variable, then in `sightsound.toml` (in the working folder, else in the data folder), then
the default. `SIGHTSOUND_HOME` names the data folder itself, `SIGHTSOUND_DISABLE_PLUGINS` names distributions whose
plug-ins are not loaded, and with `SIGHTSOUND_DEBUG=1` errors keep their tracebacks.

| In `sightsound.toml` | In the environment | |
|---|---|---|
"""


def cli_docs() -> str:
    """The page: settings, then every built-in command."""
    settings = [
        f"| `{one.name}` | `SIGHTSOUND_{one.name.upper()}` | {_said(one.help, one.default)} |" for one in SETTINGS
    ]
    built_ins = load(_built_ins())
    command = get_command(build(built_ins))
    docs = get_docs_for_click(obj=command, ctx=typer.Context(command), name="sightsound", title="Commands")
    before, _, after = docs.partition("**Commands**:")  # a list that cuts its lines short
    commands = before + after[after.index("## ") :]
    return HEAD + "\n".join(settings) + "\n\n#" + commands.replace("\n## ", "\n### ").strip() + "\n"


def _said(help: str, default: str) -> str:
    return f"{help} Default: {default}." if default and "Default" not in help else help


def _built_ins() -> list[EntryPoint]:
    return [point for point in installed() if owner(point) == PROJECT]


if __name__ == "__main__":
    DOCS.write_text(cli_docs(), encoding="utf-8")
