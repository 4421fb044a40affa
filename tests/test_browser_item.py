"""An item's page and the basket in a browser: the timeline, the sliders of films alike, picking and exporting."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import PHONE, check_accessible, check_fits, chromium, visit
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect
from served import Served

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, whole_site: Served) -> Iterator[Page]:
    with visit(browser, whole_site.url) as made:
        yield made.page


def colours(png: bytes) -> int:
    with Image.open(io.BytesIO(png)) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24) or [])


def open_film(page: Page, words: str, title: str) -> None:
    """The page of a film that words find."""
    page.goto(f"/?q={words}&kind=film")
    page.get_by_role("heading", name=title).get_by_role("link").click()
    page.wait_for_url(re.compile("/item/"))


def test_a_film_plays_from_where_its_timeline_lights_up(page: Page) -> None:
    open_film(page, "a giraffe", "Animals")
    timeline = page.get_by_role("region", name="Timeline")
    expect(timeline).to_be_visible()
    lit = timeline.locator("a.lit").first
    start, end = (float(lit.get_attribute(name) or "nan") for name in ("data-seek", "data-until"))
    assert end > start >= 0
    lit.dispatch_event("click")
    page.wait_for_function("() => document.querySelector('.stage video').readyState >= 2")
    now = page.locator(".stage video").evaluate("video => video.currentTime")
    assert start - 0.1 <= now <= end + 5
    check_accessible(page)


def test_a_poster_that_is_still_being_made_is_shown_once_it_is_there(page: Page) -> None:
    open_film(page, "a giraffe", "Animals")
    asked: list[str] = []
    ready = threading.Event()

    def thumb(route: Route) -> None:
        asked.append(route.request.method)
        if ready.is_set():
            route.continue_()
        else:
            route.fulfill(status=202, headers={"Retry-After": "0"}, json={"state": "making"})

    player = page.locator(".stage video")
    shown = re.escape(str(player.get_attribute("poster")))
    page.route(re.compile(shown), thumb)
    page.route(re.compile("/preview"), lambda route: route.fulfill(status=202, headers={"Retry-After": "60"}, json={}))
    page.reload()
    expect(page.get_by_role("status").filter(has_text="is being made")).to_be_visible()
    assert colours(player.screenshot()) < 300, "nothing yet but the player's own buttons"
    ready.set()
    page.wait_for_function("() => document.querySelector('.stage img[hidden]').naturalWidth > 0")
    for _ in range(50):
        if colours(player.screenshot()) > 3000:
            break
        page.wait_for_timeout(200)
    assert colours(player.screenshot()) > 3000
    assert asked.count("HEAD") > 0


def test_sliders_choose_what_films_are_alike_in(page: Page) -> None:
    open_film(page, "animals", "Animals")
    found = page.locator("#alike-found")
    page.locator("#alike").scroll_into_view_if_needed()
    expect(found.get_by_role("heading").first).to_be_visible()
    expect(found.locator("dl.why dt").filter(has_text="Sound").first).to_be_visible()
    for axis, value in {"look": 0, "meaning": 0, "sound": 2}.items():
        page.locator(f"input[name={axis}]").fill(str(value))
    page.wait_for_url(re.compile("sound=2"))
    expect(found.locator("dl.why dt").filter(has_text="Look")).to_have_count(0)
    expect(found.locator("dl.why dt").filter(has_text="Sound").first).to_be_visible()
    expect(found.locator(".pairs").first).to_be_visible()


def test_a_photo_shows_who_made_it_and_what_is_like_it(page: Page) -> None:
    page.goto("/?q=a+cat&kind=photo")
    page.locator("[data-hit] h3 a").first.click()
    page.wait_for_url(re.compile("/item/"))
    expect(page.locator("main")).to_contain_text("Licence")
    picture = page.locator(".stage img").first
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") >= 300
    page.get_by_role("heading", name="More like this").scroll_into_view_if_needed()
    expect(page.locator(".near li").first).to_be_visible()
    check_accessible(page)


def test_an_unknown_item_says_so(browser: Browser, whole_site: Served) -> None:
    with visit(browser, whole_site.url) as made:
        made.expected.append("404")
        answer = made.page.goto(f"/item/{'0' * 32}")
        assert answer is not None and answer.status == 404
        expect(made.page.get_by_role("heading", level=1)).to_be_visible()
        check_accessible(made.page)


def pick(page: Page, words: str, kind: str) -> str:
    page.goto(f"/?q={words}&kind={kind}")
    hit = page.locator("[data-hit]").first
    hit.hover()
    button = hit.get_by_role("button", name=re.compile("basket", re.I))
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    return hit.get_by_role("heading").inner_text()


def test_the_basket_keeps_what_is_picked_and_writes_it_out(page: Page, tmp_path: Path) -> None:
    photo, film = pick(page, "a cat", "photo"), pick(page, "a giraffe", "film")
    expect(page.locator("[data-basket-count]").first).to_have_text("2")
    page.get_by_role("navigation").get_by_role("link", name=re.compile("Basket")).click()
    picks = page.get_by_role("list", name="Picked").get_by_role("listitem")
    expect(picks).to_have_count(2)
    check_accessible(page)
    wanted = {"Credits": photo, "Table (CSV)": film, "Cut list (EDL)": "TITLE", "Contact sheet": "<html"}
    for name, part in wanted.items():
        with page.expect_download() as waiting:
            page.get_by_role("button", name=name).click()
        file = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(file)
        assert part.lower() in file.read_text().lower(), name
    page.reload()
    expect(picks).to_have_count(2)
    page.get_by_role("button", name="Empty the basket").click()
    expect(picks).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(picks).to_have_count(2)


def test_a_moment_of_ones_own_ends_with_its_film(page: Page) -> None:
    open_film(page, "a giraffe", "Animals")
    length = float(page.get_by_role("region", name="Timeline").get_attribute("data-duration") or "nan")
    page.get_by_label("In", exact=True).fill("0:01.5")
    page.get_by_label("Out", exact=True).fill("99:00")
    page.get_by_role("button", name="Add moment to basket").click()
    said = page.locator("#basket-said")
    expect(said).to_contain_text("is in the basket")
    expect(said).to_have_css("opacity", "1")  # where nothing may move, too
    page.goto("/basket")
    end = page.get_by_label("Out", exact=True)
    minutes, seconds = end.input_value().split(":")
    assert length - 0.2 < 60 * int(minutes) + float(seconds) <= length
    end.fill("50:00")
    end.press("Tab")
    assert end.input_value() != "50:00"
    expect(end).to_have_attribute("aria-invalid", "false")


def test_the_basket_works_with_keys_alone(page: Page) -> None:
    pick(page, "a cat", "photo")
    pick(page, "a horse", "photo")
    page.goto("/basket")
    picks = page.get_by_role("list", name="Picked").get_by_role("listitem")
    expect(picks).to_have_count(2)
    second = picks.nth(1).get_attribute("aria-label")
    picks.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+ArrowUp")
    expect(picks.first).to_have_attribute("aria-label", second or "")
    page.keyboard.press("Delete")
    expect(picks).to_have_count(1)


def test_on_a_phone_the_pages_fit(browser: Browser, whole_site: Served) -> None:
    with visit(browser, whole_site.url, viewport=PHONE, has_touch=True, is_mobile=True) as made:
        open_film(made.page, "a giraffe", "Animals")
        check_fits(made.page)
        check_accessible(made.page)
        for path in ("/basket", "/state"):
            made.page.goto(path)
            check_fits(made.page)
            check_accessible(made.page)


def test_the_state_page_tells_what_there_is(page: Page) -> None:
    page.goto("/state")
    expect(page.locator("main")).to_contain_text("starter")
    check_accessible(page)
