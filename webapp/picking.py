"""What was picked, posted as a list: its items, and as a file: credits, a table, a contact sheet or a cut list."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from flask import Blueprint, Response, jsonify, request, send_file

from sightsound.answers import VERSION, item_object
from sightsound.errors import Busy, ItemMissing, UsageError
from sightsound.picks import FORMATS, picks_of
from sightsound.webapp.site import site

pages = Blueprint("picking", __name__, url_prefix="/api/v1")

MOST_TITLE = 60
_sheets = threading.Semaphore(2)
"""A contact sheet takes reading processes and requests of its own: few are made at a time."""


@pages.post("/items")
def items() -> Response:
    """Items by their ids, in that order, and the ids that are gone."""
    picks, gone = picks_of(site().collection, [{"id": id} for id in posted_list("ids")])
    found = {pick.item.id: item_object(pick.item, site().sources) for pick in picks}
    return jsonify({"version": VERSION, "items": list(found.values()), "missing": gone})


@pages.post("/export")
def export() -> Response:
    """What was picked, as a file: credits, a table, a contact sheet or a cut list. What is gone is left out."""
    name = request.args.get("format", "")
    if name not in FORMATS:
        raise UsageError(f"'format' is one of {', '.join(FORMATS)}, not '{name[:40]}'")
    title = " ".join(request.args.get("title", "Basket").split())[:MOST_TITLE] or "Basket"
    picks, gone = picks_of(site().collection, posted_list("picks"))
    if not picks:
        raise ItemMissing("None of the picked items is in the collection any more" if gone else "Nothing is picked")
    made = FORMATS[name]
    with _one_of_few_sheets() if name == "sheet" else nullcontext():
        data = io.BytesIO(made.write(picks, site().sources, title).encode("utf-8", "backslashreplace"))
    stem = re.sub(r"[^\w-]+", "-", title.lower()).strip("-") or "basket"
    return send_file(data, made.media_type, as_attachment=True, download_name=stem + made.ending)


@contextmanager
def _one_of_few_sheets() -> Iterator[None]:
    if not _sheets.acquire(blocking=False):
        raise Busy("Other contact sheets are being made; come again in a moment", 10)
    try:
        yield
    finally:
        _sheets.release()


def posted_list(name: str) -> list[Any]:
    """A list in the JSON that was posted. Raises UsageError for anything else."""
    try:
        said = request.get_json(silent=True)
    except RecursionError:  # lists in lists in lists
        said = None
    if not isinstance(said, dict) or not isinstance(said.get(name), list):
        raise UsageError(f'Post JSON such as {{"{name}": [...]}}, with Content-Type: application/json')
    return cast("list[Any]", said[name])
