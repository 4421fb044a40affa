"""The search page as the server writes it: what it shows, where its links lead, and that nothing breaks out of it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from conftest import PHOTOS, CommandLine
from flask.testing import FlaskClient

from sightsound.facets import Counts
from sightsound.stores.base import Entry
from sightsound.stores.local import LocalStore
from sightsound.types import Item, Metadata, Segment, item_id
from sightsound.webapp import create_app
from sightsound.webapp.cards import NARROWEST, STEP, WIDEST
from sightsound.webapp.settings import SiteSettings
from sightsound.webapp.wholecounts import WholeCounts

STATIC = Path(__file__).parents[1] / "webapp" / "static"
EVIL = """<script>x()</script>"'><img src=x onerror=x()>{{7*7}}&amp;\u202e"""
EVERYWHERE = urlencode({"q": EVIL, "part": f"text:-1:{EVIL}", "tag": EVIL, "then": EVIL})
FIRST_LOAD = 100_000
"""Bytes that the search page may take at first, without pictures."""


class Page(HTMLParser):
    """The elements of a page, in order: (tag, attributes, text inside)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self._open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        one = (tag, {name: value or "" for name, value in attrs}, list[str]())
        self.elements.append(one)
        self._open.append(one)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one[2].append(data)

    def all(self, tag: str, **having: str) -> list[tuple[dict[str, str], str]]:
        """(attributes, text) of the elements of a tag; a class given is one of theirs."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in having.items()}
        return [
            (attributes, " ".join("".join(text).split()))
            for name, attributes, text in self.elements
            if name == tag
            and all(
                value in attributes.get(key, "").split() if key == "class" else attributes.get(key) == value
                for key, value in wanted.items()
            )
        ]

    @property
    def hits(self) -> list[str]:
        return [attributes["data-hit"] for attributes, _ in self.all("li", class_="card")]


def get(client: FlaskClient, url: str, status: int = 200, **headers: str) -> Page:
    answer = client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == status
    return Page(answer.text)


def link(page: Page, text: str) -> str:
    (found, *_) = [attributes["href"] for attributes, said in page.all("a") if said == text]
    return found


def asked(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def test_the_hits_are_those_of_the_command_line_with_credit_and_licence(client: FlaskClient, demo: CommandLine) -> None:
    page = get(client, "/?q=a+castle")
    told = demo("search", "a castle", "--limit", 40, "--json").json["hits"]
    assert page.hits == [hit["id"] for hit in told]
    cards = [text for _, text in page.all("li", class_="card")]
    for hit, card in zip(told, cards, strict=True):
        assert hit["title"] in card and hit["author"] in card and hit["licence"] in card
    alts = [attributes["alt"] for attributes, _ in page.all("img") if "data-picture" in attributes]
    assert alts == [hit["description"] for hit in told]


def test_pictures_keep_their_place_before_they_are_there(client: FlaskClient) -> None:
    page = get(client, "/?q=a+castle")
    for attributes, _ in page.all("img"):
        assert int(attributes["width"]) > 0 and int(attributes["height"]) > 0
    shapes = {name for attributes, _ in page.all("li", class_="card") for name in attributes["class"].split()}
    css = (STATIC / "search.css").read_text()
    assert len(shapes) > 3 and all(f".{name}{{--r:" in css for name in shapes if name.startswith("r-"))
    for shape in range(NARROWEST, WIDEST + 1, STEP):
        assert f".r-{shape}{{--r:{shape / 100:g}}}" in css


def test_a_plain_line_where_the_rest_begins(client: FlaskClient, demo: CommandLine) -> None:
    told = demo("search", "a castle", "--limit", 94, "--json").json["hits"]
    probable = sum(hit["probable"] for hit in told)
    page = get(client, "/?q=a+castle")
    assert f"{probable} probable matches" in page.all("p", class_="sum")[0][1]
    order = [
        "line" if "line" in attributes["class"].split() else "hit"
        for tag, attributes, _ in page.elements
        if tag == "li" and attributes.get("class", "").split()[:1] in (["line"], ["card"])
    ]
    assert order.index("line") == probable and order.count("line") == 1
    assert page.all("li", class_="line")[0][1] == "Below this line, matches are probably chance"
    # A page that begins after the line draws none, one that begins at it does.
    assert not get(client, f"/?q=a+castle&offset={probable + 1}").all("li", class_="line")
    assert get(client, f"/?q=a+castle&offset={probable}").all("li", class_="line")


def test_more_pages_bring_each_hit_once_with_and_without_a_script(client: FlaskClient) -> None:
    for headers in ({}, {"HX_Request": "true"}):
        page, seen = get(client, "/?q=a+castle"), list[str]()
        seen += page.hits
        while more := [attributes for attributes, text in page.all("a") if text == "More"]:
            assert more[0]["href"] == more[0]["hx-get"]
            page = get(client, more[0]["href"], **headers)
            assert bool(page.all("header")) == (not headers)
            seen += page.hits
        assert len(seen) == len(set(seen)) == 94


def test_hits_that_a_script_adds_keep_the_url_a_link_to_all_that_is_shown(client: FlaskClient) -> None:
    answer = client.get("/?q=a+castle&kind=photo&offset=40", headers={"HX-Request": "true"})
    url = answer.headers["HX-Replace-Url"]
    assert asked(url) == {"q": ["a castle"], "kind": ["photo"], "limit": ["80"]}
    assert "HX-Request" in answer.headers["Vary"]
    first = get(client, "/?q=a+castle&kind=photo").hits
    assert get(client, url).hits == [*first, *Page(answer.text).hits]
    for boosted in ({"HX-Boosted": "true"}, {"HX-History-Restore-Request": "true"}):
        whole = client.get("/?q=a+castle&offset=40", headers={"HX-Request": "true", **boosted})
        assert "<header" in whole.text and "HX-Replace-Url" not in whole.headers


def test_facets_are_links_with_counts(client: FlaskClient) -> None:
    page = get(client, "/?q=a+castle")
    told = client.get("/api/v1/facets?q=a+castle").json["facets"]
    for field in ("colour", "licence", "author"):
        for value in told[field]:
            name = value["value"].capitalize() if field == "colour" else value["value"]
            chosen = get(client, link(page, f"{name}{value['count']}"))
            assert f"{value['count']} probable match" in chosen.all("p", class_="sum")[0][1]
            break
        else:
            pytest.fail(f"no {field}")


def test_a_page_says_how_long_a_file_to_search_by_is_kept(client: FlaskClient) -> None:
    with (PHOTOS / "cat.jpg").open("rb") as file:
        kept = client.post("/api/v1/uploads", data={"file": (file, "cat.jpg")}).json
    assert "kept here for 7 days" in client.get(f"/?part=upload:1:{kept['id']}").text
    path = client.application.extensions["sightsound"].uploads.find(kept["id"]).path
    soon = time.time() - (6 * 86_400 + 12 * 3600)
    os.utime(path, (soon, soon))
    assert "kept here for 12 hours" in client.get(f"/?part=upload:1:{kept['id']}").text
    assert "kept here" not in client.get("/?q=boat&part=text:1:sea").text


def test_any_of_one_facet_and_each_can_be_taken_away(client: FlaskClient) -> None:
    one = get(client, "/?colour=green")
    green = set(get(client, "/?colour=green&limit=200").hits)
    blue = next(attributes["href"] for attributes, said in one.all("a") if said.startswith("Blue"))
    assert asked(blue)["colour"] == ["green", "blue"]
    both = get(client, f"{blue}&limit=200")
    assert green < set(both.hits) == green | set(get(client, "/?colour=blue&limit=200").hits)
    (away,) = [attributes["href"] for attributes, _ in both.all("a", aria_label="Remove the filter Blue")]
    assert asked(away)["colour"] == ["green"]
    assert [said for _, said in both.all("a", aria_current="true")]
    assert asked(link(both, "Clear all")) == {"limit": ["200"]}


def test_parts_are_chips_with_weights_and_a_minus(client: FlaskClient) -> None:
    first = get(client, "/?q=a+castle").hits[0]
    page = get(client, f"/?q=a+castle&part=item:1:{first}&part=text:-0.5:water")
    chips = [text for _, text in page.all("li", class_="chip")]
    assert len(chips) == 3 and "a castle" in chips[0] and "not water" in chips[2]
    (less,) = [a["href"] for a, _ in page.all("a", aria_label="Less weight for water")]
    (turn,) = [a["href"] for a, _ in page.all("a", aria_label="Look for: water")]
    (drop,) = [a["href"] for a, _ in page.all("a", aria_label="Remove water")]
    assert asked(less)["part"][-1] == "text:-0.25:water" and asked(turn)["part"][-1] == "text:0.5:water"
    assert asked(drop)["part"] == [f"item:1:{first}"]
    (heavier,) = [a["href"] for a, _ in page.all("a", aria_label="More weight for a castle")]
    assert "q" not in asked(heavier) and asked(heavier)["part"][0] == "text:1.5:a castle"
    for url in (less, turn, drop, heavier):
        assert get(client, url).hits


def test_each_hit_leads_on(client: FlaskClient) -> None:
    page = get(client, "/?q=a+castle&kind=photo")
    hit = page.hits[0]
    urls = {text: next(a["href"] for a, _ in page.all("a") if a.get("title") == text) for text in
            ("More like this", "Less like this", "Add to the query")}  # fmt: skip
    assert asked(urls["More like this"]) == {"kind": ["photo"], "part": [f"item:1:{hit}"]}
    assert asked(urls["Less like this"])["part"] == [f"item:-1:{hit}"]
    assert asked(urls["Add to the query"])["q"] == ["a castle"]
    assert hit not in get(client, urls["More like this"]).hits
    item = next(a["href"] for a, _ in page.all("a") if a["href"].startswith(f"/item/{hit}"))
    assert asked(item)["q"] == ["a castle"], "the item's page knows what was looked for"
    (basket, *_) = page.all("button", title="To the basket")
    assert basket[0]["data-basket-id"] == hit and basket[0]["data-basket-title"]


def test_the_form_keeps_parts_and_filters(client: FlaskClient) -> None:
    page = get(client, "/?q=a+castle&colour=green&part=text:-1:people&offset=2")
    hidden = [(a["name"], a["value"]) for a, _ in page.all("input", type="hidden")]
    assert ("part", "text:-1:people") in hidden and ("colour", "green") in hidden
    assert not [name for name, _ in hidden if name == "offset"]


def test_with_nothing_asked_the_newest_and_examples_are_shown(client: FlaskClient) -> None:
    page = get(client, "/")
    assert len(page.hits) == 40 and "94 items, the newest first" in page.all("p", class_="sum")[0][1]
    assert set(get(client, "/?offset=40").hits).isdisjoint(page.hits)
    (examples,) = page.all("p", class_="examples")
    assert examples[1].startswith("Try ")
    told = client.get("/api/v1/facets").json["facets"]["licence"][0]
    assert link(page, f"{told['value']}{told['count']}")


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("/?part=nonsense", 400, "is no part"),
        ("/?q=x&sort=upwards", 400, "score or date"),
        ("/?q=x&after=yesterday", 400, "is not a date"),
        ("/?duration=long", 400, "duration"),
        ("/?duration=10", 400, "such as 10-60"),
        ("/?date=soon", 400, "is not a date"),
        (f"/?part=upload:1:{'0' * 64}", 404, "upload"),
        ("/?part=item:1:" + "0" * 32, 404, "0" * 32),
        ("/nowhere", 404, "There is nothing at this address"),
    ],
)
def test_errors_are_pages_of_the_right_status(client: FlaskClient, url: str, status: int, said: str) -> None:
    page = get(client, url, status)
    (message,) = page.all("div", class_="message")
    assert said in message[1] and link(page, "To the start") == "/"


def test_unknown_arguments_are_passed_over(client: FlaskClient) -> None:
    assert get(client, "/?q=a+castle&utm_source=x").hits == get(client, "/?q=a+castle").hits


def test_nothing_found_says_what_to_do_next(client: FlaskClient) -> None:
    page = get(client, "/?q=a+castle&tag=nowhere")
    (message,) = page.all("div", class_="message")
    assert "Nothing was found" in message[1] and asked(link(page, "Search without the filters")) == {"q": ["a castle"]}


def test_the_first_load_is_small(client: FlaskClient) -> None:
    answer = client.get("/?q=a+castle", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer.headers["Vary"]
    page, total = Page(gzip.decompress(answer.data).decode()), len(answer.data)
    assert page.text == client.get("/?q=a+castle").text
    wanted = [a["src"] for a, _ in page.all("script")]
    wanted += [a["href"] for a, _ in page.all("link")] + ["/static/icons.svg"]
    for url in wanted:
        file = client.get(url, headers={"Accept-Encoding": "gzip"})
        assert file.status_code == 200
        total += len(file.data)
        again = client.get(url, headers={"Accept-Encoding": "gzip", "If-None-Match": file.headers["ETag"]})
        assert again.status_code == 304 and not again.data
    assert total < FIRST_LOAD


def test_pages_hold_no_script_and_no_style_of_their_own(client: FlaskClient) -> None:
    for url in ("/", "/?q=a+castle&part=text:-1:water&colour=green", "/?q=nothing&tag=none", "/nowhere"):
        page = Page(client.get(url).text)
        assert all(a.get("src", "").startswith("/static/") and not text for a, text in page.all("script"))
        assert not page.all("style")
        for _, attributes, _ in page.elements:
            assert not [name for name in attributes if name == "style" or name.startswith("on")]


def test_htmx_is_the_file_that_its_readme_says() -> None:
    digest = hashlib.sha256((STATIC / "htmx" / "htmx.min.js").read_bytes()).hexdigest()
    assert digest in (STATIC / "htmx" / "README.md").read_text()


# What others write into titles and files


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    """A site over items whose every text is an attack: a photo, a film, a sound and a text."""
    folder = tmp_path_factory.mktemp("hostile")
    collection = LocalStore(folder).open("default", create=True)
    said = Metadata(EVIL, EVIL, (EVIL, "plain"), EVIL, EVIL, "javascript:x()", "2024", "", {EVIL: EVIL})
    entries = []
    for kind in ("photo", "film", "sound", "text"):
        uri = f"file:///{kind}/{EVIL.replace('/', '').replace('?', '')}"
        facts = {"width": 30, "height": 20, "duration": 70.0, "format": EVIL} if kind != "text" else {}
        item = Item(uri, kind, "1", id=item_id(uri), facts=facts).with_layers({EVIL: said})  # type: ignore[arg-type]
        passage = Segment(item.id, "subtitle", 0, 1.0, 2.0, EVIL)
        entries.append(Entry(item, [passage]))
    collection.put(entries)
    collection.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(folder / "home"))
        app = create_app(SiteSettings(store=str(folder)))
        yield app.test_client()
        app.extensions["sightsound"].close()


@pytest.mark.parametrize("url", ["/", "/?tag=plain", "/?q=plain", "/?kind=film&sort=date", f"/?{EVERYWHERE}"])
def test_no_text_breaks_out_of_the_page(hostile: FlaskClient, url: str) -> None:
    answer = hostile.get(url)
    assert answer.status_code == 200
    page = Page(answer.text)
    assert all(a.get("src", "").startswith("/static/") for a, _ in page.all("script"))
    for tag, attributes, _ in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert attributes.get("src") != "x" and "javascript" not in attributes.get("href", "")
    assert "49" not in re.sub(r"\d{3,}", "", page.all("main")[0][1]), "a title is no template"
    if url == "/":
        assert len(page.hits) == 4 and len([text for _, text in page.all("h3") if "<script>x()</script>" in text]) == 4


def test_lengths_and_years_are_facets_too(hostile: FlaskClient) -> None:
    page = get(hostile, "/")
    assert asked(link(page, "20244"))["date"] == ["2024"]
    span = link(page, "1 min – 5 min3")
    assert asked(span) == {"duration": ["60-300"]} and len(get(hostile, span).hits) == 3
    assert len(get(hostile, f"{span}&duration=0-10&date=2024").hits) == 3
    assert get(hostile, "/?duration=0-10&duration=10-60").hits == []


def test_sounds_have_a_waveform_and_a_player_and_texts_are_read(hostile: FlaskClient) -> None:
    (sound,) = get(hostile, "/?kind=sound").hits
    page = get(hostile, "/?kind=sound")
    assert page.all("audio")[0][0]["src"] == f"/media/{sound}/preview"
    assert page.all("img")[0][0]["src"] == f"/media/{sound}/waveform.svg"
    (words, *_) = get(hostile, "/?kind=text").all("a", class_="words")
    assert EVIL[:30] in words[1]


def test_an_empty_collection_says_how_to_fill_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTSOUND_HOME", str(tmp_path / "home"))
    LocalStore(tmp_path / "store").open("default", create=True).close()
    app = create_app(SiteSettings(store=str(tmp_path / "store")))
    page = get(app.test_client(), "/")
    app.extensions["sightsound"].close()
    (message,) = page.all("div", class_="message")
    assert "nothing in this collection yet" in message[1] and "sightsound index" in message[1]


def test_the_configuration_of_htmx_runs_no_code_of_pages(client: FlaskClient) -> None:
    (config,) = [a["content"] for a, _ in get(client, "/").all("meta", name="htmx-config")]
    said = json.loads(config)
    assert not said["allowEval"] and not said["allowScriptTags"] and not said["includeIndicatorStyles"]
    assert said["selfRequestsOnly"]


def test_the_whole_collection_is_counted_by_one_request_at_a_time() -> None:
    first: Counts = {"kind": [("photo", 1)]}
    again: Counts = {"kind": [("photo", 2)]}
    go_on = threading.Event()
    made = iter([first, again])

    def count() -> Counts:
        if (counts := next(made)) is again:
            assert go_on.wait(60)
        return counts

    whole = WholeCounts(count)
    assert whole.now() is first
    whole._until = 0.0
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(whole.now)
        while not whole._counting.locked():
            assert not counting.done()
        assert whole.now() is first, "nobody waits for what is known"
        go_on.set()
        assert counting.result() is again
    with pytest.raises(StopIteration):
        WholeCounts(lambda: next(made)).now()
