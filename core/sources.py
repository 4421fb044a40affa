"""What a source plug-in provides: items, their bytes, and how they are shown and credited."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from sightsound.errors import MediaError
from sightsound.types import Item


class Source:
    """Where items come from. Subclass it, set `name`, and give at least `items`.

    A source is pickled into the decoding processes, where `open` is called.

    name: the identity an item belongs to, such as `folder:/home/ann/Photos`; the same at every run.
    hotlink_only: pages show items by `view_url` and keep no copy.
    view_hosts: hosts that `view_url` may name.
    ahead: how many items a reading process may `open` while it reads another, in threads: for a source that is waited
        for, such as a network. Each holds what it opened.
    """

    name: str = ""
    hotlink_only: bool = False
    view_hosts: tuple[str, ...] = ()
    ahead: int = 0

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        """List every item, in an order that stays the same from run to run.

        cursor: where an interrupted listing left off, for sources that can go on from there; None starts anew.
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

    def credit(self, item: Item) -> str:
        """The credit line to show with the item."""
        return credit_line(item)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file; anything else, such as a FIFO, raises MediaError instead of waiting."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MediaError("it is not a regular file")
    return os.fdopen(descriptor, "rb")


def credit_line(item: Item) -> str:
    """The item's own credit, or one made of its title, author and licence; "" where neither is known."""
    said = item.metadata
    if said.credit:
        return said.credit
    by = f"{said.title} by {said.author}" if said.title and said.author else said.author
    return ", ".join(part for part in (by, said.licence) if part)
