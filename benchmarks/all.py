"""Runs every benchmark and writes docs/benchmarks.md.

make bench
"""

from __future__ import annotations

import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import indexing
import knn
import memory
import start
from report import table

from sightsound.config import cores

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TEXT = """# Benchmarks

Made by `make bench` ({cores} cores, Python {python}, {libraries}). Machines differ, and this one is shared: compare
within a row, not between machines. Each ratio is of two measurements in one run, in turns.

{table}

## What the bounds are

- **Indexing**: cores ÷ (CPU seconds a photograph of decoding alone + of encoding alone). Decoding alone is what a
  reading process does (open, hash, read, prepare) in a plain loop; encoding alone is every vector that a photograph
  gets, in batches of 32. The measured run includes starting the reading processes, writing to the store, and measuring
  the background. The photographs are seeded crops of the demo photographs, JPEG, 1 to 12 megapixels.
- **Peak memory**: resident memory at the most, sampled every 50 ms, of two runs that differ in the number of
  photographs.
- **kNN**: the distances to all rows as int8, the 100 nearest rows' vectors from SQLite, and their exact order; no
  filters, no checks, no items. The vectors are MiniLM's of generated sentences, the queries further ones.
- **Start**: what Python takes to import the libraries that the command can't do without.

One benchmark alone: `python benchmarks/knn.py --count 10000`.
"""


def main() -> None:
    work = Path(tempfile.gettempdir()) / "sightsound-benchmarks"
    rows = [*start.measure(), *knn.measure(100_000, work), *indexing.measure(1_000, work)]
    rows += memory.measure((1_000, 10_000), work)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "simsimd", "pillow"))
    processors = cores()
    page = TEXT.format(cores=processors, python=platform.python_version(), libraries=libraries, table=table(rows))
    PAGE.write_text(page, encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
