"""One collection of photographs, sounds and films, under names that say nothing: words find each among the others."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from conftest import MEDIA, ROOT, CommandLine

QUERIES = list(csv.DictReader((ROOT / "tests/data/mixed_queries.csv").open(encoding="utf-8")))
FIRST, TENTH = 0.45, 0.9
"""The least share of queries whose right answer is the first, and among the first ten."""


def test_words_find_photographs_sounds_and_films_among_each_other(tmp_path: Path) -> None:
    line = CommandLine(tmp_path)
    (tmp_path / "media").mkdir()
    called = {}
    files = [path for kind in ("photos", "sounds", "films") for path in sorted((MEDIA / kind).iterdir())]
    for number, path in enumerate(files):
        name = f"{number:04d}{path.suffix}"
        shutil.copy(path, tmp_path / "media" / name)
        called[name] = f"{path.parent.name}/{path.name}"
    line("index", tmp_path / "media")
    ranks = {}
    for query in QUERIES:
        found = line("search", query["query"], "--limit", len(called), "--paths").out.splitlines()
        ranks[query["query"]] = 1 + [called[Path(path).name] for path in found].index(query["file"])
    shown = "\n".join(f"{rank:4}  {query}" for query, rank in ranks.items())
    print(shown)
    assert len(ranks) == len(QUERIES) >= 30
    assert sum(rank == 1 for rank in ranks.values()) >= FIRST * len(ranks), shown
    assert sum(rank <= 10 for rank in ranks.values()) >= TENTH * len(ranks), shown
