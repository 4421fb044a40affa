"""The other commands: what they print, and what they change."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import PHOTOS, SIGHTSOUND, CommandLine

from sightsound.cli.archive import Archive

Copy = Callable[..., Path]
COMMANDS = (
    "index", "search", "similar", "show", "status", "failed", "remove", "export", "copy", "eval", "check", "plugins",
    "doctor", "models", "upload", "backup", "restore",
)  # fmt: skip


def test_help_lists_every_command_and_shows_an_example(demo: CommandLine) -> None:
    shown = demo("--help").out
    for command in COMMANDS:
        assert f" {command} " in shown
        assert "Example:" in demo(command, "--help").out


def test_the_version_is_told(demo: CommandLine) -> None:
    assert demo("--version").out == "sightsound 0.1.0\n"


def test_show_tells_all_that_is_known_and_where_it_comes_from(demo: CommandLine) -> None:
    shown = demo("show", PHOTOS / "cat.jpg").out
    for said in ("Kitten with yarn", "Loliloli", "Public Domain", "width", "table:", "description, photo, title"):
        assert said in shown


def test_status_counts_items_vectors_and_bytes(demo: CommandLine) -> None:
    found = demo("status", "--json").json["collections"][0]
    assert found["items"] == {"photo": 94}
    assert {(s["space"], s["segments"]): s["vectors"] for s in found["spaces"]}["minilm", "photo"] == 94
    on_disk = sum(file.stat().st_size for file in (demo.home / "collections").rglob("*") if file.is_file())
    assert found["bytes"] == pytest.approx(on_disk, rel=0.1)
    assert found["calibrated"] is True
    assert "94 photos" in demo("status").out


def test_status_without_a_store_says_how_to_begin(sightsound: CommandLine) -> None:
    assert "Make one with: sightsound index FOLDER" in sightsound("status").out


def test_export_writes_a_line_an_item_and_its_vectors(demo: CommandLine, tmp_path: Path) -> None:
    demo("export", tmp_path / "all.jsonl", "--vectors")
    lines = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert len(lines) == 94
    cat = next(line for line in lines if line["path"].endswith("/cat.jpg"))
    assert (cat["title"], cat["author"]) == ("Kitten with yarn", "Loliloli")
    with np.load(tmp_path / "all.npz") as arrays:
        ids, vectors = list(arrays["minilm.ids"]), arrays["minilm"]
        assert vectors.shape == (94 * 3, 384)
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
        photo = vectors[ids.index(f"{cat['id']}:photo:0")]
        kitten = next(line["id"] for line in lines if line["path"].endswith("/kitten.jpg"))
        tower = next(line["id"] for line in lines if line["path"].endswith("/eiffeltower.jpg"))
        assert photo @ vectors[ids.index(f"{kitten}:photo:0")] > photo @ vectors[ids.index(f"{tower}:photo:0")]


def test_an_archive_keeps_what_it_was_given_in_order(tmp_path: Path) -> None:
    few = {f"{n:x}:photo:0": np.full(4, n, np.float32) for n in range(3)}
    more = {f"{n:x}:frame:{n}": np.full(2, n, np.float32) for n in range(25_000)}
    with Archive(tmp_path / "all.npz") as archive:
        archive.add("one", few)
        archive.add("two", more)
        archive.add("two", {"a much longer id:photo:0": np.zeros(2, np.float32)})
        archive.add("none", {})
    with np.load(tmp_path / "all.npz") as arrays:
        assert arrays.files == ["one", "one.ids", "two", "two.ids"]
        assert arrays["one"].dtype == np.float32 and list(arrays["one.ids"]) == list(few)
        assert np.array_equal(arrays["one"], list(few.values()))
        assert list(arrays["two.ids"]) == [*more, "a much longer id:photo:0"]
        assert np.array_equal(arrays["two"][:-1], list(more.values()))
    assert [path.name for path in tmp_path.iterdir()] == ["all.npz"]


def test_an_archive_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Archive(tmp_path / "all.npz") as archive:
        archive.add("one", {"a:photo:0": np.ones(4, np.float32)})
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_items_are_removed_by_name_by_condition_and_all(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg", "owl.jpg")
    sightsound("index", photos)
    assert sightsound("remove", photos / "cat.jpg").out == "Removed 1 item.\n"
    assert (photos / "cat.jpg").exists()
    assert sightsound("remove", "--where", "format=jpeg", "--yes").out == "Removed 2 items.\n"
    assert sightsound("search", "--kind", "photo").out == "Nothing found.\n"
    assert sightsound("remove", "--all", "--yes").out == "Removed the collection 'default'.\n"
    assert sightsound("status", "--json").json["collections"] == []


def test_check_mends_damaged_caches_and_tells(sightsound: CommandLine, copy_photos: Copy) -> None:
    sightsound("index", copy_photos("cat.jpg", "horse.jpg"))
    for cache in (sightsound.home / "collections/default").glob("*.vectors"):
        cache.write_bytes(b"\xff" * cache.stat().st_size)
    told = sightsound("check").out
    assert "mended" in told
    assert told.endswith("2 items: all is well\n")
    assert sightsound("check").out == "2 items: all is well\n"
    assert sightsound("search", "a horse", "--paths", "--limit", 1).out.endswith("horse.jpg\n")


def test_check_finds_a_broken_database(sightsound: CommandLine, copy_photos: Copy) -> None:
    sightsound("index", copy_photos("cat.jpg"))
    database = sightsound.home / "collections/default/collection.sqlite"
    data = bytearray(database.read_bytes())
    for at in range(8192, len(data), 512):
        data[at : at + 256] = bytes(256)
    database.write_bytes(data)
    ran = sightsound("check", code=1)
    assert "rebuild" in ran.out + ran.err


def test_doctor_finds_nothing_wrong_with_a_good_installation(demo: CommandLine) -> None:
    ran = demo("doctor")
    assert ran.out.endswith("No problems found.\n")
    assert "onnxruntime" in ran.out


def test_settings_come_from_flags_then_the_environment_then_the_file(
    sightsound: CommandLine, copy_photos: Copy
) -> None:
    photos = copy_photos("cat.jpg")
    (sightsound.home / "sightsound.toml").write_text('collection = "from-file"')
    sightsound("index", photos)
    sightsound("index", photos, SIGHTSOUND_COLLECTION="from-environment")
    sightsound("index", photos, "--collection", "from-flag", SIGHTSOUND_COLLECTION="from-environment")
    found = [one["collection"] for one in sightsound("status", "--json").json["collections"]]
    assert found == ["from-environment", "from-file", "from-flag"]


def test_the_working_folders_settings_win_over_the_homes(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    (sightsound.home / "sightsound.toml").write_text('collection = "home"')
    (photos / "sightsound.toml").write_text('collection = "here"')
    sightsound("index", photos, cwd=photos)
    assert [one["collection"] for one in sightsound("status", "--json").json["collections"]] == ["here"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered(sightsound: CommandLine, shell: str) -> None:
    environment = sightsound.environment(
        _SIGHTSOUND_COMPLETE=f"complete_{shell}", COMP_WORDS="sightsound ex", COMP_CWORD="1",
        _TYPER_COMPLETE_ARGS="sightsound ex", _TYPER_COMPLETE_FISH_ACTION="get-args",
    )  # fmt: skip
    done = subprocess.run([SIGHTSOUND], env=environment, capture_output=True, text=True, check=False)
    assert "export" in done.stdout


def test_progress_goes_to_a_terminal_only(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    assert sightsound("index", photos, "--encoders", "starter").err == ""
    shutil.copy(PHOTOS / "owl.jpg", photos / "owl.jpg")
    command = f"{SIGHTSOUND} index {photos}"
    terminal = subprocess.run(
        ["script", "-qec", command, "/dev/null"], env=sightsound.environment(), capture_output=True, text=True
    )
    assert "3/3" in terminal.stdout
    assert "3 items: 1 added, 2 unchanged" in terminal.stdout
