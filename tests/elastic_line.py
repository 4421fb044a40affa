"""What the tests of the Elasticsearch store share: the command line at a cluster, a fast encoder, small pictures."""

from __future__ import annotations

import random
import subprocess
import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from conftest import CommandLine, Ran
from PIL import Image

from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.stores.base import Collection

PLUGIN = """
    import numpy as np
    from sightsound import EncoderSpec, ImageInput, Space, hookimpl

    def shades(image):
        height, width = (side // 8 * 8 for side in image.shape[:2])
        cells = image[:height, :width].mean(axis=2).reshape(8, height // 8, 8, width // 8).mean(axis=(1, 3))
        vector = (cells - cells.mean() + 1e-3).ravel().astype(np.float32)
        return vector / np.linalg.norm(vector)

    class Shades:
        fingerprint = "shades 1"

        def encode(self, batch, role):
            return np.stack(batch)

    @hookimpl
    def register_encoders(register):
        register("shades", lambda argument: [
            EncoderSpec("shades", "image", Space("shades", 64), ImageInput(8), shades, lambda device: Shades())])
"""


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
    site = folder / "site"
    if not site.exists():
        information = site / "shades-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: shades\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text("[sightsound]\nmine = shades\n")
        (site / "shades.py").write_text(textwrap.dedent(PLUGIN))
    return ElasticLine(line, url, site)


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
