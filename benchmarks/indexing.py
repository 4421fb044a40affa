"""Indexing photographs with `starter`, against the time that decoding and encoding alone would take on all cores.

python benchmarks/indexing.py --count 200
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from photographs import make_photographs
from report import Row, table

from sightsound.config import cores
from sightsound.encoders import EncoderSet, choose
from sightsound.indexing import BATCH, index
from sightsound.jobs import Equipment, Job, PreparedPiece, read_item
from sightsound.opening import open_source
from sightsound.registry import registry
from sightsound.sources import Source
from sightsound.stores.local import LocalStore

ROUNDS = 3


def bound(source: Source, encoders: EncoderSet) -> float:
    """Photographs a second: cores / (CPU seconds a photograph of decoding alone and of encoding alone)."""
    images = encoders.reading("image", "document")
    readers = tuple(entry.thing for entry in registry().readers)
    equipment = Equipment(source, readers, tuple(encoder.preparation for encoder in images), encoders.wanted, 2048)
    pieces: list[PreparedPiece] = []
    began = time.process_time()
    for item in source.items():
        pieces += [piece for part in read_item(Job(item), equipment) for piece in part.pieces]
    decoding = time.process_time() - began
    for encoder in images:
        encoder.encode([pieces[0].inputs[encoder.key]], "document")
    began = time.process_time()
    for start in range(0, len(pieces), BATCH):
        for encoder in images:
            encoder.encode([piece.inputs[encoder.key] for piece in pieces[start : start + BATCH]], "document")
    encoding = time.process_time() - began
    return cores() * len(pieces) / (decoding + encoding)


def indexed(source: Source, encoders: EncoderSet) -> float:
    """Photographs a second, of a whole run into a new collection, with the start of the reading processes."""
    with tempfile.TemporaryDirectory() as folder:
        collection = LocalStore(folder).open("default", create=True)
        began = time.perf_counter()
        report = index(registry(), collection, source, encoders)
        took = time.perf_counter() - began
        collection.close()
    assert report.added == report.listed
    return report.added / took


def measure(count: int, work: Path) -> list[Row]:
    folder = make_photographs(work / "photographs", count)
    source = open_source(registry(), str(folder), {}).source
    encoders = choose(registry(), ["starter"])
    rounds = [(indexed(source, encoders), bound(source, encoders)) for _ in range(ROUNDS)]
    measured, bounds = (sum(values) / ROUNDS for values in zip(*rounds, strict=True))
    what = f"indexing {count:,} photographs of 1 to 12 megapixels"
    ratios = [rate / limit for rate, limit in rounds]
    return [Row(what, f"{measured:.1f} /s", f"{bounds:.1f} /s", ratios, "at least 0.85")]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.count, arguments.work)))
