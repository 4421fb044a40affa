"""`sightsound index-to`: index runs on machines that keep nothing."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PHOTOS, CommandLine
from s3_server import BUCKET, S3

from sightsound.stores.backup import MANIFEST

pytest_plugins = ("s3_server",)
NAMES = ("cat.jpg", "horse.jpg")


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[str], CommandLine]:
    """A machine that has just been started."""

    def start(name: str) -> CommandLine:
        home = tmp_path / name
        home.mkdir()
        return CommandLine(home)

    return start


def items(place: Path) -> int:
    """Of the backup that lies there."""
    manifest = place / MANIFEST
    return int(json.loads(manifest.read_text())["items"]) if manifest.exists() else 0


def test_each_run_goes_on_where_the_last_one_was(s3: S3, machine: Callable[[str], CommandLine]) -> None:
    for name in NAMES:
        s3.put(**{f"photos/{name}": (PHOTOS / name).read_bytes()})
    arguments = ("index-to", f"s3://{BUCKET}/index", f"s3://{BUCKET}/photos")
    first = machine("first")(*arguments, **s3.environment)
    assert "this is the first run" in first.err and "2 items" in first.err
    assert "2 added" in first.out
    s3.put(**{"photos/dog.jpg": (PHOTOS / "horse.jpg").read_bytes() + b"another"})
    second = machine("second")(*arguments, "--json", "--prune", **s3.environment)
    assert "Goes on from the backup" in second.err
    said = json.loads(second.out)
    assert (said["added"], said["unchanged"]) == (1, 2)
    served = machine("served")
    served("restore", f"s3://{BUCKET}/index", **s3.environment)
    assert "default: 3 photos" in served("status").out


def test_a_run_that_is_stopped_keeps_what_it_has(machine: Callable[[str], CommandLine], tmp_path: Path) -> None:
    photos, place = tmp_path / "photos", tmp_path / "index"
    shutil.copytree(PHOTOS, photos)
    count = len(list(photos.iterdir()))
    line = machine("spot")
    # Backups follow each other without pause, so that one tells of the first batch as soon as there is one.
    run = line.start("index-to", place, photos, "--minutes", "0.01", "--workers", "1", SIGHTSOUND_COLLECTION="stills")
    while run.poll() is None and not items(place):
        time.sleep(0.02)
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=120)
    assert "Traceback" not in said
    assert run.returncode in (0, 130), said
    kept = items(place)
    assert 0 < kept <= count
    later = machine("later")("index-to", place, photos, "--json", SIGHTSOUND_COLLECTION="stills")
    found = json.loads(later.out)
    assert found["unchanged"] == kept and found["added"] == count - kept
    assert items(place) == count


def test_a_run_that_fails_touches_no_backup(
    machine: Callable[[str], CommandLine], copy_photos: Callable[..., Path], tmp_path: Path
) -> None:
    photos, place = copy_photos(*NAMES), tmp_path / "index"
    machine("first")("index-to", place, photos)
    before = sorted((path.name, path.read_bytes()) for path in place.iterdir())
    line = machine("second")
    assert "does not exist" in line("index-to", place, tmp_path / "nowhere", code=1).err
    assert sorted((path.name, path.read_bytes()) for path in place.iterdir()) == before
    broken = tmp_path / "broken"
    shutil.copytree(place, broken)
    (broken / MANIFEST).write_text("{")
    assert "damaged" in machine("third")("index-to", broken, photos, code=1).err
    photos.joinpath("broken.jpg").write_bytes(b"no picture")
    assert "2 unchanged, 1 failed" in machine("fourth")("index-to", place, photos, code=3).out
