"""Whatever metadata, names and addresses say, nothing of it runs in a visitor's browser."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from browsing import PATIENCE, check_accessible, chromium, visit
from conftest import MEDIA, PHOTOS, CommandLine
from playwright.sync_api import Browser, Page, expect
from served import Served, serving

pytestmark = pytest.mark.timeout(900)

PAYLOADS = (
    "<script>window.stung=1</script>",
    "<img src=x onerror=window.stung=1>",
    '"><svg onload=window.stung=1>',
    "' autofocus onfocus='window.stung=1",
    "</title></textarea></style><b data-stung>",
    "{{ 7*7 }}${7*7}",
    "javascript:window.stung=1",
)
FIELDS = ("title", "description", "tags", "author", "licence", "credit", "page_url", "source", "date", "colour of it")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site of items whose every text is an attack, in names of files and subtitles too."""
    folder = tmp_path_factory.mktemp("hostile")
    line = CommandLine(tmp_path_factory.mktemp("hostile-home"))
    names = sorted(path.name for path in PHOTOS.iterdir())[: len(PAYLOADS)]
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["file", *FIELDS])
        for number, (name, payload) in enumerate(zip(names, PAYLOADS, strict=True)):
            attack = payload.replace("/", "∕")  # which a name may not hold
            own = f"{number} {attack}.jpg"
            shutil.copy(PHOTOS / name, folder / own)
            table.writerow([own, *([payload] * len(FIELDS))])
    (folder / "films").mkdir()
    shutil.copy(MEDIA / "films" / "made_animals.mp4", folder / "films" / "a<img src=x onerror=window.stung=1>.mp4")
    said = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{text}\n\n" for n, text in enumerate(PAYLOADS))
    (folder / "films" / "a<img src=x onerror=window.stung=1>.srt").write_text(said)
    line("index", folder / "table.csv", "--encoders", "starter")
    line("index", folder / "films")
    (folder / "broken <img src=x onerror=window.stung=1>.jpg").write_bytes(b"\xff\xd8 no picture")
    line("index", folder, code=3)
    with serving(line) as served:
        yield served.until_ready()


def check_unstung(page: Page) -> None:
    assert page.evaluate("window.stung") is None
    assert page.locator("[data-stung], svg[onload], img[onerror], [onfocus]").count() == 0
    assert page.locator("a[href^='javascript:']").count() == 0


def test_no_text_of_an_item_runs(browser: Browser, hostile: Served) -> None:
    with visit(browser, hostile.url) as made:
        page = made.page
        page.on("dialog", lambda _: pytest.fail("a dialog was opened"))
        page.goto("/?limit=100")
        check_unstung(page)
        links = page.locator("[data-hit] h3 a").evaluate_all("all => all.map((one) => one.getAttribute('href'))")
        assert len(links) == len(PAYLOADS) + 1
        for link in links:
            page.goto(link)
            page.wait_for_load_state("networkidle")
            check_unstung(page)
        page.goto("/state")
        assert "broken" in page.locator("main").inner_text()
        check_unstung(page)


def test_what_failed_is_tried_again_and_the_page_tells_how_it_went(browser: Browser, hostile: Served) -> None:
    with visit(browser, hostile.url, color_scheme="dark") as made:
        page = made.page
        page.goto("/state")
        check_accessible(page)
        page.get_by_role("button", name="Try them again").click()
        expect(page.get_by_role("status").filter(has_text="Tried 1 again")).to_be_visible(timeout=PATIENCE)
        check_unstung(page)
        check_accessible(page)


def test_no_text_of_an_item_runs_from_the_basket(browser: Browser, hostile: Served) -> None:
    with visit(browser, hostile.url) as made:
        page = made.page
        page.goto("/?limit=100")
        buttons = page.locator("[data-hit] [data-basket-id]")
        for place in range(buttons.count()):
            buttons.nth(place).dispatch_event("click")
        page.goto("/basket")
        page.locator(".picked").first.wait_for()
        check_unstung(page)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_address_runs(browser: Browser, hostile: Served, payload: str) -> None:
    with visit(browser, hostile.url) as made:
        made.expected += ["400", "404"]
        for path in (
            f"/?q={quote(payload)}",
            f"/?q=a&part=text:1:{quote(payload)}",
            f"/?q=a&tag={quote(payload)}&then={quote(payload)}",
            f"/?q=a&where={quote(payload)}",
            f"/?part=item:1:{quote(payload)}",
            f"/item/{quote(payload, safe='')}",
            f"/no/such/{quote(payload)}",
        ):
            made.page.goto(path)
            check_unstung(made.page)
