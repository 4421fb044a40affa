"""What the site shows: by an item's id only, whole or in parts, and only what was indexed."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import numpy as np
import pytest
from conftest import MEDIA, PHOTOS, CommandLine
from flask import Flask
from flask.testing import FlaskClient
from made_films import colour, cut, render, tone
from PIL import Image
from served import Served, serving, site_of

from sightsound.showing import WAITING
from sightsound.types import Item, file_uri
from sightsound.webapp.media import media_url

SECRET = b"this lies outside of the collection"
RED, BLUE = (200, 30, 30), (30, 30, 200)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A collection of pictures, films and sounds that browsers show and play, and of some that they don't."""
    home = tmp_path_factory.mktemp("shelf")
    folder = home / "media"
    folder.mkdir()
    (home / "secret.txt").write_bytes(SECRET)
    for name in ("cat.jpg", "horse.jpg", "coffee.jpg"):
        shutil.copy(next(PHOTOS.glob(name), PHOTOS / "cat.jpg"), folder / name)
    with Image.open(PHOTOS / "horse.jpg") as picture:
        picture.resize((900, 600)).save(folder / "scan.tiff")
        picture.resize((400, 300)).save(folder / "flat.png")
        picture.resize((320, 240)).save(folder / "phone.jpg", quality=80)
    with (folder / "phone.jpg").open("ab") as file:
        file.write(b"<html><script>alert(1)</script></html>")
    (folder / "page.jpg").write_text("<html><script>alert(1)</script></html>")
    (folder / "drawing.png").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    frames = cut([colour(RED, 1), colour(BLUE, 1)]).frames
    render(folder / "plain.mp4", frames, sound=tone(2))
    render(folder / "new.mkv", frames, codec="libx265", sound=tone(2))
    shutil.copy(MEDIA / "sounds" / "bark.ogg", folder / "bark.ogg")
    (home / "far.csv").write_text("url\nhttps://192.0.2.7/a.jpg\n")
    line = CommandLine(home)
    line("index", folder, code=3)
    line("index", home / "far.csv", code=None)
    return line


@pytest.fixture(scope="module")
def app(shelf: CommandLine) -> Iterator[Flask]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(shelf.home))
        made = site_of(shelf)
        yield made
        made.extensions["sightsound"].close()


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def item_of(app: Flask, name: str) -> Item:
    site = app.extensions["sightsound"]
    path = Path(os.environ["SIGHTSOUND_HOME"]) / "media" / name
    found: dict[str, Item] = site.collection.states([file_uri(path)])
    return found[file_uri(path)]


def url(app: Flask, name: str, what: str) -> str:
    return f"/media/{item_of(app, name).id}/{what}"


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=("JPEG",))


def is_colour(image: Image.Image, wanted: tuple[int, int, int], at: tuple[int, int]) -> bool:
    return bool(np.abs(np.asarray(image.convert("RGB"))[at[1], at[0]].astype(int) - wanted).max() < 25)


def until_made(browser: FlaskClient, where: str) -> Any:
    """The answer once it is there, asked for as pages do."""
    end = time.monotonic() + 120
    while (answer := browser.get(where)).status_code == 202:
        assert int(answer.headers["Retry-After"]) > 0
        assert time.monotonic() < end
        time.sleep(0.1)
    assert answer.status_code == 200
    return answer


# Pictures


def test_pictures_come_in_fixed_widths_and_are_never_enlarged(app: Flask, browser: FlaskClient) -> None:
    for asked, width in ((1, 320), (320, 320), (321, 640), (640, 640), (5000, 900)):
        answer = browser.get(url(app, "scan.tiff", f"thumb?w={asked}"))
        assert answer.status_code == 200
        assert answer.content_type == "image/jpeg"
        made = picture(answer.data).size
        assert made[0] == width and abs(made[1] - width * 2 / 3) < 1
    assert picture(browser.get(url(app, "flat.png", "thumb?w=1280")).data).size == (400, 300)


def test_a_film_is_shown_at_a_moment_and_as_a_strip(app: Flask, browser: FlaskClient) -> None:
    for at, wanted in ((0, RED), (0.5, RED), (1.0, BLUE), (1.5, BLUE), (99, BLUE)):
        answer = browser.get(url(app, "plain.mp4", f"thumb?w=320&at={at}"))
        assert is_colour(picture(answer.data), wanted, (100, 100)), at
    strip = picture(browser.get(url(app, "plain.mp4", "strip?n=4")).data)
    assert strip.size == (640, 90)
    assert [is_colour(strip, RED, (80 + 160 * n, 45)) for n in range(4)] == [True, True, False, False]


def test_a_sound_has_a_waveform_and_no_picture(app: Flask, browser: FlaskClient) -> None:
    answer = browser.get(url(app, "bark.ogg", "waveform.svg"))
    assert answer.content_type.startswith("image/svg+xml")
    assert b"<path" in answer.data and b"script" not in answer.data
    assert browser.get(url(app, "bark.ogg", "thumb")).status_code == 422
    assert browser.get(url(app, "cat.jpg", "waveform.svg")).status_code == 422
    assert browser.get(url(app, "cat.jpg", "strip")).status_code == 422


def test_what_was_given_to_search_by_is_shown_small_and_a_sound_by_a_sign(
    app: Flask, browser: FlaskClient, shelf: CommandLine
) -> None:
    ids = {}
    for name in ("cat.jpg", "plain.mp4", "bark.ogg"):
        form = {"file": (io.BytesIO((shelf.home / "media" / name).read_bytes()), name)}
        ids[name] = browser.post("/api/v1/uploads", data=form).json["id"]
    page = browser.get("/?" + "&".join(f"part=upload:1:{id}" for id in ids.values())).text
    chips = page.split('class="chips"')[1].split("</ul>")[0].split("<li ")[1:]
    shown = [re.findall(r'<img src="([^"]+)"', chip) for chip in chips]
    assert [len(found) for found in shown] == [1, 1, 0] and "#sound" in chips[2]
    for (url,), wanted in zip(shown[:2], (PHOTOS / "cat.jpg", None), strict=True):
        answer = browser.get(url)
        assert answer.mimetype == "image/jpeg" and answer.headers["Cache-Control"].startswith("private")
        picture = Image.open(io.BytesIO(answer.data)).convert("RGB")
        assert picture.width == 320
        if wanted:
            original = Image.open(wanted).convert("RGB").resize(picture.size)
            assert np.abs(np.asarray(picture, np.int16) - np.asarray(original, np.int16)).mean() < 12
        assert browser.get(url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert browser.get(f"/media/uploads/{ids['bark.ogg']}/thumb").status_code == 422
    assert browser.get(f"/media/uploads/{'0' * 64}/thumb").status_code == 404
    kept = app.extensions["sightsound"].uploads.find(ids["cat.jpg"]).path
    os.utime(kept, (0, 0))
    assert browser.get(shown[0][0]).status_code == 404, "it is forgotten with the file"
    browser.post("/api/v1/uploads", data={"file": (io.BytesIO((MEDIA / "sounds/bark.ogg").read_bytes()), "x")})
    cache = app.extensions["sightsound"].showing.cache.folder
    assert not kept.exists() and not list(cache.glob(f"*/{kept.name}*"))


def test_what_a_browser_has_is_not_sent_again(app: Flask, browser: FlaskClient) -> None:
    item = item_of(app, "cat.jpg")
    for what in ("thumb", "file", "preview"):
        first = browser.get(f"/media/{item.id}/{what}")
        tag = first.headers["ETag"]
        assert item.content in tag and not tag.startswith("W/")
        assert "immutable" not in first.headers["Cache-Control"]
        again = browser.get(f"/media/{item.id}/{what}", headers={"If-None-Match": tag})
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
        other = browser.get(f"/media/{item.id}/{what}", headers={"If-None-Match": '"other"'})
        assert other.status_code == 200 and other.data == first.data
        named = browser.get(f"/media/{item.id}/{what}?v={item.content[:16]}")
        assert "immutable" in named.headers["Cache-Control"]
        wrong = browser.get(f"/media/{item.id}/{what}?v={'0' * 16}")
        assert "immutable" not in wrong.headers["Cache-Control"]


def test_templates_write_urls_that_hold_for_ever(app: Flask, browser: FlaskClient) -> None:
    from sightsound.answers import item_object

    site = app.extensions["sightsound"]
    with app.test_request_context():
        told = item_object(item_of(app, "plain.mp4"), site.sources)
    for made in (media_url(told, 320, at=1.5), media_url(told, what="preview"), media_url(told, what="strip", n=3)):
        answer = browser.get(made)
        assert answer.status_code == 200, made
        assert "immutable" in answer.headers["Cache-Control"]


# Originals, and parts of them


def test_a_file_comes_as_it_is_with_the_type_that_it_has(app: Flask, browser: FlaskClient) -> None:
    types = {
        "cat.jpg": "image/jpeg",
        "scan.tiff": "image/tiff",
        "flat.png": "image/png",
        "phone.jpg": "image/jpeg",
        "plain.mp4": "video/mp4",
        "new.mkv": "video/x-matroska",
        "bark.ogg": "audio/ogg",
    }
    for name, type_ in types.items():
        answer = browser.get(url(app, name, "file"))
        path = item_of(app, name).path
        assert path and answer.data == path.read_bytes()
        assert answer.content_type == type_
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "script" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Content-Disposition"] == f"inline; filename*=UTF-8''{name}"
        assert browser.head(url(app, name, "file")).headers["Content-Length"] == str(path.stat().st_size)


def test_what_only_looks_like_a_picture_is_not_served(app: Flask, browser: FlaskClient) -> None:
    for name in ("page.jpg", "drawing.png"):
        for what in ("file", "thumb", "preview"):
            answer = browser.get(url(app, name, what))
            assert answer.status_code == 422
            assert answer.content_type == "application/json"
            assert b"alert" not in answer.data


RANGES = [
    ("bytes=0-0", (0, 1)),
    ("bytes=0-99", (0, 100)),
    ("bytes=100-1099", (100, 1100)),
    ("bytes=500-", (500, None)),
    ("bytes=-1", (-1, None)),
    ("bytes=-700", (-700, None)),
    ("bytes=10-99999999", (10, None)),
    ("bytes=-99999999", (0, None)),
]


@pytest.mark.parametrize(("asked", "part"), RANGES)
@pytest.mark.parametrize("name", ["plain.mp4", "bark.ogg"])
def test_parts_are_those_that_are_asked_for(
    name: str, asked: str, part: tuple[int, int | None], app: Flask, browser: FlaskClient
) -> None:
    path = item_of(app, name).path
    assert path
    whole = path.read_bytes()
    wanted = whole[slice(*part)]
    answer = browser.get(url(app, name, "file"), headers={"Range": asked})
    assert answer.data == wanted
    assert answer.status_code == 206
    start = len(whole) - len(wanted) if part[1] is None else part[0]
    assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(wanted) - 1}/{len(whole)}"
    assert answer.headers["Content-Length"] == str(len(wanted))


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-1", "bytes=x-y", "pages=1-2", "bytes", "bytes=", "=", "-"])
def test_several_parts_and_what_is_no_part_give_the_whole(asked: str, app: Flask, browser: FlaskClient) -> None:
    answer = browser.get(url(app, "bark.ogg", "file"), headers={"Range": asked})
    path = item_of(app, "bark.ogg").path
    assert answer.status_code == 200
    assert path and answer.data == path.read_bytes()


def test_a_part_beyond_the_end_is_refused_and_one_of_another_version_is_whole(app: Flask, browser: FlaskClient) -> None:
    where = url(app, "bark.ogg", "file")
    size = len(browser.get(where).data)
    told = browser.head(where, headers={"Range": "bytes=0-9"})
    assert (told.status_code, told.headers["Content-Length"]) == (200, str(size)), "only GET has ranges"
    beyond = browser.get(where, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"], beyond.data) == (416, f"bytes */{size}", b"")
    tag = browser.head(where).headers["ETag"]
    assert browser.get(where, headers={"Range": "bytes=0-9", "If-Range": tag}).status_code == 206
    for other in ('"other"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert browser.get(where, headers={"Range": "bytes=0-9", "If-Range": other}).status_code == 200


# Previews


def test_what_browsers_show_is_sent_as_it_is_and_a_tiff_as_jpeg(app: Flask, browser: FlaskClient) -> None:
    for name in ("cat.jpg", "flat.png", "plain.mp4", "bark.ogg"):
        assert browser.get(url(app, name, "preview")).data == browser.get(url(app, name, "file")).data
    shown = browser.get(url(app, "scan.tiff", "preview"))
    assert picture(shown.data).size == (900, 600)


def test_a_film_that_browsers_do_not_play_is_made_in_the_background(app: Flask, browser: FlaskClient) -> None:
    where = url(app, "new.mkv", "preview")
    first = browser.get(where)
    assert first.status_code == 202
    assert first.headers["Cache-Control"] == "no-store"
    assert first.json and first.json["state"] == "making"
    answer = until_made(browser, where)
    assert answer.content_type == "video/mp4"
    with av.open(io.BytesIO(answer.data)) as film:
        assert film.streams.video[0].codec_context.name == "h264"
    part = browser.get(where, headers={"Range": "bytes=100-299"})
    assert (part.status_code, part.data) == (206, answer.data[100:300])
    tag = answer.headers["ETag"]
    assert browser.get(where, headers={"If-None-Match": tag}).status_code == 304


# Nothing else


def payloads(count: int, id: str) -> list[str]:
    """Paths that try to lead elsewhere, the same at every run."""
    chance = random.Random(7)
    up = ["..", "%2e%2e", "..%2f", "%2e%2e%2f", "..%5c", "%252e%252e%252f", "....//", "..;/", "%c0%ae%c0%ae/", "..%00/"]
    ends = ["secret.txt", "media/cat.jpg", "etc/passwd", "file", "thumb", "%00.jpg", "secret.txt%00", "?x=/etc/passwd"]
    starts = ["", id, f"{id}/", f"{id}/file/", f"{id}/thumb/", "file:///", "/", "//", "%2f", "C:%5c", f"{id}%2f", "~/"]
    made: set[str] = set()
    while len(made) < count:
        steps = [chance.choice(up) for _ in range(chance.randint(1, 8))]
        made.add(chance.choice(starts) + chance.choice(["/", ""]).join(steps) + "/" + chance.choice(ends))
    return sorted(made)


def test_no_path_leads_out_of_the_collection(app: Flask, browser: FlaskClient, shelf: CommandLine) -> None:
    inside = {path.read_bytes() for path in (shelf.home / "media").iterdir()}
    for one in payloads(500, item_of(app, "cat.jpg").id):
        answer = browser.get(f"/media/{one}")
        assert answer.status_code in (301, 308, 400, 404, 405), one
        assert SECRET not in answer.data and b"root:" not in answer.data
        assert answer.data not in inside, one


@pytest.mark.parametrize("id", ["0" * 32, "0" * 31, "A" * 32, "%2e%2e", "*", "x" * 5000, quote("é")])
def test_what_is_no_item_is_not_there(id: str, browser: FlaskClient) -> None:
    for what in ("thumb", "file", "preview", "waveform.svg", "strip"):
        answer = browser.get(f"/media/{id}/{what}")
        assert answer.status_code == 404
        assert answer.json and answer.json["error"]["message"]


@pytest.mark.parametrize("asked", ["w=x", "w=-1", "w=0", "w=1e9", "at=x", "at=-1", "at=nan", "at=1e5", "at=inf"])
def test_wrong_arguments_are_told(asked: str, app: Flask, browser: FlaskClient) -> None:
    assert browser.get(url(app, "plain.mp4", f"thumb?{asked}")).status_code == 400
    assert browser.get(url(app, "plain.mp4", "strip?n=1000")).status_code == 400
    assert browser.post(url(app, "plain.mp4", "file")).status_code == 405


def test_what_may_not_be_copied_is_shown_where_it_lies(app: Flask, browser: FlaskClient) -> None:
    site = app.extensions["sightsound"]
    [far] = site.collection.states(["https://192.0.2.7/a.jpg"]).values()
    assert browser.get(f"/media/{far.id}/thumb").status_code == 404
    for what in ("file", "preview"):
        answer = browser.get(f"/media/{far.id}/{what}")
        assert (answer.status_code, answer.headers["Location"]) == (302, far.uri)
        assert answer.headers["Cache-Control"] == "no-store"
    told: dict[str, Any] = {"id": far.id, "hotlink": True, "view_url": far.uri, "content": None}
    assert media_url(told, 320) == far.uri


# Files that change, go or break


@pytest.fixture
def changing(tmp_path: Path) -> Iterator[tuple[Path, Flask]]:
    """A folder of two pictures, and a site over them."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("cat.jpg", "horse.jpg"):
        shutil.copy(PHOTOS / name, folder / name)
    line = CommandLine(tmp_path)
    line("index", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(tmp_path))
        app = site_of(line)
        yield folder, app
        app.extensions["sightsound"].close()


def test_a_file_that_changed_or_is_gone_is_not_shown_and_is_listed(changing: tuple[Path, Flask]) -> None:
    folder, app = changing
    browser, site = app.test_client(), app.extensions["sightsound"]
    cat, horse = url(app, "cat.jpg", "file"), url(app, "horse.jpg", "file")
    thumb = url(app, "cat.jpg", "thumb")
    as_it_was = browser.get(thumb).data
    content = (folder / "cat.jpg").read_bytes()
    (folder / "cat.jpg").write_bytes(content)
    assert browser.get(cat).data == content, "touched, and the same"
    assert not site.collection.failures()
    (folder / "cat.jpg").write_bytes((PHOTOS / "horse.jpg").read_bytes())
    answer = browser.get(cat)
    assert answer.status_code == 410
    assert answer.json and "not what was indexed" in answer.json["error"]["message"]
    assert browser.get(url(app, "cat.jpg", "thumb?w=1280")).status_code == 410
    assert browser.get(thumb).data == as_it_was, "what was made of it stays"
    [failure] = site.collection.failures()
    assert failure.stale and "not what was indexed" in failure.reason
    folder.rename(folder.with_name("unmounted"))
    assert browser.get(horse).status_code == 410
    assert len(site.collection.failures()) == 1, "a disk that is not mounted says nothing of its files"
    folder.with_name("unmounted").rename(folder)
    assert browser.get(horse).status_code == 200
    (folder / "horse.jpg").unlink()
    assert browser.get(horse).status_code == 410
    assert len(site.collection.failures()) == 2
    (folder / "horse.jpg").symlink_to("/etc/passwd")
    gone = browser.get(horse)
    assert gone.status_code == 410 and b"root:" not in gone.data


def test_a_file_that_breaks_its_reader_is_told_once_and_not_tried_for_everyone(changing: tuple[Path, Flask]) -> None:
    folder, app = changing
    browser = app.test_client()
    path = folder / "cat.jpg"
    status, size = path.stat(), path.stat().st_size
    path.write_bytes(path.read_bytes()[:200] + bytes(size - 200))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # it seems to be what was indexed
    first = browser.get(url(app, "cat.jpg", "thumb"))
    assert first.status_code == 422
    path.unlink()
    assert browser.get(url(app, "cat.jpg", "thumb")).data == first.data
    assert browser.get(url(app, "horse.jpg", "thumb")).status_code == 200


def test_nobody_waits_where_too_many_do(changing: tuple[Path, Flask]) -> None:
    _, app = changing
    showing = app.extensions["sightsound"].showing
    held = [showing._waiting.acquire(blocking=False) for _ in range(WAITING)]
    assert all(held)
    answer = app.test_client().get(url(app, "cat.jpg", "thumb"))
    assert (answer.status_code, answer.json["state"]) == (202, "making")
    assert int(answer.headers["Retry-After"]) > 0 and answer.headers["Cache-Control"] == "no-store"
    until_made(app.test_client(), url(app, "cat.jpg", "thumb"))
    for _ in held:
        showing._waiting.release()


# As it is served


@pytest.fixture(scope="module")
def served(shelf: CommandLine) -> Iterator[Served]:
    with serving(shelf) as made:
        yield made.until_ready()


def test_the_server_sends_parts_and_wholes_alike(served: Served, app: Flask, browser: FlaskClient) -> None:
    where = url(app, "plain.mp4", "file")
    whole = browser.get(where).data
    got = served(where)
    assert (got.status, got.body) == (200, whole)
    for asked, part in RANGES:
        got = served(where, headers={"Range": asked})
        assert (got.status, got.body) == (206, whole[slice(*part)]), asked
        assert got.headers["Content-Length"] == str(len(got.body))
    assert served(where, headers={"Range": f"bytes={len(whole)}-"}).status == 416
    assert served(where, method="HEAD").body == b""
    thumb = served(url(app, "plain.mp4", "thumb?at=1.5"))
    assert thumb.status == 200 and is_colour(picture(thumb.body), BLUE, (100, 100))


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//elsewhere", "http://[", None])
def test_no_page_shows_what_lies_at_an_address_that_is_none(url: str | None) -> None:
    item = {"id": "0" * 32, "hotlink": True, "view_url": url, "content": ""}
    assert media_url(item) == ""
    assert media_url({**item, "view_url": "https://images.example/a.jpg"}) == "https://images.example/a.jpg"
