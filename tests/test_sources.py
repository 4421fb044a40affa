"""Folders and tables as sources."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOS

from sightsound import Item, Source
from sightsound.errors import MediaError, SourceError, UsageError
from sightsound.opening import open_source
from sightsound.registry import registry

Copy = Callable[..., Path]


def source(argument: Path, /, **options: str) -> Source:
    return open_source(registry(), str(argument), options).source


def listed(argument: Path, /, **options: str) -> list[str]:
    """Paths below the argument, in the order listed."""
    root = Path(os.path.realpath(argument if argument.is_dir() else argument.parent))
    return [os.fsdecode(item.path.relative_to(root)) for item in source(argument, **options).items() if item.path]


def place(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PHOTOS / "bee.jpg", folder / name)
    return folder


# Folders


def test_a_folder_is_listed_with_all_below_it_in_order(tmp_path: Path) -> None:
    place(tmp_path, "b.jpg", "a.JPG", "2/c.webp", "10/d.png", "10/deep/er/e.avif", "notes.txt", "x.pdf")
    assert listed(tmp_path) == ["a.JPG", "b.jpg", "10/d.png", "10/deep/er/e.avif", "2/c.webp"]
    assert source(tmp_path).count() == 5


def test_only_the_folder_itself_where_asked(tmp_path: Path) -> None:
    assert listed(place(tmp_path, "a.jpg", "below/b.jpg"), recursive="no") == ["a.jpg"]


def test_hidden_files_and_patterns_are_left_out(tmp_path: Path) -> None:
    place(tmp_path, "a.jpg", ".hidden.jpg", ".thumbs/b.jpg", "@eaDir/c.jpg", "raw/d.jpg", "raw/e.png", "proof-f.jpg")
    assert listed(tmp_path) == ["a.jpg", "proof-f.jpg", "raw/d.jpg", "raw/e.png"]
    assert listed(tmp_path, ignore="raw/*.jpg, proof-*") == ["a.jpg", "raw/e.png"]


def test_links_are_followed_and_loops_do_no_harm(tmp_path: Path) -> None:
    place(tmp_path, "album/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "album/loop").symlink_to(tmp_path / "album")
    (tmp_path / "album/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "album/again.jpg").symlink_to(tmp_path / "album/a.jpg")
    uris = [item.uri.rpartition("/")[2] for item in source(tmp_path / "album").items()]
    assert uris == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    "name",
    [
        "new\nline.jpg",
        "quote'\".jpg",
        "-rf.jpg",
        "猫 🐱.jpg",
        "%41.jpg",
        "a#b?c.jpg",
        "x" * 250 + ".jpg",
        b"caf\xe9.jpg",
    ],
    ids=["newline", "quotes", "dash", "emoji", "percent", "fragment", "long", "latin-1"],
)
def test_odd_names_come_back_from_their_uri(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    shutil.copy(PHOTOS / "bee.jpg", path)
    items = list(source(tmp_path).items())
    assert [item.path for item in items] == [path]
    assert items[0].uri.isascii()
    assert source(tmp_path).open(items[0]).read(3) == b"\xff\xd8\xff"


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").mkdir()
    folder = source(tmp_path)
    (item,) = folder.items()
    with pytest.raises(MediaError, match="not a regular file"):
        folder.open(item)


def test_a_missing_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="does not exist; is the disk mounted"):
        list(source(tmp_path / "nowhere").items())


def _listed_as_nobody(folder: Path, answer: Any) -> None:
    os.setuid(65534)
    one: Any = source(folder)
    answer.send(([item.uri.rpartition("/")[2] for item in one.items()], one.warnings))


def test_a_folder_that_may_not_be_read_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    place(tmp_path, "a.jpg", "locked/b.jpg", "open/c.jpg")
    (tmp_path / "locked").chmod(0)
    for parent in [tmp_path, *tmp_path.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_listed_as_nobody, args=(tmp_path, theirs))
    process.start()
    names, warnings = ours.recv()
    process.join()
    assert names == ["a.jpg", "c.jpg"]
    assert warnings == [f"{tmp_path}/locked can't be read: Permission denied"]


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    assert listed(place(tmp_path, "a.jpg", "b.jpg") / "a.jpg") == ["a.jpg"]


def test_a_changed_file_has_another_revision(tmp_path: Path) -> None:
    place(tmp_path, "a.jpg")
    (before,) = source(tmp_path).items()
    shutil.copy(PHOTOS / "cat.jpg", tmp_path / "a.jpg")
    (after,) = source(tmp_path).items()
    assert (before.uri, before.revision != after.revision) == (after.uri, True)


def test_an_unknown_option_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no option colour; it has: ignore, recursive"):
        source(tmp_path, colour="red")


# Tables


def table(folder: Path, text: str, name: str = "media.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


def only(path: Path, /, **options: str) -> Item:
    (item,) = source(path, **options).items()
    return item


FULL: Mapping[str, str] = {
    "title": "Minka", "description": "She sleeps.", "author": "Ada", "licence": "CC0-1.0",
    "page_url": "https://example.org/1", "date": "2024-05-01", "credit": "Ada / Archive",
}  # fmt: skip


def test_every_column_is_kept_and_further_ones_too(tmp_path: Path) -> None:
    header = ["path", *FULL, "tags", "shelf"]
    row = ["cat.jpg", *FULL.values(), "pets; cats ;pets", "B 12"]
    item = only(table(tmp_path, f"{','.join(header)}\n{','.join(row)}\n"))
    assert item.path == tmp_path / "cat.jpg"
    assert {field: getattr(item.metadata, field) for field in FULL} == FULL
    assert item.metadata.tags == ("pets", "cats")
    assert item.metadata.extra == {"shelf": "B 12"}


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("caption", "description"),
        ("License", "licence"),
        ("PHOTOGRAPHER", "author"),
        ("name", "title"),
        ("link", "page_url"),
    ],
)
def test_columns_are_known_by_other_names(tmp_path: Path, column: str, field: str) -> None:
    assert getattr(only(table(tmp_path, f"file,{column}\na.jpg,words\n")).metadata, field) == "words"


def test_options_say_which_column_is_which(tmp_path: Path) -> None:
    path = table(tmp_path, "Datei,title,Fotograf\na.jpg,wrong,Ada\n")
    item = only(path, path="Datei", author="Fotograf", title="Fotograf")
    assert item.path == tmp_path / "a.jpg"
    assert item.metadata.author == "Ada"
    assert item.metadata.extra == {"title": "wrong"}


def test_a_mapped_column_that_is_not_there_is_an_error_that_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column 'Foto' for the path; it has: Datei, title"):
        list(source(table(tmp_path, "Datei,title\na.jpg,x\n"), path="Foto").items())
    lines: Any = source(table(tmp_path, '{"path": "a.jpg"}\n', "media.jsonl"), title="Titel")
    assert len(list(lines.items())) == 1
    assert lines.warnings == ["media.jsonl: no row has the column 'Titel'"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_are_recognised(tmp_path: Path, encoding: str) -> None:
    assert only(table(tmp_path, "path,title\na.jpg,Café 猫\n", encoding=encoding)).metadata.title == "Café 猫"


def test_another_encoding_is_told_by_an_option(tmp_path: Path) -> None:
    path = table(tmp_path, "path,title\na.jpg,x\nb.jpg,Café\n", encoding="latin-1")
    with pytest.raises(SourceError, match=r"is not UTF-8 \(byte 0xe9 in line 3\): save it as UTF-8, or add --option"):
        list(source(path).items())
    assert [item.metadata.title for item in source(path, encoding="latin-1").items()] == ["x", "Café"]
    with pytest.raises(SourceError, match="no encoding 'klingon'"):
        list(source(path, encoding="klingon").items())


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_recognised(tmp_path: Path, delimiter: str) -> None:
    item = only(table(tmp_path, f'path{delimiter}title\na.jpg{delimiter}"two\nlines{delimiter} and more"\n'))
    assert item.metadata.title == f"two\nlines{delimiter} and more"


def test_zero_bytes_and_ragged_rows_do_no_harm(tmp_path: Path) -> None:
    path = table(tmp_path, "path,title\na.jpg,A\0B\nb.jpg\nc.jpg,C,more,and more\n,,\n")
    one: Any = source(path)
    assert [item.metadata.title for item in one.items()] == ["AB", "", "C"]
    assert one.warnings == ["media.csv: row 4 says nothing; it was left out"]


def test_a_file_named_twice_is_one_item(tmp_path: Path) -> None:
    one: Any = source(table(tmp_path, "path,title\na.jpg,first\n./a.jpg,second\n"))
    assert [item.metadata.title for item in one.items()] == ["first"]
    assert one.warnings == ["media.csv: row 2 names second again; it was left out"]


def test_paths_are_relative_to_the_table_or_to_the_root(tmp_path: Path) -> None:
    path = table(place(tmp_path, "x/a.jpg"), f"path\na.jpg\n{tmp_path}/b.jpg\nfile://{tmp_path}/c.jpg\n")
    assert [item.path for item in source(path).items()] == [tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg")]
    assert next(source(path, root=str(tmp_path / "x")).items()).path == tmp_path / "x/a.jpg"


def test_missing_files_and_urls_fail_when_they_are_opened(tmp_path: Path) -> None:
    one = source(table(tmp_path, "path\ngone.jpg\nhttps://192.168.0.1/a.jpg\n"))
    gone, remote = one.items()
    with pytest.raises(MediaError, match=r"media.csv names it, but there is no such file"):
        one.open(gone)
    with pytest.raises(MediaError, match="not public"):
        one.open(remote)
    assert remote.uri == one.view_url(remote) == "https://192.168.0.1/a.jpg"


def test_a_bad_line_of_json_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    lines = ['{"path": "a.jpg", "tags": ["x", "y"], "exif": {"iso": 100}}', "{oops", "[1]", "", '{"path": "b.jpg"}']
    one: Any = source(table(tmp_path, "\n".join(lines), "media.jsonl"))
    first, second = one.items()
    assert first.metadata.tags == ("x", "y")
    assert json.loads(first.metadata.extra["exif"]) == {"iso": 100}
    assert second.path == tmp_path / "b.jpg"
    assert "line 2 is no JSON" in one.warnings[0]
    assert "line 3 is no JSON object" in one.warnings[1]


def test_texts_keep_their_uri_by_id_and_change_revision_with_their_words(tmp_path: Path) -> None:
    before = only(table(tmp_path, "id,title\n7,one\n"))
    after = only(table(tmp_path, "id,title\n7,two\n"))
    assert before.kind == "text"
    assert before.uri == after.uri
    assert before.revision != after.revision


def test_a_header_without_rows_and_an_empty_table_list_nothing(tmp_path: Path) -> None:
    assert list(source(table(tmp_path, "path,title\n")).items()) == []
    assert list(source(table(tmp_path, "")).items()) == []
    with pytest.raises(SourceError, match="no column for a path, title or description; it has: a, b"):
        list(source(table(tmp_path, "a,b\n")).items())
    with pytest.raises(SourceError, match="There is no table"):
        list(source(tmp_path / "none.csv").items())
