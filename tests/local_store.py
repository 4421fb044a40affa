"""What the tests of the local store share: one of each test's own, its files, and other processes at it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sightsound.stores.base import Collection
from sightsound.stores.local import LocalStore
from sightsound.types import Vectors

# What the other processes of these tests begin with: `collection` in the store that they are given.
PREAMBLE = """
import os, sys, time

import numpy as np
from pathlib import Path
from sightsound.errors import *
from sightsound.stores.base import Entry
from sightsound.stores.local import LocalStore
from sightsound.types import Segment
from sightsound.testing.stores import RED, GREEN, entry, found, item, parse

def whole(name, number):
    "A photo with a title: two segments, two vectors."
    one = item(name, title=f"photo {number}")
    photo, title = Segment(one.id, "photo"), Segment(one.id, "title", text=name)
    return Entry(one, [photo, title], {"colour": {photo.id: RED, title.id: GREEN}})
"""


def start(script: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", PREAMBLE + script, *map(str, arguments)]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def run(script: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
    process = start(script, *arguments, before=before)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return out


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(str(tmp_path / "store"), create=True)


@pytest.fixture
def collection(store: LocalStore) -> Iterator[Collection]:
    collection = store.open("default", create=True)
    yield collection
    collection.close()


def folder_of(store: LocalStore, name: str = "default") -> Path:
    return Path(store.location) / name


def cache_of(store: LocalStore) -> Path:
    return folder_of(store) / "colour.photo.vectors"


def spread(n: int) -> list[Vectors]:
    """n vectors in the plane of red and green, from red to green."""
    return [np.array([np.cos(a), np.sin(a), 0, 0], np.float32) for a in np.linspace(0, np.pi / 2, n)]
