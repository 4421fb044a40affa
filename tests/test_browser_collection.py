"""A collection of its own in a browser: pictures that browsers don't show, originals in S3, texts, hundreds of hits."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pillow_heif
import pytest
import s3_server
from browsing import PHONE, check_accessible, check_fits, chromium, visit
from conftest import MEDIA, PHOTOS, CommandLine
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from served import Served, serving

pytestmark = pytest.mark.timeout(900)

TEXTS = 230
WORDS = (
    "Boats",
    "The boats come home at dusk",
    "The boats come home at dusk, when the gulls are loudest and the harbour lights are lit one by one.",
    " ".join(["The boats come home at dusk, and nobody on the quay says a word."] * 6),
)
"""Texts of several lengths."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def mixed_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A HEIC, a TIFF, texts by the hundred, and in S3 a photo and a film, served."""
    home = tmp_path_factory.mktemp("own")
    line = CommandLine(home)
    photos = home / "photos"
    photos.mkdir()
    with Image.open(PHOTOS / "horse.jpg") as picture:
        large = picture.convert("RGB").resize((900, 600))
    pillow_heif.from_pillow(large).save(photos / "phone.heic")
    large.save(photos / "scan.tiff")
    with (home / "texts.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([("title", "description"), *((f"Words {n}", said) for n, said in enumerate(WORDS))])
        table.writerows((f"Note {n}", "") for n in range(TEXTS - len(WORDS)))
    with s3_server.serve() as s3:
        for path, type in ((PHOTOS / "cat.jpg", "image/jpeg"), (MEDIA / "films" / "made_reef.mp4", "video/mp4")):
            s3.client.put_object(Bucket=s3_server.BUCKET, Key=path.name, Body=path.read_bytes(), ContentType=type)
        line("index", photos, "--encoders", "starter")
        line("index", home / "texts.csv")
        line("index", f"s3://{s3_server.BUCKET}", **s3.environment)
        with serving(line, **s3.environment) as site:
            yield site.until_ready()


@pytest.fixture
def page(browser: Browser, mixed_site: Served) -> Iterator[Page]:
    with visit(browser, mixed_site.url) as made:
        yield made.page


def open_item(page: Page, title: str) -> None:
    page.goto("/?kind=photo&kind=film")
    page.get_by_role("heading", name=title).get_by_role("link").click()
    page.wait_for_url(re.compile("/item/"))


@pytest.mark.parametrize("name", ["phone.heic", "scan.tiff"])
def test_what_browsers_can_not_show_is_shown_as_a_preview(name: str, page: Page) -> None:
    open_item(page, name.partition(".")[0])
    size = "async (image) => { await image.decode(); return [image.naturalWidth, image.naturalHeight]; }"
    assert page.locator(".stage img").evaluate(size) == [900, 600]
    check_accessible(page)
    with page.expect_response(re.compile("/preview")) as waiting:
        page.locator(".stage a").click()
    assert waiting.value.header_value("content-type") == "image/jpeg"
    assert page.locator("img").evaluate(size) == [900, 600]


def test_originals_in_s3_are_shown_from_there_by_a_signed_address(page: Page) -> None:
    asked: list[str] = []
    page.on("response", lambda answer: asked.append(answer.url if answer.ok else ""))
    open_item(page, "made_reef.mp4")
    expect(page.get_by_role("heading", level=1)).to_have_text("made_reef.mp4")
    page.wait_for_function("() => document.querySelector('.stage video').readyState >= 2")
    assert page.locator(".stage video").evaluate("video => video.play().then(() => video.videoWidth)") > 100
    assert any(urlsplit(url).path == "/media/made_reef.mp4" and "X-Amz-Signature" in url for url in asked)
    open_item(page, "cat.jpg")
    own = page.locator("[data-item]").get_attribute("data-item")
    shown = (
        "(url) => new Promise((done) => { const image = new Image(); image.src = url;"
        " image.onload = () => done(image.naturalWidth); image.onerror = () => done(0); })"
    )
    assert page.evaluate(shown, f"/media/{own}/file") > 100, "the policy of pages lets pictures come from there"
    page.locator(".stage a").click()
    page.wait_for_url(re.compile("X-Amz-Signature"))
    assert urlsplit(page.url).path == "/media/cat.jpg"


def test_the_url_of_hundreds_of_hits_brings_them_back(page: Page) -> None:
    page.goto("/?kind=text&limit=120")
    more = page.get_by_role("link", name="More", exact=True)
    while page.locator("[data-hit]").count() < TEXTS:
        before = page.locator("[data-hit]").count()
        more.scroll_into_view_if_needed()
        expect(page.locator("[data-hit]").nth(before)).to_be_attached()
    ids = "all => all.map((one) => one.dataset.hit)"
    all_of_them = page.locator("[data-hit]").evaluate_all(ids)
    assert len(set(all_of_them)) == TEXTS
    page.wait_for_url(re.compile("limit=200"))
    page.reload()
    assert page.locator("[data-hit]").evaluate_all(ids)[:200] == all_of_them[:200], "as far as one page goes"
    more.scroll_into_view_if_needed()
    expect(page.locator("[data-hit]")).to_have_count(TEXTS)
    assert page.locator("[data-hit]").evaluate_all(ids) == all_of_them


@pytest.mark.parametrize("viewport", [None, PHONE])
def test_a_text_fills_its_card(viewport: dict[str, int] | None, browser: Browser, mixed_site: Served) -> None:
    """What is written is read whole, or ends in dots, and takes no more of the page than it needs."""
    with visit(browser, mixed_site.url, **({"viewport": viewport, "is_mobile": True} if viewport else {})) as made:
        made.page.goto("/?q=boats+come+home&kind=text&limit=8")
        check_fits(made.page)
        check_accessible(made.page)
        widths = []
        for number, said in enumerate(WORDS):
            title = made.page.get_by_role("heading", name=f"Words {number}", exact=True)
            card = made.page.locator("[data-hit]").filter(has=title)
            box, words = card.locator(".words").bounding_box(), card.locator(".words span").bounding_box()
            assert box and words and words["y"] + words["height"] <= box["y"] + box["height"] + 1, "nothing is cut off"
            widths.append(box["width"])
            if viewport is None and len(said) > 40:
                assert words["height"] > 0.4 * box["height"], said
        if viewport is None:
            assert widths[0] < widths[-1]
