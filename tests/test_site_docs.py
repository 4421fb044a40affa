"""The site's page in the documentation is true: its examples run against a site, its tables name what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from conftest import PHOTOS, ROOT
from flask import Flask
from served import Served

from sightsound.config import SETTINGS
from sightsound.webapp.asking import NAMES
from sightsound.webapp.metrics import Metrics

PAGE = (ROOT / "docs" / "site.md").read_text()
HERE = "http://127.0.0.1:8000"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_in_python_runs(demo_site: Served) -> None:
    (code,) = blocks("py")
    command = [sys.executable, "-c", code.replace(HERE, demo_site.url)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "German shepherd" in done.stdout


def test_the_examples_of_curl_run(demo_site: Served, tmp_path: Path) -> None:
    (tmp_path / "ref.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes())
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ curl ")]
    assert len(lines) >= 4
    for line in lines:
        command = line.replace(HERE, demo_site.url)
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and "error" not in json.loads(done.stdout), line + done.stdout


def test_arguments_settings_measures_and_routes_are_documented(site_app: Flask) -> None:
    for name in NAMES:
        assert f"`{name}`" in PAGE, name
    for setting in SETTINGS:
        if setting.name.startswith(("site_", "upload")) or setting.name == "api_key":
            assert f"`{setting.name}" in PAGE, setting.name
    for family in Metrics().registry.collect():
        assert f"`{family.name}" in PAGE, family.name
    for rule in site_app.url_map.iter_rules():
        if rule.rule.startswith("/api/"):
            assert rule.rule.replace("<id>", "ID") in PAGE, rule.rule
