"""What the tests of the Elasticsearch store share: the command line at a cluster, a fast encoder, small pictures."""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from conftest import CommandLine, Ran
from PIL import Image
from shades_encoder import install_shades

from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.stores.base import Collection


@dataclass(frozen=True)
class ElasticLine:
    """`sightsound` with the store at `url` and the encoder `shades`, which does as good as nothing."""

    line: CommandLine
    url: str
    site: Path

    def at(self, url: str) -> ElasticLine:
        return ElasticLine(self.line, url, self.site)

    def __call__(self, *arguments: object, code: int | None = 0, **more: str) -> Ran:
        return self.line(*arguments, code=code, **self._environment(more))

    def start(self, *arguments: object, **more: str) -> subprocess.Popen[str]:
        return self.line.start(*arguments, **self._environment(more))

    def open(self, name: str = "default") -> Collection:
        return open_store(registry(), self.url).open(name)

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        own = {"SIGHTSOUND_STORE": self.url, "SIGHTSOUND_ENCODERS": "shades", "PYTHONPATH": str(self.site)}
        return {**own, **more}


def elastic_line(line: CommandLine, url: str, folder: Path) -> ElasticLine:
    return ElasticLine(line, url, install_shades(folder))


def small_pictures(folder: Path, count: int, first: int = 0) -> Path:
    """A folder of pictures that all differ, of 8 by 8 grey squares each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        squares = Image.frombytes("L", (8, 8), random.Random(number).randbytes(64))
        squares.resize((32, 32), Image.Resampling.NEAREST).save(folder / f"{number:05d}.png")
    return folder


def holds_each_once(collection: Collection, folder: Path) -> None:
    """Every picture of the folder is there, found, with its vector, and none twice."""
    uris = Counter(path.as_uri() for path in folder.iterdir())
    assert Counter(item.uri for item in collection.scan() if item.state == "ok") == uris
    assert collection.counts() == {("shades", "photo"): len(uris)}
    assert collection.count() == len(uris)
    assert collection.failures() == []
    assert collection.check() == []


def same_order(here: Sequence[tuple[str, float]], there: Sequence[tuple[str, float]]) -> None:
    """Both name the same, best first, in one order wherever scores (of `here`) differ by more than 1e-3."""
    assert {name for name, _ in here} == {name for name, _ in there}
    place = {name: number for number, (name, _) in enumerate(there)}
    for number, (name, score) in enumerate(here):
        for other, less in here[number + 1 :]:
            assert score - less <= 1e-3 or place[name] < place[other], (name, other)
