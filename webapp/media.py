"""Pictures, films and sounds: `/media/<item id>/…`, only what was indexed; of uploads a small picture. docs/site.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode

from flask import Blueprint, Flask, Response, jsonify, request
from werkzeug.wsgi import wrap_file

from sightsound import dead
from sightsound.errors import ItemMissing, MediaGone, UsageError
from sightsound.links import safe_link
from sightsound.previews import TYPES
from sightsound.showing import MOST_MOMENTS, WIDTHS, Making, kept_name, nearest_width, picture_name
from sightsound.sources import Source, is_hotlinked
from sightsound.types import Item
from sightsound.webapp.asking import whole
from sightsound.webapp.items import item_of
from sightsound.webapp.site import site

pages = Blueprint("media", __name__, url_prefix="/media")
FOR_EVER = "private, max-age=31536000, immutable"
"""For a URL that names the content with `v`: it never means anything else."""
POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"
"""What is sent may be anyone's file: nothing in it runs, were it opened as a page."""
PICTURE_POLICY = f"{POLICY}; style-src 'unsafe-inline'"
"""Browsers that open a picture lay it out with styles of their own."""
MAKING_SECONDS = 5
"""After which a page asks again for a film that is being made."""
PICTURE_SECONDS = 1
WIDEST = 100_000
CHIP = WIDTHS[0]
"""Pixels of the picture of an upload."""
_VERSION = 16
"""Hex digits of the content that URLs name."""
UNKNOWN = "application/octet-stream"


def register(app: Flask) -> None:
    """Give templates `media_url`."""
    app.jinja_env.globals["media_url"] = media_url


def media_url(
    item: dict[str, Any], width: int = 640, at: float | None = None, what: str = "thumb", n: int | None = None
) -> str:
    """Where a page finds what shows an item, as `item_object` gives it: where it lies, if it may not be copied.

    what: `thumb`, `preview`, `file`, `waveform.svg` or `strip`. at: the second of a film. n: moments of a strip.
    """
    if item["hotlink"]:
        return safe_link(item["view_url"])
    asked: dict[str, Any] = {"w": width} if what == "thumb" else {}
    asked |= {"at": round(at, 2)} if at is not None else {}
    asked |= {"n": n} if n is not None else {}
    asked |= {"v": item["content"][:_VERSION]} if item["content"] else {}
    return f"/media/{item['id']}/{what}" + (f"?{urlencode(asked)}" if asked else "")


@pages.get("/<id>/thumb")
def thumb(id: str) -> Response:
    """A JPEG of a photograph, or of a film at the second `at`. `w`: how wide, rounded up to what is made."""
    item, source = _copied(id)
    width = nearest_width(whole(request.args, "w", 640, 1, WIDEST))
    at = _seconds("at")
    etag = picture_name(item, width, at)
    with _noting_gone(item):
        if (unchanged := _unchanged(item, etag)) is not None:
            return unchanged
        return _shown(site().showing.picture(item, source, width, at), item, etag, "image/jpeg")


@pages.get("/uploads/<id>/thumb")
def upload_thumb(id: str) -> Response:
    """A small JPEG of a picture or a film that a visitor gave, for as long as it is kept."""
    item = site().uploads.find(id).item
    etag = picture_name(item, CHIP)
    return _unchanged(item, etag) or _shown(site().showing.picture(item, Source(), CHIP), item, etag, "image/jpeg")


@pages.get("/<id>/strip")
def strip(id: str) -> Response:
    """A JPEG of `n` moments of a film, side by side."""
    item, source = _copied(id)
    count = whole(request.args, "n", 8, 1, MOST_MOMENTS)
    etag = kept_name(item, f"strip{count}.jpg")
    with _noting_gone(item):
        return _unchanged(item, etag) or _shown(site().showing.strip(item, source, count), item, etag, "image/jpeg")


@pages.get("/<id>/waveform.svg")
def waveform(id: str) -> Response:
    """An SVG of a sound, as wide and high as it is shown."""
    item, source = _copied(id)
    etag = kept_name(item, "wave.svg")
    with _noting_gone(item):
        return _unchanged(item, etag) or _shown(site().showing.waveform(item, source), item, etag, "image/svg+xml")


@pages.get("/<id>/preview")
def preview(id: str) -> Response:
    """What a browser shows or plays: the file, or what was made of it. 202 while that is being made."""
    item, source = _item(id)
    if is_hotlinked(item, source):
        return _elsewhere(item, source)
    with _noting_gone(item):
        found = site().showing.preview(item, source)
        if found == "making":
            return _making()
        if found == "original":
            return _original(item, source)
        return _made(found, item)


@pages.get("/<id>/file")
def file(id: str) -> Response:
    """The file as it is, whole or in parts."""
    item, source = _item(id)
    if is_hotlinked(item, source):
        return _elsewhere(item, source)
    with _noting_gone(item):
        return _original(item, source)


def _item(id: str) -> tuple[Item, Source]:
    """Raises ItemMissing."""
    item = item_of(id)
    return item, site().sources.of(item)


def _copied(id: str) -> tuple[Item, Source]:
    """An item of which a picture may be kept. Raises ItemMissing for others."""
    item, source = _item(id)
    if is_hotlinked(item, source):
        raise ItemMissing("This item is shown where it lies; no picture of it is kept here")
    return item, source


def _seconds(name: str) -> float | None:
    written = request.args.get(name, "")
    if not written:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d{1,12})?", written, re.ASCII):
        raise UsageError(f"'{name}' is a number of seconds, not '{written[:80]}'")
    return float(written)


@contextmanager
def _noting_gone(item: Item) -> Iterator[None]:
    """A file that is gone, or is not what was indexed, is listed among the failed."""
    try:
        yield
    except MediaGone as error:
        dead.mark_gone(site().collection, item, error)
        raise


def _elsewhere(item: Item, source: Source) -> Response:
    """A redirect to where the item lies: a signed URL holds for a while only."""
    url = safe_link(source.view_url(item))
    if not url:
        raise ItemMissing("This item lies elsewhere, and has no URL to be shown by")
    answer = Response(status=302)
    answer.location = url
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _original(item: Item, source: Source) -> Response:
    if item.path is None and source.view_url(item):
        return _elsewhere(item, source)
    if (unchanged := _unchanged(item, item.content)) is not None:
        return unchanged
    found = site().showing.original(item, source)
    if found == "making":
        return _making()
    type_ = TYPES.get((item.kind, str(item.facts.get("format"))), UNKNOWN)
    return _sent(found, item, item.content, type_, item.display_title if item.path is None else item.path.name)


def _made(found: BinaryIO, item: Item) -> Response:
    """What was made for browsers: a JPEG, or by its first bytes an MP4 or a WebM."""
    etag = kept_name(item, "made")
    if (unchanged := _unchanged(item, etag)) is not None:
        found.close()
        return unchanged
    webm = found.read(4) == b"\x1a\x45\xdf\xa3"
    found.seek(0)
    kind = {"film": "video", "sound": "audio"}.get(item.kind, "")
    type_ = f"{kind}/{'webm' if webm else 'mp4'}" if kind else "image/jpeg"
    return _sent(found, item, etag, type_)


def _making(after: int = MAKING_SECONDS) -> Response:
    """202: told to come again."""
    answer = jsonify({"state": "making", "message": "It is being made to be shown; come again soon"})
    answer.status_code = 202
    answer.headers["Retry-After"] = str(after)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _shown(found: BinaryIO | Making, item: Item, etag: str, type_: str) -> Response:
    return _making(PICTURE_SECONDS) if found == "making" else _sent(found, item, etag, type_)


def _unchanged(item: Item, etag: str) -> Response | None:
    """304 where the client has it already."""
    if not request.if_none_match.contains_weak(etag):
        return None
    answer = Response(status=304)  # without what tells of a body
    _headers(answer, item, etag)
    return answer


def _headers(answer: Response, item: Item, etag: str) -> None:
    answer.set_etag(etag)
    named = request.args.get("v") == item.content[:_VERSION]
    answer.headers["Cache-Control"] = FOR_EVER if named else "private, no-cache"
    answer.headers["Content-Security-Policy"] = POLICY


def _sent(found: BinaryIO, item: Item, etag: str, type_: str, name: str = "") -> Response:
    """A file, or the part of it that is asked for, handed to the server, which sends it as the client takes it."""
    size = found.seek(0, 2)
    start, end, status = _range(size, etag)
    answer = Response(status=status, content_type=type_)
    _headers(answer, item, etag)
    if type_.startswith("image/") and type_ != "image/svg+xml":
        answer.headers["Content-Security-Policy"] = PICTURE_POLICY
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Disposition"] = _disposition(type_, name)
    if status == 416:
        found.close()
        answer.headers["Content-Range"] = f"bytes */{size}"
        return answer
    if status == 206:
        answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    found.seek(start)
    answer.headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        found.close()
        return answer
    answer.response = _bounded(found, end - start)
    answer.direct_passthrough = True
    return answer


def _bounded(found: BinaryIO, length: int) -> Any:
    """The bytes from here on. A server that has a wrapper of its own stops at the Content-Length by itself."""
    if "wsgi.file_wrapper" in request.environ:
        return wrap_file(request.environ, found)
    return _Part(found, length)


class _Part:
    """So many bytes of a file, in pieces; it is closed with the answer."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file, self._left = file, length

    def __iter__(self) -> Iterator[bytes]:
        while self._left and (data := self._file.read(min(self._left, 1 << 16))):
            self._left -= len(data)
            yield data

    def close(self) -> None:
        self._file.close()


def _range(size: int, etag: str) -> tuple[int, int, int]:
    """(first byte, the one after the last, HTTP status) of what is asked for. Of several ranges, all is sent."""
    asked, condition = request.range, request.if_range
    if request.method != "GET" or asked is None or len(asked.ranges) != 1 or asked.units != "bytes":
        return 0, size, 200
    if "If-Range" in request.headers and (condition.etag is None or condition.etag != etag):
        return 0, size, 200
    start, stop = asked.ranges[0]
    if start < 0:  # the last so many bytes, or all where there are fewer
        start, stop = max(0, size + start), size
    stop = size if stop is None else min(stop, size)
    return (start, stop, 206) if start < stop else (0, 0, 416)


def _disposition(type_: str, name: str) -> str:
    """Shown in place; what no browser shows is for saving only."""
    how = "attachment" if type_ == UNKNOWN else "inline"
    plain = PurePath(re.sub(r"[\x00-\x1f\x7f]", "", name)).name.encode("utf-8", "replace").decode()
    return f"{how}; filename*=UTF-8''{quote(plain, safe='')}" if plain else how
