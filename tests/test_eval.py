"""Evaluation: figures that can be worked out by hand, and files that are wrong."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import MEDIA, PHOTOS, CommandLine


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The demo photographs in `default` with their captions, and in `bare` without."""
    made = CommandLine(tmp_path_factory.mktemp("evaluated"))
    made("index", MEDIA / "media.csv")
    made("index", PHOTOS, "--collection", "bare")
    return made


def write(path: Path, *queries: Any) -> Path:
    lines = [query if isinstance(query, str) else json.dumps(query) for query in queries]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def found(line: CommandLine, query: str) -> list[str]:
    """The paths that a search in `bare` lists, in order."""
    hits = line("search", query, "--collection", "bare", "--json", "--limit", 94).json["hits"]
    return [hit["path"] for hit in hits]


def test_the_figures_are_those_of_the_ranks(line: CommandLine, tmp_path: Path) -> None:
    cat, bridge = "a cat", "a bridge over a river"
    by_cat, by_bridge = found(line, cat), found(line, bridge)
    file = write(
        tmp_path / "q.jsonl",
        {"id": "cat", "text": cat, "right": [by_cat[0], by_cat[3]]},
        {"id": "bridge", "text": bridge, "right": [{"item": by_bridge[6], "grade": 2}]},
    )
    (one,) = line("eval", file, "--collection", "bare", "--json").json["collections"]
    gain = (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))
    wanted = {
        "recall@1": (0.5 + 0) / 2,
        "recall@5": (1 + 0) / 2,
        "recall@10": 1.0,
        "nDCG@10": (gain + 1 / math.log2(8)) / 2,
        "MRR": (1 + 1 / 7) / 2,
        "median rank": 4.0,
    }
    for name, value in wanted.items():
        assert one["measures"][name] == pytest.approx(value, abs=1e-3), name


def test_captions_make_a_file_of_queries(line: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    line("eval", file, "--captions")
    queries = [json.loads(one) for one in file.read_text().splitlines()]
    assert len(queries) == 94
    cat = next(one for one in queries if one["right"] == [str(PHOTOS / "cat.jpg")])
    assert cat["text"] == "a white and tabby kitten playing with wool on a red blanket"
    ran = line("eval", file)
    assert "94 queries are texts that 'default' holds" in ran.err and "flatter" in ran.err
    honest = line("eval", file, "--collection", "bare")
    assert "flatter" not in honest.err
    (one,) = line("eval", file, "--collection", "bare", "--json").json["collections"]
    assert 0.85 < one["measures"]["recall@5"] < 1, "by what is seen alone"
    assert "is there already" in line("eval", file, "--captions", code=2).err


def test_two_collections_side_by_side_with_the_queries_that_differ(line: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "captions.jsonl"
    line("eval", file, "--captions")
    shown = line("eval", file, "--against", "bare").out.splitlines()
    assert "default (94)" in shown[0] and "bare (94)" in shown[0]
    recall = next(one for one in shown if one.startswith("recall@1 "))
    assert recall.split()[1:3] == ["100.0", "%"] and recall.split()[-1].startswith("-")
    differing = shown[next(n for n, one in enumerate(shown) if "another rank in" in one) + 1 :]
    assert "1 → " in differing[0]
    apart = [int(one.split("→")[1].split()[0]) for one in differing if "→" in one]
    assert apart == sorted(apart, reverse=True), "the greatest difference first"
    held = line("eval", file, "--against", "bare", "--json").json
    assert [one["collection"] for one in held["collections"]] == ["default", "bare"]
    assert all(one["ranks"][0] == 1 for one in held["queries"])


def test_pictures_items_and_mixtures_are_queries_too(line: CommandLine, tmp_path: Path) -> None:
    cat, kitten = str(PHOTOS / "cat.jpg"), str(PHOTOS / "kitten.jpg")
    file = write(
        tmp_path / "q.jsonl",
        {"image": cat, "right": [cat]},
        {"like": cat, "right": [kitten]},
        {"text": "a castle", "parts": [{"text": "water", "weight": 0.5}, {"like": cat, "weight": -1}], "right": [cat]},
    )
    queries = line("eval", file, "--collection", "bare", "--json").json["queries"]
    assert queries[0]["ranks"] == [1]
    assert queries[1]["ranks"][0] <= 5
    assert queries[2]["query"] == f"a castle + water:0.5 + {cat}:-1"


def test_paths_count_from_the_files_folder(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(PHOTOS)
    file = write(tmp_path / "q.jsonl", {"text": "a cat", "right": ["photos/cat.jpg", "photos/kitten.jpg"]})
    assert line("eval", file, "-c", "bare", "--json").json["queries"][0]["ranks"][0] <= 3


def test_a_missing_right_item_counts_as_not_found(line: CommandLine, tmp_path: Path) -> None:
    cat = found(line, "a cat")[0]
    file = write(tmp_path / "q.jsonl", {"text": "a cat", "right": [cat]}, {"text": "a dog", "right": ["gone.jpg"]})
    ran = line("eval", file, "-c", "bare")
    assert "lacks 1 right item" in ran.err and "gone.jpg" in ran.err
    (one,) = line("eval", file, "-c", "bare", "--json").json["collections"]
    assert one["measures"]["MRR"] == pytest.approx(0.5)
    none = write(tmp_path / "none.jsonl", {"text": "a dog", "right": ["gone.jpg"]})
    assert "holds none of the right items" in line("eval", none, "-c", "bare", code=2).err


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "line 2: it is not JSON"),
        ("[1]", "line 2: it is not a JSON object"),
        ({"text": "a", "rigth": ["x"]}, "line 2: 'rigth' is none of"),
        ({"right": ["x"]}, "line 2: it asks for nothing"),
        ({"text": "a"}, "line 2: 'right' must list"),
        ({"text": "a", "right": []}, "line 2: 'right' must list"),
        ({"text": "a", "right": [{"item": "x", "grade": 0}]}, "grade of 1 or more"),
        ({"parts": [{"text": "a", "image": "b"}], "right": ["x"]}, "a part is one of text, image, like"),
        ({"parts": [{"text": "a", "weight": "b"}], "right": ["x"]}, "a number for its weight"),
        ({"id": "1", "text": "a", "right": ["x"]}, "the id 1 is given twice"),
    ],
)
def test_a_line_that_is_wrong_is_named(line: CommandLine, tmp_path: Path, bad: Any, said: str) -> None:
    file = write(tmp_path / "q.jsonl", {"id": "1", "text": "a cat", "right": [str(PHOTOS / "cat.jpg")]}, bad)
    assert said in line("eval", file, code=2).err


def test_many_wrong_lines_are_counted(line: CommandLine, tmp_path: Path) -> None:
    ran = line("eval", write(tmp_path / "q.jsonl", *["{"] * 9), code=2)
    assert "line 1:" in ran.err and "and 6 more" in ran.err
    assert "holds no queries" in line("eval", write(tmp_path / "empty.jsonl", ""), code=2).err
    assert "can't be read" in line("eval", tmp_path / "nowhere.jsonl", code=2).err


def test_without_the_extra_it_says_what_to_install(line: CommandLine, tmp_path: Path) -> None:
    file = write(tmp_path / "q.jsonl", {"text": "a cat", "right": [str(PHOTOS / "cat.jpg")]})
    code = (
        "import sys; sys.modules['ir_measures'] = None\n"
        f"sys.argv = ['sightsound', 'eval', {str(file)!r}]\n"
        "from sightsound.cli import main; main()"
    )
    environment = {**os.environ, "SIGHTSOUND_HOME": str(line.home)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 1 and "pip install 'sightsound[eval]'" in done.stderr
