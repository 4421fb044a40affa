"""Pexels: photographs and videos that are searched or listed by its API, and shown where they lie.

https://www.pexels.com/api/documentation/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from sightsound import Item, Metadata, Source
from sightsound.errors import UsageError
from sightsound.fetching import safe_fetch
from sightsound.plugins.sources.stock import TAKING, LacksField, Stock, check, chosen, field, link, own_host, text
from sightsound.types import ItemKind

PREFIX = "pexels:"
OPTIONS = ("kind", "colour", "orientation", "size", "collection", "limit")
ORIENTATIONS = ("landscape", "portrait", "square")
LICENCE = "Pexels License"
SIZES = ("original", "large2x", "large", "medium", "small", "portrait", "landscape", "tiny")
BOXES = {"medium": (10**6, 350), "large": (940, 650), "large2x": (1880, 1300)}
"""Pixels (w, h) that whole pictures of these sizes are fitted into; the others are cropped or tiny."""


def open_pexels(argument: str, options: Mapping[str, str]) -> Source | None:
    """`pexels:mountain lake`, or `pexels:` for what Pexels recommends. None for other arguments."""
    if not argument.startswith(PREFIX):
        return None
    words = argument.removeprefix(PREFIX)
    check(options, OPTIONS, "pexels")
    kind = chosen(options, "kind", ("photo", "film"))
    chosen(options, "orientation", ORIENTATIONS)
    chosen(options, "size", ("large", "medium", "small"))
    if kind == "film" and "colour" in options:
        raise UsageError("Pexels knows colours only of photos")
    if words.strip() and "collection" in options:
        raise UsageError("Pexels lists a collection or searches for words, not both: write pexels: -o collection=ID")
    unknown = sorted({"colour", "orientation", "size"} & set(options))
    if not words.strip() and unknown:
        raise UsageError(f"Pexels knows {', '.join(unknown)} only where words are searched for: write pexels:WORDS")
    return Pexels(words, options)


class Pexels(Stock):
    api = "pexels"
    title = "Pexels"
    home_page = "https://www.pexels.com/"
    key_names = ("PEXELS_API_KEY", "pexels_api_key")
    hourly = 200
    says_hourly = False
    """Its headers tell of the month."""
    per_page = 80
    provider = ("Photos provided by Pexels", "https://www.pexels.com")

    @property
    def view_hosts(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("images.pexels.com", "videos.pexels.com", *own_host("pexels_api", "api.pexels.com"))

    @property
    def films(self) -> bool:
        return self.chosen.get("kind") == "film"

    def authorization(self, key: str) -> dict[str, str]:
        return {"Authorization": key}

    def page_of(self, number: int) -> tuple[str, dict[str, str], str]:
        page = {"page": str(number), "per_page": str(self.per_page)}
        listed = "videos" if self.films else "photos"
        if self.words:
            page["query"] = self.words
            page |= {name: self.chosen[name] for name in ("orientation", "size") if name in self.chosen}
            if "colour" in self.chosen:
                page["color"] = self.chosen["colour"]
            return "/videos/search" if self.films else "/v1/search", page, listed
        if "collection" in self.chosen:
            page["type"] = listed
            return f"/v1/collections/{quote(self.chosen['collection'], safe='')}", page, "media"
        return "/videos/popular" if self.films else "/v1/curated", page, listed

    def is_last(self, answer: Any, page: int) -> bool:
        return isinstance(answer, dict) and not answer.get("next_page")

    def identity(self, said: Any) -> tuple[str, ItemKind]:
        number = field(said, "id", int)
        film = "video_files" in said or self.films
        return f"https://www.pexels.com/{'video' if film else 'photo'}/{number}/", "film" if film else "photo"

    def item_of(self, said: Any) -> Item:
        return self._film(said) if self.identity(said)[1] == "film" else self._photo(said)

    def _photo(self, said: Any) -> Item:
        uri, kind = self.identity(said)
        urls = {f"url_{size}": link(said, f"src.{size}") for size in SIZES}
        extra = {
            "author_url": link(said, "photographer_url"),
            "width": str(field(said, "width", int)),
            "height": str(field(said, "height", int)),
            **({"colour": colour} if (colour := text(said, "avg_color")) else {}),
            **urls,
        }
        title, author = text(said, "alt"), field(said, "photographer")
        metadata = Metadata(title=title, author=author, licence=LICENCE, page_url=link(said, "url"), extra=extra)
        return Item(uri, kind, urlsplit(urls["url_original"]).path, metadata)

    def _film(self, said: Any) -> Item:
        uri, kind = self.identity(said)
        files = [_VideoFile(one) for one in field(said, "video_files", list) if text(one, "file_type") == "video/mp4"]
        if not files:
            raise LacksField("video_files")
        extra = {
            "author_url": link(said, "user.url"),
            "width": str(field(said, "width", int)),
            "height": str(field(said, "height", int)),
            "duration": str(field(said, "duration", int)),
            "url_image": link(said, "image"),
            **{f"url_{one.width}x{one.height}": one.url for one in files},
        }
        page = link(said, "url")
        title = urlsplit(page).path.strip("/").rpartition("/")[2].rstrip("0123456789").replace("-", " ").strip()
        metadata = Metadata(title=title, author=field(said, "user.name"), licence=LICENCE, page_url=page, extra=extra)
        return Item(uri, kind, urlsplit(max(files, key=lambda one: one.width).url).path, metadata)

    def file_url(self, item: Item) -> str:
        said = item.metadata.extra
        if item.kind == "film":
            return self._fitting(_sizes(said))
        width, height = int(said["width"]), int(said["height"])
        for size, (wide, high) in BOXES.items():
            scale = min(1.0, wide / max(1, width), high / max(1, height))
            if scale * min(width, height) >= (self.min_side or 300):
                return said[f"url_{size}"]
        return said["url_original"]

    def _fitting(self, sizes: dict[tuple[int, int], str]) -> str:
        """The smallest file whose shorter side is as long as encoders ask for, else the largest."""
        by_side = sorted(sizes, key=lambda size: (min(size), size))
        return sizes[next((size for size in by_side if min(size) >= self.min_side), by_side[-1])]

    def view_url(self, item: Item) -> str | None:
        said = item.metadata.extra
        return said.get("url_image") if item.kind == "film" else said.get("url_medium")

    def take(self, item: Item) -> BinaryIO:
        said = item.metadata.extra
        if item.kind == "film":
            sizes = _sizes(said)
            url = sizes[max(sizes)]
        else:
            url = said["url_original"]
        return safe_fetch(url, item.kind, limits=TAKING).file


class _VideoFile:
    def __init__(self, said: Any) -> None:
        self.url = link(said, "link")
        self.width, self.height = field(said, "width", int), field(said, "height", int)


def _sizes(said: Mapping[str, str]) -> dict[tuple[int, int], str]:
    """Files of a video by their width and height."""
    found = {}
    for name, url in said.items():
        wide, cross, high = name.removeprefix("url_").partition("x")
        if cross and wide.isdecimal() and high.isdecimal():
            found[int(wide), int(high)] = url
    return found
