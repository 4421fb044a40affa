"""What a source plug-in provides: items, their bytes, and how they are shown and credited."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sightsound.errors import MediaError
from sightsound.types import Item


@dataclass(frozen=True)
class Paused:
    """Why a listing stopped before its end, and when it can go on: seconds since the epoch."""

    reason: str
    until: float


class Source:
    """Where items come from. Subclass it, set `name`, and give at least `items`.

    A source is pickled into the decoding processes, where `open` is called.

    name: the identity an item belongs to, such as `folder:/home/ann/Photos`; the same at every run.
    hotlink_only: pages show items by `view_url` and keep no copy.
    view_hosts: hosts that `view_url` may name, with their port where it is not the usual one; `*` for any.
    provider: words and a URL that must be shown wherever its items are, such as "Photos provided by Pexels".
    cursor: None for a source that always lists from the start. Else, while `items` is gone through, where a listing
        would go on that gives the page of the item given last again, and all that follows; "" for the first page.
    paused: set by `items` where it ends before the end, as at a rate limit; the next run goes on at `cursor`.
    min_side: set by core: pixels of the shorter side that encoders ask of pictures. A source that may choose among
        sizes fetches the smallest that has as many.
    ahead: how many items a reading process may `open` while it reads another, in threads: for a source that is waited
        for, such as a network. Each holds what it opened.
    """

    name: str = ""
    hotlink_only: bool = False
    view_hosts: tuple[str, ...] = ()
    provider: tuple[str, str] | None = None
    cursor: str | None = None
    paused: Paused | None = None
    min_side: int = 0
    ahead: int = 0

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        """List every item, in an order that stays the same from run to run.

        cursor: where an interrupted listing left off, for a source that has them; None starts anew. What was given of
        that page before may be given again: it is known, and not read twice.
        Raises SourceError where the source as a whole can't be listed (a missing folder, a refused key), so that
        nothing is mistaken for deleted.
        """
        raise NotImplementedError

    def count(self) -> int | None:
        """How many items there are, where that is cheap to tell; for progress bars."""
        return None

    def open(self, item: Item) -> BinaryIO:
        """The item's bytes, for reading once. Raises OSError or MediaError; that costs this item only."""
        path = item.path
        if path is None:
            raise FileNotFoundError(f"{item.uri} has no local file, and {type(self).__name__} does not open others")
        return open_regular(path)

    def beside(self, item: Item) -> Sequence[Item]:
        """What lies beside an item and belongs to it: a film's subtitles, as items of the kind text that `open` opens.

        The item's revision must change when they do. A reader gets them one by one, and their pieces are the item's.
        """
        return ()

    def view_url(self, item: Item) -> str | None:
        """The URL at which a page may show the item, or None where the page serves it itself."""
        return None

    def take(self, item: Item) -> BinaryIO:
        """The original, for someone who wants to have it (`sightsound take`); what `open` gives may be smaller.

        A source whose terms want to be told of that does so here. Raises what `open` raises.
        """
        return self.open(item)

    def credit(self, item: Item) -> str:
        """The credit line to show with the item."""
        return "".join(words for words, _ in self.credit_links(item))

    def credit_links(self, item: Item) -> Sequence[tuple[str, str]]:
        """The credit line in pieces, each with the URL that it must lead to, or ""."""
        line = credit_line(item)
        return [(line, "")] if line else []


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file; anything else, such as a FIFO, raises MediaError instead of waiting."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def file_revision(status: os.stat_result) -> str:
    """The revision of a local file: it changes when the content does."""
    return f"{status.st_size}-{status.st_mtime_ns}"


def is_hotlinked(item: Item, source: Source) -> bool:
    """Whether pages show the item where it lies, and keep no copy of it."""
    return source.hotlink_only or item.uri.startswith(("http://", "https://"))


def credit_line(item: Item) -> str:
    """The item's own credit, or one made of its title, author and licence; "" where neither is known."""
    said = item.metadata
    if said.credit:
        return said.credit
    by = f"{said.title} by {said.author}" if said.title and said.author else said.author
    return ", ".join(part for part in (by, said.licence) if part)
