"""The check of a source."""

from __future__ import annotations

import contextlib
from itertools import islice
from typing import get_args
from urllib.parse import urlsplit

from sightsound.errors import MediaError
from sightsound.links import safe_link
from sightsound.sources import Source
from sightsound.testing.expecting import expect, pickled
from sightsound.types import Item, ItemKind, file_uri

KINDS = get_args(ItemKind)


def check_source(source: Source, most: int = 1000) -> list[Item]:
    """List the source twice, open its items, and ask how each is shown and credited. Returns the items.

    most: how many items are looked at.
    """
    expect(source.name, "the source has no name; an item belongs to it by that")
    items = list(islice(source.items(), most))
    expect(items, "the source lists nothing; give the check one that does")
    expect(items == list(islice(source.items(), most)), "a second listing differs from the first")
    if source.cursor is not None:
        _check_cursor(source, items)
    uris = [item.uri for item in items]
    expect(len(set(uris)) == len(uris), "two items have the same URI")
    count = source.count()
    expect(count is None or count >= len(items), f"count() says {count}, {len(items)} and more are listed")
    elsewhere = pickled(source, "the source")
    for item in items:
        _check_item(elsewhere, item)
    return items


def _check_cursor(source: Source, items: list[Item]) -> None:
    """From the cursor of any item, a listing gives it and what follows."""
    for number, _ in enumerate(zip(source.items(), items, strict=False)):
        cursor, rest = source.cursor, {item.uri for item in items[number:]}
        expect(cursor is not None, "the source has a cursor at first, and none while it lists")
        if number in (0, len(items) // 2, len(items) - 1):
            found = {item.uri for item in islice(pickled(source, "the source").items(cursor or None), len(items))}
            expect(rest <= found, f"a listing from the cursor '{cursor}' leaves out {len(rest - found)} items")


def _check_item(source: Source, item: Item) -> None:
    expect(urlsplit(item.uri).scheme, f"'{item.uri}' is no URI; for a file write file_uri(path)")
    path = item.path
    expect(path is None or file_uri(path) == item.uri, f"'{item.uri}' is not canonical; write file_uri(path)")
    expect(item.kind in KINDS, f"{item.uri} is of the kind '{item.kind}'; there are: {', '.join(KINDS)}")
    expect(item.revision or item.kind == "text", f"{item.uri} has no revision, so that changes can't be seen")
    expect(isinstance(source.credit(item), str), f"the credit of {item.uri} is no string")
    links = source.credit_links(item)
    expect(all(not url or safe_link(url) for _, url in links), f"{links} lead nowhere")
    view = source.view_url(item)
    if view is not None:
        parts = urlsplit(view)
        host = parts.netloc if parts.port else parts.hostname
        named = "*" in source.view_hosts or host in source.view_hosts
        expect(named, f"{view} lies on a host that view_hosts does not name")
    if item.kind == "text":
        return
    with contextlib.suppress(OSError, MediaError), source.open(item) as file:  # what costs only this item
        expect(file.seekable() and file.tell() == 0, f"{item.uri} must open seekable and at its start")
        start = file.read(16)
        expect(isinstance(start, bytes), f"{item.uri} must open as binary")
        file.seek(0)
        expect(file.read(16) == start, f"{item.uri} reads otherwise after seek(0)")
