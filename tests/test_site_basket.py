"""The basket: its rows, its exports beside those of the command line, and originals that are taken."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import MEDIA, ROOT, CommandLine
from flask.testing import FlaskClient
from mixed_media import HOSTILE, named
from served import site_of
from stock_server import UnsplashApi, picture, serving
from web_server import Answer

from sightsound.webapp import picking

GONE = "0" * 32


def film_picks(line: CommandLine) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The moments of a search on the command line, as picks; and what it found."""
    told = line("search", "giraffe", "--kind", "film", "--json").json
    hits = [hit for hit in told["hits"] if hit["moments"] and hit["probable"] is not False]
    hits = hits or [hit for hit in told["hits"] if hit["moments"]]
    picks = [{"id": hit["id"], "start": m["start"], "end": m["end"]} for hit in hits for m in hit["moments"]]
    return picks, told


def export(client: FlaskClient, format: str, picks: Any, more: str = "") -> Any:
    return client.post(f"/api/v1/export?format={format}{more}", json={"picks": picks})


def test_a_cut_list_is_that_of_the_command_line(mixed_client: FlaskClient, mixed: CommandLine, tmp_path: Path) -> None:
    picks, _ = film_picks(mixed)
    edl, table = tmp_path / "cuts.edl", tmp_path / "cuts.csv"
    mixed("search", "giraffe", "--kind", "film", "--edl", edl, "--csv", table)
    made = export(mixed_client, "edl", picks, "&title=giraffe")
    assert made.text == edl.read_text()
    assert made.headers["Content-Disposition"] == "attachment; filename=giraffe.edl"
    written = export(mixed_client, "csv", picks)
    rows, theirs = ([*csv.DictReader(io.StringIO(text))] for text in (written.text, table.read_text()))
    without = [{name: value for name, value in row.items() if name != "confidence"} for row in theirs]
    assert [{name: row[name] for name in without[0]} for row in rows] == without
    assert written.headers["Content-Disposition"] == "attachment; filename=basket.csv"
    assert written.content_type == "text/csv; charset=utf-8"


def test_the_example_in_the_documentation_runs(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    command = re.search(r"curl -s \"http://[^/]+([^\"]+)\".*?-d '([^']+)'", (ROOT / "docs/site.md").read_text(), re.S)
    assert command
    body = command[2].replace("ID", named(mixed, "films/made_reef.mp4"))
    made = mixed_client.post(command[1], data=body, content_type="application/json")
    assert "Coral reef,film,1.500,4.000" in made.text


def test_whole_items_and_moments_share_a_table(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    photo, film, sound = (
        named(mixed, name) for name in ("photos/giraffe.jpg", "films/made_reef.mp4", "sounds/bark.ogg")
    )
    picks = [{"id": photo, "start": 1, "end": 2}, {"id": film, "start": 1.5, "end": 3}, {"id": sound}, {"id": film}]
    rows = [*csv.DictReader(io.StringIO(export(mixed_client, "csv", picks).text))]
    assert [(row["title"], row["start"], row["from"]) for row in rows[:2]] == [
        ("Giraffe", "", ""),
        ("Coral reef", "1.500", "0:00:01.500"),
    ], "a photo has no times"
    assert rows[2]["title"] == "Dog bark" and rows[2]["start"] == "0.000" and float(rows[2]["end"]) > 1
    assert rows[3]["end"] == "8.000", "a film that is picked whole is the whole film"
    edl = export(mixed_client, "edl", picks).text
    assert edl.count("* FROM CLIP NAME") == 3 and "giraffe.jpg" not in edl
    only = export(mixed_client, "edl", picks[:1])
    assert only.status_code == 400 and "films and sounds" in only.json["error"]["message"]


def test_credits_are_lines_as_take_writes_them(mixed_client: FlaskClient, mixed: CommandLine, tmp_path: Path) -> None:
    photo, film = named(mixed, "photos/giraffe.jpg"), named(mixed, "films/made_reef.mp4")
    mixed("take", photo, "--to", tmp_path / "Giraffe")
    picks = [{"id": photo}, {"id": film, "start": 0, "end": 1}, {"id": film, "start": 4, "end": 5}]
    made = export(mixed_client, "credits", picks)
    lines = made.text.splitlines()
    assert lines[0] == (tmp_path / "credits.txt").read_text().strip()
    assert len(lines) == 2 and lines[1].startswith("Coral reef: Coral reef by Karelj, CC0 (file://"), "each item once"
    assert made.headers["Content-Disposition"] == "attachment; filename=basket-credits.txt"


def test_a_contact_sheet_is_that_of_the_command_line(
    mixed_client: FlaskClient, mixed: CommandLine, tmp_path: Path
) -> None:
    picks, told = film_picks(mixed)
    sheet = tmp_path / "sheet.html"
    mixed("search", "giraffe", "--kind", "film", "--limit", len(told["hits"]), "--sheet", sheet)
    made = export(mixed_client, "sheet", picks, "&title=giraffe").text
    shown = pictures(made)
    assert shown and shown & pictures(sheet.read_text()), "the best moments are those of the command line"
    assert "Wild animals by Kurt; Vicki, CC0" in made and "0:02–0:04" in made
    hostile = export(mixed_client, "sheet", [{"id": named(mixed, "photos/cat.jpg")}], f"&title={quote(HOSTILE)}").text
    assert "<script>" not in hostile and "<img src=x" not in hostile


def pictures(sheet: str) -> set[str]:
    return {part.split('"')[0] for part in sheet.split('src="')[1:]}


def test_a_contact_sheet_shows_each_moment_that_is_picked(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    film, photo = named(mixed, "films/made_animals.mp4"), named(mixed, "photos/giraffe.jpg")
    spans = [(2.5, 3.5), (0.5, 1.5), (4.5, 5.5)]
    moments = [{"id": film, "start": start, "end": end} for start, end in spans]
    made = export(mixed_client, "sheet", [moments[0], {"id": photo}, *moments[1:], moments[0]]).text
    assert len(pictures(made)) == 4, "each moment with its own picture, and each once"
    places = [made.index(said) for said in ("0:02–0:04", "Giraffe by Ann", "0:00–0:02", "0:04–0:06")]
    assert places == sorted(places), "as they lie in the basket"
    assert "2 items, 3 moments" in made and made.count("Wild animals by Kurt; Vicki, CC0") == 3


def test_what_is_gone_is_left_out(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    photo = named(mixed, "photos/giraffe.jpg")
    assert export(mixed_client, "credits", [{"id": GONE}, {"id": photo}]).text.count("\n") == 1
    for picks, said in (([{"id": GONE}], "is in the collection any more"), ([], "Nothing is picked")):
        answer = export(mixed_client, "credits", picks)
        assert answer.status_code == 404 and answer.json["error"]["code"] == "item_missing"
        assert said in answer.json["error"]["message"]


WRONG: dict[str, Any] = {
    "a list": [{"id": GONE}],
    "no picks": {},
    "words": {"picks": "all"},
    "no objects": {"picks": ["x"]},
    "no id": {"picks": [{"start": 1}]},
    "a number as id": {"picks": [{"id": 7}]},
    "too many": {"picks": [{"id": GONE}] * 1001},
    "words as times": {"picks": [{"id": GONE, "start": "1", "end": "2"}]},
    "one time": {"picks": [{"id": GONE, "start": 1}]},
    "backwards": {"picks": [{"id": GONE, "start": 2, "end": 1}]},
    "below zero": {"picks": [{"id": GONE, "start": -1, "end": 1}]},
    "without end": {"picks": [{"id": GONE, "start": 0, "end": 10**400}]},
    "truth": {"picks": [{"id": GONE, "start": False, "end": True}]},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_basket_is_refused_in_one_line(what: str, mixed_client: FlaskClient) -> None:
    for url in ("/api/v1/export?format=csv", "/basket/picks"):
        answer = mixed_client.post(url, json=WRONG[what])
        assert answer.status_code == 400, answer.text
        if url.startswith("/api"):
            assert "\n" not in answer.json["error"]["message"]


def test_other_bodies_formats_and_methods_are_refused(mixed_client: FlaskClient) -> None:
    good: dict[str, Any] = {"picks": []}
    for format in ("", "zip", "../csv"):
        assert mixed_client.post(f"/api/v1/export?format={format}", json=good).status_code == 400
    for url in ("/api/v1/export?format=csv", "/basket/picks", "/api/v1/items"):
        assert mixed_client.post(url, data=b"{", content_type="application/json").status_code == 400
        assert mixed_client.post(url, data={"picks": "[]"}).status_code == 400
        assert mixed_client.post(url, data=b'{"picks": [{"id": "x", "start": NaN, "end": 1}]}').status_code == 400
        assert mixed_client.get(url).status_code == 405
        large = mixed_client.post(url, data=b" " * (2 << 20), content_type="application/json")
        assert large.status_code in (400, 413)
    other = mixed_client.post("/api/v1/export?format=csv", json=good, headers={"Sec-Fetch-Site": "cross-site"})
    assert other.status_code == 403
    assert mixed_client.post("/api/v1/items", json={"ids": [7]}).status_code == 400


def test_a_title_is_no_path_and_no_header(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    photo = named(mixed, "photos/giraffe.jpg")
    titles = {"../../etc/passwd": "etc-passwd.csv", "a%0d%0aX: 1": "a-x-1.csv", "%22;é": "é.csv", "...": "basket.csv"}
    for title, name in titles.items():
        answer = export(mixed_client, "csv", [{"id": photo}], f"&title={title}")
        said = answer.headers["Content-Disposition"]
        assert name in said or quote(name) in said, said
        assert "X" not in answer.headers


def test_the_page_says_that_it_needs_javascript(mixed_client: FlaskClient) -> None:
    page = mixed_client.get("/basket").text
    assert "<noscript>" in page and "needs JavaScript" in page


def test_rows_come_in_the_baskets_order_with_what_is_gone(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    film, cat = named(mixed, "films/made_reef.mp4"), named(mixed, "photos/cat.jpg")
    picks = [
        {"id": film, "title": "Reef", "start": 1.5, "end": 3},
        {"id": GONE, "title": HOSTILE},
        {"id": "\ud800../x\0", "title": None},
        {"id": cat},
        {"id": film},
    ]
    html = mixed_client.post("/basket/picks", json={"picks": picks}).text
    rows = html.split("<li ")[1:]
    assert len(rows) == 5
    assert 'value="1.5"' in rows[0] and 'value="3.0"' in rows[0] and f"/item/{film}?t=1.5#player" in rows[0]
    assert "not in the collection any more" in rows[1] and "not in the collection any more" in rows[2]
    assert f'action="/item/{cat}/take"' in rows[3] and "data-time" not in rows[3]
    assert "the whole film" in rows[4]
    assert "<script>" not in html and "<img src=x" not in html and "javascript:" not in html
    assert "&lt;script&gt;" in rows[1] and "&lt;script&gt;" in rows[3]


def test_an_original_is_what_was_indexed(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    photo = named(mixed, "photos/giraffe.jpg")
    for url in (f"/item/{photo}/take", f"/api/v1/items/{photo}/take"):
        answer = mixed_client.post(url)
        assert answer.data == (MEDIA / "photos/giraffe.jpg").read_bytes()
        assert answer.headers["Content-Disposition"] == "attachment; filename=giraffe.jpg"
        assert answer.content_type == "application/octet-stream", "it is never shown as a page of this site"
        assert mixed_client.get(url).status_code == 405, "a link or a prefetch takes nothing"
        assert mixed_client.post(url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    text = mixed("search", "--kind", "text", "--json").json["hits"][0]["id"]
    assert mixed_client.post(f"/api/v1/items/{text}/take").status_code == 400
    assert mixed_client.post(f"/api/v1/items/{GONE}/take").status_code == 404


@contextmanager
def stock_site(
    line: CommandLine, api: UnsplashApi, patch: pytest.MonkeyPatch
) -> Iterator[tuple[FlaskClient, list[Any]]]:
    """A site over what was indexed of a stand-in for Unsplash, and its hits."""
    with serving(api):
        line("index", "unsplash:mountain lake", **api.environment())
        for name, value in {**api.environment(), "SIGHTSOUND_HOME": str(line.home)}.items():
            patch.setenv(name, value)
        app = site_of(line)
        client = app.test_client()
        yield client, client.get("/api/v1/search?kind=photo").json["hits"]
        app.extensions["sightsound"].close()


def test_unsplash_is_told_of_a_download_once_a_take(sightsound: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    api = UnsplashApi(count=3)
    with stock_site(sightsound, api, monkeypatch) as (client, hits):
        id, number = hits[0]["id"], hits[0]["uri"].rpartition("photo")[2]
        shown = client.get(f"/item/{id}").text
        assert hits[0]["view_url"].replace("&", "&amp;") in shown, "it is shown from where it lies"
        for link in hits[0]["credit_links"]:
            assert not link["url"] or link["url"].replace("&", "&amp;") in shown
        assert client.post("/basket/picks", json={"picks": [{"id": id}]}).status_code == 200
        for format in ("credits", "csv", "sheet"):
            made = export(client, format, [{"id": id}])
            assert hits[0]["author"] in made.text
        assert f"{hits[0]['credit']} (https://unsplash.com/photos/" in export(client, "credits", [{"id": id}]).text
        assert api.taken == [], "to look at it, to pick it and to credit it is no download"
        answer = client.post(f"/item/{id}/take")
        assert api.taken == [number]
        assert answer.data == picture(int(number))
        assert answer.headers["Content-Disposition"].rstrip('"').endswith(".jpg")
        client.post(f"/api/v1/items/{id}/take")
        assert api.taken == [number, number]
        client.post(f"/item/{id}/take", headers={"Sec-Fetch-Site": "cross-site"})
        assert len(api.taken) == 2, "another site's page takes nothing"


def test_an_original_that_is_gone_or_not_granted_says_so(
    sightsound: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = UnsplashApi(count=3)
    with stock_site(sightsound, api, monkeypatch) as (client, hits):
        first, second = hits[:2]
        api.fault = lambda number, times: Answer(status=404)
        gone = client.post(f"/api/v1/items/{first['id']}/take")
        assert gone.status_code == 422 and "can't be taken" in gone.json["error"]["message"]
        assert [one["uri"] for one in client.get("/api/v1/failed").json["failed"]] == [first["uri"]]
        assert "What is shown was read earlier" in client.get(f"/item/{first['id']}").text
        api.limit = 0
        later = client.post(f"/api/v1/items/{second['id']}/take")
        assert later.status_code == 503 and 0 < int(later.headers["Retry-After"]) <= 3601
        page = client.post(f"/item/{second['id']}/take")
        assert page.status_code == 503 and "grants no more requests" in page.text


def test_few_contact_sheets_are_made_at_once(
    mixed_client: FlaskClient, mixed: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picking, "_sheets", threading.Semaphore(1))
    pick = [{"id": named(mixed, "photos/giraffe.jpg")}]
    with picking._one_of_few_sheets():
        refused = export(mixed_client, "sheet", pick)
        assert refused.status_code == 503 and int(refused.headers["Retry-After"]) > 0
        assert export(mixed_client, "csv", pick).status_code == 200, "a table costs little"
    assert export(mixed_client, "sheet", pick).status_code == 200


@pytest.mark.parametrize("url", ["/api/v1/items", "/api/v1/export?format=csv", "/basket/picks"])
def test_json_that_never_ends_is_refused(url: str, mixed_client: FlaskClient) -> None:
    for body in ("[" * 100_000, '{"picks":' + "[" * 100_000, '{"ids":' + "[" * 100_000):
        assert mixed_client.post(url, data=body, content_type="application/json").status_code == 400


def test_what_took_the_place_of_a_file_is_not_given_away(
    sightsound: CommandLine, copy_photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_photos("cat.jpg", "dog.jpg")
    sightsound("index", folder)
    secret = tmp_path / "secret"
    secret.write_text("nobody's business")
    (folder / "cat.jpg").unlink()
    (folder / "cat.jpg").symlink_to(secret)
    monkeypatch.setenv("SIGHTSOUND_HOME", str(sightsound.home))
    app = site_of(sightsound)
    try:
        ids = {hit["title"]: hit["id"] for hit in app.test_client().get("/api/v1/search?kind=photo").json["hits"]}
        taken = [app.test_client().post(f"/api/v1/items/{id}/take") for id in (ids["cat.jpg"], ids["dog.jpg"])]
        assert [one.status_code for one in taken] == [422, 200]
        assert b"nobody" not in taken[0].data and taken[1].data == (folder / "dog.jpg").read_bytes()
    finally:
        app.extensions["sightsound"].close()
