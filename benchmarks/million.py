"""A collection of a million items: making it, and what everything costs with it.

python benchmarks/million.py --count 100000
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import knn
import psutil
import synthetic

from sightsound.encoders import choose
from sightsound.indexing import BATCH
from sightsound.opening import SOURCES
from sightsound.registry import registry
from sightsound.stores.local import LocalStore

PLACES = (0.1, 0.5, 1.0)
"""Shares of the items after which memory and the rate are noted."""
MADE = "made.json"


def make(count: int, work: Path) -> Path:
    """The store with `count` items in its collection `default`, and in MADE how that went; kept, since it takes long."""
    folder = work / f"collection-{count}"
    if not (folder / MADE).exists():
        collection = LocalStore(str(folder), create=True).open("default", create=True)
        with collection.writing():
            collection.set_encoders(choose(registry(), ["starter"]).records())
            noted = _fill(collection, count, work)
        collection.close()
        (folder / MADE).write_text(json.dumps(noted))
    return folder


def _fill(collection: Any, count: int, work: Path) -> list[dict[str, float]]:
    """Items a second and megabytes of resident memory, at each of PLACES."""
    places = [round(share * count) for share in PLACES]
    noted, written, since, seconds = [], 0, 0, 0.0
    for chunk in synthetic.photographs(count, work):
        began = time.perf_counter()
        for batch in knn.parts(chunk, BATCH):
            collection.put(batch)
        seconds += time.perf_counter() - began
        written += len(chunk)
        if written >= places[len(noted)]:
            rate = (written - since) / seconds
            noted.append({"items": written, "rate": rate, "megabytes": psutil.Process().memory_info().rss / 2**20})
            print(noted[-1])
            since, seconds = written, 0.0
    return noted

if __name__ == "__main__":
    import sys
    make(int(sys.argv[1]), Path('/tmp/million-data'))
