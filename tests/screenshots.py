"""Takes pictures of the site's main pages over the demo collection: `make screenshots`."""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from browsing import DESKTOP, PHONE, chromium, visit
from conftest import CommandLine, index_whole
from PIL import Image
from playwright.sync_api import Browser, Page
from served import Served, serving

QUALITY = 82


def search(page: Page) -> None:
    page.goto("/?q=animals+in+the+grass")


def item(page: Page) -> None:
    page.goto("/?q=a+giraffe&kind=film")
    page.locator("[data-hit] h3 a").first.click()
    page.wait_for_url(re.compile("/item/"))
    page.locator("#alike").scroll_into_view_if_needed()
    page.locator("#alike-found h3").first.wait_for()
    page.evaluate("scrollTo(0, 0)")


def basket(page: Page) -> None:
    page.goto("/?q=a+horse+on+the+beach")
    for place in range(3):
        page.locator("[data-hit] [data-basket-id]").nth(place).dispatch_event("click")
    page.goto("/basket")
    page.locator(".picked").first.wait_for()


def state(page: Page) -> None:
    page.goto("/state")


PAGES: dict[str, tuple[Callable[[Page], None], dict[str, object]]] = {
    "search": (search, {"viewport": DESKTOP}),
    "search-dark": (search, {"viewport": DESKTOP, "color_scheme": "dark"}),
    "search-phone": (search, {"viewport": PHONE, "is_mobile": True, "has_touch": True}),
    "film": (item, {"viewport": {"width": 1440, "height": 1300}}),
    "basket": (basket, {"viewport": DESKTOP}),
    "state": (state, {"viewport": DESKTOP}),
}


def take(browser: Browser, site: Served, name: str) -> Image.Image:
    """The page as it is when its pictures are there."""
    show, options = PAGES[name]
    with visit(browser, site.url, **options) as made:
        show(made.page)
        made.page.wait_for_load_state("networkidle")
        return Image.open(io.BytesIO(made.page.screenshot()))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.gettempdir()) / "sightsound-demo"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    with chromium() as browser:
        line = CommandLine(home)
        index_whole(line)
        with serving(line) as site:
            site.until_ready()
            for name in PAGES:
                take(browser, site, name).convert("RGB").save(folder / f"{name}.jpg", quality=QUALITY, optimize=True)
                print(folder / f"{name}.jpg")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
