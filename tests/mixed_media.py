"""A small collection of all kinds for the site's tests: photographs, films with subtitles, sounds and a text."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from conftest import MEDIA, CommandLine

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\" onmouseover='alert(3)"
"""What a stranger may write into any text."""
SUBTITLES = """1
00:00:00,500 --> 00:00:01,900
Look, bison on the prairie.

2
00:00:02,200 --> 00:00:03,800
The giraffe eats <i>leaves</i> & twigs.
"""
COLUMNS = ("file", "title", "description", "kind", "author", "licence", "tags", "page_url")
ROWS = (
    ("photos/giraffe.jpg", "Giraffe", "a giraffe among leaves", "photo", "Ann", "CC0", "africa;tall", "https://example.org/g"),
    ("photos/cat.jpg", HOSTILE, HOSTILE, "photo", HOSTILE, HOSTILE, HOSTILE, "javascript:alert(4)"),
    ("photos/coffee.jpg", "Coffee", "a cup of coffee", "photo", "", "", "", ""),
    ("films/made_animals.mp4", "Wild animals", "a bison, a giraffe, a kangaroo", "film", "Kurt; Vicki", "CC0", "", ""),
    ("films/made_wonders.mp4", "Ancient wonders", "the Colosseum and Petra", "film", "Berthold", "CC0", "", ""),
    ("films/made_reef.mp4", "Coral reef", "fish on a reef", "film", "Karelj", "CC0", "", ""),
    ("sounds/bark.ogg", "Dog bark", "a dog barks", "sound", "Bob", "CC0", "", ""),
    ("sounds/music_japan.ogg", "Taiko drums", "big drums", "sound", "Scott", "CC0", "", ""),
)  # fmt: skip


def index_mixed(line: CommandLine) -> CommandLine:
    """Index these, from a folder in the command line's home."""
    folder = line.home / "media"
    for row in ROWS:
        to = folder / row[0]
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(MEDIA / row[0], to)
    (folder / "films/made_animals.srt").write_text(SUBTITLES)
    (folder / "photos/broken.jpg").write_bytes(b"\xff\xd8\xff" + bytes(500))
    broken = ("photos/broken.jpg", "Broken", "", "photo", "", "", "", "")
    text = ("", "A note", "the note says that the boats come home at dusk", "", "Ann", "", "", "")
    table = folder / "mixed.csv"
    with table.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([COLUMNS, *ROWS, broken, text])
    line("index", table, code=3)
    return line


def named(line: CommandLine, name: Path | str) -> str:
    """The id of the item of a file in that folder."""
    return str(line("show", line.home / "media" / name, "--json").json["id"])
