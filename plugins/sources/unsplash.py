"""Unsplash: photographs that are searched or listed by its API, and shown where they lie.

https://unsplash.com/documentation, and its guidelines on hotlinking, attribution and the download call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from sightsound import Item, Metadata, Source
from sightsound.errors import MediaError, UsageError
from sightsound.fetching import safe_fetch
from sightsound.plugins.sources.budget import Spent
from sightsound.plugins.sources.stock import TAKING, Stock, check, chosen, field, link, own_host, text
from sightsound.types import ItemKind

PREFIX = "unsplash:"
OPTIONS = ("topic", "colour", "orientation", "newest", "limit")
COLOURS = "black_and_white black white yellow orange red purple magenta green teal blue".split()  # noqa: SIM905
ORIENTATIONS = ("landscape", "portrait", "squarish")
LICENCE = "Unsplash License"
SIZES = ("raw", "full", "regular", "small", "thumb")


def open_unsplash(argument: str, options: Mapping[str, str]) -> Source | None:
    """`unsplash:mountain lake`, or `unsplash:` for the newest. None for other arguments."""
    if not argument.startswith(PREFIX):
        return None
    words = argument.removeprefix(PREFIX)
    check(options, OPTIONS, "unsplash")
    chosen(options, "colour", COLOURS)
    chosen(options, "orientation", ORIENTATIONS)
    chosen(options, "newest", ("yes", "no"))
    if words.strip() and "topic" in options:
        raise UsageError("Unsplash lists a topic or searches for words, not both: write unsplash: -o topic=NAME")
    if not words.strip() and "colour" in options:
        raise UsageError("Unsplash knows colours only where words are searched for: write unsplash:WORDS")
    if not words.strip() and "topic" not in options and "orientation" in options:
        raise UsageError("Unsplash knows orientations only of words and topics: write unsplash:WORDS")
    return Unsplash(words, options)


class Unsplash(Stock):
    api = "unsplash"
    title = "Unsplash"
    home_page = "https://unsplash.com/"
    key_names = ("UNSPLASH_ACCESS_KEY", "unsplash_access_key")
    hourly = 50
    per_page = 30

    @property
    def view_hosts(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("images.unsplash.com", "plus.unsplash.com", *own_host("unsplash_api", "api.unsplash.com"))

    def authorization(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Client-ID {key}", "Accept-Version": "v1"}

    def page_of(self, number: int) -> tuple[str, dict[str, str], str]:
        options = self.chosen
        page = {"page": str(number), "per_page": str(self.per_page)}
        newest = options.get("newest") == "yes"
        if "orientation" in options:
            page["orientation"] = options["orientation"]
        if self.words:
            page |= {"query": self.words, "order_by": "latest" if newest else "relevant"}
            if "colour" in options:
                page["color"] = options["colour"]
            return "/search/photos", page, "results"
        page["order_by"] = "latest"
        if "topic" in options:
            return f"/topics/{quote(options['topic'], safe='')}/photos", page, ""
        return "/photos", page, ""

    def is_last(self, answer: Any, page: int) -> bool:
        pages = answer.get("total_pages") if isinstance(answer, dict) else None
        return isinstance(pages, int) and page >= pages

    def identity(self, said: Any) -> tuple[str, ItemKind]:
        return f"https://unsplash.com/photos/{quote(field(said, 'id'), safe='')}", "photo"

    def item_of(self, said: Any) -> Item:
        uri, kind = self.identity(said)
        urls = {f"url_{size}": link(said, f"urls.{size}") for size in SIZES}
        description, alt = text(said, "description"), text(said, "alt_description")
        tags = said["tags"] if isinstance(said.get("tags"), list) else []
        page = link(said, "links.html")
        return Item(
            uri,
            kind,
            urlsplit(urls["url_raw"]).path,  # names the file; the rest of the URL differs from answer to answer
            Metadata(
                title=alt or description,
                description=description if alt else "",
                tags=tuple(dict.fromkeys(filter(None, (text(tag, "title") for tag in tags)))),
                author=field(said, "user.name"),
                licence=LICENCE,
                page_url=self.tracked(page),
                date=text(said, "created_at")[:19],
                extra={
                    "author_url": link(said, "user.links.html"),
                    "download_location": link(said, "links.download_location"),
                    "width": str(field(said, "width", int)),
                    "height": str(field(said, "height", int)),
                    **({"colour": colour} if (colour := text(said, "color")) else {}),
                    **urls,
                },
            ),
        )

    def file_url(self, item: Item) -> str:
        """The raw file, made as small by Unsplash as the encoders allow; its `ixid` is kept, as the guidelines ask."""
        said = item.metadata.extra
        width, height = int(said["width"]), int(said["height"])
        wide = math.ceil(width * (self.min_side or 400) / max(1, min(width, height)))
        parts = urlsplit(said["url_raw"])
        query = {**dict(parse_qsl(parts.query)), "w": str(min(wide, width)), "fit": "max", "q": "80", "fm": "jpg"}
        return urlunsplit(parts._replace(query=urlencode(query)))

    def view_url(self, item: Item) -> str | None:
        return item.metadata.extra.get("url_small")

    def take(self, item: Item) -> BinaryIO:
        """The original; Unsplash is told, by the call that its guidelines ask for."""
        where = item.metadata.extra.get("download_location")
        if not where:
            raise MediaError("the collection does not know where Unsplash counts its downloads; index it again")
        try:
            url = link(self.ask(where), "url")
        except Spent as spent:
            self.pause(spent)
            raise MediaError(f"{self.title} grants no more requests for now") from None
        return safe_fetch(url, item.kind, limits=TAKING).file

    def tracked(self, url: str) -> str:
        if not url:
            return ""
        parts = urlsplit(url)
        query = {**dict(parse_qsl(parts.query)), "utm_source": "sightsound", "utm_medium": "referral"}
        return urlunsplit(parts._replace(query=urlencode(query)))
