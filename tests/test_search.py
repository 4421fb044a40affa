"""Searching the demo photographs, as a user does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import MEDIA, PHOTOS, ROOT, CommandLine

ABSENT = (ROOT / "tests/data/absent_subjects.txt").read_text().splitlines()
CAPTIONS = [json.loads(line) for line in (ROOT / "tests/data/caption_queries.jsonl").read_text().splitlines()]


def names(line: CommandLine, *arguments: object) -> list[str]:
    """File names of the hits, best first."""
    return [Path(path).name for path in line("search", *arguments, "--paths").out.splitlines()]


def hits(line: CommandLine, *arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = line("search", *arguments, "--json").json["hits"]
    return found


@pytest.fixture(scope="module")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> tuple[CommandLine, dict[str, str]]:
    """The demo photographs without any words: under neutral names. Also what each was called."""
    line = CommandLine(tmp_path_factory.mktemp("unnamed"))
    folder = line.home / "photos"
    folder.mkdir()
    called = {}
    for number, path in enumerate(sorted(PHOTOS.iterdir())):
        name = f"{number:04d}{path.suffix}"
        shutil.copy(path, folder / name)
        called[name] = f"photos/{path.name}"
    line("index", folder)
    return line, called


def test_captions_find_their_photos_by_what_is_seen_alone(unnamed: tuple[CommandLine, dict[str, str]]) -> None:
    """The starter's recall with a margin for the machine, and what the line below chance lets through."""
    line, called = unnamed
    ranks, above = [], 0
    for caption in CAPTIONS:
        found = hits(line, caption["query"], "--limit", 94)
        order = [called[Path(hit["path"]).name] for hit in found]
        ranks.append(order.index(caption["file"]))
        above += found[ranks[-1]]["probable"]
    assert len(ranks) == 40
    recall = {k: sum(rank < k for rank in ranks) / len(ranks) for k in (1, 5, 10)}
    assert recall[1] >= 0.625
    assert recall[5] >= 0.85
    assert recall[10] >= 0.9
    assert above >= 0.6 * len(CAPTIONS)


def shown(line: CommandLine) -> list[str]:
    """The absent subjects for which a probable match is shown."""
    return [subject for subject in ABSENT if hits(line, subject, "--limit", 1)[0]["probable"]]


def test_absent_subjects_show_no_probable_match(unnamed: tuple[CommandLine, dict[str, str]]) -> None:
    assert len(ABSENT) == 20
    assert len(shown(unnamed[0])) <= 4


def test_absent_subjects_show_no_probable_match_where_there_are_titles_too(demo: CommandLine) -> None:
    assert len(shown(demo)) <= 4


def test_captions_find_their_photos_among_titles_and_descriptions(demo: CommandLine) -> None:
    firsts = [hits(demo, caption["query"], "--limit", 1)[0] for caption in CAPTIONS]
    right = [Path(hit["path"]).name == Path(c["file"]).name for hit, c in zip(firsts, CAPTIONS, strict=True)]
    assert sum(right) >= 38
    assert all(hit["probable"] for hit in firsts)


def test_a_picture_finds_pictures_like_it(demo: CommandLine) -> None:
    found = names(demo, "--image", PHOTOS / "cat.jpg", "--limit", 3)
    assert found[0] == "cat.jpg"
    assert set(found) == {"cat.jpg", "cat_chelsea.jpg", "kitten.jpg"}


def test_the_same_picture_in_another_format_is_found(demo: CommandLine, tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(PHOTOS / "petra.jpg") as picture:
        picture.resize((picture.width // 2, picture.height // 2)).save(tmp_path / "small.webp")
    found = hits(demo, "--image", tmp_path / "small.webp", "--limit", 1)[0]
    assert found["path"].endswith("petra.jpg")
    assert found["confidence"] > 0.95


def test_similar_finds_others_and_leaves_the_item_itself_out(demo: CommandLine) -> None:
    found = demo("similar", PHOTOS / "cat.jpg", "--limit", 2, "--paths").out.split()
    assert {Path(path).name for path in found} == {"cat_chelsea.jpg", "kitten.jpg"}
    assert names(demo, "--like", PHOTOS / "cat.jpg", "--limit", 2) == [Path(path).name for path in found]


def test_similar_takes_a_picture_that_is_not_in_the_collection(demo: CommandLine, tmp_path: Path) -> None:
    shutil.copy(PHOTOS / "tajmahal.jpg", tmp_path / "other.jpg")
    assert demo("similar", tmp_path / "other.jpg", "--paths", "--limit", 1).out.endswith("tajmahal.jpg\n")


def test_words_and_a_picture_mix_by_weight(demo: CommandLine) -> None:
    fish, castle = PHOTOS / "fish9.jpg", "a castle"
    assert names(demo, castle, "--image", f"{fish}:0.05", "--limit", 1) != ["fish9.jpg"]
    assert names(demo, castle, "--image", f"{fish}:3", "--limit", 1) == ["fish9.jpg"]


def test_negative_words_push_away(demo: CommandLine) -> None:
    assert {"cat.jpg", "kitten.jpg"} & set(names(demo, "cat", "--limit", 2))
    pushed = names(demo, "cat", "--not", "kitten", "--limit", 94)
    assert pushed.index("cat_chelsea.jpg") < pushed.index("cat.jpg")
    assert pushed.index("cat_chelsea.jpg") < pushed.index("kitten.jpg")


def test_a_negative_picture_pushes_away(demo: CommandLine) -> None:
    assert "fish9.jpg" in names(demo, "fish", "--limit", 8)
    assert "fish9.jpg" not in names(demo, "fish", "--image", f"{PHOTOS / 'fish9.jpg'}:-1", "--limit", 8)


def test_a_colon_is_a_weight_only_where_the_rest_is_a_file(demo: CommandLine, tmp_path: Path) -> None:
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "ref:2")
    assert names(demo, "--image", tmp_path / "ref:2", "--limit", 1) == ["cat.jpg"]
    assert names(demo, "--image", f"{tmp_path / 'ref:2'}:0.5", "--limit", 1) == ["cat.jpg"]
    assert hits(demo, "fish", "--text", "reef:0.5")[0]["matched"][1]["weight"] == 0.5
    assert hits(demo, "fish", "--text", "time: 10:30 h")[0]["matched"][1]["weight"] == 1.0


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("neuschwanstein", "neuschwansteincastle.jpg"),
        ("castles", "egeskovslotspejling.jpg"),
        ("pontdugard", "pontdugard.jpg"),
    ],
    ids=["a name", "a stem", "a file name"],
)
def test_words_in_titles_and_names_are_found(demo: CommandLine, words: str, name: str) -> None:
    assert name in names(demo, words, "--limit", 3)


def test_a_description_is_found_by_its_meaning(demo: CommandLine) -> None:
    """No word of the query stands in the description 'a white and tabby kitten playing with wool on a red blanket'."""
    assert names(demo, "a young feline amuses itself", "--limit", 1) == ["cat.jpg"]


def test_filters_hold(demo: CommandLine) -> None:
    authors = {hit["author"] for hit in hits(demo, "--where", "author=spacex")}
    assert authors == {"SpaceX"}
    by_licence = hits(demo, "a building", "--where", "licence=CC-BY-SA-4.0", "--limit", 94)
    assert {hit["licence"] for hit in by_licence} == {"CC-BY-SA-4.0"}
    assert len(by_licence) == 15
    assert all(hit["facts"]["width"] >= 500 for hit in hits(demo, "--where", "width>=500", "--limit", 94))
    assert names(demo, "--where", "kind=text") == []


def test_a_filter_alone_lists_all_unscored(demo: CommandLine) -> None:
    answer = demo("search", "--kind", "photo", "--limit", 10, "--json").json
    assert (answer["total"], answer["next"]) == (94, 10)
    assert all(hit["score"] is None and hit["confidence"] is None for hit in answer["hits"])


def test_pages_follow_each_other_without_a_gap(demo: CommandLine) -> None:
    whole = names(demo, "an animal", "--limit", 94)
    assert len(set(whole)) == 94
    paged: list[str] = []
    offset: int | None = 0
    while offset is not None:
        answer = demo("search", "an animal", "--limit", 40, "--offset", offset, "--json").json
        paged += [Path(hit["path"]).name for hit in answer["hits"]]
        assert answer["total"] == 94
        offset = answer["next"]
    assert paged == whole


def test_probable_hits_come_before_the_line_and_confidence_falls_with_the_order(demo: CommandLine) -> None:
    for query in (["a castle by the water"], ["--image", PHOTOS / "fish9.jpg"], ["wild cat", "--not", "tiger"]):
        confidences = [hit["confidence"] for hit in hits(demo, *query, "--limit", 94)]
        assert confidences == sorted(confidences, reverse=True)
    out = demo("search", "a castle by the water", "--limit", 94).out
    above, below = re.split(r"── below this line.*\n", out)
    assert "Egeskov Castle" in above
    assert "Volleyball" in below


def test_nothing_probable_is_said(demo: CommandLine) -> None:
    assert demo("search", "a tennis match").out.startswith("Nothing is probably a match; the nearest are:\n")


def test_the_probable_hits_sort_by_date(sightsound: CommandLine, tmp_path: Path) -> None:
    rows = [f"{MEDIA}/photos/{path.name},{1950 + n}" for n, path in enumerate(sorted(PHOTOS.iterdir()))]
    (tmp_path / "dated.csv").write_text("path,date\n" + "\n".join(rows))
    sightsound("index", tmp_path / "dated.csv")
    found = hits(sightsound, "a castle", "--sort", "date")
    dates = [hit["date"] for hit in found]
    assert 2 <= len(found) < 30
    assert dates == sorted(dates, reverse=True)
    assert all(hit["probable"] for hit in found)
    assert {hit["date"] for hit in hits(sightsound, "--after", "1960", "--before", "1962")} == {"1960", "1961", "1962"}


def test_the_answer_is_one_documented_object(demo: CommandLine) -> None:
    answer = demo("search", "a castle", "--text", "water:0.5", "--limit", 2, "--json").json
    assert answer["version"] == 1
    hit = answer["hits"][0]
    assert {
        "id", "uri", "path", "title", "kind", "score", "confidence", "probable", "credit", "author", "licence",
        "page_url", "view_url", "tags", "facts", "segments", "matched",
    } <= hit.keys()  # fmt: skip
    assert hit["segments"][0].keys() == {"kind", "start", "end", "text", "space", "score"}
    assert [part["part"] for part in hit["matched"]] == ["text", "text"]
    assert hit["facts"]["width"] > 100
    assert re.fullmatch(r"[0-9a-f]{16}", hit["facts"]["perceptual_hash"])
    assert hit["uri"].startswith("file:///")
    documented = (ROOT / "docs" / "search.md").read_text()
    fields = {*answer, *hit, *hit["segments"][0], *hit["matched"][0], *(hit["matched"][0]["match"] or {})}
    assert not [field for field in fields if f"`{field}`" not in documented]


def test_credit_lines_are_shown(demo: CommandLine) -> None:
    assert "Kitten with yarn by Loliloli, Public Domain" in demo("search", "a kitten with wool", "--limit", 1).out


def test_a_contact_sheet_needs_nothing_beside_it(demo: CommandLine, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.html"
    demo("search", "a castle by the water", "--limit", 30, "--sheet", sheet)
    page = sheet.read_text()
    assert page.count("data:image/jpeg;base64,") == 30
    assert "Egeskov Castle by Bruno Coudoin and others, CC-BY-SA-4.0" in page
    assert page.count("matches are probably chance") == 1
    assert not re.search(r'src="(?!data:)', page)


def test_a_contact_sheet_escapes_what_strangers_wrote(sightsound: CommandLine, tmp_path: Path) -> None:
    table = tmp_path / "media.csv"
    table.write_text(f'path,title,page_url\n{PHOTOS}/cat.jpg,"<script>alert(1)</script>",javascript:alert(2)\n')
    sightsound("index", table)
    sightsound("search", "cat", "--sheet", tmp_path / "sheet.html")
    page = (tmp_path / "sheet.html").read_text()
    assert "<script" not in page
    assert "javascript:" not in page


@pytest.mark.parametrize("reference", ["path", "uri", "id", "beginning"])
def test_an_item_is_named_by_path_uri_id_or_its_beginning(demo: CommandLine, reference: str) -> None:
    item = hits(demo, "--where", "author=SpaceX")[0]
    written = {"path": item["path"], "uri": item["uri"], "id": item["id"], "beginning": item["id"][:8]}[reference]
    assert demo("show", written, "--json").json["id"] == item["id"]
    assert demo("similar", written, "--paths", "--limit", 1).out


def test_texts_without_a_file_are_searched_too(sightsound: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text(
        "\n".join(
            json.dumps({"id": n, "title": title, "description": said})
            for n, (title, said) in enumerate(
                [("Reel 12", "The steamer leaves the harbour at dusk."), ("Reel 13", "A baker kneads dough.")]
            )
        )
    )
    sightsound("index", tmp_path / "notes.jsonl")
    assert hits(sightsound, "a ship in the evening", "--kind", "text")[0]["title"] == "Reel 12"
    assert hits(sightsound, "--image", PHOTOS / "coffee.jpg", "--limit", 1)[0]["kind"] == "text"
