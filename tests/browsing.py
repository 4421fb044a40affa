"""A headless Chromium at the site, as people use it: every page it opens has to be quiet and safe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE = 60_000
"""Milliseconds that a page may take to do something, on a busy machine."""
GRAVE = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, or Chrome. Raises AssertionError where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "There is no Chromium to test the site with. Run 'make system' as root."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """One page, and what it complained of. expected: complaints that a test provokes, by a part of their text."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def unexpected(self) -> list[str]:
        return [said for said in self.complaints if not any(part in said for part in self.expected)]


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """A page of a browser that knows nothing yet. At its end nothing may have gone wrong in it.

    url: the site's. options: of the browser's context: viewport, java_script_enabled, color_scheme.
    """
    context = browser.new_context(base_url=url, **{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
    context.set_default_timeout(PATIENCE)
    made = Visit(context.new_page())

    def heard(message: ConsoleMessage) -> None:
        place = message.location.get("url", "")
        if message.type == "error":
            made.complaints.append(f"{message.text} ({place})")

    made.page.on("console", heard)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    try:
        yield made
        assert not made.unexpected(), made.unexpected()
    finally:
        context.close()


def check_accessible(page: Page) -> None:
    """axe-core finds nothing serious on the page as it is now. What is being loaded may be dimmed."""
    page.wait_for_function("() => !document.querySelector('.htmx-request')")
    found = Axe().run(page).response["violations"]
    grave = [(one["id"], one["help"], node["html"]) for one in found if one["impact"] in GRAVE for node in one["nodes"]]
    assert not (settled := [one for one in grave if "htmx-request" not in one[2]]), settled[:10]


def check_fits(page: Page) -> None:
    """Nothing is wider than the page, so that a phone need not be scrolled sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
