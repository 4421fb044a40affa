"""What lies at URLs: tables that name them, and a stranger's source on the web."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import PHOTOS, ROOT, CommandLine
from museum_server import NAMES, Museum, install_museum, pictures
from web_server import Request, Web, serve

from sightsound.testing import check_source


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(pictures) as served:
        yield served


def table(place: Path, web: Web, *rows: str, head: str = "url,title,author,licence") -> Path:
    path = place / "links.csv"
    path.write_text("\n".join([head, *rows]).replace("WEB", web.url) + "\n")
    return path


def test_a_table_of_urls_is_indexed_found_and_shown_where_they_lie(
    sightsound: CommandLine, web: Web, tmp_path: Path
) -> None:
    path = table(
        tmp_path, web, *(f"WEB/{name}.jpg,,Ann,CC0" for name in NAMES), "WEB/gone.jpg,,,", "http://10.0.0.1/a.jpg,,,"
    )
    allow = {"SIGHTSOUND_ALLOW_HOSTS": web.host}
    ran = sightsound("index", path, code=3, **allow)
    assert "5 added, 2 failed" in ran.out
    assert "10.0.0.1 lies in a network that is not public" in ran.err and "HTTP 404" in ran.err
    hit = sightsound("search", "a tall tower", "--limit", 1, "--json", **allow).json["hits"][0]
    assert hit["uri"] == hit["view_url"] == f"{web.url}/eiffeltower.jpg"
    assert hit["credit"] == "Ann, CC0" and hit["facts"]["width"] > 0
    sheet = tmp_path / "sheet.html"
    sightsound("search", "a tall tower", "--sheet", sheet, **allow)
    html = sheet.read_text()
    assert f'src="{web.url}/eiffeltower.jpg"' in html and "data:image" not in html
    assert not [file for file in sightsound.home.rglob("*") if file.suffix in (".jpg", ".part")]
    once = len([request for request in web.asked if request.method == "GET"])
    assert "5 unchanged" in sightsound("index", path, code=3, **allow).out
    assert len([request for request in web.asked if request.method == "GET"]) == once, "nothing is fetched again"
    ran = sightsound("take", f"{web.url}/cat.jpg", "--to", tmp_path, **allow)
    assert (tmp_path / "cat.jpg").read_bytes() == (PHOTOS / "cat.jpg").read_bytes()
    assert (tmp_path / "credits.txt").read_text() == f"cat.jpg: Ann, CC0 ({web.url}/cat.jpg)\n"


def test_a_host_that_the_user_did_not_name_is_not_asked(sightsound: CommandLine, web: Web, tmp_path: Path) -> None:
    ran = sightsound("index", table(tmp_path, web, "WEB/cat.jpg,,,"), code=3)
    assert "is not fetched from, only 80 and 443" in ran.err and f"set allow_hosts to {web.host}" in ran.err
    assert not web.asked


def test_a_changed_file_is_seen_by_its_row_or_by_asking(sightsound: CommandLine, web: Web, tmp_path: Path) -> None:
    allow = {"SIGHTSOUND_ALLOW_HOSTS": web.host}
    rows = ("WEB/cat.jpg,1", "WEB/horse.jpg,1")
    sightsound("index", table(tmp_path, web, *rows, head="url,version"), **allow)
    path = table(tmp_path, web, "WEB/cat.jpg,2", rows[1], head="url,version")
    assert sightsound("index", path, "--json", **allow).json["changed"] == 1

    current = {"cat": "cat"}
    web.answer = lambda request: pictures(Request("GET", f"/{current.get(request.path[1:-4], 'horse')}.jpg", {}, {}, 0))
    path = table(tmp_path, web, "WEB/cat.jpg", "WEB/horse.jpg", head="url")
    checked = ("--collection", "asked", "-o", "check=yes", "--json")
    assert sightsound("index", path, *checked, **allow).json["added"] == 2
    assert sightsound("index", path, *checked, **allow).json["unchanged"] == 2
    current["cat"] = "giraffe"
    again = sightsound("index", path, *checked, **allow).json
    assert (again["changed"], again["unchanged"]) == (1, 1)
    assert sightsound("index", path, "--collection", "asked", "--json", **allow).json["failed"] == 0


def test_a_picture_has_a_page_of_its_own_in_jsonl(sightsound: CommandLine, web: Web, tmp_path: Path) -> None:
    path = tmp_path / "links.jsonl"
    path.write_text(json.dumps({"url": f"{web.url}/cat.jpg", "tags": ["pet"], "page": "https://example.org/cat"}))
    sightsound("index", path, SIGHTSOUND_ALLOW_HOSTS=web.host)
    hit = sightsound("search", "--tag", "pet", "--json").json["hits"][0]
    assert hit["page_url"] == "https://example.org/cat"


# A stranger's source


@pytest.fixture
def museum() -> Iterator[tuple[Museum, Web]]:
    made = Museum()
    with serve(made) as served:
        made.url = served.url
        yield made, served


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    return install_museum(tmp_path)


def test_the_museum_goes_on_where_it_was_and_is_credited(
    museum: tuple[Museum, Web], installed: dict[str, str], sightsound: CommandLine, tmp_path: Path
) -> None:
    made, web = museum
    environment = {**installed, "SIGHTSOUND_ALLOW_HOSTS": web.host}
    assert "museum" in sightsound("plugins", **environment).out
    made.broken = True
    ran = sightsound("index", f"museum:{web.url}/api", code=1, **environment)
    assert "can't be listed" in ran.err
    assert sightsound("status", "--json", **environment).json["collections"][0]["items"] == {"photo": 4}
    made.broken = False
    made.cursors.clear()
    ran = sightsound("index", f"museum:{web.url}/api", "--json", **environment)
    assert made.cursors in (["p1", "p2"], ["p2"]), "it does not begin anew"
    assert ran.json["added"] == 1
    hit = sightsound("search", "a tall tower", "--limit", 1, "--json", **environment).json["hits"][0]
    assert hit["view_url"] == f"{web.url}/eiffeltower.jpg" and hit["credit"] == "eiffeltower by Ann, CC BY 4.0"
    sheet = tmp_path / "sheet.html"
    sightsound("search", "a tall tower", "--sheet", sheet, **environment)
    html = sheet.read_text()
    assert '<a href="https://museum.example/eiffeltower">eiffeltower by Ann</a>, ' in html
    assert "Pictures of the Museum of Examples" in html and "data:image" not in html


def test_the_museum_passes_the_test_kit(museum: tuple[Museum, Web], monkeypatch: pytest.MonkeyPatch) -> None:
    _, web = museum
    monkeypatch.setenv("SIGHTSOUND_ALLOW_HOSTS", web.host)
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "sightsound-museum"))
    import sightsound_museum as example

    one: Any = example.open_museum(f"museum:{web.url}/api", {})
    assert len(check_source(one)) == 5
    assert example.open_museum("photos", {}) is None
