"""Unsplash and Pexels, against servers that answer as their documentation says, count, and misbehave."""

from __future__ import annotations

import csv
import io
import pickle
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import CommandLine
from s3_server import BUCKET
from s3_server import serve as serve_s3
from stock_server import KEY, PexelsApi, Stock, UnsplashApi, picture, reply, serving
from web_server import Answer

from sightsound.errors import SourceError, UsageError
from sightsound.plugins.sources.pexels import open_pexels
from sightsound.plugins.sources.unsplash import open_unsplash
from sightsound.testing import check_source

LAKE = "unsplash:mountain lake"


@pytest.mark.parametrize(("api", "argument"), [(UnsplashApi(), LAKE), (PexelsApi(), "pexels:mountain lake")])
def test_from_the_index_to_a_hit_with_credit_and_link(
    api: Stock, argument: str, sightsound: CommandLine, tmp_path: Path
) -> None:
    api.count = 40
    with serving(api):
        environment = api.environment()
        sightsound("index", argument, **environment)
        found = sightsound("search", "a giraffe", "--limit", 3, "--json", **environment).json["hits"]
        assert found[0]["title"] == "giraffe"
        hit = found[0]
        sheet = tmp_path / "sheet.html"
        said = sightsound("search", "a giraffe", "--sheet", sheet, **environment)
    html = sheet.read_text()
    assert "data:image" not in html, "nothing is copied into the sheet"
    assert f'src="{hit["view_url"].replace("&", "&amp;")}"' in html
    if isinstance(api, UnsplashApi):
        assert re.fullmatch(r"Photo by Jane Doe \d+ on Unsplash", hit["credit"])
        assert hit["licence"] == "Unsplash License"
        assert [part["text"] for part in hit["credit_links"]][1::2] == [hit["author"], "Unsplash"]
        for url in (hit["credit_links"][1]["url"], hit["credit_links"][3]["url"], hit["page_url"]):
            assert "utm_source=sightsound" in url and "utm_medium=referral" in url
            assert url.replace("&", "&amp;") in html
        assert "ixid=" in hit["view_url"]
        assert hit["extra"]["colour"] == "#6E633A" and hit["tags"] == ["lake", "water"]
        assert {"url_raw", "url_full", "url_regular", "url_small", "url_thumb"} <= hit["extra"].keys()
    else:
        assert re.fullmatch(r"Photo by Joey Farina \d+ on Pexels", hit["credit"])
        assert '<a href="https://www.pexels.com">Photos provided by Pexels</a>' in html
        assert "Photos provided by Pexels: https://www.pexels.com" in said.out
        assert hit["provider"]["url"] == "https://www.pexels.com"
    assert not list(sightsound.home.rglob("*.jp*g")), "no picture is stored"


def test_the_smallest_picture_that_encoders_need_is_fetched(sightsound: CommandLine) -> None:
    with serving(UnsplashApi(count=2)) as api:
        sightsound("index", LAKE, **api.environment())
        asked = [request for request in api.web.asked if request.path.startswith("/image/")]
        assert {request.query["w"] for request in asked} == {"384"}, "256 pixels of the shorter side, of 5616 × 3744"
        assert all(request.query["ixid"] for request in asked)
    with serving(PexelsApi(count=2)) as pexels:
        sightsound("index", "pexels:lake", **pexels.environment())
        sizes = {request.query["size"] for request in pexels.web.asked if request.path.startswith("/image/")}
        assert sizes == {"medium"}


def test_the_key_is_nowhere_but_in_the_header(sightsound: CommandLine, tmp_path: Path) -> None:
    printed = []
    with serving(UnsplashApi(count=40, limit=20)) as api:
        environment = {**api.environment(), "SIGHTSOUND_DEBUG": "1"}
        for arguments, code in (
            (("index", LAKE), 0),
            (("index", "unsplash:", "-o", "topic=travel"), 0),
            (("search", "bear", "--json"), 0),
            (("search", "bear", "--sheet", tmp_path / "sheet.html"), 0),
            (("export", tmp_path / "all.jsonl"), 0),
            (("status", "--json"), 0),
        ):
            ran = sightsound(*arguments, code=code, **environment)
            printed += [ran.out, ran.err]
        api.key = "another"
        out, err = sightsound.start("index", **environment).communicate()
        assert "Traceback" in err and "Unsplash refuses the key in UNSPLASH_ACCESS_KEY (HTTP 401)" in err
        printed += [out, err]
        assert all(KEY not in request.path and KEY not in request.query.values() for request in api.web.asked)
        assert any(KEY in request.headers.get("authorization", "") for request in api.web.asked)
    assert not [text for text in printed if KEY in text]
    for path in [*tmp_path.rglob("*")]:
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    source = open_unsplash(LAKE, {})
    assert KEY.encode() not in pickle.dumps(source) and KEY not in repr(vars(source))


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "a\nb"])
def test_a_key_that_is_none_says_so(key: str, sightsound: CommandLine) -> None:
    with serving(UnsplashApi()) as api:
        ran = sightsound("index", LAKE, code=2, **{**api.environment(), "UNSPLASH_ACCESS_KEY": key})
        assert "UNSPLASH_ACCESS_KEY" in ran.err and (not key or key not in ran.err)
        assert not api.web.asked


def test_a_key_may_lie_in_the_settings_file(sightsound: CommandLine) -> None:
    sightsound.home.joinpath("sightsound.toml").write_text(f'unsplash_access_key = "{KEY}"\n')
    with serving(UnsplashApi(count=2)) as api:
        environment = api.environment()
        del environment["UNSPLASH_ACCESS_KEY"]
        assert "2 added" in sightsound("index", LAKE, **environment).out


BAD_ANSWERS = {
    "revoked": (reply({"errors": ["revoked"]}, 403, {"X-Ratelimit-Remaining": "9"}), "refuses the key"),
    "unknown": (reply({"errors": ["Couldn't find Photo"]}, 404), "knows nothing of the kind"),
    "no JSON": (Answer(b"<html>", headers={"Content-Type": "text/html"}), "did not answer with JSON"),
    "no list": (reply({"total": 3, "photos": []}), "it has no list 'results'"),
    "a list": (reply([]), "it has no list 'results'"),
    "a fault": (reply({}, 500), "run it again"),
    "cut short": (Answer(b'{"results": [' + b" " * 99, cut=20), "before it was whole"),
    "elsewhere": (Answer(status=302, headers={"Location": "http://10.0.0.1/"}), "not public"),
}


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Stock], None]:
    """Let this process ask an API, with a data folder of its own."""

    def use(api: Stock) -> None:
        for name, value in {**api.environment(), "SIGHTSOUND_HOME": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_an_api_that_answers_badly_says_what_is_wrong(what: str, use: Callable[[Stock], None]) -> None:
    answer, reason = BAD_ANSWERS[what]
    with serving(UnsplashApi(refused=lambda request: answer)) as api:
        use(api)
        source: Any = open_unsplash(LAKE, {})
        with pytest.raises(SourceError, match=f"(?i){reason}"):
            list(source.items())
        assert len(api.web.asked) == (3 if what in ("a fault", "cut short") else 1)


def test_an_api_that_fails_ends_the_run_with_one_line(sightsound: CommandLine) -> None:
    with serving(UnsplashApi(refused=lambda request: reply({}, 403))) as api:
        ran = sightsound("index", LAKE, "--encoders", "starter", code=1, **api.environment())
        assert len(ran.err.strip().splitlines()) == 1 and ran.err.startswith("error: Unsplash refuses the key")


def test_a_field_that_is_missing_costs_that_item_and_is_named(sightsound: CommandLine) -> None:
    def changed(number: int, said: dict[str, Any]) -> Any:
        if number == 0:
            del said["urls"]["small"]
        if number == 1:
            said["user"] = "jane"
        if number == 2:
            said["links"]["download_location"] = "javascript:alert(1)"
        if number == 3:
            said["width"] = "wide"
        if number == 4:
            del said["id"]
        return None if number == 5 else said

    with serving(UnsplashApi(count=12, changed=changed)) as api:
        ran = sightsound("index", LAKE, code=3, **api.environment())
        assert "6 added, 4 failed" in ran.out
        assert ran.err.count("an entry without 'id'; it was left out") == 2
        reasons = {entry["uri"][-6:]: entry["reason"] for entry in sightsound("failed", "--json").json}
        lacking = ["urls.small", "user.name", "links.download_location", "width"]
        for number, name in enumerate(lacking):
            assert reasons[f"photo{number}"] == f"Unsplash's answer has no '{name}' for it"
        api.changed = lambda number, said: said
        sightsound("index", "--json", **api.environment())
        assert sightsound("failed", "--json").json == []


def test_a_photo_is_taken_with_its_credit_and_unsplash_is_told(sightsound: CommandLine, tmp_path: Path) -> None:
    with serving(UnsplashApi(count=3)) as api:
        environment = api.environment()
        sightsound("index", LAKE, **environment)
        assert api.taken == [], "a search is no download"
        ran = sightsound("take", "https://unsplash.com/photos/photo2", "--to", tmp_path, **environment)
        assert api.taken == ["2"]
        file = Path(ran.out.splitlines()[0])
        assert file.read_bytes() == picture(2) and file.suffix == ".jpg"
        credits = (tmp_path / "credits.txt").read_text()
        assert credits.startswith(f"{file.name}: Photo by Jane Doe 2 on Unsplash (https://unsplash.com/photos/")
        named = tmp_path / "lake.jpg"
        sightsound("take", "https://unsplash.com/photos/photo1", "--to", named, **environment)
        assert named.read_bytes() == picture(1)
        uri = "https://unsplash.com/photos/photo1"
        assert "exists already" in sightsound("take", uri, "--to", named, code=2, **environment).err
        assert len(api.taken) == 2


def test_a_dead_link_is_shown_as_such_and_marked(sightsound: CommandLine, tmp_path: Path) -> None:
    with serving(UnsplashApi(count=3)) as api:
        environment = api.environment()
        sightsound("index", LAKE, **environment)
        api.fault = lambda number, times: Answer(status=404) if number == 1 else None
        sheet = tmp_path / "sheet.html"
        ran = sightsound("search", "a picture", "--sheet", sheet, **environment)
        assert "1 link is dead; see: sightsound failed" in ran.err
        assert sheet.read_text().count('<div class="none">its link is dead</div>') == 1
        failed = sightsound("failed", "--json").json
        assert [entry["uri"] for entry in failed] == ["https://unsplash.com/photos/photo1"]
        assert "its link is dead: it is not there (any more) (HTTP 404)" in failed[0]["reason"] and failed[0]["stale"]
        said = sightsound("take", "https://unsplash.com/photos/photo1", "--to", tmp_path, code=1, **environment).err
        assert "can't be taken" in said
        assert not list(tmp_path.glob("*.part"))
        api.fault = lambda number, times: None
        sightsound("failed", "--retry", **environment)
        assert sightsound("failed", "--json").json == []


def test_a_starter_set_brings_originals_and_their_table(sightsound: CommandLine, tmp_path: Path) -> None:
    to = tmp_path / "lakes"
    with serving(UnsplashApi(count=40)) as api:
        environment = api.environment()
        sightsound("starter-set", LAKE, "--count", 5, "--to", to, **environment)
        assert len(api.taken) == 5, "every one of them is a download"
        sightsound("starter-set", LAKE, "--count", 7, "--to", to, **environment)
        assert len(api.taken) == 7 == len(set(api.taken))
    rows = list(csv.DictReader((to / "photos.csv").open(encoding="utf-8")))
    assert len(rows) == 7 == len({row["path"] for row in rows})
    for row in rows:
        assert (to / row["path"]).read_bytes().startswith(b"\xff\xd8\xff")
        assert row["licence"] == "Unsplash License" and "utm_source" in row["page_url"]
        assert row["author"].startswith("Jane Doe") and row["author_url"].startswith("https://unsplash.com/@jane")
    assert "7 items: 7 added" in sightsound("index", to / "photos.csv").out
    hit = sightsound("search", "a picture", "--limit", 1, "--json").json["hits"][0]
    assert re.fullmatch(r"Photo by Jane Doe \d on Unsplash", hit["credit"])


def test_a_starter_set_comes_into_a_bucket_and_goes_on_there(sightsound: CommandLine) -> None:
    arguments = ("starter-set", LAKE, "--to", f"s3://{BUCKET}/lakes")
    with serve_s3() as s3, serving(UnsplashApi(count=40)) as api:
        environment = {**api.environment(), **s3.environment}
        said = sightsound("starter-set", LAKE, "--to", "s3://nosuch/lakes", code=1, **environment).err
        assert "There is no bucket nosuch" in said and not api.taken
        sightsound(*arguments, "--count", 2, **environment)
        ran = sightsound(*arguments, "--count", 3, **environment)
        assert f"3 files in s3://{BUCKET}/lakes" in ran.out
        assert len(api.taken) == 3 == len(set(api.taken))
        assert len(s3.keys) == 5 and {"lakes/photos.csv", "lakes/credits.txt"} < set(s3.keys)
        assert "3 items: 3 added" in sightsound("index", f"s3://{BUCKET}/lakes/photos.csv", **environment).out
        hit = sightsound("search", "a picture", "--limit", 1, "--json", **environment).json["hits"][0]
    assert re.fullmatch(r"Photo by Jane Doe \d on Unsplash", hit["credit"])


def film() -> bytes:
    """Three seconds of a gradient that turns."""
    out = io.BytesIO()
    with av.open(out, "w", "mp4") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        across = np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None].repeat(180, 0).repeat(3, 2)
        for number in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(across, number, 1), "rgb24")))
        container.mux(stream.encode())
    return out.getvalue()


def test_videos_of_pexels_are_fetched_small_and_shown_by_their_poster(sightsound: CommandLine) -> None:
    data = film()
    with serving(PexelsApi(count=1)) as api:
        api.fault = lambda number, times: Answer(data, headers={"Content-Type": "video/mp4"})
        sightsound("index", "pexels:waves", "-o", "kind=film", **api.environment())
        assert list(api.fetched) == ["/image/0/640.mp4"], "360 pixels are enough for 256"
        hit = sightsound("search", "test card", "--json", **api.environment()).json["hits"][0]
    assert hit["kind"] == "film" and hit["title"] == "waves on a shore"
    assert hit["credit"] == "Video by Ruvim Miksanskiy on Pexels"
    assert hit["view_url"].endswith("/poster.jpeg")


@pytest.mark.parametrize(
    "arguments",
    [
        ("unsplash:lake", "-o", "colour=mauve"),
        ("unsplash:lake", "-o", "topic=travel"),
        ("unsplash:", "-o", "colour=blue"),
        ("unsplash:lake", "-o", "limit=all"),
        ("unsplash:lake", "-o", "limit=0"),
        ("unsplash:lake", "-o", "newest="),
        ("unsplash:lake", "-o", "api_key=x"),
        ("pexels:lake", "-o", "kind=sound"),
        ("pexels:", "-o", "orientation=square"),
        ("pexels:lake", "-o", "kind=film", "-o", "colour=red"),
    ],
)
def test_options_that_are_none_are_said_so(arguments: tuple[str, ...]) -> None:
    argument, *options = [one for one in arguments if one != "-o"]
    opened = open_unsplash if argument.startswith("unsplash") else open_pexels
    with pytest.raises(UsageError):
        opened(argument, dict(one.split("=", 1) for one in options))


@pytest.mark.parametrize(
    ("api", "open_source", "argument"),
    [(UnsplashApi(count=70), open_unsplash, LAKE), (PexelsApi(count=170), open_pexels, "pexels:lake")],
)
def test_the_sources_pass_the_test_kit(
    api: Stock, open_source: Any, argument: str, monkeypatch: pytest.MonkeyPatch, use: Callable[[Stock], None]
) -> None:
    api.limit = 10_000
    with serving(api):
        use(api)
        source = open_source(argument, {})
        if api.count == 70:
            # the pages' `ixid` differs from answer to answer, as Unsplash's does
            monkeypatch.setattr(time, "time_ns", lambda: 1)
        assert len(check_source(source)) == api.count
