"""Indexing what lies in S3: a real server, the command line as users run it, and every way in which it goes wrong."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import MEDIA, PHOTOS, CommandLine
from PIL import Image
from s3_server import BUCKET, KEY_ID, S3, SECRET, bad_network, one_in_five

from sightsound import Item
from sightsound.errors import MediaError, SourceError, UsageError
from sightsound.opening import open_source
from sightsound.plugins.sources.bucket import s3_key, s3_uri
from sightsound.registry import registry
from sightsound.sources import Source
from sightsound.stores.local import LocalStore
from sightsound.testing import check_source

pytest_plugins = ("s3_server",)
PLUGIN = """
    import numpy as np
    from sightsound import EncoderSpec, ImageInput, Space, hookimpl

    def whole(image):
        return image.mean(axis=(0, 1)).astype(np.float32)

    class Mean:
        fingerprint = "mean 1"
        def encode(self, batch, role):
            rows = np.stack(batch) + 1
            return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def load(device):
        return Mean()

    @hookimpl
    def register_encoders(register):
        register("mean", lambda argument: [
            EncoderSpec("mean", "image", Space("mean", 3), ImageInput(8), whole, load)])
"""


@pytest.fixture
def mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An encoder that takes no time, for tests that are not about what is seen."""
    folder = tmp_path / "site"
    (folder / "mean-1.0.dist-info").mkdir(parents=True)
    (folder / "mean-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mean\nVersion: 1.0\n")
    (folder / "mean-1.0.dist-info" / "entry_points.txt").write_text("[sightsound]\nmine = mean_plugin\n")
    (folder / "mean_plugin.py").write_text(textwrap.dedent(PLUGIN))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return "mean"


def many_key(number: int) -> str:
    return f"{number // 150}/{number:04d}.png"


@pytest.fixture(scope="module")
def many(server: S3) -> str:
    """A bucket with 1,050 tiny pictures, each unlike all others, in more than one page."""
    server.fill("many", {many_key(number): tiny(number) for number in range(1_050)})
    return "s3://many"


def photo(name: str) -> bytes:
    return (PHOTOS / name).read_bytes()


def tiny(number: int) -> bytes:
    """A picture of 8 × 8 pixels, unlike any of another number."""
    out = io.BytesIO()
    chance = random.Random(number)
    Image.frombytes("RGB", (8, 8), chance.randbytes(192)).save(out, "PNG")
    return out.getvalue()


def source(argument: str, **options: str) -> Source:
    return open_source(registry(), argument, options).source


def keys(argument: str, **options: str) -> list[str]:
    return [s3_key(item.uri) for item in source(argument, **options).items()]


def counts(line: CommandLine, *arguments: object, code: int = 0) -> dict[str, int]:
    made = line("index", *arguments, "--json", code=code).json
    return {name: count for name, count in made.items() if isinstance(count, int) and count}


# From the bucket to the hit


def test_a_photo_in_a_bucket_is_found_credited_and_shown(s3: S3, sightsound: CommandLine) -> None:
    table = "path,title,author,licence\ncat.jpg,Grey cat,Ann,CC0\ntajmahal.jpg,A palace,Bob,CC0\n"
    s3.put(**{"a/cat.jpg": photo("cat.jpg"), "a/tajmahal.jpg": photo("tajmahal.jpg"), "a/media.csv": table.encode()})
    assert counts(sightsound, "s3://media/a/media.csv") == {"listed": 2, "added": 2}
    hit = sightsound("search", "a palace with a dome", "--limit", 1, "--json").json["hits"][0]
    assert hit["uri"] == "s3://media/a/tajmahal.jpg"
    assert hit["credit"] == "A palace by Bob, CC0"
    assert int(parse_qs(urlsplit(hit["view_url"]).query)["X-Amz-Expires"][0]) <= 900
    with urllib.request.urlopen(hit["view_url"]) as answer:
        assert answer.read() == photo("tajmahal.jpg")
    assert "s3://media/a/tajmahal.jpg" in sightsound("search", "a palace", "--paths").out


def test_secrets_and_signed_urls_are_kept_nowhere(s3: S3, sightsound: CommandLine, mean: str, tmp_path: Path) -> None:
    s3.put(**{"cat.jpg": photo("cat.jpg"), "broken.jpg": b"no picture"})
    said = [
        sightsound("index", "s3://media", "--encoders", mean, code=3),
        sightsound("failed"),
        sightsound("status"),
        sightsound("search", "a cat", "--sheet", tmp_path / "sheet.html"),
        sightsound("export", tmp_path / "all.jsonl"),
        sightsound("index", "s3://media", code=1, AWS_ENDPOINT_URL="http://127.0.0.1:9"),
        sightsound("index", "s3://media", code=3, SIGHTSOUND_DEBUG="1"),
    ]
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"s3://media/cat.jpg" in content for content in written)
    for content in [*written, *((ran.out + ran.err).encode() for ran in said)]:
        assert SECRET.encode() not in content
        assert KEY_ID.encode() not in content
        assert b"X-Amz-" not in content


def test_unchanged_objects_are_not_asked_for_again(s3: S3, sightsound: CommandLine, mean: str) -> None:
    s3.put(**{"cat.jpg": photo("cat.jpg"), "horse.jpg": photo("horse.jpg"), "owl.jpg": photo("owl.jpg")})
    with bad_network(s3.url, lambda *request: "") as proxy:
        assert sightsound("index", "s3://media", "--encoders", mean, **proxy.environment).code == 0
        assert sum("list-type=2" not in path for _, path in proxy.asked) == 3
        s3.put(**{"horse.jpg": photo("tajmahal.jpg")})
        s3.client.delete_object(Bucket=BUCKET, Key="owl.jpg")
        proxy.asked.clear()
        done = sightsound("index", "--prune", "--yes", "--json", **proxy.environment).json
    assert (done["unchanged"], done["changed"], done["pruned"]) == (1, 1, 1)
    assert [path for _, path in proxy.asked if "list-type=2" not in path] == ["/media/horse.jpg"]


def test_films_sounds_and_subtitles_are_read_from_a_bucket(s3: S3, sightsound: CommandLine, tmp_path: Path) -> None:
    sound = next((MEDIA / "sounds").iterdir())
    subtitles = b"1\n00:00:00,000 --> 00:00:01,000\nI saw a unicorn\n"
    s3.put(**{"reel.mp4": film(tmp_path), "reel.en.srt": subtitles, f"x/{sound.name}": sound.read_bytes()})
    assert counts(sightsound, "s3://media") == {"listed": 2, "added": 2}
    found = sightsound("search", "unicorn", "--json", "--limit", 1).json["hits"][0]
    assert found["uri"] == "s3://media/reel.mp4" and found["moments"][0]["end"] == 1.0
    s3.put(**{"reel.en.srt": subtitles.replace(b"unicorn", b"zebra")})
    assert counts(sightsound) == {"listed": 2, "unchanged": 1, "changed": 1}
    assert sightsound("search", "zebra", "--json", "--limit", 1).json["hits"][0]["uri"] == "s3://media/reel.mp4"


def film(folder: Path) -> bytes:
    """Two seconds of MP4; what says where its frames lie is at its end, as encoders write it."""
    import av
    import numpy as np

    with av.open(str(folder / "made.mp4"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(20):
            picture = np.full((64, 64, 3), (number * 12) % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    made = (folder / "made.mp4").read_bytes()
    assert made.index(b"moov") > made.index(b"mdat")
    return made


# Keys and addresses


ODD = ("a b.jpg", "ünï/c#d?e=f.jpg", "100%/%41.jpg", "x//y.jpg", "+&;,=@~!'().jpg", "日本.jpg", "a\\b.jpg", '"q".jpg')


@pytest.mark.parametrize("key", ODD)
def test_odd_keys_are_read_and_shown(s3: S3, key: str) -> None:
    s3.put(**{key: photo("cat.jpg")})
    (item,) = check_source(source("s3://media"))
    assert s3_key(item.uri) == key and item.uri == s3_uri(BUCKET, key)
    assert not set(item.uri) & set(' #?"\\') and item.uri.isascii()
    with source("s3://media").open(item) as file:
        assert file.read() == photo("cat.jpg")
    with urllib.request.urlopen(source("s3://media").view_url(item) or "") as answer:
        assert answer.read() == photo("cat.jpg")


def test_folders_hidden_files_and_other_files_are_no_items(s3: S3) -> None:
    wanted = ["a/1.jpg", "a/b/2.png", "a/z.mp4"]
    others = ["a/", "a/c.jpg/", "a/._1.jpg", "a/.hidden/x.jpg", "a/notes.txt", "a/z.srt", "ab/3.jpg", "a.jpg"]
    s3.put(**dict.fromkeys([*wanted, *others], b"x"))
    assert sorted(keys("s3://media/a")) == sorted(keys("s3://media/a/")) == wanted
    assert sorted(keys("s3://media/a", ignore="b/*,*.mp4")) == ["a/1.jpg"]
    assert keys("s3://media/a.jpg") == ["a.jpg"]
    assert len(keys("s3://media")) == len(keys("s3://media/")) == 5


def test_a_listing_of_many_pages_is_whole(s3: S3, many: str) -> None:
    assert keys(many) == [many_key(number) for number in range(1_050)]


def test_a_film_knows_its_own_subtitles_alone(s3: S3) -> None:
    names = ["my.film.mp4", "my.film.en.srt", "my.film.vtt", "my.other.srt", "my.mp4", "my.x/y.jpg"]
    s3.put(**dict.fromkeys(names, b"x"))
    there = source("s3://media")
    beside = {s3_key(item.uri): [s3_key(one.uri) for one in there.beside(item)] for item in there.items()}
    assert beside == {"my.film.mp4": ["my.film.en.srt", "my.film.vtt"], "my.mp4": [], "my.x/y.jpg": []}


# Tables in a bucket


def test_a_table_names_objects_by_key_from_its_folder(s3: S3) -> None:
    paths = ("1.jpg", "../b/2.jpg", "/c/3.jpg", "s3://media/d/4.jpg")
    rows = [*({"path": path} for path in paths), {"title": "t"}]
    table = "\n".join(json.dumps(row) for row in rows).encode()
    s3.put(**{"a/t.jsonl": table, **dict.fromkeys(["a/1.jpg", "b/2.jpg", "c/3.jpg", "d/4.jpg"], photo("cat.jpg"))})
    there = source("s3://media/a/t.jsonl")
    *files, text = check_source(there)
    assert [s3_key(item.uri) for item in files] == ["a/1.jpg", "b/2.jpg", "c/3.jpg", "d/4.jpg"]
    assert text.uri.startswith("s3://media/a/t.jsonl#") and text.metadata.title == "t"
    assert keys("s3://media/a/t.jsonl", root="b")[0] == "b/1.jpg"


def test_a_row_that_names_nothing_costs_itself(s3: S3, sightsound: CommandLine, mean: str) -> None:
    s3.put(**{"t.csv": b"path,title\ncat.jpg,A\nwrong/dog.jpg,B\n", "cat.jpg": photo("cat.jpg")})
    ran = sightsound("index", "s3://media/t.csv", "--encoders", mean, code=3)
    assert "s3://media/wrong/dog.jpg: t.csv names it, but there is no such object" in ran.err
    assert "2 items: 1 added, 1 failed" in ran.out


def test_a_table_that_is_none_says_so_by_its_address(s3: S3) -> None:
    s3.put(**{"a/t.csv": b"colour,size\nred,3\n"})
    with pytest.raises(SourceError, match=r"s3://media/a/t\.csv has no column for a path.*it has: colour, size"):
        keys("s3://media/a/t.csv")
    with pytest.raises(SourceError, match=r"s3://media/a/gone\.csv is not there \(any more\)"):
        keys("s3://media/a/gone.csv")


# What goes wrong


@pytest.mark.parametrize(
    ("address", "options", "says"),
    [
        ("s3://AKIA:secret@media/x", {}, "Credentials do not belong"),
        ("s3:///x", {}, "names no bucket"),
        ("s3://AKIA:secret/x", {}, "names no bucket"),
        ("s3://media/x", {"endpoint": "banana"}, "is no URL"),
        ("s3://media/x", {"endpoint": "https://me:secret@host"}, "Credentials do not belong"),
        ("s3://media/x", {"no_sign_request": "maybe"}, "write yes or no"),
        ("s3://media/x", {"colour": "red"}, "has no option colour"),
    ],
)
def test_a_wrong_address_or_option_is_refused(address: str, options: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        source(address, **options)
    assert "secret" not in str(error.value)


def test_what_can_not_be_listed_is_an_error_and_makes_no_collection(s3: S3, sightsound: CommandLine) -> None:
    assert "error: There is no bucket nowhere" in sightsound("index", "s3://nowhere", code=1).err
    assert LocalStore(str(sightsound.home / "collections")).collections() == []


def test_every_reason_says_what_to_do(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"no object s3://media/a\.jpg; for a folder of this name write a / at"):
        keys("s3://media/a.jpg")
    with pytest.raises(SourceError, match=r"profile \(nobody\) could not be found"):
        keys("s3://media", profile="nobody")
    with pytest.raises(SourceError, match="can't be reached; look at the network, and at --option endpoint"):
        keys("s3://media", endpoint="http://127.0.0.1:9")
    for what, says in (("403", "Access to s3://media/ is denied.*ListBucket"), ("503", "answers 503 SlowDown")):
        with bad_network(s3.url, lambda *request, what=what: what) as proxy, pytest.raises(SourceError, match=says):
            keys("s3://media", endpoint=proxy.url)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(SourceError, match="credentials lack a part"):
        keys("s3://media")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SourceError, match=r"no AWS credentials for s3://media/: set AWS_PROFILE.*no_sign_request=yes"):
        keys("s3://media")


def test_without_boto3_it_says_what_to_install(s3: S3, sightsound: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "usercustomize.py").write_text("")
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfound = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name.startswith('boto') else found(name, *a)\n"
    )
    ran = sightsound("index", "s3://media", code=1, PYTHONPATH=str(tmp_path))
    assert "pip install 'sightsound[s3]'" in ran.err


def test_a_public_bucket_needs_no_credentials(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.client.put_object(Bucket=BUCKET, Key="cat.jpg", Body=photo("cat.jpg"), ACL="public-read")
    s3.client.put_bucket_acl(Bucket=BUCKET, ACL="public-read")
    seen: list[dict[str, str]] = []

    def noted(method: str, path: str, headers: dict[str, str]) -> str:
        seen.append(headers)
        return ""

    with bad_network(s3.url, noted) as proxy:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = source("s3://media", no_sign_request="yes", requester_pays="yes")
        (item,) = there.items()
        with there.open(item) as file:
            assert file.read() == photo("cat.jpg")
    assert len(seen) == 2
    assert all("Authorization" not in headers for headers in seen)
    assert all(headers["x-amz-request-payer"] == "requester" for headers in seen)


def test_a_bucket_in_another_region_is_found_there(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put(**{"cat.jpg": photo("cat.jpg")})

    def fault(method: str, path: str, headers: dict[str, str]) -> str:
        return "" if "/eu-west-3/s3/" in headers.get("Authorization", "") else "region"

    with bad_network(s3.url, fault) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = source("s3://media")
        (item,) = there.items()
        with there.open(item) as file:
            assert file.read() == photo("cat.jpg")
        assert proxy.befell["region"] >= 1


def test_what_befalls_an_object_costs_that_object(s3: S3, sightsound: CommandLine, mean: str) -> None:
    bad = {"cut": "cut.png", "403": "denied.png", "503": "down.png", "slow": "slow.png"}
    s3.put(**{f"{number}.png": tiny(number) for number in range(20)})
    s3.put(**{name: tiny(100 + place) for place, name in enumerate(bad.values())})

    def fault(method: str, path: str, headers: dict[str, str]) -> str:
        return next((what for what, name in bad.items() if path == f"/media/{name}"), "")

    with bad_network(s3.url, fault) as proxy:
        ran = sightsound(
            "index", "s3://media", "--encoders", mean, "--json", code=3, SIGHTSOUND_DEADLINE="12", **proxy.environment
        )
    reasons = {s3_key(failure["uri"]): failure["reason"] for failure in ran.json["failures"]}
    assert (ran.json["added"], ran.json["failed"]) == (20, 4)
    assert "the connection broke off" in reasons["cut.png"]
    assert "is denied" in reasons["denied.png"]
    assert reasons["down.png"].startswith("S3 answers 503"), "the address is shown beside it"
    assert "12 seconds" in reasons["slow.png"]
    done = sightsound("index", "s3://media", "--retry", "--json").json
    assert (done["added"] + done["changed"], done["unchanged"]) == (4, 20)


def test_an_object_that_changes_or_goes_after_it_was_listed_fails(s3: S3) -> None:
    s3.put(**{"a.jpg": photo("cat.jpg"), "b.jpg": photo("owl.jpg")})
    there = source("s3://media")
    changed, gone = there.items()
    s3.put(**{"a.jpg": photo("horse.jpg")})
    s3.client.delete_object(Bucket=BUCKET, Key="b.jpg")
    with pytest.raises(MediaError, match=r"changed while it was read; index again"):
        there.open(changed)
    with pytest.raises(MediaError, match=r"s3://media/b\.jpg is not there \(any more\)"):
        there.open(gone)


def test_a_film_that_changes_halfway_fails_and_does_not_mix(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = random.Random(1).randbytes(3_000_000), random.Random(2).randbytes(3_000_000)
    s3.put(**{"a.mp4": first})
    with bad_network(s3.url, lambda method, path, headers: "cut" if path == "/media/a.mp4" else "") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = source("s3://media")
        (item,) = there.items()
        with there.open(item) as file:
            assert file.read(1000) == first[:1000]
            s3.put(**{"a.mp4": second})
            with pytest.raises(MediaError, match="changed while it was read"):
                file.read()


def test_a_long_object_goes_on_where_the_connection_broke_off(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(3).randbytes(20_000_000)
    s3.put(**{"a.mp4": content})
    cuts = iter(["cut"] * 4)
    with bad_network(s3.url, lambda method, path, headers: next(cuts, "") if path == "/media/a.mp4" else "") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        there = source("s3://media")
        (item,) = there.items()
        with there.open(item) as file:
            assert file.seek(-10, os.SEEK_END) == len(content) - 10
            assert file.read() == content[-10:]
            file.seek(0)
            assert file.read() == content
            assert os.fstat(file.fileno()).st_size == len(content)
        assert [path for _, path in proxy.asked].count("/media/a.mp4") == 5


def test_a_thousand_objects_over_a_bad_network(s3: S3, many: str, sightsound: CommandLine, mean: str) -> None:
    with bad_network(s3.url, one_in_five(7)) as proxy:
        done = None
        while done is None:  # a listing that fails five times over ends a run with an error, and the next one goes on
            process = sightsound.start("index", many, "--encoders", mean, "--json", **proxy.environment)
            out, err = process.communicate(timeout=300)
            assert "Traceback" not in err, err
            assert process.returncode in (0, 3) or "several times over" in err, err
            done = json.loads(out) if out else None
        assert min(proxy.befell[what] for what in ("503", "cut", "reset")) > 20
    items, failed = kept(sightsound)
    assert done["listed"] == len(items) == len({item.uri for item in items}) == 1_050
    assert all(item.state == "ok" or failed[item.uri] for item in items)
    read = [item for item in items if item.state == "ok"]
    assert len(read) > 1_000
    for item in read:
        assert item.content == hashlib.sha256(tiny(int(s3_key(item.uri)[2:6]))).hexdigest(), "not what lies there"


def kept(line: CommandLine) -> tuple[list[Item], dict[str, str]]:
    """All items of the collection, and the reasons of those that failed, by URI."""
    collection = LocalStore(str(line.home / "collections")).open("default")
    try:
        failed = {failure.uri: failure.reason for failure in collection.failures()}
        return [*collection.scan(), *collection.states(failed).values()], failed
    finally:
        collection.close()


def test_an_interrupted_run_goes_on(s3: S3, many: str, sightsound: CommandLine, mean: str) -> None:
    command = ("index", f"{many}/0", "--encoders", mean)
    with bad_network(s3.url, lambda *request: "") as proxy:
        process = sightsound.start(*command, **proxy.environment)
        while len(proxy.asked) < 90:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate()
        proxy.asked.clear()
        done = sightsound(*command, "--json", **proxy.environment).json
        read = sum("list-type" not in path for _, path in proxy.asked)
    assert done["added"] + done["unchanged"] == 150 and done["unchanged"] >= 32
    assert read == done["added"]
