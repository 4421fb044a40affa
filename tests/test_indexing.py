"""Indexing as a user sees it: what is read, what is recognised, what goes, and what stays."""

from __future__ import annotations

import csv
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PHOTOS, CommandLine

Copy = Callable[..., Path]
TEN = tuple(sorted(path.name for path in PHOTOS.iterdir())[:10])


def report(line: CommandLine, *arguments: object, code: int = 0) -> dict[str, int]:
    """The counts above zero of an index run."""
    made = line("index", *arguments, "--json", code=code).json
    return {name: count for name, count in made.items() if isinstance(count, int) and count}


def ids(line: CommandLine) -> dict[str, str]:
    """Ids by file name, of all that search can find."""
    hits = line("search", "--kind", "photo", "--limit", "1000", "--json").json["hits"]
    return {Path(hit["path"]).name: hit["id"] for hit in hits}


def test_a_second_run_reads_nothing_again(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos(*TEN)
    assert report(sightsound, photos) == {"listed": 10, "added": 10}
    assert report(sightsound, photos) == {"listed": 10, "unchanged": 10}


def test_a_new_and_a_changed_file_are_read(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    report(sightsound, photos)
    before = ids(sightsound)
    shutil.copy(PHOTOS / "tajmahal.jpg", photos / "horse.jpg")
    shutil.copy(PHOTOS / "owl.jpg", photos / "owl.jpg")
    assert report(sightsound, photos) == {"listed": 3, "added": 1, "changed": 1, "unchanged": 1}
    assert ids(sightsound)["horse.jpg"] == before["horse.jpg"]
    assert sightsound("search", "a palace", "--paths", "--limit", 1).out.endswith("horse.jpg\n")


def test_a_touched_file_is_not_encoded_anew(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    report(sightsound, photos)
    os.utime(photos / "cat.jpg", (1, 1))
    assert report(sightsound, photos) == {"listed": 1, "changed": 1}
    assert report(sightsound, photos) == {"listed": 1, "unchanged": 1}


def test_moved_files_keep_their_ids(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    report(sightsound, photos)
    before = ids(sightsound)
    (photos / "animals").mkdir()
    (photos / "cat.jpg").rename(photos / "animals" / "kitten.jpg")
    assert report(sightsound, photos) == {"listed": 2, "moved": 1, "unchanged": 1}
    assert ids(sightsound) == {"kitten.jpg": before["cat.jpg"], "horse.jpg": before["horse.jpg"]}


def test_a_new_file_where_a_moved_one_was_is_an_item_of_its_own(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    report(sightsound, photos)
    cat = ids(sightsound)["cat.jpg"]
    (photos / "cat.jpg").rename(photos / "a-kitten.jpg")
    report(sightsound, photos)
    shutil.copy(PHOTOS / "horse.jpg", photos / "cat.jpg")
    assert report(sightsound, photos) == {"listed": 2, "added": 1, "unchanged": 1}
    now = ids(sightsound)
    assert now["a-kitten.jpg"] == cat
    assert now["cat.jpg"] != cat


def test_two_files_that_trade_places_are_told_apart(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    report(sightsound, photos)
    (photos / "cat.jpg").rename(photos / "other")
    (photos / "horse.jpg").rename(photos / "cat.jpg")
    (photos / "other").rename(photos / "horse.jpg")
    report(sightsound, photos)
    assert len(ids(sightsound)) == 2
    assert sightsound("search", "a horse in a field", "--paths", "--limit", 1).out.endswith("/cat.jpg\n")
    assert sightsound("check").out == "2 items: all is well\n"


def test_a_copy_is_an_item_too(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    report(sightsound, photos)
    shutil.copy(photos / "cat.jpg", photos / "copy.jpg")
    shutil.copy(photos / "cat.jpg", photos / "second copy.jpg")
    assert report(sightsound, photos) == {"listed": 3, "copied": 2, "unchanged": 1}
    hits = sightsound("similar", photos / "copy.jpg", "--json").json["hits"]
    assert {Path(hit["path"]).name for hit in hits} == {"cat.jpg", "second copy.jpg"}
    assert all(hit["matched"][0]["match"]["score"] > 0.99 for hit in hits)


def table(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_changed_metadata_is_rewritten_without_decoding(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    said = {"path": "cat.jpg", "title": "Minka", "description": "sleeps on the sofa", "author": "Ada"}
    media = table(photos / "media.csv", said)
    report(sightsound, media)
    status = (photos / "cat.jpg").stat()
    (photos / "cat.jpg").write_bytes(b"\0" * status.st_size)  # no reader could make anything of it
    os.utime(photos / "cat.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    table(media, {**said, "title": "The harbour of Genoa"})
    assert report(sightsound, media) == {"listed": 1, "described": 1}
    hit = sightsound("search", "harbour", "--json").json["hits"][0]
    assert (hit["title"], hit["author"], hit["probable"]) == ("The harbour of Genoa", "Ada", None)
    assert sightsound("search", "Minka", "--where", "author=ada", "--json").json["hits"][0]["matched"][0]["match"][
        "space"
    ] not in ("title", "description")


def test_pruning_removes_what_is_gone(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos(*TEN)
    report(sightsound, photos)
    (photos / TEN[0]).unlink()
    kept = sightsound("index", photos)
    assert "1 item no longer in the source; to remove: add --prune" in kept.err
    assert len(ids(sightsound)) == 10
    assert report(sightsound, photos, "--prune") == {"listed": 9, "unchanged": 9, "pruned": 1}
    assert TEN[0] not in ids(sightsound)


def test_pruning_much_is_refused_unless_confirmed(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos(*TEN)
    report(sightsound, photos)
    for name in TEN[:5]:
        (photos / name).unlink()
    refused = sightsound("index", photos, "--prune", code=2)
    assert "Nothing was pruned: 5 of 10 items would go. If that is right, add --yes" in refused.err
    assert len(ids(sightsound)) == 10
    assert report(sightsound, photos, "--prune", "--yes")["pruned"] == 5
    assert len(ids(sightsound)) == 5


def test_a_folder_that_is_not_there_prunes_nothing(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    report(sightsound, photos)
    photos.rename(photos.with_name("unmounted"))
    refused = sightsound("index", "--prune", "--yes", code=1)
    assert "is the disk mounted?" in refused.err
    assert len(ids(sightsound)) == 1


def test_an_item_goes_when_its_last_source_lets_go(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    media = table(photos.parent / "media.csv", {"path": "photos/cat.jpg", "title": "Minka"})
    report(sightsound, photos)
    report(sightsound, media)
    table(media, {"path": "photos/horse.jpg", "title": "Bella"})
    report(sightsound, media, "--prune", "--yes")
    assert set(ids(sightsound)) == {"cat.jpg", "horse.jpg"}
    assert sightsound("show", photos / "cat.jpg", "--json").json["title"] == "cat.jpg"
    (photos / "cat.jpg").unlink()
    report(sightsound, photos, "--prune", "--yes")
    assert set(ids(sightsound)) == {"horse.jpg"}


def test_a_dry_run_tells_and_changes_nothing(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg", "owl.jpg")
    assert report(sightsound, photos, "--dry-run") == {"listed": 3, "added": 3}
    assert not (sightsound.home / "collections").exists()
    report(sightsound, photos)
    (photos / "cat.jpg").unlink()
    shutil.copy(PHOTOS / "tajmahal.jpg", photos / "owl.jpg")
    shutil.copy(PHOTOS / "bee.jpg", photos / "bee.jpg")
    before = sightsound("export", sightsound.home / "before.jsonl")
    told = report(sightsound, photos, "--dry-run", "--prune")
    assert told == {"listed": 3, "added": 1, "changed": 1, "unchanged": 1, "gone": 1}
    sightsound("export", sightsound.home / "after.jsonl")
    assert before.out
    assert (sightsound.home / "before.jsonl").read_text() == (sightsound.home / "after.jsonl").read_text()


def test_a_dry_run_of_unknown_encoders_fails(sightsound: CommandLine, copy_photos: Copy) -> None:
    assert (
        "no encoder set named 'nosuch'"
        in sightsound("index", copy_photos("cat.jpg"), "--dry-run", "--encoders", "nosuch", code=1).err
    )


def test_without_a_source_all_known_ones_are_indexed(sightsound: CommandLine, copy_photos: Copy) -> None:
    first, second = copy_photos("cat.jpg", folder="one"), copy_photos("horse.jpg", folder="two")
    report(sightsound, first, second)
    shutil.copy(PHOTOS / "owl.jpg", first / "owl.jpg")
    shutil.copy(PHOTOS / "bee.jpg", second / "bee.jpg")
    assert report(sightsound) == {"listed": 4, "added": 2, "unchanged": 2}


def test_a_source_that_is_gone_stops_no_other_and_can_be_let_go(sightsound: CommandLine, copy_photos: Copy) -> None:
    gone, here = copy_photos("cat.jpg", folder="gone"), copy_photos("horse.jpg", folder="here")
    sightsound("index", gone, here)
    shutil.rmtree(gone)
    copy_photos("owl.jpg", folder="here")
    ran = sightsound("index", "--json", code=3)
    assert (ran.json["added"], ran.json["unchanged"]) == (1, 1)
    assert [one["source"] for one in ran.json["unlisted"]] == [f"folder:{gone}"]
    advice = f"sightsound remove --where source=folder:{gone}"
    assert advice in sightsound("index", code=3).err
    assert f"The source folder:{gone} is forgotten" in sightsound(*advice.split()[1:], "--yes").out
    assert "2 items: 2 unchanged" in sightsound("index").out


def test_a_source_that_was_mistyped_is_not_remembered(sightsound: CommandLine, copy_photos: Copy) -> None:
    folder = copy_photos("cat.jpg")
    sightsound("index", folder)
    assert "does not exist" in sightsound("index", f"{folder}/x", code=1).err
    assert "1 item: 1 unchanged" in sightsound("index").out


def test_a_file_that_failed_is_tried_again_when_it_changed_or_when_asked(
    sightsound: CommandLine, copy_photos: Copy
) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    good = (photos / "horse.jpg").read_bytes()
    (photos / "horse.jpg").write_bytes(good[:300])
    assert report(sightsound, photos, code=3) == {"listed": 2, "added": 1, "failed": 1}
    assert report(sightsound, photos, code=3) == {"listed": 2, "unchanged": 1, "failed": 1}
    failed = sightsound("failed").out
    assert str(photos / "horse.jpg") in failed
    assert "damaged" in failed
    sightsound("failed", "--retry", code=3)
    (photos / "horse.jpg").write_bytes(good)
    shutil.copy(PHOTOS / "owl.jpg", photos / "owl.jpg")
    assert sightsound("failed", "--retry", "--json").json == []
    assert set(ids(sightsound)) == {"cat.jpg", "horse.jpg"}, "a retry looks at nothing else"


def test_a_good_photo_that_is_damaged_is_kept_as_it_was(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    report(sightsound, photos)
    good = (photos / "horse.jpg").read_bytes()
    (photos / "horse.jpg").write_bytes(good[:300])
    assert report(sightsound, photos, code=3)["failed"] == 1
    assert "it is still found by what was read" in sightsound("failed").out
    assert sightsound("search", "a horse", "--paths", "--limit", 1).out.endswith("horse.jpg\n")
    (photos / "horse.jpg").write_bytes(good)
    report(sightsound, photos)
    assert sightsound("failed").out == ""
    assert sightsound("show", photos / "horse.jpg", "--json").json["state"] == "ok"


def forget_fingerprints(line: CommandLine) -> None:
    """Make the collection look as if another version of the models had built it."""
    with sqlite3.connect(line.home / "collections" / "default" / "collection.sqlite") as database:
        database.execute("UPDATE encoders SET record = replace(record, 'MiniLM', 'OtherLM')")


def test_a_collection_of_another_model_is_refused_and_can_be_rebuilt(
    sightsound: CommandLine, copy_photos: Copy
) -> None:
    photos = copy_photos("cat.jpg", "horse.jpg")
    report(sightsound, photos)
    before = ids(sightsound)
    forget_fingerprints(sightsound)
    for command in (("search", "a cat"), ("index", photos)):
        refused = sightsound(*command, code=1)
        assert "Build it anew with: sightsound index --rebuild --collection default" in refused.err
    assert report(sightsound, "--rebuild", "--collection", "default") == {"listed": 2, "added": 2}
    assert sightsound("search", "a horse", "--paths", "--limit", 1).out.endswith("horse.jpg\n")
    assert ids(sightsound) == before
    assert sightsound("status", "--json").json["collections"][0]["collection"] == "default"
    assert len(sightsound("status", "--json").json["collections"]) == 1


def test_a_rebuild_that_would_lose_much_is_refused(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos(*TEN)
    report(sightsound, photos)
    for name in TEN[:5]:
        (photos / name).unlink()
    assert "was left as it is" in sightsound("index", "--rebuild", code=2).err
    assert len(ids(sightsound)) == 10
    report(sightsound, "--rebuild", "--yes")
    assert len(ids(sightsound)) == 5


def test_other_encoders_need_a_rebuild(sightsound: CommandLine, copy_photos: Copy) -> None:
    photos = copy_photos("cat.jpg")
    report(sightsound, photos)
    report(sightsound, photos, "--encoders", "starter@sightsound")
    assert "no encoder set named 'clop'" in sightsound("index", photos, "--encoders", "clop", code=1).err
    refused = sightsound("index", photos, "--encoders", "clip", code=2).err
    assert "made with the encoders starter@sightsound" in refused and "--rebuild --encoders clip" in refused


HOLD = """
import sys, time
from sightsound.stores.local import LocalStore
collection = LocalStore(sys.argv[1]).open("default")
with collection.writing():
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def held(sightsound: CommandLine, copy_photos: Copy) -> subprocess.Popen[str]:
    """A collection with one photo, held by another process until that is told to end."""
    report(sightsound, copy_photos("cat.jpg"))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, sightsound.home / "collections"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_indexer_is_refused_and_told_who_holds_the_collection(
    sightsound: CommandLine, held: subprocess.Popen[str]
) -> None:
    refused = sightsound("index", code=1)
    assert f"is being indexed by process {held.pid} on host" in refused.err
    assert "add --wait" in refused.err
    assert "cat.jpg" in sightsound("search", "a kitten").out, "searches go on"
    held.communicate("\n")


def test_a_second_indexer_can_wait(sightsound: CommandLine, held: subprocess.Popen[str]) -> None:
    waiting = sightsound.start("index", "--wait")
    time.sleep(2)
    assert waiting.poll() is None
    held.communicate("\n")
    out, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, errors
    assert out == "1 item: 1 unchanged\n"
