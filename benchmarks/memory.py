"""Peak memory of indexing 1,000 and 10,000 photographs: it may not grow with their number.

python benchmarks/memory.py --counts 100 1000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from photographs import make_photographs
from report import Row, table

EVERY = 0.05


def peak(folder: Path) -> tuple[float, float]:
    """Megabytes of resident memory at the most: of the indexer alone, and with its reading processes."""
    with tempfile.TemporaryDirectory() as store:
        command = [Path(sys.executable).with_name("sightsound"), "index", folder, "--store", store]
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
        alone = together = 0.0
        while process.poll() is None:
            sizes = list(_sizes(psutil.Process(process.pid)))
            alone, together = max([alone, *sizes[:1]]), max(together, sum(sizes))
            time.sleep(EVERY)
        assert process.returncode == 0
    return alone, together


def _sizes(indexer: psutil.Process) -> list[float]:
    found = []
    try:
        for process in (indexer, *indexer.children(recursive=True)):
            found.append(process.memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        pass
    return found


def measure(counts: Sequence[int], work: Path) -> list[Row]:
    few, many = (peak(make_photographs(work / f"small-{count}", count, (0.2, 0.3))) for count in counts)
    rows = []
    for number, who in enumerate(("the indexer", "with its reading processes")):
        what = f"peak memory of indexing {counts[1]:,} items, {who}"
        bound = f"{few[number]:.0f} MB for {counts[0]:,}"
        rows.append(Row(what, f"{many[number]:.0f} MB", bound, [many[number] / few[number]], "about 1"))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--counts", type=int, nargs=2, default=(1_000, 10_000))
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.counts, arguments.work)))
