"""Whatever ends an index run, nothing acknowledged is lost, nothing is doubled, and the next run completes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import PHOTOS, CommandLine
from PIL import Image

from sightsound.plugins.sources.files import file_item
from sightsound.stores.base import Collection
from sightsound.stores.local import LocalStore
from sightsound.types import file_path

KILLS = 50
FILES = 120


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Photographs, small so that a run is over in a few seconds."""
    folder = tmp_path / "many"
    folder.mkdir()
    originals = sorted(PHOTOS.iterdir())
    for number in range(FILES):
        with Image.open(originals[number % len(originals)]) as picture:
            small = picture.convert("RGB").resize((320, 240))
            small.rotate(number // len(originals)).save(folder / f"{number:03d}.jpg", quality=80)
    return folder


def collection_of(line: CommandLine) -> Collection | None:
    store = LocalStore(str(line.home / "collections"))
    return store.open("default") if "default" in store.collections() else None


def acknowledged(line: CommandLine) -> dict[str, str]:
    """Revisions by URI of what a reader sees now."""
    collection = collection_of(line)
    if collection is None:
        return {}
    try:
        return {item.uri: item.revision for item in collection.scan() if item.state == "ok"}
    finally:
        collection.close()


def revision(uri: str) -> str:
    path = file_path(uri)
    assert path is not None
    return file_item(path, "photo").revision


def change_some(folder: Path, chance: random.Random) -> None:
    """New bytes at the end of a third of the files: other content, the same picture."""
    for path in chance.sample(sorted(folder.iterdir()), FILES // 3):
        with path.open("ab") as file:
            file.write(chance.randbytes(8))


def test_an_indexer_killed_at_random_moments_loses_and_doubles_nothing(sightsound: CommandLine, many: Path) -> None:
    chance = random.Random(1)
    seen: dict[str, str] = {}
    unfinished = 0
    longest = 3.5  # seconds until a kill; follows what a run takes on this machine, so that kills fall all over it
    for _ in range(KILLS):
        before = dict(seen)
        process = sightsound.start("index", many)
        began = time.monotonic()
        deadline = began + chance.uniform(0.2, 1.0) * longest
        while process.poll() is None and time.monotonic() < deadline:
            seen |= acknowledged(sightsound)
            time.sleep(0.05)
        if process.poll() is None:
            unfinished += 1
            longest *= 1.1 if seen == before else 1.0
        else:
            longest = time.monotonic() - began
        process.kill()
        process.communicate()
        now = acknowledged(sightsound)
        assert seen.keys() <= now.keys(), "what a reader saw is gone"
        back = [uri for uri in seen if now[uri] not in (seen[uri], revision(uri))]
        assert not back, "what a reader saw went back"
        if len(now) == FILES:
            change_some(many, chance)
    assert unfinished > KILLS / 3, "the kills came too late to prove anything"
    sightsound("index", many)
    assert sightsound("check").out == f"{FILES} items: all is well\n"
    collection = collection_of(sightsound)
    assert collection is not None
    try:
        assert Counter(item.uri for item in collection.scan()) == Counter(path.as_uri() for path in many.iterdir())
        assert set(collection.counts().values()) == {FILES}
    finally:
        collection.close()


def test_the_reading_processes_of_a_killed_indexer_end(sightsound: CommandLine, many: Path) -> None:
    process = sightsound.start("index", many)
    children: list[psutil.Process] = []
    while not children:
        children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert gone
    assert not alive


def test_ctrl_c_leaves_a_clean_store_within_five_seconds(sightsound: CommandLine, many: Path) -> None:
    process = sightsound.start("index", many, PHOTOS, "--encoders", "starter")
    while len(acknowledged(sightsound)) < 1:
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the children too
    pressed = time.monotonic()
    out, errors = process.communicate(timeout=60)
    took = time.monotonic() - pressed
    assert process.returncode == 130, out + errors
    assert errors == "interrupted; run the same command again to go on\n"
    assert took < 5
    had = len(acknowledged(sightsound))
    assert "all is well" in sightsound("check").out
    done = sightsound("index", many, PHOTOS, "--json").json
    assert done["unchanged"] == had
    assert len(acknowledged(sightsound)) == FILES + len(list(PHOTOS.iterdir()))


READER = """
    import os, signal, time
    import numpy as np
    from sightsound import Piece, hookimpl

    class Moody:
        def reads(self, item):
            return any(mood in item.uri for mood in ("crash", "hang", "greedy"))

        def read(self, file, item, wanted):
            if "crash" in item.uri:
                os.kill(os.getpid(), signal.SIGSEGV)
            if "greedy" in item.uri:
                np.ones((8_000, 1_000_000))
            time.sleep(3600)
            yield Piece("photo", "image", np.zeros((8, 8, 3), np.uint8))

    @hookimpl
    def register_readers(register):
        register("moody", Moody())
"""


def test_a_reading_process_that_crashes_hangs_or_grows_costs_that_file_only(
    sightsound: CommandLine, tmp_path: Path, copy_photos: Callable[..., Path]
) -> None:
    site = tmp_path / "site"
    (site / "moody-1.0.dist-info").mkdir(parents=True)
    (site / "moody-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: moody\nVersion: 1.0\n")
    (site / "moody-1.0.dist-info" / "entry_points.txt").write_text("[sightsound]\nmine = moody\n")
    (site / "moody.py").write_text(textwrap.dedent(READER))
    photos = copy_photos("cat.jpg", "horse.jpg", "owl.jpg", "bee.jpg")
    for name in ("1 crash.jpg", "2 hang.jpg", "3 greedy.jpg", "4 crash.jpg"):
        shutil.copy(PHOTOS / "cow.jpg", photos / name)
    ran = sightsound("index", photos, "--json", code=3, PYTHONPATH=str(site), SIGHTSOUND_DEADLINE="6")
    assert (ran.json["added"], ran.json["failed"]) == (4, 4)
    reasons = {Path(failure["uri"]).name: failure["reason"] for failure in ran.json["failures"]}
    assert reasons["1%20crash.jpg"] == "the process that read it died (signal SIGSEGV)"
    assert reasons["2%20hang.jpg"] == "reading it took more than 6 seconds"
    assert reasons["3%20greedy.jpg"] == "reading it takes more than 2048 MB of memory"
    assert "all is well" in sightsound("check").out


def test_reading_processes_killed_from_outside_cost_at_most_the_files_they_were_at(
    sightsound: CommandLine, many: Path
) -> None:
    process = sightsound.start("index", many, "--json")
    while len(acknowledged(sightsound)) < 1:
        time.sleep(0.02)
    killed = psutil.Process(process.pid).children(recursive=True)
    readers = [child for child in killed if "spawn_main" in " ".join(child.cmdline())]
    for child in readers:
        child.kill()
    process.communicate(timeout=120)
    assert process.returncode in (0, 3)
    assert len(sightsound("failed", "--json").json) <= len(readers)
    sightsound("failed", "--retry")
    assert len(acknowledged(sightsound)) == FILES


def test_a_closed_pipe_ends_a_search_quietly(demo: CommandLine) -> None:
    searching = demo.start("search", "--kind", "photo", "--limit", "90")
    assert searching.stdout is not None
    searching.stdout.readline()
    searching.stdout.close()
    assert searching.stderr is not None
    assert searching.stderr.read() == ""
    assert searching.wait(30) == 1


def test_a_killed_rebuild_leaves_the_old_collection_and_goes_on(sightsound: CommandLine, many: Path) -> None:
    sightsound("index", many)
    before = acknowledged(sightsound)
    for moment in (1.0, 1.8):
        process = sightsound.start("index", "--rebuild")
        time.sleep(moment)
        process.kill()
        process.communicate()
        assert acknowledged(sightsound) == before
    sightsound("index", "--rebuild")
    assert acknowledged(sightsound) == before
    assert [one["collection"] for one in sightsound("status", "--json").json["collections"]] == ["default"]
