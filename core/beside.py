"""What lies beside an item and belongs to it, such as a film's subtitles: part of its content, and of its pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from sightsound.errors import MediaError, explain
from sightsound.media import Learnt, Piece, Reader, Wanted, missing
from sightsound.sources import Source
from sightsound.types import Item

LARGEST = 20_000_000
"""Bytes of such a file that are read."""
LEFT_OUT = "left_out"
"""The fact that says what of it could not be read."""


def content_with(content: str, source: Source, item: Item) -> str:
    """The content of an item, a SHA-256, and after a colon that of what lies beside it, where something does."""
    beside = source.beside(item)
    if not beside:
        return content
    digest = hashlib.sha256()
    for one in beside:
        try:
            with source.open(one) as file:
                digest.update(hashlib.sha256(file.read(LARGEST)).digest())
        except (OSError, MediaError):  # gone meanwhile, or not to be read: said when it is read
            digest.update(b"?")
    return f"{content}:{digest.hexdigest()}"


def own_content(content: str) -> str:
    """The content of the item itself, of what `content_with` gave."""
    return content.partition(":")[0]


def read_beside(source: Source, item: Item, readers: Sequence[Reader], wanted: Wanted) -> Iterator[Piece | Learnt]:
    """The pieces of what lies beside the item. What can't be read costs only itself, and is told in the facts."""
    faults: list[str] = []
    for one in source.beside(item):
        name = one.path.name if one.path else one.uri
        reader = next((reader for reader in readers if reader.reads(one)), None)
        if reader is None:
            continue
        if wanting := missing(reader, one):
            faults.append(f"{name}: {wanting}")
            continue
        try:
            with source.open(one) as file:
                pieces = [made for made in reader.read(file, one, wanted) if isinstance(made, Piece)]
        except MemoryError:
            raise
        except Exception as error:  # a stranger's file
            faults.append(f"{name}: {error if isinstance(error, MediaError) else explain(error)}")
            continue
        yield from pieces
    if faults:
        yield Learnt({LEFT_OUT: faults})
