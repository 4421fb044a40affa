"""A file that the collection holds finds itself before all else, whatever else it is like."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MEDIA, CommandLine
from PIL import Image


@pytest.mark.parametrize(
    ("option", "file"),
    [("--sound", "sounds/bark.ogg"), ("--image", "photos/horse.jpg")],
)
def test_a_file_of_the_collection_comes_first(whole: CommandLine, option: str, file: str) -> None:
    hits = whole("search", option, MEDIA / file, "--limit", 3, "--json").json["hits"]
    assert hits[0]["path"] == str(MEDIA / file)
    assert hits[0]["confidence"] > 0.99


def test_so_does_a_smaller_copy_of_a_photograph(whole: CommandLine, tmp_path: Path) -> None:
    with Image.open(MEDIA / "photos" / "horse.jpg") as picture:
        picture.resize((picture.width * 3 // 4, picture.height * 3 // 4)).save(tmp_path / "small.jpg", quality=85)
    hits = whole("search", "--image", tmp_path / "small.jpg", "--limit", 1, "--json").json["hits"]
    assert hits[0]["path"].endswith("horse.jpg")
