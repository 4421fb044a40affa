"""Bad input ends in a clear message and the right exit code; a bad file becomes a row in `failed`."""

from __future__ import annotations

import io
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MEDIA, PHOTOS, SIGHTSOUND, CommandLine
from PIL import Image

Copy = Callable[..., Path]
NOBODY = 65534
FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF", "tif": "TIFF", "bmp": "BMP", "avif": "AVIF"}


def test_an_empty_folder_says_so(sightsound: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = sightsound("index", tmp_path / "empty")
    assert ran.out == "0 items: nothing to do\n"
    assert "holds nothing that sightsound reads" in ran.err


def test_an_empty_table_says_so(sightsound: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "media.csv").write_bytes(b"")
    assert "holds nothing that sightsound reads" in sightsound("index", tmp_path / "media.csv").err


def huge_jpeg() -> bytes:
    """A good JPEG whose header says 65,535 x 65,535 pixels."""
    data = bytearray((PHOTOS / "cat.jpg").read_bytes())
    at = next(data.find(marker) for marker in (b"\xff\xc0", b"\xff\xc2") if marker in data)
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    return bytes(data)


def png_bomb() -> bytes:
    """A PNG of 60,000 x 60,000 zeros: 3.6 GB that fit in a few hundred kilobytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(60_001)) for _ in range(2_000)) + packer.flush()
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def broken_files(folder: Path) -> int:
    """Write 200 files that are no good pictures, in every way; returns how many."""
    chance = random.Random(7)
    written = 0

    def write(name: str, data: bytes) -> None:
        nonlocal written
        (folder / name).write_bytes(data)
        written += 1

    with Image.open(PHOTOS / "cat.jpg") as picture:
        small = picture.convert("RGB").resize((160, 120))
    good: dict[str, bytes] = {}
    for extension, name in FORMATS.items():
        out = io.BytesIO()
        small.save(out, name)
        good[extension] = out.getvalue()
    for extension, data in good.items():
        for share in (0.02, 0.1, 0.3, 0.5):
            write(f"cut at {share}.{extension}", data[: int(len(data) * share)])
        for number in range(14):
            head = bytearray(data)
            for _ in range(40):
                head[chance.randrange(min(len(head), 200))] ^= 1 << chance.randrange(8)
            write(f"flipped {number}.{extension}", bytes(head))
        write(f"no bytes.{extension}", b"")
        write(f"zero bytes.{extension}", bytes(2_000))
        write(f"text.{extension}", b"This is not a picture.\n" * 50)
        write(f"noise.{extension}", chance.randbytes(4_000))
        write(f"html.{extension}", b"<!doctype html><title>404</title>")
    write("program.jpg", Path(sys.executable).resolve().read_bytes()[:100_000])
    write("archive.png", b"PK\x03\x04" + bytes(500))
    write("huge header.jpg", huge_jpeg())
    write("bomb.png", png_bomb())
    write("new\nline \x1b[31m.jpg", b"red")
    write('quote\'s "double".jpg', b"")
    write("-rf.jpg", b"-")
    write("ümläut 猫 🐱.jpg", b"")
    write(os.fsdecode(b"latin-\xe9.jpg"), b"")
    write("x" * 240 + ".jpg", b"")
    write(" .jpg", b" ")
    while written < 198:
        write(f"more {written}.jpg", chance.randbytes(100))
    (folder / "directory.jpg").mkdir()
    os.mkfifo(folder / "fifo.jpg")
    (folder / "loop").symlink_to(folder)
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    return written + 2  # the FIFO and the dangling link are listed, the directory is a folder without pictures


def test_two_hundred_broken_files_are_rows_in_failed_and_the_good_ones_are_found(
    sightsound: CommandLine, copy_photos: Copy
) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg", "polar_bear.jpg")
    count = broken_files(photos)
    assert count >= 200
    (photos / "directory.jpg").rename(photos / "a folder.jpg")
    ran = sightsound("index", photos, "--json", code=3, SIGHTSOUND_DEADLINE="20")
    report = ran.json
    assert report["listed"] == count + 3
    assert report["failed"] + report["added"] + report["copied"] == report["listed"]
    assert report["failed"] >= 150, "flipped bits may leave a picture that can be read; what else is broken fails"
    failures = sightsound("failed", "--json").json
    reasons = {failure["uri"].rpartition("/")[2]: failure["reason"] for failure in failures}
    assert len(reasons) == report["failed"]
    assert reasons["no%20bytes.png"] == "the file is empty"
    assert "megapixels" in reasons["bomb.png"]
    assert "megapixels" in reasons["huge%20header.jpg"]
    assert reasons["fifo.jpg"] == "it is not a regular file"
    assert reasons["nowhere.jpg"] == "it can't be opened: No such file or directory"
    assert "not a picture" in reasons["text.jpg"]
    assert reasons["latin-%E9.jpg"] == "the file is empty"
    assert all(reason and "\n" not in reason for reason in reasons.values())
    assert "\x1b" not in sightsound("failed").out
    assert sightsound("search", "a bear in the snow", "--paths", "--limit", 1).out.endswith("polar_bear.jpg\n")
    assert "all is well" in sightsound("check").out
    again = sightsound("index", photos, "--json", code=3).json
    assert again["failed"] == report["failed"], "what failed is not tried again unasked"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"colour,size\nred,3\n", "has no column for a path, title or description; it has: colour, size"),
        ("path,title\na.jpg,Caf\xe9\n".encode("latin-1"), "save it as UTF-8, or add --option encoding=latin-1"),
    ],
    ids=["columns", "encoding"],
)
def test_a_table_that_can_not_be_used_says_what_to_do(
    sightsound: CommandLine, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "media.csv").write_bytes(content)
    assert said in sightsound("index", tmp_path / "media.csv", code=1).err
    assert sightsound("status", "--json").json["collections"] == []


def test_a_table_that_names_missing_files_fails_for_these_only(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    (photos / "media.csv").write_text("path,title\ncat.jpg,Minka\ngone.jpg,Gone\n")
    report = sightsound("index", photos / "media.csv", "--json", code=3).json
    assert (report["added"], report["failed"]) == (1, 1)
    assert report["failures"][0]["reason"] == "media.csv names it, but there is no such file"


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["search"], "Say what to search for", 2),
        (["search", "--not", "people"], "needs something to look for", 2),
        (["search", "x", "--kind", "picture"], "There is no kind 'picture'; there are: photo", 2),
        (["search", "x", "--where", "author"], "is not a condition; write author=", 2),
        (["search", "x", "--where", "flavour=sweet"], "There is no field 'flavour' to filter by", 2),
        (["search", "x", "--where", "width>=wide"], "width is a number; 'wide' is not", 2),
        (["search", "x", "--after", "last May"], "'last May' is not a date; write 2024", 2),
        (["search", "x", "--sort", "size"], "--sort is score or date, not 'size'", 2),
        (["search", "x", "--limit", "0"], "--limit must be at least 1", 2),
        (["search", "x", "--image", "none.jpg"], "There is no file 'none.jpg' to search by", 2),
        (["search", "x", "--like", "ffffffff"], "There is no item 'ffffffff' in 'default'", 1),
        (["similar", "ffffffff"], "There is no item 'ffffffff' in 'default'", 1),
        (["show", "nothing.jpg"], "There is no item 'nothing.jpg'", 1),
        (["search", "x", "--collection", "holidays"], "There is no collection 'holidays'", 1),
        (["search", "x", "--collection", "../x"], "can't name a collection", 2),
        (["search", "x", "--sheet", "nowhere/at/all.html"], "nowhere/at/all.html: No such file or directory", 1),
        (["index", "nowhere"], "does not exist", 1),
        (["index", "nowhere.xyz"], "There is no file or folder 'nowhere.xyz'", 2),
        (["index", "--option", "x=1"], "--option needs a source", 2),
        (["index", ".", "--option", "x"], "'x' is not KEY=VALUE", 2),
        (["index", ".", "--option", "colour=red"], "has no option colour; it has: ignore, recursive", 2),
        (["index", ".", "--source", "ftp"], "no source named 'ftp'. Known: folder, pexels, s3, table", 1),
        (["index", ".", "--source", "s3"], "No installed plug-in takes '.' as a source", 2),
        (["remove"], "Say what to remove", 2),
        (["remove", "--all"], "Nothing was removed", 2),
        (["remove", "--where", "kind=photo"], "Nothing was removed", 2),
        (["export", "nowhere/at/all.jsonl"], "There is no folder nowhere/at", 2),
        (["bogus"], "No such command 'bogus'", 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_explained(demo: CommandLine, arguments: list[str], said: str, code: int) -> None:
    ran = demo(*arguments, code=code)
    assert said in " ".join(ran.err.split())
    assert ran.out == ""


@pytest.mark.parametrize("name", ["text.txt", "broken.jpg", "fifo.jpg"])
def test_a_query_picture_that_is_none_is_explained(demo: CommandLine, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("fifo"):
        os.mkfifo(path)
    else:
        path.write_bytes(b"not a picture")
    ran = demo("search", "--image", path, code=1)
    assert f"{path} can't be searched by: it is not a" in ran.err


def test_a_store_of_a_newer_sightsound_is_left_alone(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    sightsound("index", photos)
    path = sightsound.home / "collections" / "default" / "collection.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    for command in (("search", "cat"), ("index", photos), ("status",), ("check",)):
        assert "newer" in sightsound(*command, code=1).err
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("store = ", "is not a TOML file"),
        ("stoer = '/x'", "sets stoer; there are: store"),
        ("deadline = 'soon'", "must be a number"),
    ],
)
def test_wrong_settings_are_explained(sightsound: CommandLine, copy_photos: Copy, settings: str, said: str) -> None:
    (sightsound.home / "sightsound.toml").write_text(settings)
    assert said in sightsound("index", copy_photos("cat.jpg"), code=2).err


def test_a_full_disk_is_explained_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    """On a file system of 6 MB of its own: the run stops, says why, and goes on where there is room again."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(1500):
        Image.new("RGB", (32, 32), (number % 256, number // 8 % 256, number * 7 % 256)).save(photos / f"{number}.png")
    (tmp_path / "disk").mkdir()
    script = f"""
        mount -t tmpfs -o size=6m tmpfs {tmp_path}/disk
        export SIGHTSOUND_HOME={tmp_path}/disk
        {SIGHTSOUND} index {photos} > {tmp_path}/first.txt 2>&1
        echo "code $?"
        {SIGHTSOUND} search --kind photo --limit 1 --json > {tmp_path}/search.json; echo "code $?"
        {SIGHTSOUND} check > {tmp_path}/check.txt 2>&1; echo "code $?"
        mount -o remount,size=200m {tmp_path}/disk
        {SIGHTSOUND} index {photos}; echo "code $?"
        {SIGHTSOUND} check; echo "code $?"
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=300
    )
    said = (tmp_path / "first.txt").read_text()
    assert "Traceback" not in said + done.stderr
    assert "full" in said
    lines = done.stdout.splitlines()
    assert lines[0] == "code 1", said
    assert lines[1] == "code 0", done.stderr
    assert lines[-2:] == ["1,500 items: all is well", "code 0"], done.stdout
    assert "unchanged" in lines[3], "the second run went on from where the first stopped"


def test_a_store_that_may_not_be_written_can_be_searched_and_says_so_when_indexed(
    sightsound: CommandLine, copy_photos: Copy, tmp_path: Path
) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    sightsound("index", photos)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)

    def as_nobody(*arguments: object) -> subprocess.CompletedProcess[str]:
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        command = [*user, SIGHTSOUND, *arguments]
        environment = sightsound.environment(HOME="/nonexistent", PYTHONDONTWRITEBYTECODE="1")
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment, cwd="/", timeout=120
        )

    found = as_nobody("search", "a horse", "--paths", "--limit", 1)
    assert found.returncode == 0, found.stderr
    assert found.stdout.endswith("horse.jpg\n")
    shutil.copy(PHOTOS / "owl.jpg", photos / "owl.jpg")
    refused = as_nobody("index", photos)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "collections" in refused.stderr
    assert "can't be written" in refused.stderr or "permission" in refused.stderr.lower()


def test_media_csv_itself_has_no_bad_rows(demo: CommandLine) -> None:
    assert demo("failed", "--json").json == []
    assert len((MEDIA / "media.csv").read_text().splitlines()) == 95
