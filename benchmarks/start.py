"""How long commands take from nothing: the help, and a whole search.

python benchmarks/start.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from photographs import DEMO
from report import Row, table

ROUNDS = 9
SIGHTSOUND = str(Path(sys.executable).with_name("sightsound"))
MEDIA = DEMO.parent / "media.csv"
INSIDE = """
import time
began = time.perf_counter()
def lap(name):
    global began
    now = time.perf_counter()
    print(f"{name} {1000 * (now - began):.0f} ms", end="; ")
    began = time.perf_counter()
import sys
import numpy
import onnxruntime
lap("importing numpy and onnxruntime")
from sightsound.cli.app import build
build()
lap("building the command line")
from sightsound.opening import open_store
from sightsound.registry import registry
from sightsound.encoders import of_collection
from sightsound.searching import Query, TextPart, search
collection = open_store(registry(), sys.argv[1]).open("default")
lap("opening the collection")
encoders = of_collection(registry(), collection)
text = encoders.reading("text", "query")[0].loaded
text._tokenizer
lap("loading the tokenizer")
text._session
lap("loading the text model")
search(registry(), collection, encoders, Query((TextPart("a boat at dusk"),)))
lap("the search itself")
"""


def seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def compared(what: str, command: list[str], bound: str, wanted: str, note: str = "") -> Row:
    rounds = [(seconds(*command), seconds(sys.executable, "-c", bound)) for _ in range(ROUNDS)]
    measured, least = (sorted(values)[ROUNDS // 2] for values in zip(*rounds, strict=True))
    ratios = [one / other for one, other in rounds]
    return Row(what, f"{1000 * measured:.0f} ms", f"`{bound}` {1000 * least:.0f} ms", ratios, wanted, note)


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as store:
        subprocess.run([SIGHTSOUND, "index", MEDIA, "--store", store], check=True, capture_output=True)
        inside = subprocess.run([sys.executable, "-c", INSIDE, store], check=True, capture_output=True, text=True)
        note = re.sub(r"; $", "", inside.stdout)
        search = [SIGHTSOUND, "search", "a boat at dusk", "--store", store]
        return [
            compared("`sightsound --help`", [SIGHTSOUND, "--help"], "import typer, pluggy", "at most 3"),
            compared("a whole `sightsound search` process", search, "import numpy, onnxruntime", "at most 5", note),
        ]


if __name__ == "__main__":
    print(table(measure()))
