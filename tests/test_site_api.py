"""The site's API: the same answers as the command line, searches with files, uploads, pages of hits, errors."""

from __future__ import annotations

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOS, CommandLine
from flask.testing import FlaskClient
from served import site_of

from sightsound.config import cores
from sightsound.plugins.text.minilm import MiniLM
from sightsound.searching import ReadPart
from sightsound.webapp import site as site_module
from sightsound.webapp.site import READ_WAITING, Site

CAT = PHOTOS / "cat.jpg"


def file(path: Path = CAT) -> tuple[io.BytesIO, str]:
    return io.BytesIO(path.read_bytes()), "anything at all.txt"


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("q=a+boat", ["a boat"]),
        ("q=a+boat&part=text:0.5:sunset&part=text:-1:people", ["a boat", "--text", "sunset:0.5", "--not", "people"]),
        ("q=animal&where=width>=600&sort=date", ["animal", "--where", "width>=600", "--sort", "date"]),
        ("kind=photo&offset=90&limit=10", ["--kind", "photo", "--offset", "90", "--limit", "10"]),
    ],
)
def test_an_answer_is_that_of_the_command_line(
    url: str, arguments: list[str], client: FlaskClient, demo: CommandLine
) -> None:
    limit = [] if "--limit" in arguments else ["--limit", 40]
    assert client.get(f"/api/v1/search?{url}").json == demo("search", *arguments, *limit, "--json").json


def test_an_item_is_a_part(client: FlaskClient, demo: CommandLine) -> None:
    cat = demo("search", "a kitten with yarn", "--limit", 1, "--json").json["hits"][0]["id"]
    answer = client.get(f"/api/v1/search?part=item:1:{cat}").json
    assert answer == demo("search", "--like", cat, "--limit", 40, "--json").json
    assert client.get(f"/api/v1/items/{cat}/neighbours?limit=40").json == answer


def test_pages_follow_each_other_without_a_gap(client: FlaskClient) -> None:
    seen: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = client.get(f"/api/v1/search?q=a+dog&limit=25&offset={offset}").json
        seen += [hit["id"] for hit in page["hits"]]
        offset = page["next"]
    assert len(seen) == len(set(seen)) == page["total"] == 94


def test_a_form_with_a_file_is_a_query(client: FlaskClient) -> None:
    answer = client.post("/api/v1/search", data={"file": file(), "limit": "2"})
    assert answer.status_code == 200
    first, part = answer.json["hits"][0], answer.json["hits"][0]["matched"][0]
    assert first["path"] == str(CAT) and part["part"] == "image"
    assert len(part["path"]) == 64, "an upload is named by its content, not by its place on the server"
    away = client.post("/api/v1/search", data={"file": file(), "weight": "-1", "q": "a cat", "limit": "94"}).json
    assert [hit["path"] for hit in away["hits"]].index(str(CAT)) > 10


def test_an_upload_makes_a_link_that_finds_the_same(client: FlaskClient) -> None:
    kept = client.post("/api/v1/uploads", data={"file": file()})
    assert kept.status_code == 201 and kept.json["kind"] == "photo"
    link = f"/api/v1/search?q=wool&part=upload:0.5:{kept.json['id']}"
    first = client.get(link).json
    assert first["hits"][0]["path"] == str(CAT)
    assert client.get(link).json == first


def test_sounds_and_films_are_known_by_their_first_bytes(client: FlaskClient) -> None:
    media = PHOTOS.parent
    for path, kind in ((media / "sounds" / "bark.ogg", "sound"), (next((media / "films").glob("*.mp4")), "film")):
        assert client.post("/api/v1/uploads", data={"file": file(path)}).json["kind"] == kind


def test_facets_count_what_a_search_can_be_narrowed_to(client: FlaskClient) -> None:
    every = client.get("/api/v1/facets").json["facets"]
    assert every["kind"] == [{"value": "photo", "count": 94}]
    some = client.get("/api/v1/facets?q=a+cat").json["facets"]
    assert 0 < some["kind"][0]["count"] < 94


def test_status_and_failures_are_those_of_the_command_line(client: FlaskClient, demo: CommandLine) -> None:
    told = demo("status", "--json").json
    answer = client.get("/api/v1/status").json
    assert (answer["collections"], answer["serving"]) == (told["collections"], "default")
    assert client.get("/api/v1/failed").json["failed"] == demo("failed", "--json").json == []


WRONG = {
    "q=": "Say what to search for",
    "nope=1": "There is no argument 'nope'",
    "q=a&q=b": "'q' comes once",
    "q=a&limit=0": "'limit' is a whole number from 1 to 200",
    "q=a&limit=201": "'limit'",
    "q=a&limit=²": "'limit'",
    "q=a&offset=-1": "'offset'",
    "q=a&offset=999999999999": "'offset'",
    "q=a&sort=size": "'sort' is score or date",
    "part=text:sunset": "'text:sunset' is no part",
    "part=colour:1:red": "is no part",
    "part=text:nan:red": "'nan' is no weight",
    "part=text:inf:red": "is no weight",
    "part=text:0:red": "is no weight",
    "part=upload:1:zz": "is no upload",
    "part=upload:1:../../../etc/passwd": "is no upload",
    "part=text:-1:red": "something to look for, not only what to leave out",
    "kind=picture": "There is no kind 'picture'",
    "colour=mauve": "There is no colour 'mauve'; there are: red, orange",
    "orientation=tall": "There is no orientation 'tall'",
    "where=width": "is not a condition",
    "where=width>=wide": "width is a number",
    "q=a&after=yesterday": "is not a date",
    "q=a&then=b&within=soon": "is no time",
    "q=a%00b": "no NUL",
    "q=" + "a" * 1001: "1,000 letters at most",
    "&".join(["part=text:1:a"] * 21): "20 parts at most",
    "&".join(f"tag={n}" for n in range(51)): "50 filters at most",
}


def test_an_address_that_is_not_there_says_where_those_are_told_of(client: FlaskClient) -> None:
    for answer, status in ((client.get("/api/v1/nothing"), 404), (client.delete("/api/v1/search"), 405)):
        assert answer.status_code == status and "/openapi.json" in answer.json["error"]["message"]
    assert "There is nothing at this address" in client.get("/nothing").text


@pytest.mark.parametrize("url", WRONG, ids=lambda url: url[:40])
def test_what_is_wrong_is_said_in_one_line(url: str, client: FlaskClient) -> None:
    answer = client.get(f"/api/v1/search?{url}")
    assert answer.status_code == 400
    error = answer.json["error"]
    assert error["code"] == "usage_error" and WRONG[url] in error["message"] and "\n" not in error["message"]


def test_what_is_not_there_is_said(client: FlaskClient) -> None:
    gone = client.get(f"/api/v1/search?part=upload:1:{'0' * 64}")
    assert gone.status_code == 404 and "upload it again" in gone.json["error"]["message"]
    assert client.get(f"/api/v1/search?part=item:1:{'0' * 32}").status_code == 404
    assert client.get(f"/api/v1/items/{'0' * 32}/neighbours").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 422, "no picture, sound or film"),
        (b"#!/bin/sh\necho", 422, "no picture, sound or film"),
        (b"<svg onload='alert(1)'/>", 422, "no picture, sound or film"),
        (CAT.read_bytes()[:200], 422, "The file you gave can't be searched by"),
        (b"\xff\xd8\xff" + bytes(5000), 422, "The file you gave can't be searched by"),
        (b"\x89PNG\r\n\x1a\n" + bytes(5000), 422, "The file you gave can't be searched by"),
        (b"RIFF\x00\x00\x00\x00WAVE" + bytes(5000), 422, "The file you gave can't be searched by"),
        (b"\0\0\0\x20ftypisom" + bytes(5000), 422, "The file you gave can't be searched by"),
    ],
)
def test_files_that_are_none_are_refused(body: bytes, status: int, said: str, client: FlaskClient) -> None:
    answer = client.post("/api/v1/search", data={"file": (io.BytesIO(body), "x.jpg")})
    assert answer.status_code == status
    assert said in answer.json["error"]["message"]
    assert "/" not in answer.json["error"]["message"].replace("http://", "")


def test_forms_that_are_wrong_are_refused(client: FlaskClient) -> None:
    for data in (
        {"file": file(), "weight": ["1", "1"]},
        {"picture": file()},
        {"file": file(), "weight": "heavy"},
        {"q": "a", "nope": "1"},
    ):
        assert client.post("/api/v1/search", data=data).status_code == 400
    assert client.post("/api/v1/uploads", data={}).status_code == 400
    assert client.post("/api/v1/uploads", data=b"not a form", content_type="text/plain").status_code == 400
    broken = client.post("/api/v1/uploads", data=b"--x\r\nrubbish", content_type="multipart/form-data; boundary=x")
    assert broken.status_code == 400


def test_a_url_is_not_fetched_unless_the_site_is_set_up_for_it(client: FlaskClient) -> None:
    for path in ("/api/v1/search", "/api/v1/uploads"):
        answer = client.post(path, data={"url": "http://127.0.0.1:1/x.jpg"})
        assert answer.status_code == 403 and "fetches no URLs" in answer.json["error"]["message"]


def test_a_bug_is_an_error_of_the_same_shape_and_tells_nothing(demo: CommandLine, client: FlaskClient) -> None:
    app = site_of(demo)

    @app.get("/api/v1/broken")
    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("a secret")

    answer = app.test_client().get("/api/v1/broken")
    assert answer.status_code == 500 and answer.json is not None
    assert answer.json["error"]["code"] == "internal_error" and "secret" not in answer.text
    page = app.test_client().get("/broken")
    assert page.status_code == 500 and "text/html" in page.content_type and "secret" not in page.text


def test_answers_are_json_without_escapes(client: FlaskClient) -> None:
    answer = client.get("/api/v1/search?q=a+boat&limit=1")
    assert answer.content_type == "application/json"
    assert json.loads(answer.data)["version"] == 1


def test_an_encoder_that_fails_tells_the_log_and_not_the_visitor(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("/a/place/of/ours")

    monkeypatch.setattr(MiniLM, "encode", fail)
    answer = client.get("/api/v1/search?q=a+question+nobody+asked+before")
    assert answer.status_code == 500 and b"/a/place" not in answer.data
    assert answer.json["error"]["message"] == "Something went wrong here; the site's log says what"
    assert "/a/place/of/ours" in caplog.text and "Traceback" in caplog.text


def test_files_that_read_slowly_hold_up_no_words(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    paging = f"/api/v1/search?part=upload:1:{client.post('/api/v1/uploads', data={'file': file()}).json['id']}"
    assert client.get(paging).status_code == 200
    slow = [CAT.read_bytes() + bytes([number]) for number in range(cores() + READ_WAITING + 1)]
    kept = [client.post("/api/v1/uploads", data={"file": (io.BytesIO(one), "x")}).json["id"] for one in slow]
    *waiting, last = [f"/api/v1/search?part=upload:1:{id}" for id in kept]
    read, go_on = site_module.read_part, threading.Event()

    def slowly(*asked: Any) -> ReadPart:
        assert go_on.wait(120)
        return read(*asked)

    monkeypatch.setattr(site_module, "read_part", slowly)
    here: Site = client.application.extensions[site_module.EXTENSION]
    with ThreadPoolExecutor(len(waiting)) as pool:
        try:
            asked = [pool.submit(client.application.test_client().get, url) for url in waiting]
            while here._to_read._value:
                assert not any(one.done() for one in asked)
            assert client.get("/api/v1/search?q=a+boat").status_code == 200
            assert client.get(paging + "&offset=1").status_code == 200, "it was read before"
            refused = client.get(last)
            assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
        finally:
            go_on.set()
        assert {one.result().status_code for one in asked} == {200}
