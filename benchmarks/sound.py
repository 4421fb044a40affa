"""Indexing sounds with `starter`, as a multiple of real time, beside features and model alone on all cores.

python benchmarks/sound.py --minutes 480
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from report import Row, table

from sightsound import AudioInput, Vectors
from sightsound.config import cores
from sightsound.encoders import EncoderSet, choose
from sightsound.indexing import index
from sightsound.opening import open_source
from sightsound.plugins.audio import yamnet
from sightsound.plugins.audio.windows import Windows
from sightsound.registry import registry
from sightsound.sources import Source
from sightsound.stores.local import LocalStore

ROUNDS = 3
RATE = 32_000
DEMO = Path(__file__).parent.parent / "examples" / "media" / "sounds"


def make_sounds(folder: Path, minutes: int) -> Path:
    """FLAC files of one minute each, joined of the demo sounds in an order of chance; those that lie there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [soundfile.read(path, dtype="float32")[0] for path in sorted(DEMO.iterdir())]
    for number in range(minutes):
        path = folder / f"{number:04d}.flac"
        if not path.exists():
            order = np.random.default_rng(number).permutation(len(parts))
            joined = np.concatenate([parts[place] for place in order])
            soundfile.write(path, joined[: 60 * RATE], RATE)
    return folder


def bound(folder: Path) -> float:
    """Seconds of sound a second: cores / (CPU seconds, a second of sound, of reading, of features and of the model)."""
    model = yamnet.YAMNet()
    model.encode([yamnet.prepare(np.zeros(64_000, np.float32))])
    wanted, seconds, bands = AudioInput(yamnet.RATE, yamnet.SECONDS), 0.0, []
    began = time.process_time()
    for path in sorted(folder.iterdir()):
        samples: Vectors = soundfile.read(path, dtype="float32")[0]
        windows = Windows([wanted], RATE)
        made = [*windows.push(samples), *windows.finish()]
        bands += [yamnet.prepare(window.samples) for window in made]
        seconds += windows.seconds
    for start in range(0, len(bands), 256):
        model.encode(bands[start : start + 256])
    return cores() * seconds / (time.process_time() - began)


def indexed(source: Source, encoders: EncoderSet, minutes: int) -> float:
    """Seconds of sound a second, of a whole run into a new collection, with the start of the reading processes."""
    with tempfile.TemporaryDirectory() as folder:
        collection = LocalStore(folder).open("default", create=True)
        began = time.perf_counter()
        report = index(registry(), collection, source, encoders)
        took = time.perf_counter() - began
        collection.close()
    assert report.added == report.listed
    return 60 * minutes / took


def measure(minutes: int, work: Path) -> list[Row]:
    folder = make_sounds(work / f"sounds-{minutes}", minutes)
    source = open_source(registry(), str(folder), {}).source
    encoders = choose(registry(), ["starter"])
    rounds = [(indexed(source, encoders, minutes), bound(folder)) for _ in range(ROUNDS)]
    ratios = [rate / limit for rate, limit in rounds]
    measured, bounds = (sorted(values)[ROUNDS // 2] for values in zip(*rounds, strict=True))
    what = f"indexing {minutes} minutes of sound, multiples of real time"
    return [Row(what, f"{measured:,.0f}", f"{bounds:,.0f}", ratios, "at least 0.85")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=480)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.minutes, arguments.work)))
