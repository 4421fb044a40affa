"""What a sound or film file says of itself: ID3, Vorbis comments, MP4 and Matroska tags, as FFmpeg reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sightsound import Metadata

LONGEST = 10_000
MOST_TAGS = 50
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+")
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d)?)?)?)?")
_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("title",),
    "description": ("description", "synopsis", "comment"),
    "author": ("artist", "author", "album_artist", "performer", "composer", "director"),
    "licence": ("license", "licence", "copyright"),
    "page_url": ("contact", "website", "url", "purl"),
    "date": ("date", "originaldate", "year", "creation_time"),
}
"""What each may be called in a file, the best first."""


def container_metadata(container: Any) -> Metadata:
    """The tags of a PyAV container, and of its sound track where the format keeps them there, as OGG does."""
    said: dict[str, str] = {}
    for tags in (*(stream.metadata for stream in container.streams.audio[:1]), container.metadata):
        said |= {name.lower(): value for name, value in tags.items() if isinstance(value, str)}
    return metadata(said)


def metadata(said: Mapping[str, str]) -> Metadata:
    """said: tags by their names in lower case."""

    def first(name: str) -> str:
        return next((value for tag in _NAMES[name] if (value := _clean(said.get(tag, "")))), "")

    date = _DATE.match(first("date"))
    kept = [_clean(tag) for tag in re.split(r"[;,/|]", f"{said.get('genre', '')};{said.get('keywords', '')}")]
    return Metadata(
        first("title"),
        first("description"),
        tuple(dict.fromkeys(tag for tag in kept if tag and not tag.isdecimal()))[:MOST_TAGS],
        first("author"),
        first("licence"),
        first("page_url"),
        date[0].replace(" ", "T") if date and not date[0].startswith("0000") else "",
    )


def _clean(text: str) -> str:
    return _CONTROL.sub("", text).strip()[:LONGEST]
