"""What Unsplash and Pexels have in common: pages of an API behind a key, pictures that stay where they are."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

from sightsound import Item, Metadata, Source
from sightsound.config import setting
from sightsound.errors import ConfigError, MediaError, SourceError, UsageError
from sightsound.fetching import FetchFailed, Limits, reading_limits, safe_fetch
from sightsound.plugins.sources.budget import Budget, Spent
from sightsound.plugins.sources.files import check_options
from sightsound.sources import Paused
from sightsound.types import ItemKind

TRIES = 3
TAKING = Limits(bytes=4_000_000_000, total=1200)
"""An original may be large."""
MOST = 500
"""Items that are listed where the option `limit` does not say."""
FAULT = "fault"
"""The extra attribute of an item whose answer lacked something."""
Said = Mapping[str, Any]


class Stock(Source):
    """A listing of a stock API, page by page.

    words: what is searched for; "" for what the API lists by itself. options: checked, without `limit`.
    """

    api = ""
    title = ""
    home_page = ""
    key_names: tuple[str, str] = ("", "")
    """The environment's variable for the key, and the setting."""
    hourly = 50
    says_hourly = True
    per_page = 30
    options: tuple[str, ...] = ()
    hotlink_only = True
    ahead = 4
    cursor: str | None = ""

    def __init__(self, words: str, options: Mapping[str, str]) -> None:
        self.words = " ".join(words.split())
        self.chosen = {name: value for name, value in options.items() if name != "limit"}
        self.limit = _count(options.get("limit", str(MOST)))
        query = f"?{urlencode(sorted(self.chosen.items()))}" if self.chosen else ""
        self.name = f"{self.api}:{self.words}{query}"
        self.warnings: list[str] = []

    # What each API has of its own

    def page_of(self, number: int) -> tuple[str, dict[str, str], str]:
        """The path, the parameters and the name of the list in the answer, "" where it is the answer, of a page."""
        raise NotImplementedError

    def is_last(self, answer: Any, page: int) -> bool:
        """Whether the answer says that no page follows; a page may be short without being the last."""
        raise NotImplementedError

    def item_of(self, said: Any) -> Item:
        """The item that an answer describes. Raises LacksField."""
        raise NotImplementedError

    def identity(self, said: Any) -> tuple[str, ItemKind]:
        """Its URI and kind, of the least that an answer must have. Raises LacksField."""
        raise NotImplementedError

    def authorization(self, key: str) -> dict[str, str]:
        raise NotImplementedError

    def file_url(self, item: Item) -> str:
        """Where the smallest file lies that has `min_side`."""
        raise NotImplementedError

    # The source

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        self.warnings.clear()
        self.paused = None
        seen: set[str] = set()
        first = page = _count(cursor) if cursor else 1
        while (page - 1) * self.per_page < self.limit:
            self.cursor = "" if page == 1 else str(page)
            path, parameters, listed = self.page_of(page)
            try:
                answer = self.ask(path, parameters)
            except Spent as spent:
                self.pause(spent)
                return
            rows = answer if not listed else answer.get(listed) if isinstance(answer, dict) else None
            if not isinstance(rows, list):
                raise SourceError(f"The answer of {self.title} has changed: it has no list '{listed or 'of photos'}'")
            for row in rows[: self.limit - (page - 1) * self.per_page]:
                item = self._item(row, page)
                if item is not None and item.uri not in seen:
                    seen.add(item.uri)
                    yield item
            if not rows or self.is_last(answer, page):
                break
            page += 1
        if not seen and first == 1:
            self.warnings.append(f"{self.title} has nothing for '{self.words}'")

    def pause(self, spent: Spent) -> None:
        self.paused = Paused(f"{self.title} grants no more requests for now", spent.until)

    def _item(self, said: Any, page: int) -> Item | None:
        try:
            uri, kind = self.identity(said)
        except LacksField as lack:
            self.warnings.append(f"page {page} of {self.title}'s answer has an entry without '{lack}'; it was left out")
            return None
        try:
            return self.item_of(said)
        except LacksField as lack:
            return Item(uri, kind, f"without {lack}", Metadata(extra={FAULT: f"{self.title}'s answer has no '{lack}'"}))

    def open(self, item: Item) -> BinaryIO:
        if fault := item.metadata.extra.get(FAULT):
            raise MediaError(f"{fault} for it")
        return safe_fetch(self.file_url(item), item.kind, limits=reading_limits()).file

    def credit_links(self, item: Item) -> Sequence[tuple[str, str]]:
        what = {"film": "Video"}.get(item.kind, "Photo")
        said = item.metadata
        author = said.author or "an unknown author"
        return [
            (f"{what} by ", ""),
            (author, self.tracked(said.extra.get("author_url", ""))),
            (" on ", ""),
            (self.title, self.tracked(self.home_page)),
        ]

    def tracked(self, url: str) -> str:
        """A link to the API's own pages, as it wants to have it."""
        return url

    # The API

    def ask(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """The API's answer to a path or URL of its own. Raises Spent, SourceError."""
        key = self._key()
        base = setting(f"{self.api}_api").rstrip("/")
        url = path if "://" in path else base + path
        if urlsplit(url)[:2] != urlsplit(base)[:2]:
            host = urlsplit(url).hostname or url
            raise SourceError(f"{self.title} names {host} as its own API; the key is not sent there")
        if parameters:
            url += ("&" if "?" in url else "?") + urlencode(parameters)
        budget = Budget(self.api, key, self.hourly, self.says_hourly)
        for attempt in range(1, TRIES + 1):
            try:
                with budget.request() as learn:
                    limits = Limits(bytes=20_000_000, total=60, tries=1)
                    body = safe_fetch(url, headers=self.authorization(key), limits=limits, on_answer=learn).read()
                return json.loads(body)
            except FetchFailed as error:
                if _is_limit(error):
                    with budget.request():  # raises Spent, with the time that was just learnt
                        pass
                if not error.passing or attempt == TRIES:
                    raise self._refused(error) from None
                time.sleep(0.2 * 2**attempt)
            except MediaError as error:
                raise SourceError(f"{self.title} can't be asked: {error}") from None
            except (ValueError, RecursionError):
                raise SourceError(f"{self.title} did not answer with JSON; is {base} its API?") from None
        raise AssertionError("every try returns or raises")

    def _refused(self, error: FetchFailed) -> SourceError:
        if error.status in (401, 403):
            key = self.key_names[0]
            return SourceError(f"{self.title} refuses the key in {key} (HTTP {error.status}): is it whole, or revoked?")
        if error.status == 404:
            return SourceError(f"{self.title} knows nothing of the kind: {self.name} (HTTP 404)")
        return SourceError(f"{self.title} can't be listed: {error}. Run it again; it goes on where it stopped")

    def _key(self) -> str:
        variable, name = self.key_names
        key = (os.environ.get(variable) or setting(name)).strip()
        if not key:
            how = f"set {variable}, or {name} in sightsound.toml. See docs/sources.md"
            raise ConfigError(f"{self.title} wants a key: {how}")
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise ConfigError(f"The key in {variable} holds a character that no key has: copy it again")
        return key


class LacksField(Exception):
    """An answer that has no such field, or something else in its place."""


def field(said: Any, path: str, kind: type = str) -> Any:
    """The value at `user.links.html`, of this type and not empty. Raises LacksField with the path."""
    for name in path.split("."):
        said = said.get(name) if isinstance(said, dict) else None
    if kind is int and isinstance(said, bool):
        said = None
    if not isinstance(said, kind) or said == "":
        raise LacksField(path)
    return said


def link(said: Any, path: str) -> str:
    """A field that is a URL of the web. Raises LacksField."""
    url = str(field(said, path))
    if urlsplit(url).scheme not in ("http", "https"):
        raise LacksField(path)
    return url


def text(said: Any, path: str) -> str:
    """A field that may be absent: "" then."""
    try:
        return str(field(said, path)).strip()
    except LacksField:
        return ""


def own_host(name: str, usual: str) -> tuple[str, ...]:
    """The host, with its port, of an API that a setting points elsewhere: its pictures lie there too."""
    host = urlsplit(setting(name)).netloc.rpartition("@")[2]
    return (host,) if host and host != usual else ()


def check(options: Mapping[str, str], known: tuple[str, ...], api: str) -> None:
    check_options(options, known, api)
    for name, value in options.items():
        if not value.strip():
            raise UsageError(f"The option {name} of {api} is empty")


def chosen(options: Mapping[str, str], name: str, among: Sequence[str]) -> str:
    """The option's value, "" where it is not given. Raises UsageError for one that is not among them."""
    value = options.get(name, "")
    if value and value not in among:
        raise UsageError(f"The option {name} is one of {', '.join(among)}; not '{value}'")
    return value


def _count(written: str) -> int:
    if not written.isdecimal() or not 0 < int(written) <= 1_000_000:
        raise UsageError(f"'{written}' is no number of items; write --option limit=200, say")
    return int(written)


def _is_limit(error: FetchFailed) -> bool:
    return error.status == 429 or (error.status == 403 and error.headers.get("x-ratelimit-remaining") == "0")
