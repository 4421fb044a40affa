"""Evaluating collections: figures against values computed by hand, query files good and bad, files of captions."""

from __future__ import annotations

import csv
import json
import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import MEDIA, PHOTOS, ROOT, SIGHTSOUND, CommandLine

Copy = Callable[..., Path]


def write(file: Path, *lines: object) -> Path:
    """A query file; lines that are texts are written as they stand."""
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return file


def order(line: CommandLine, words: str) -> list[str]:
    """Every photo's path, best first."""
    return [hit["path"] for hit in line("search", words, "--limit", 94, "--json").json["hits"]]


def measures(line: CommandLine, file: Path, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = line("eval", file, "--json", *arguments).json["collections"][0]["measures"]
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandLine, Path]:
    """The demo photographs with their captions as `default`, without as `bare`; and a query file of the captions."""
    line = CommandLine(tmp_path_factory.mktemp("pair"))
    line("index", MEDIA / "media.csv")
    line("index", PHOTOS, "--collection", "bare")
    line("eval", "captions.jsonl", "--captions")
    return line, line.home / "captions.jsonl"


def test_the_figures_are_those_that_a_hand_computes(demo: CommandLine, tmp_path: Path) -> None:
    """Right items at the ranks 1, 3, 12 and (of two) 2 and 5."""
    castle, boat, animal, tower = (order(demo, words) for words in ("a castle", "a boat", "an animal", "a tower"))
    file = write(
        tmp_path / "queries.jsonl",
        {"text": "a castle", "right": [castle[0]]},
        {"text": "a boat", "right": [boat[2]]},
        {"text": "an animal", "right": [animal[11]]},
        {"text": "a tower", "right": [tower[4], tower[1]]},
    )
    found = measures(demo, file)
    of_two = (1 / math.log2(3) + 1 / math.log2(6)) / (1 + 1 / math.log2(3))
    assert found == pytest.approx(
        {
            "recall_at_1": 1 / 4,
            "recall_at_5": 3 / 4,
            "recall_at_10": 3 / 4,
            "ndcg_at_10": (1 + 1 / math.log2(4) + 0 + of_two) / 4,
            "mrr": (1 + 1 / 3 + 1 / 12 + 1 / 2) / 4,
            "median_rank": 2.5,
            "probable": found["probable"],
        },
        abs=1e-4,
    )
    answer = demo("eval", file, "--json").json
    assert [query["results"][0]["rank"] for query in answer["queries"]] == [1, 3, 12, 2]
    hits = [demo("search", q["query"], "--limit", 94, "--json").json["hits"] for q in answer["queries"]]
    probable = [shown[rank - 1]["probable"] for shown, rank in zip(hits, (1, 3, 12, 2), strict=True)]
    assert [query["results"][0]["probable"] for query in answer["queries"]] == probable
    assert found["probable"] == sum(probable) / 4


def test_grades_count_in_ndcg(demo: CommandLine, tmp_path: Path) -> None:
    first, second, *_ = order(demo, "a castle")
    right = [{"item": first, "grade": 1}, {"item": second, "grade": 2}]
    found = measures(demo, write(tmp_path / "queries.jsonl", {"text": "a castle", "right": right}))
    assert found["ndcg_at_10"] == pytest.approx((1 + 2 / math.log2(3)) / (2 + 1 / math.log2(3)), abs=1e-4)
    assert (found["recall_at_1"], found["recall_at_5"], found["mrr"]) == (0.5, 1, 1)


def test_a_missing_right_item_counts_as_not_found_with_a_warning(demo: CommandLine, tmp_path: Path) -> None:
    best = order(demo, "a castle")[0]
    file = write(
        tmp_path / "queries.jsonl",
        {"text": "a castle", "right": [best, "gone.jpg"]},
        {"text": "a castle", "right": ["gone.jpg"]},
        {"text": "a castle", "right": ["gone.jpg"]},
    )
    ran = demo("eval", file, "--json")
    assert "3 right items not in 'default' (counted as not found): gone.jpg (line 1), gone.jpg (line 2)" in ran.err
    assert ran.json["collections"][0]["measures"] == pytest.approx(
        {
            "recall_at_1": 0.5 / 3,
            "recall_at_5": 0.5 / 3,
            "recall_at_10": 0.5 / 3,
            "ndcg_at_10": 1 / (1 + 1 / math.log2(3)) / 3,
            "mrr": 1 / 3,
            "median_rank": None,
            "probable": 1 / 3,
        },
        abs=1e-4,
    )
    assert [query["results"][0]["missing"] for query in ran.json["queries"]] == [["gone.jpg"]] * 3
    assert "median rank        —" in demo("eval", file).out


def test_no_right_item_at_all_is_an_error(demo: CommandLine, tmp_path: Path) -> None:
    file = write(tmp_path / "queries.jsonl", {"text": "a castle", "right": ["gone.jpg"]})
    err = demo("eval", file, code=1).err
    assert "has none of the right items" in err
    assert "gone.jpg in line 1" in err


def test_items_that_failed_count_as_missing(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    (photos / "broken.jpg").write_bytes(b"no picture")
    sightsound("index", photos, code=3)
    file = write(photos / "q.jsonl", {"text": "a cat", "right": ["broken.jpg", "cat.jpg"]})
    ran = sightsound("eval", file, "--json")
    assert "broken.jpg (line 1)" in ran.err
    assert ran.json["queries"][0]["results"][0]["rank"] == 1


def test_too_few_items_to_tell_what_is_probable(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    sightsound("index", photos)
    file = write(photos / "q.jsonl", {"text": "a cat", "right": ["cat.jpg"]})
    assert measures(sightsound, file)["probable"] is None
    assert "probable           —" in sightsound("eval", file).out


def test_items_are_named_by_path_from_the_files_folder_by_uri_and_by_id(demo: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(PHOTOS)
    item = demo("show", PHOTOS / "cat.jpg", "--json").json
    written = ["photos/cat.jpg", item["path"], item["uri"], item["id"], item["id"][:8]]
    file = write(tmp_path / "q.jsonl", *({"text": "Kitten with yarn", "right": [one]} for one in written))
    ran = demo("eval", file, "--json", cwd=Path("/"))
    assert [query["results"][0]["rank"] for query in ran.json["queries"]] == [1] * 5
    assert [query["results"][0]["missing"] for query in ran.json["queries"]] == [[]] * 5


def test_queries_are_asked_as_search_asks_them(demo: CommandLine, tmp_path: Path) -> None:
    """Each kind of part: the item that `sightsound search` has at rank 2 is at rank 2."""
    (tmp_path / "photos").symlink_to(PHOTOS)
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "elsewhere.jpg")
    fish, cat, elsewhere = PHOTOS / "fish9.jpg", PHOTOS / "cat.jpg", tmp_path / "elsewhere.jpg"
    asked: list[tuple[dict[str, Any], list[object]]] = [
        ({"image": "photos/fish9.jpg"}, ["--image", fish]),
        ({"like": "photos/cat.jpg"}, ["--like", cat]),
        ({"like": "elsewhere.jpg"}, ["--like", elsewhere]),
        (
            {
                "parts": [
                    {"text": "cat"},
                    {"text": "kitten", "weight": -1},
                    {"image": "photos/fish9.jpg", "weight": 0.5},
                ]
            },
            ["cat", "--not", "kitten", "--image", f"{fish}:0.5"],
        ),
    ]
    lines = [
        {**query, "right": [demo("search", *arguments, "--limit", 2, "--json").json["hits"][1]["id"]]}
        for query, arguments in asked
    ]
    answer = demo("eval", write(tmp_path / "q.jsonl", *lines), "--json").json
    assert [query["results"][0]["rank"] for query in answer["queries"]] == [2] * len(asked)
    assert [query["query"] for query in answer["queries"]] == [
        "fish9.jpg",
        "cat.jpg",
        "elsewhere.jpg",
        "cat − kitten + fish9.jpg",
    ]


BAD = {
    '{"text": "a boat", "right": ["a.jpg"]': "line 1: no JSON (Expecting ',' delimiter",
    '["a boat"]': "line 1: no JSON object",
    '{"text": "a boat"}': "line 1: 'right' is missing",
    '{"text": "a boat", "right": []}': "line 1: 'right' is a list of at least one",
    '{"text": "a boat", "right": "a.jpg"}': "line 1: 'right' is a list of at least one",
    '{"text": "a boat", "right": [7]}': "line 1: a right item is an id, a path or a URI",
    '{"text": "a boat", "right": [{"item": "a.jpg", "grade": 0}]}': "line 1: 'grade' is a whole number from 1 to 100",
    '{"text": "a boat", "right": [{"item": "a.jpg", "score": 1}]}': "line 1: there is no field 'score' here",
    '{"right": ["a.jpg"]}': "line 1: write one of text, image, like and parts, not none",
    '{"text": "a", "like": "b", "right": ["a.jpg"]}': "line 1: write one of text, image, like and parts, not text and",
    '{"text": " ", "right": ["a.jpg"]}': "line 1: 'text' is a text, and not empty",
    '{"text": "a\\ud800", "right": ["a.jpg"]}': "line 1: 'text' holds a NUL, or half a character",
    '{"text": "a boat", "rihgt": ["a.jpg"]}': "line 1: there is no field 'rihgt' here; there are: id, text, image",
    '{"parts": [{"text": "a", "weight": -1}], "right": ["a.jpg"]}': "line 1: no part has a weight above 0",
    '{"parts": [{"text": "a", "weight": NaN}], "right": ["a.jpg"]}': "line 1: 'weight' is a number from -1000 to 1000",
    '{"parts": ["a"], "right": ["a.jpg"]}': "line 1: a part is an object with one of text, image and like",
    '{"image": "gone.png", "right": ["a.jpg"]}': "line 1: there is no picture 'gone.png'",
    '{"like": "gone.png", "right": ["a.jpg"]}': "line 1: 'default' has no item 'gone.png' to find others like",
    '{"id": [], "text": "a boat", "right": ["a.jpg"]}': "line 1: 'id' is a text or a whole number",
    "[" * 100_000: "line 1: no JSON to be read",
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:60])
def test_a_bad_line_is_named_with_what_is_wrong(demo: CommandLine, tmp_path: Path, line: str) -> None:
    file = write(tmp_path / "q.jsonl", line)
    assert f"error: {file}, {BAD[line]}" in demo("eval", file, code=2).err


def test_of_many_bad_lines_the_first_are_named_and_the_rest_counted(demo: CommandLine, tmp_path: Path) -> None:
    good = {"id": "one", "text": "a castle", "right": ["a.jpg"]}
    file = write(tmp_path / "q.jsonl", good, "", "no", good, *["{}"] * 5)
    err = demo("eval", file, code=2).err
    assert "line 3: no JSON" in err
    assert "line 4: the id 'one' is that of line 1 too; line 5: " in err
    assert err.endswith("and 4 more such lines\n")


def test_files_that_are_no_query_files(demo: CommandLine, tmp_path: Path) -> None:
    assert "add --captions" in demo("eval", tmp_path / "none.jsonl", code=2).err
    assert "holds no query" in demo("eval", write(tmp_path / "empty.jsonl", "", " "), code=2).err
    (tmp_path / "latin.jsonl").write_bytes('{"text": "\u00e9"}'.encode("latin-1"))
    assert "save it as UTF-8" in demo("eval", tmp_path / "latin.jsonl", code=2).err
    assert demo("eval", tmp_path, code=1).err.startswith(f"error: {tmp_path}")


def test_items_that_a_collection_cannot_rank_are_refused(demo: CommandLine, tmp_path: Path) -> None:
    cat = str(PHOTOS / "cat.jpg")
    file = write(tmp_path / "q.jsonl", {"like": cat, "right": [cat]})
    assert "never among the hits" in demo("eval", file, code=2).err


def test_a_picture_that_is_none_is_named_with_its_line(demo: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    right = [str(PHOTOS / "cat.jpg")]
    file = write(tmp_path / "q.jsonl", {"text": "a cat", "right": right}, {"image": "broken.jpg", "right": right})
    assert f"error: {file}, line 2: " in demo("eval", file, code=1).err


def test_captions_become_queries_with_their_items(pair: tuple[CommandLine, Path]) -> None:
    line, file = pair
    with (MEDIA / "media.csv").open(encoding="utf-8") as table:
        described = {str(MEDIA / row["file"]): row["description"] for row in csv.DictReader(table)}
    written = [json.loads(one) for one in file.read_text().splitlines()]
    assert {one["right"][0]: one["text"] for one in written} == described
    assert all(one.keys() == {"text", "right"} and len(one["right"]) == 1 for one in written)
    assert "exists already" in line("eval", file, "--captions", code=2).err
    assert line("eval", "again.jsonl", "--captions").out == "Wrote 94 queries to again.jsonl\n"
    assert (line.home / "again.jsonl").read_text() == file.read_text()


def test_captions_of_several_items_make_one_query_and_paths_below_the_file_are_relative(
    sightsound: CommandLine, copy_photos: Copy
) -> None:
    photos = copy_photos("cat.jpg", "kitten.jpg", "horse.jpg", "owl.jpg")
    rows = ["cat.jpg,,A kitten.", "kitten.jpg,Fluffy,a kitten", "horse.jpg,A horse,", "owl.jpg,,"]
    table = write(photos / "media.csv", "path,title,description", *rows)
    sightsound("index", table)
    file = photos.parent / "q.jsonl"
    sightsound("eval", file, "--captions")
    written = [json.loads(line) for line in file.read_text().splitlines()]
    assert {tuple(sorted(one["right"])) for one in written} == {
        ("photos/cat.jpg", "photos/kitten.jpg"),
        ("photos/horse.jpg",),
    }
    assert measures(sightsound, file)["recall_at_5"] == 1


def test_captions_need_captions(sightsound: CommandLine, copy_photos: Copy) -> None:
    sightsound("index", copy_photos("cat.jpg"))
    assert "has a title or a description" in sightsound("eval", "q.jsonl", "--captions", code=2).err
    assert not (sightsound.home / "q.jsonl").exists()
    assert "--captions only writes the file" in sightsound("eval", "q.jsonl", "--captions", "--json", code=2).err
    assert "There is no folder" in sightsound("eval", "gone/q.jsonl", "--captions", code=2).err


def test_captions_that_the_collection_holds_are_noticed(pair: tuple[CommandLine, Path]) -> None:
    line, file = pair
    ran = line("eval", file)
    assert "the figures flatter 'default': it holds the words of 94 of 94 queries" in ran.err
    assert "index FOLDER --collection bare" in ran.err
    assert "flatter" not in line("eval", file, "--collection", "bare").err


def test_some_of_the_queries_are_own_words(demo: CommandLine, tmp_path: Path) -> None:
    """Told by words, whatever the case and the stops: a title, a description; not what merely resembles them."""
    cat, texts = str(PHOTOS / "cat.jpg"), ["kitten with YARN.", "a kitten", "Chickens"]
    file = write(tmp_path / "q.jsonl", *({"text": text, "right": [cat]} for text in texts))
    ran = demo("eval", file, "--json")
    assert [query["results"][0]["own_words"] for query in ran.json["queries"]] == [True, False, False]
    assert "the words of 1 of 3 queries" in ran.err


def test_photos_indexed_without_captions_are_evaluated_with_them(pair: tuple[CommandLine, Path]) -> None:
    line, file = pair
    found = measures(line, file, "--collection", "bare")
    assert 0.65 <= found["recall_at_1"] <= 0.95
    assert found["recall_at_5"] >= 0.9
    assert found["recall_at_10"] >= found["recall_at_5"]
    assert found["median_rank"] == 1
    assert 0.75 <= found["probable"] < 1
    assert line("eval", file, "--collection", "bare").err == ""


def test_two_collections_side_by_side(pair: tuple[CommandLine, Path]) -> None:
    line, file = pair
    answer = line("eval", file, "--against", "bare", "--json").json
    one, two = (found["measures"] for found in answer["collections"])
    ran = line("eval", file, "--against", "bare")
    table, differing = ran.out.split("\n\n")
    rows = {row[:11].strip(): row[11:].split() for row in table.splitlines()[1:]}
    assert table.splitlines()[0] == "94 queries"
    assert rows[""] == ["default", "bare", "difference"]
    assert rows["items"] == ["94", "94"]
    for name, label in (("recall_at_1", "recall@1"), ("ndcg_at_10", "nDCG@10"), ("mrr", "MRR")):
        assert [float(cell) for cell in rows[label][:2]] == pytest.approx([one[name], two[name]], abs=6e-4)
        assert float(rows[label][2]) == pytest.approx(two[name] - one[name], abs=6e-4)
    assert rows["median rank"] == ["1", "1", "0"]
    apart = [
        (query["query"], ranks)
        for query in answer["queries"]
        if len(set(ranks := tuple(result["rank"] for result in query["results"]))) == 2
    ]
    head, columns, *shown = differing.splitlines()
    assert head.startswith(f"{len(apart)} queries with the first right item at another rank")
    assert columns.split() == ["default", "bare"]
    assert len(shown) == 10
    told = {text: (int(a), int(b)) for a, b, text in (row.split(maxsplit=2) for row in shown)}
    assert told.items() <= dict(apart).items()
    assert [b / a for a, b in told.values()] == sorted((b / a for _, (a, b) in apart), reverse=True)[:10]
    assert f"{len(apart) - 10} more; all with --json" in ran.err


def test_side_by_side_with_itself_or_with_nothing_to_tell(pair: tuple[CommandLine, Path], tmp_path: Path) -> None:
    line, _ = pair
    assert "compared with itself" in line("eval", "captions.jsonl", "--against", "default", code=2).err
    assert "none" in line("eval", "captions.jsonl", "--against", "none", code=1).err
    file = write(tmp_path / "q.jsonl", {"text": "a kitten with wool", "right": [str(PHOTOS / "kitten.jpg")] * 2})
    line("index", PHOTOS, "--collection", "twin")
    out = line("eval", file, "--collection", "bare", "--against", "twin").out
    assert out.endswith("Every query finds its first right item at the same rank in both.\n")


def test_the_answer_is_one_documented_object(pair: tuple[CommandLine, Path]) -> None:
    line, file = pair
    answer = line("eval", file, "--against", "bare", "--json").json
    assert answer["version"] == 1
    assert answer.keys() == {"version", "collections", "queries"}
    assert [found["collection"] for found in answer["collections"]] == ["default", "bare"]
    query = answer["queries"][0]
    assert query.keys() == {"id", "query", "results"}
    assert query["id"] == "1"
    assert query["results"][1].keys() == {"collection", "rank", "probable", "measures", "missing", "own_words"}
    documented = (ROOT / "docs" / "evaluation.md").read_text()
    collection = answer["collections"][0]
    fields = {*answer, *collection, *collection["measures"], *query, *query["results"][0]}
    assert not [field for field in fields if f"`{field}`" not in documented]
    label = line("eval", file).out
    assert not [word for word in ("recall@1", "nDCG@10", "MRR", "median rank", "probable") if word not in label]


def test_without_the_extra_it_says_what_to_install(demo: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "ir_measures.py").write_text("raise ImportError(name='ir_measures')")
    file = write(tmp_path / "q.jsonl", {"text": "a castle", "right": [str(PHOTOS / "cat.jpg")]})
    err = demo("eval", file, code=1, PYTHONPATH=str(tmp_path)).err
    assert err == "error: Evaluation needs ir-measures: pip install 'sightsound[eval]'\n"
    demo("eval", tmp_path / "captions.jsonl", "--captions", PYTHONPATH=str(tmp_path))


def test_progress_goes_to_a_terminal_only(pair: tuple[CommandLine, Path]) -> None:
    line, file = pair
    command = f"{SIGHTSOUND} eval {file} --collection bare"
    terminal = subprocess.run(
        ["script", "-qec", command, "/dev/null"], env=line.environment(), capture_output=True, text=True
    )
    assert "0/94" in terminal.stdout
    assert "recall@1" in terminal.stdout
