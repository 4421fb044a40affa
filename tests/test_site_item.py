"""An item's page: what it shows of each kind, the timeline, films alike, hostile texts, and what is not there."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from conftest import CommandLine
from flask.testing import FlaskClient
from mixed_media import HOSTILE, named

from sightsound.colours import colours_of
from sightsound.searching import Hit
from sightsound.types import Item, Metadata, Segment
from sightsound.webapp.particulars import provenance
from sightsound.webapp.timeline import ROOMY, timeline_of


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **having: str) -> list[dict[str, str]]:
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in having.items()}
        return [a for t, a in self.tags if t == tag and wanted.items() <= a.items()]

    def classed(self, tag: str, name: str) -> list[dict[str, str]]:
        return [a for t, a in self.tags if t == tag and name in a.get("class", "").split()]


def page(client: FlaskClient, url: str, status: int = 200) -> Page:
    answer = client.get(url)
    assert answer.status_code == status, answer.text
    assert answer.mimetype == "text/html"
    return Page(answer.text)


@pytest.fixture(scope="module")
def animals(mixed: CommandLine) -> str:
    return named(mixed, "films/made_animals.mp4")


def test_a_photo_has_its_picture_credit_facts_and_palette(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    id = named(mixed, "photos/giraffe.jpg")
    shown = page(mixed_client, f"/item/{id}")
    assert shown.all("img", alt="a giraffe among leaves")[0]["src"].startswith(f"/media/{id}/")
    place = str(mixed.home / "media/photos/giraffe.jpg")
    for said in ("Giraffe by Ann, CC0", "a giraffe among leaves", "pixels", "JPEG", place):
        assert said in shown.text, said
    known = mixed("show", id, "--json").json
    colours = [colour for colour, _ in known["facts"]["palette"]]
    rects = [rect for rect in shown.all("rect") if rect["width"].endswith("%") and "fill" in rect]
    assert [rect["fill"] for rect in rects] == colours
    assert shown.all("a", href="https://example.org/g"), "its page at the source"
    assert shown.all("a", href="/?tag=africa")
    assert f"table:{mixed.home / 'media/mixed.csv'}" in shown.text, "who says it"
    assert shown.all("button", data_basket_id=id) and shown.all("form", action=f"/item/{id}/take", method="post")
    assert not shown.classed("section", "timeline")


def test_a_film_has_a_palette_and_is_found_by_its_colours(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    reef = named(mixed, "films/made_reef.mp4")
    known = mixed("show", reef, "--json").json["facts"]["palette"]
    rects = [rect for rect in page(mixed_client, f"/item/{reef}").all("rect") if rect.get("fill", "").startswith("#")]
    assert [colour for colour, _ in known] == [rect["fill"] for rect in rects][: len(known)] and len(known) > 1
    for colour in colours_of({"palette": known}):
        found = mixed_client.get(f"/api/v1/search?kind=film&colour={colour}").json["hits"]
        assert reef in [hit["id"] for hit in found], colour
    assert not mixed_client.get("/api/v1/search?kind=film&colour=pink").json["hits"]


def test_where_metadata_comes_from_is_told_with_what_is_not_used() -> None:
    layers = {"file": Metadata(title="In the file", author="Ann"), "table:x.csv": Metadata(title="In the table")}
    told = provenance(Item("file:///x", "photo").with_layers(layers))
    assert [(one.field, one.value, one.source, one.used) for one in told] == [
        ("Title", "In the table", "table:x.csv", True),
        ("Title", "In the file", "the file itself", False),
        ("Author", "Ann", "the file itself", True),
    ]


def test_a_film_has_a_timeline_of_shots_sounds_and_words(mixed_client: FlaskClient, animals: str) -> None:
    shown = page(mixed_client, f"/item/{animals}")
    shots = shown.classed("a", "shot")
    assert [(shot["data-seek"], shot["data-until"]) for shot in shots] == [
        ("0.0", "2.0"),
        ("2.0", "4.0"),
        ("4.0", "6.0"),
        ("6.0", "8.0"),
    ]
    assert shots[1]["href"] == f"/item/{animals}?t=2#player", "it leads there without JavaScript too"
    assert shots[1]["aria-label"] == "Shot 2, 0:02 to 0:04"
    words = [word["aria-label"] for word in shown.classed("a", "word")]
    assert any("The giraffe eats leaves & twigs." in word for word in words)
    sounds = [sound["aria-label"] for sound in shown.classed("a", "sound")]
    assert sounds and any("music" in sound or "drum" in sound for sound in sounds)
    assert not shown.classed("a", "match") and not shown.classed("a", "lit")
    assert shown.all("video")[0]["src"].startswith(f"/media/{animals}/preview")


def test_what_matches_the_query_lights_up(mixed_client: FlaskClient, mixed: CommandLine, animals: str) -> None:
    shown = page(mixed_client, f"/item/{animals}?q=giraffe&kind=film")
    hits = mixed("search", "giraffe", "--kind", "film", "--json").json["hits"]
    told = next(hit for hit in hits if hit["id"] == animals)["moments"]
    matches = [(float(one["data-seek"]), float(one["data-until"])) for one in shown.classed("a", "match")]
    assert matches == sorted((one["start"], one["end"]) for one in told), "the same moments as the search has"
    lit = [shot["data-seek"] for shot in shown.classed("a", "shot") if "lit" in shot["class"].split()]
    assert lit == ["2.0"]
    assert f"/item/{animals}?q=giraffe&kind=film&t=2#player" in [a["href"] for a in shown.classed("a", "match")]
    picks = shown.all("button", data_basket_id=animals)
    assert any(one.get("data-basket-start") == "2.0" for one in picks)
    assert "Moments that match “giraffe”" in shown.text
    assert shown.all("a", href="/?q=giraffe&kind=film"), "back to the results"
    assert shown.all("a", href=f"/?q=giraffe&part=item%3A-1%3A{animals}&kind=film"), "less like this"


def test_words_that_are_said_light_up(mixed_client: FlaskClient, animals: str) -> None:
    shown = page(mixed_client, f"/item/{animals}?q=twigs")
    lit = [word["aria-label"] for word in shown.classed("a", "word") if "lit" in word["class"].split()]
    assert len(lit) == 1 and "twigs" in lit[0] and "matches" in lit[0]


def test_an_item_below_all_others_is_matched_all_the_same(mixed_client: FlaskClient, animals: str) -> None:
    shown = page(mixed_client, f"/item/{animals}?q=a+sewing+machine")
    assert shown.classed("section", "moments"), "the nearest moments, however far"


def test_a_query_that_cannot_be_read_costs_no_page(mixed_client: FlaskClient, animals: str) -> None:
    for wrong in ("part=nonsense", "part=upload:1:" + "0" * 64, "q=a&limit=no", "where=width"):
        shown = page(mixed_client, f"/item/{animals}?{wrong}")
        assert "The search in this page's address can't be shown" in shown.text
        assert shown.classed("a", "shot")


def test_a_film_begins_at_a_second(mixed_client: FlaskClient, animals: str) -> None:
    assert page(mixed_client, f"/item/{animals}?t=2.5").all("video")[0]["src"].endswith("#t=2.5")
    for wrong in ("-1", "nan", "inf", "x", "<b>", "1e9"):
        assert "#" not in page(mixed_client, f"/item/{animals}?t={wrong}").all("video")[0]["src"]


def test_a_sound_has_its_waveform_and_what_is_heard(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    id = named(mixed, "sounds/music_japan.ogg")
    shown = page(mixed_client, f"/item/{id}?q=drums")
    assert shown.all("audio")[0]["src"].startswith(f"/media/{id}/preview")
    assert any(f"/media/{id}/waveform.svg" in image.get("href", "") for image in shown.all("image"))
    assert shown.classed("a", "sound") and shown.classed("a", "match")
    assert not shown.all("section", id="alike")


def test_a_text_is_shown_as_text(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    id = mixed("search", "--kind", "text", "--json").json["hits"][0]["id"]
    shown = page(mixed_client, f"/item/{id}")
    assert "the boats come home at dusk" in shown.text
    assert not shown.all("form", action=f"/item/{id}/take")


def test_a_failed_item_says_why(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    id = named(mixed, "photos/broken.jpg")
    reason = mixed("failed", "--json").json[0]["reason"]
    shown = page(mixed_client, f"/item/{id}")
    assert f"This file could not be read: {reason}" in shown.text
    assert not shown.all("img")


def test_films_alike_are_those_of_the_command_line(mixed_client: FlaskClient, mixed: CommandLine, animals: str) -> None:
    weights = ["--look", "0.2", "--sound", "1.5", "--meaning", "0.7"]
    told = mixed("similar", animals, *weights, "--json").json
    asked = "look=0.2&sound=1.5&meaning=0.7"
    assert mixed_client.get(f"/api/v1/items/{animals}/alike?{asked}").json == told
    for url in (f"/item/{animals}/alike?{asked}", f"/item/{animals}?{asked}"):
        shown = page(mixed_client, url)
        films = [one["href"] for one in shown.classed("a", "film-thumb")]
        assert films == [f"/item/{hit['id']}" for hit in told["hits"]]
        best = told["hits"][0]
        for axis, score in best["axes"].items():
            assert axis.capitalize() in shown.text and f"{score * 100:.0f} %" in shown.text
        pair = best["pairs"][0]
        assert shown.all("a", data_seek=str(pair["start"])), "mine plays here"
        theirs = f"/item/{best['id']}?t={pair['their_start']:g}#player"
        assert shown.all("a", href=theirs), "theirs plays there"
    sliders = page(mixed_client, f"/item/{animals}?q=sea&{asked}")
    assert {one["name"]: one["value"] for one in sliders.all("input", type="range")} == {
        "look": "0.2",
        "sound": "1.5",
        "meaning": "0.7",
    }
    assert sliders.all("input", type="hidden", name="q", value="sea"), "the search is carried along"


def test_films_alike_say_what_is_wrong(mixed_client: FlaskClient, mixed: CommandLine, animals: str) -> None:
    none = page(mixed_client, f"/item/{animals}/alike?look=0&sound=0&meaning=0")
    assert "Give a weight above 0" in none.text
    for wrong in ("look=-1", "sound=nan", "meaning=x", "look=101"):
        assert mixed_client.get(f"/item/{animals}/alike?{wrong}").status_code == 400
        assert mixed_client.get(f"/api/v1/items/{animals}/alike?{wrong}").json["error"]["code"] == "usage_error"
    photo = named(mixed, "photos/giraffe.jpg")
    assert "Only films are compared" in page(mixed_client, f"/item/{photo}/alike").text
    assert mixed_client.get(f"/api/v1/items/{photo}/alike").status_code == 400


def test_neighbours_are_what_a_search_by_it_finds(mixed_client: FlaskClient, mixed: CommandLine, animals: str) -> None:
    shown = page(mixed_client, f"/item/{animals}/neighbours")
    told = mixed("search", "--like", animals, "--limit", 12, "--json").json["hits"]
    assert [button["data-basket-id"] for button in shown.all("button")] == [hit["id"] for hit in told]
    broken = named(mixed, "photos/broken.jpg")
    assert "Nothing to compare it with" in page(mixed_client, f"/item/{broken}/neighbours").text


@pytest.mark.parametrize("path", ["", "/alike", "/neighbours"])
@pytest.mark.parametrize("id", ["0" * 32, "x", "9ec2", "..%2f..%2fetc%2fpasswd", "%00", "<script>", "A" * 5000])
def test_an_unknown_item_is_not_found(path: str, id: str, mixed_client: FlaskClient) -> None:
    answer = mixed_client.get(f"/item/{id}{path}")
    assert answer.status_code == 404
    assert "<script>" not in answer.text.replace("<script src", "")


def test_the_page_for_what_is_not_there_says_what_to_do(mixed_client: FlaskClient) -> None:
    shown = page(mixed_client, f"/item/{'0' * 32}", 404)
    assert "This item is not here" in shown.text and shown.all("a", href="/", class_="button")


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_pages_are_for_reading(method: str, mixed_client: FlaskClient, animals: str) -> None:
    for path in ("", "/alike", "/neighbours"):
        assert getattr(mixed_client, method)(f"/item/{animals}{path}").status_code == 405


def test_hostile_texts_are_shown_as_text(mixed_client: FlaskClient, mixed: CommandLine) -> None:
    id = named(mixed, "photos/cat.jpg")
    everywhere = (
        f"/item/{id}?q={HOSTILE}",
        f"/item/{id}?tag={HOSTILE}&q=cat",
        f"/item/{id}/neighbours",
        f"/item/{named(mixed, 'photos/coffee.jpg')}/neighbours",
    )
    for url in everywhere:
        answer = mixed_client.get(url)
        shown = Page(answer.text)
        assert HOSTILE in shown.text or "neighbours" in url
        assert all(one.get("src", "").startswith("/static/") for one in shown.all("script"))
        assert not [name for _, attributes in shown.tags for name in attributes if name.startswith("on")], url
        assert not [a for _, attributes in shown.tags for a in attributes.values() if a.startswith("javascript:")], url
        assert "style" not in {name for _, attributes in shown.tags for name in attributes}, "the policy forbids it"
    assert HOSTILE in Page(mixed_client.get(everywhere[3]).text).text


def test_the_apis_item_is_that_of_show(mixed_client: FlaskClient, mixed: CommandLine, animals: str) -> None:
    assert mixed_client.get(f"/api/v1/items/{animals}").json == mixed("show", animals, "--json").json
    assert mixed_client.get(f"/api/v1/items/{'0' * 32}").status_code == 404
    ids = [animals, "0" * 32, named(mixed, "photos/giraffe.jpg")]
    answer = mixed_client.post("/api/v1/items", json={"ids": ids}).json
    assert [one["id"] for one in answer["items"]] == [ids[0], ids[2]] and answer["missing"] == [ids[1]]


def test_a_timeline_joins_windows_and_keeps_within_the_film() -> None:
    film = Item("file:///x.mp4", "film", facts={"duration": 10.0})
    sounds = [Segment("x", "sound", n, start, start + 4) for n, start in enumerate((0.0, 2.0, 4.0, 8.0))]
    heard = {sounds[0].id: "rain", sounds[1].id: "rain", sounds[2].id: "wind"}
    made = timeline_of(film, [*sounds, Segment("x", "frame", 0, 0.0, 12.0)], heard, None)
    assert made
    assert [(one.start, one.end, one.text) for one in made.sounds] == [(0, 4, "rain"), (4, 8, "wind"), (8, 10, "")]
    assert [(one.left, one.width) for one in made.shots] == [(0.0, 100.0)]
    assert made.ticks[0].start == 0 and made.ticks[-1].start < 10
    assert timeline_of(Item("file:///x.jpg", "photo"), [], {}, None) is None
    assert timeline_of(Item("file:///x.mp4", "film"), [], {}, None) is None


def test_a_long_film_has_a_timeline_that_scrolls() -> None:
    film = Item("file:///x.mp4", "film", facts={"duration": 7200.0})
    few, many = ([Segment("x", "shot", n, n * 2.0, n * 2.0 + 2) for n in range(count)] for count in (ROOMY, 3000))
    hit = Hit(film, None, None)
    assert timeline_of(film, few, {}, hit).pixels == 0  # type: ignore[union-attr]
    long = timeline_of(film, many, {}, hit)
    assert long and 10_000 < long.pixels <= 40_000 and len(long.ticks) <= 11
