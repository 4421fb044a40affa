"""The page of the site's state, and trying again what failed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOS, CommandLine
from flask import Flask
from served import site_of

from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.webapp.state import PAGE


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[tuple[Path, CommandLine, Flask]]:
    """A folder of one picture and many files that are none, and a site over them."""
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(PHOTOS / "cat.jpg", folder / "cat.jpg")
    for number in range(PAGE + 2):
        (folder / f"<b>{number:02}.jpg").write_text("no picture")
    line = CommandLine(tmp_path)
    line("index", folder, code=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(tmp_path))
        app = site_of(line)
        yield folder, line, app
        app.extensions["sightsound"].close()


def until_done(app: Flask) -> dict[str, Any]:
    end = time.monotonic() + 240
    while (told := app.test_client().get("/api/v1/retry").json)["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    return dict(told)


def test_the_page_tells_what_the_site_stands_on(broken: tuple[Path, CommandLine, Flask]) -> None:
    _, line, app = broken
    page = app.test_client().get("/state").text
    [told] = line("status", "--json").json["collections"]
    for encoder in told["encoders"]:
        assert encoder["fingerprint"] in page
    for space in told["spaces"]:
        assert space["space"] in page
    assert "<dt>Photos</dt><dd>1</dd>" in page
    assert f"{PAGE + 2} items that could not be read" in page
    assert "it is not a picture of a kind that is read" in page
    assert "&lt;b&gt;" in page and "<b>" not in page
    assert page.count('<th scope="row"><code>') == PAGE
    rest = app.test_client().get(f"/state?offset={PAGE}").text
    assert f"{PAGE + 1} to {PAGE + 2} of {PAGE + 2}" in rest
    assert app.test_client().get("/state?offset=x").status_code == 400


def test_what_failed_is_tried_again(broken: tuple[Path, CommandLine, Flask]) -> None:
    folder, line, app = broken
    browser = app.test_client()
    shutil.copy(PHOTOS / "horse.jpg", folder / "<b>00.jpg")
    answer = browser.post("/state/retry")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/state#failed")
    told = until_done(app)
    assert told == {"state": "done", "total": PAGE + 2, "done": PAGE + 2, "failed": PAGE + 1, "message": ""}
    page = browser.get("/state").text
    assert "1 can be read now" in page
    assert f"{PAGE + 1} items that could not be read" in page
    assert len(line("failed", "--json").json) == PAGE + 1


def test_it_is_refused_while_another_indexes_or_tries(broken: tuple[Path, CommandLine, Flask]) -> None:
    _, line, app = broken
    browser = app.test_client()
    other = open_store(registry(), str(line.home / "collections")).open("default")
    with other.writing():
        answer = browser.post("/api/v1/retry")
        page = browser.post("/state/retry")
    other.close()
    assert page.status_code == 409
    assert "Nothing is tried again: Collection &#39;default&#39; is being indexed by process" in page.text
    assert "Try them again" in page.text and "--wait" not in page.text
    assert answer.status_code == 409
    assert answer.json["error"]["code"] == "collection_busy"
    assert browser.get("/api/v1/retry").json["state"] == "idle"
    assert browser.post("/api/v1/retry").status_code == 202
    assert 'http-equiv="refresh"' in browser.get("/state").text
    again = browser.post("/api/v1/retry")
    assert again.status_code == 409
    assert until_done(app)["state"] == "done"


def test_closing_the_site_ends_it(broken: tuple[Path, CommandLine, Flask]) -> None:
    _, line, app = broken
    assert app.test_client().post("/api/v1/retry").status_code == 202
    process = app.extensions["sightsound"].retrying._process
    app.extensions["sightsound"].close()
    assert process.poll() is not None
    line("failed", "--json")


def test_a_rebuild_that_was_interrupted_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(PHOTOS / "cat.jpg", folder)
    line = CommandLine(tmp_path)
    line("index", folder)
    monkeypatch.setenv("SIGHTSOUND_HOME", str(tmp_path))
    app = site_of(line)
    browser = app.test_client()
    assert "built anew" not in browser.get("/state").text
    stores = open_store(registry(), str(line.home / "collections"))
    stores.open("default.rebuilt", create=True).close()
    old = stores.open("default")
    with old.writing():
        page = browser.get("/state").text
        assert "“default” is being built anew here" in page and "left unfinished" not in page
    old.close()
    page = html.unescape(browser.get("/state").text)
    assert "left unfinished" in page and "answered by “default” as before" in page
    go_on, leave = (
        command.split() for command in re.findall(r"<code>sightsound ((?:index --rebuild|remove) .+?)</code>", page)
    )
    assert leave[:2] == ["remove", "--all"]
    copied = tmp_path / "copied"
    shutil.copytree(line.home / "collections", copied)
    line(*[str(copied) if "/" in word else word for word in leave], "--yes")
    assert not (copied / "default.rebuilt").exists() and (copied / "default").exists()
    line(*go_on)
    assert "built anew" not in browser.get("/state").text
    app.extensions["sightsound"].close()


def test_where_nothing_failed_nothing_is_begun(site_app: Flask) -> None:
    browser = site_app.test_client()
    assert "Nothing failed" in browser.get("/state").text
    assert browser.post("/api/v1/retry").status_code == 202
    assert browser.get("/api/v1/retry").json["state"] == "done"


def test_a_store_without_a_collection_is_told(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(tmp_path))
        (tmp_path / "collections").mkdir()
        answer = site_of(CommandLine(tmp_path)).test_client().get("/state")
    assert "sightsound index" in answer.text


NOISY = """
import os
from sightsound import retrying

def noisy(*asked):
    print("a library says something" * 10_000)
    os.write(1, b"{}")
    return retrying.Report()

retrying.retry = noisy
retrying.main()
"""


def test_what_libraries_print_is_no_word_of_a_retry(demo: CommandLine) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", NOISY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=demo.environment(),
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps({"store": str(demo.home / "collections"), "collection": "default"}) + "\n")
        process.stdin.flush()
        assert [json.loads(line)["end"] for line in process.stdout] == ["done"]
