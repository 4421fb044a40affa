"""The search page in a browser: by words, by a dropped picture, by a sound; weights, facets, paging, keys, phones."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import PHONE, check_accessible, check_fits, chromium, visit
from conftest import MEDIA, PHOTOS
from playwright.sync_api import Browser, Page, Route, expect
from screenshots import take
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


def titles(page: Page) -> list[str]:
    return page.locator("[data-hit] h3").all_inner_texts()


def search(page: Page, words: str) -> None:
    page.goto("/")
    page.get_by_role("searchbox").fill(words)
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url(re.compile(r"[?&]q="))


DROP = """([selector, name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name, {type}));
    for (const what of ["dragenter", "dragover", "drop"])
        document.querySelector(selector).dispatchEvent(
            new DragEvent(what, {dataTransfer: carried, bubbles: true, cancelable: true}));
}"""
PASTE = """([selector, name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name, {type}));
    document.querySelector(selector).dispatchEvent(
        new ClipboardEvent("paste", {clipboardData: carried, bubbles: true, cancelable: true}));
}"""


HAS_FOCUS_SHOWN = """() => {
    const one = document.activeElement, box = one.getBoundingClientRect();
    const shown = (each) => {
        const style = getComputedStyle(each);
        return style.outlineStyle !== "none" || style.boxShadow !== "none";
    };
    return one === document.body || box.width <= 1 || shown(one) || shown(one.parentElement);
}"""


def hand(page: Page, script: str, file: Path, type: str) -> None:
    """Drop or paste a file, as a browser does it."""
    page.evaluate(script, ["body", file.name, type, base64.b64encode(file.read_bytes()).decode()])
    page.wait_for_url(re.compile("part=upload"))


def test_words_find_the_picture_and_the_line_says_where_chance_begins(page: Page) -> None:
    search(page, "a giraffe")
    first = page.locator("[data-hit]").first
    expect(first.get_by_role("heading")).to_contain_text(re.compile("giraffe|animals", re.I))
    expect(page.get_by_text("Below this line, matches are probably chance")).to_be_visible()
    picture = first.locator("img").first
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 100
    assert "CC0" in first.inner_text() or "Public" in first.inner_text() or "CC" in first.inner_text()
    check_accessible(page)


def test_a_dropped_picture_finds_itself_and_the_link_can_be_shared(
    page: Page, browser: Browser, whole_site: Served
) -> None:
    page.goto("/")
    hand(page, DROP, PHOTOS / "cat.jpg", "image/jpeg")
    expect(page.locator("[data-hit]").first.get_by_role("heading")).to_contain_text("Kitten")
    found = titles(page)
    with visit(browser, whole_site.url) as other:
        other.page.goto(page.url)
        assert titles(other.page) == found


def test_a_pasted_picture_is_a_part_of_the_query_beside_the_words(page: Page) -> None:
    search(page, "on the beach")
    hand(page, PASTE, PHOTOS / "horse.jpg", "image/jpeg")
    assert "q=on+the+beach" in page.url or "on%20the%20beach" in page.url
    parts = page.get_by_role("list", name="Parts of the query").get_by_role("listitem")
    expect(parts.filter(has_text="on the beach").or_(parts.filter(has_text="horse")).first).to_be_visible()


def test_a_chosen_sound_finds_sounds_like_it(page: Page) -> None:
    page.goto("/")
    page.locator("input[data-upload]").first.set_input_files(MEDIA / "sounds" / "bark.ogg")
    page.wait_for_url(re.compile("part=upload"))
    expect(page.locator("[data-hit]").first).to_contain_text(re.compile("bark|dog", re.I))


def test_weights_and_minus_change_the_order(page: Page) -> None:
    search(page, "an animal in the grass")
    before = titles(page)
    page.locator("[data-hit]").first.hover()
    page.locator("[data-hit]").first.get_by_role("link", name=re.compile("^Less like this")).click()
    page.wait_for_url(re.compile("part=item"))
    parts = page.get_by_role("list", name="Parts of the query").get_by_role("listitem")
    expect(parts.filter(has_text=before[0])).to_be_visible()
    assert before[0] not in titles(page)[:1]
    pushed = titles(page)
    page.get_by_role("link", name=re.compile(f"^Look for: {re.escape(before[0])}")).click()
    page.wait_for_url(re.compile(r"part=item(:|%3A)1"))
    assert titles(page) != pushed
    page.get_by_role("link", name=re.compile(f"^Remove {re.escape(before[0])}")).click()
    expect(parts.filter(has_text=before[0])).to_have_count(0)
    assert titles(page) == before


def test_facets_narrow_the_answer_and_come_off_again(page: Page) -> None:
    page.goto("/")
    kinds = page.get_by_role("region", name="Filters").get_by_role("link", name=re.compile("sound", re.I)).first
    count = int(re.search(r"[\d,]+", kinds.inner_text())[0].replace(",", ""))  # type: ignore[index]
    kinds.click()
    page.wait_for_url(re.compile("kind=sound"))
    expect(page.locator("[data-hit]")).to_have_count(count)
    expect(page.locator("[data-hit].sound")).to_have_count(count)
    page.get_by_role("list", name="Filters that are on").get_by_role("link").first.click()
    page.wait_for_url(lambda url: "kind=sound" not in url)
    expect(page.locator("[data-hit].photo").first).to_be_visible()


def test_more_hits_come_as_one_scrolls_each_once(page: Page) -> None:
    page.goto("/?limit=12")
    expect(page.locator("[data-hit]").first).to_be_visible()
    total = int(re.search(r"[\d,]+", page.locator(".sum").inner_text())[0].replace(",", ""))  # type: ignore[index]
    while page.locator("[data-hit]").count() < total:
        before = page.locator("[data-hit]").count()
        page.get_by_role("link", name="More", exact=True).scroll_into_view_if_needed()
        expect(page.locator("[data-hit]").nth(before)).to_be_attached()
    ids = page.locator("[data-hit]").evaluate_all("all => all.map((one) => one.dataset.hit)")
    assert len(ids) == len(set(ids)) == total


def test_a_film_plays_from_the_moment_that_was_clicked(page: Page) -> None:
    page.goto("/?q=a+giraffe&kind=film")
    film = page.locator("[data-hit].film").filter(has_text="Wild animals")
    film.locator("[data-pic]").click()
    page.wait_for_url(re.compile(r"/item/.*[?&]t=[\d.]+"))
    start = float(re.search(r"[?&]t=([\d.]+)", page.url)[1])  # type: ignore[index]
    assert start > 0
    assert page.locator(".stage video").evaluate(
        "(video, start) => new Promise((done) => { const look = () => video.currentTime >= start && done(true);"
        " video.addEventListener('timeupdate', look); look(); })",
        start,
    )


def test_a_sound_plays_where_it_is_found(page: Page) -> None:
    search(page, "a dog barking")
    sound = page.locator("[data-hit].sound").first
    assert sound.locator("audio").evaluate(
        "audio => new Promise((done) => { audio.onplaying = () => done(true); audio.onerror = () => done(false);"
        " audio.muted = true; audio.play(); })"
    )
    wave = sound.locator("img")
    assert wave.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 0


def test_a_picture_that_is_still_being_made_is_shown_once_it_is_there(page: Page) -> None:
    asked: dict[str, list[str]] = {}

    def late(route: Route) -> None:
        methods = asked.setdefault(route.request.url, [])
        methods.append(route.request.method)
        if len(methods) < 4:
            route.fulfill(status=202, headers={"Retry-After": "0"}, json={"state": "making"})
        else:
            route.continue_()

    page.route(re.compile("/thumb"), late)
    page.goto("/?q=a+giraffe&kind=photo&limit=3")
    for picture in page.locator("[data-hit] img").all()[:3]:  # the next page's may be on their way
        expect(picture).to_have_js_property("complete", True)
        picture.evaluate("image => new Promise((done) => image.naturalWidth ? done() : image.onload = done)")
        methods = asked[str(picture.evaluate("image => image.currentSrc")).partition("#")[0]]
        assert "HEAD" in methods and len(methods) > 4
    expect(page.get_by_text("No picture can be shown")).to_have_count(0)


def test_a_picture_that_can_not_be_made_says_so(browser: Browser, whole_site: Served) -> None:
    with visit(browser, whole_site.url) as made:
        made.expected.append("422")
        made.page.route(re.compile("/thumb"), lambda route: route.fulfill(status=422, json={"error": {}}))
        made.page.goto("/?q=a+giraffe&kind=photo&limit=3")
        for number in range(3):  # the next page's may be there too
            expect(made.page.locator("[data-hit]").nth(number)).to_contain_text("No picture can be shown")
        check_accessible(made.page)


def test_nothing_found_says_what_to_do(page: Page) -> None:
    page.goto("/?q=boat&tag=there-is-no-such-tag")
    expect(page.get_by_text("Nothing was found")).to_be_visible()
    page.get_by_role("link", name="Search without the filters").click()
    expect(page.locator("[data-hit]").first).to_be_visible()


def test_a_wrong_address_says_what_is_wrong(browser: Browser, whole_site: Served) -> None:
    with visit(browser, whole_site.url) as made:
        made.expected.append("400")
        answer = made.page.goto("/?q=boat&where=height%3C%3Dtall")
        assert answer is not None and answer.status == 400
        expect(made.page.locator("main")).to_contain_text("height is a number")
        check_accessible(made.page)


def test_on_a_phone_it_fits_and_filters_fold_away(browser: Browser, whole_site: Served) -> None:
    with visit(browser, whole_site.url, viewport=PHONE, has_touch=True, is_mobile=True) as made:
        made.page.goto("/?q=animals+in+the+grass&part=text:0.5:water&part=text:-1:a+long+word+to+push+away")
        check_fits(made.page)
        made.page.goto("/?q=a+bird")
        check_fits(made.page)
        filters = made.page.get_by_role("region", name="Filters")
        expect(filters).not_to_be_visible()
        made.page.get_by_text("Filters").first.click()
        expect(filters).to_be_visible()
        check_fits(made.page)
        check_accessible(made.page)


def test_without_javascript_words_facets_and_pages_work(browser: Browser, whole_site: Served) -> None:
    with visit(browser, whole_site.url, java_script_enabled=False) as made:
        page = made.page
        page.goto("/?limit=5")
        page.get_by_role("searchbox").fill("a bird")
        page.get_by_role("button", name="Search").click()
        first = titles(page)
        assert any(re.search("owl|bird|eagle|penguin|parrot|hen|duck|cock", title, re.I) for title in first)
        page.get_by_role("region", name="Filters").get_by_role("link").first.click()
        assert re.search(r"[?&]q=a(\+|%20)bird", page.url) and "&" in page.url.partition("?")[2]
        assert titles(page)
        page.go_back()
        page.get_by_role("link", name="More", exact=True).click()
        assert titles(page) and titles(page) != first


def test_the_keyboard_alone_is_enough(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    while not page.evaluate("document.activeElement.matches('input[name=q]')"):
        page.keyboard.press("Tab")
    page.keyboard.type("a giraffe")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("q=a"))
    for _ in range(200):
        if page.evaluate("document.activeElement.closest('[data-hit] h3') !== null"):
            break
        page.keyboard.press("Tab")
        seen = page.evaluate(HAS_FOCUS_SHOWN)
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
    title = page.evaluate("document.activeElement.innerText")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/item/"))
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_are_readable(browser: Browser, whole_site: Served, scheme: str) -> None:
    with visit(browser, whole_site.url, color_scheme=scheme) as made:
        made.page.goto("/?q=water")
        check_accessible(made.page)


def test_the_pages_of_the_docs_can_be_taken_anew(browser: Browser, whole_site: Served) -> None:
    picture = take(browser, whole_site, "search-phone")
    assert picture.width == PHONE["width"]
    assert len(picture.convert("RGB").resize((64, 64)).getcolors(64 * 64) or ()) > 100
