"""The documentation is true: its commands and its code run, its links lead somewhere, and nothing is left out."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import MEDIA, PHOTOS, ROOT, SIGHTSOUND, CommandLine

from sightsound import hookspecs
from sightsound.config import SETTINGS
from sightsound.plugins.sources import bucket, folder, pexels, table, unsplash

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WRITTEN = [page for page in PAGES if page.name not in ("cli.md", "benchmarks.md")]
FENCE = re.compile(r"(?:<!-- (?P<file>[^>]+) -->\n)?```(?P<kind>\w+)\n(?P<code>.*?)```", re.DOTALL)
ELSEWHERE = ("make ", "pip ", "curl ")
"""Commands that other tests run: the two of the README are what runs these, test_installed installs, and
test_site_docs has a site to ask."""


def blocks(page: Path, kind: str) -> list[re.Match[str]]:
    return [match for match in FENCE.finditer(page.read_text()) if match["kind"] == kind]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: photos/, its media.csv, films/, sounds/, ref.jpg, ref.ogg and
    queries.jsonl; and the demo collection."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "photos").symlink_to(PHOTOS)
    folder.joinpath("ref.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes())
    (folder / "films").symlink_to(MEDIA / "films")
    (folder / "sounds").symlink_to(MEDIA / "sounds")
    folder.joinpath("ref.ogg").write_bytes((MEDIA / "sounds" / "bark.ogg").read_bytes())
    folder.joinpath("queries.jsonl").write_bytes((MEDIA / "queries.jsonl").read_bytes())
    line = CommandLine(folder)
    line("index", MEDIA / "media.csv")
    return folder


def commands() -> list[Any]:
    return [
        pytest.param(line[2:], id=f"{page.name}: {line[2:]}")
        for page in WRITTEN
        for block in blocks(page, "console")
        for line in block["code"].splitlines()
        if line.startswith("$ ") and not line.startswith(tuple(f"$ {word}" for word in ELSEWHERE))
    ]


@pytest.mark.parametrize("command", commands())
def test_a_command_in_the_documentation_works(command: str, place: Path) -> None:
    assert shlex.split(command)[0] == "sightsound"
    command = command.replace("photos/media.csv", str(MEDIA / "media.csv"))
    environment = {**CommandLine(place).environment(), "PATH": f"{SIGHTSOUND.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, shell=True, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def code() -> list[Any]:
    return [
        pytest.param(page, number, id=f"{page.name} {number}")
        for page in WRITTEN
        for number in range(len(blocks(page, "python")))
    ]


@pytest.mark.parametrize(("page", "number"), code())
def test_code_in_the_documentation_runs(page: Path, number: int, tmp_path: Path) -> None:
    block = blocks(page, "python")[number]
    if block["file"]:
        assert block["code"] == (ROOT / block["file"]).read_text(), "the page shows an older version of the example"
    script = tmp_path / "example.py"
    script.write_text(block["code"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "examples/sightsound-colours")}
    runner = ["-m", "pytest", "-q", "--rootdir", tmp_path] if "pytest" in block["code"] else []
    done = subprocess.run(
        [sys.executable, *runner, script], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_that_pages_show_are_as_they_are() -> None:
    shown = [match for page in PAGES for match in FENCE.finditer(page.read_text()) if match["file"]]
    assert len(shown) >= 3
    for match in shown:
        assert match["code"] == (ROOT / match["file"]).read_text()


def test_the_command_line_page_is_that_of_the_help_texts() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "write_cli_docs.py"))["cli_docs"]()
    assert (ROOT / "docs" / "cli.md").read_text() == made, "run: python scripts/write_cli_docs.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert link.startswith("https://") or (page.parent / link).exists(), link


def test_every_hook_setting_and_page_is_documented() -> None:
    guide = (ROOT / "docs" / "plugins.md").read_text()
    for hook in (name for name in vars(hookspecs) if name.startswith("register_")):
        assert f"`{hook}`" in guide
    cli = (ROOT / "docs" / "cli.md").read_text()
    for setting in SETTINGS:
        assert f"`SIGHTSOUND_{setting.name.upper()}`" in cli
    sources = (ROOT / "docs" / "sources.md").read_text()
    for option in (*folder.OPTIONS, *table.OPTIONS, *bucket.OPTIONS, *unsplash.OPTIONS, *pexels.OPTIONS):
        assert f"`{option}`" in sources or f"`{option}=" in sources, option
    for names in table.COLUMNS.values():
        assert ", ".join(names) in sources
    readme = (ROOT / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme


def test_every_folder_of_the_package_is_built_and_every_plug_in_registered() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["setuptools"]["packages"])
    roots = {"sightsound": ROOT / "core", "sightsound.plugins": ROOT / "plugins", "sightsound.webapp": ROOT / "webapp"}
    found = {
        ".".join([name, *init.parent.relative_to(root).parts])
        for name, root in roots.items()
        for init in root.rglob("__init__.py")
    }
    assert found == packages
    entry_points = set(project["project"]["entry-points"]["sightsound"].values())
    plugins = {name for name in packages if name.startswith("sightsound.plugins.")}
    assert entry_points == plugins | {"sightsound.stores"}


def test_no_message_for_people_names_this_machine() -> None:
    for page in (*PAGES, ROOT / "CHANGELOG.md", ROOT / "NOTICE"):
        assert not re.search(r"/(home|root|work|tmp)/", page.read_text()), page
