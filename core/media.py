"""What a reader plug-in provides: it turns an item's bytes into pieces to encode, and facts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from sightsound.types import AudioInput, Facts, ImageInput, Item, Medium, Metadata, SegmentKind


@dataclass(frozen=True)
class Wanted:
    """What the collection's encoders need of a reader; None or nothing where no encoder reads that medium.

    image: its `min_side` is the largest that an encoder asks for; a reader need not decode finer.
    audio: the windows that encoders ask for, each once; a reader gives pieces for each of them.
    """

    image: ImageInput | None = None
    audio: tuple[AudioInput, ...] = ()


@dataclass(frozen=True)
class Piece:
    """One segment's media, before it is prepared for each encoder.

    media: image: uint8 (h, w, 3) upright sRGB; text: str; audio: float32 (n,) mono in -1..1.
    start, end: seconds, for frames, sounds and subtitles.
    input: which of the wanted inputs a sound was cut for; encoders that ask for another do not get it.
    """

    kind: SegmentKind
    medium: Medium
    media: Any
    start: float | None = None
    end: float | None = None
    input: AudioInput | None = None


@dataclass(frozen=True)
class Learnt:
    """What a reader learnt of the item as a whole: facts, and the metadata that the file itself holds."""

    facts: Facts
    metadata: Metadata = field(default_factory=Metadata)


class Reader(Protocol):
    """May also have `missing(item)`: what must be installed before it can read such items, and how; "" if nothing.
    Such items are then counted as skipped, and do not fail."""

    def reads(self, item: Item) -> bool:
        """Whether this reader is for the item, judged by its URI and kind alone."""
        ...

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        """Stream the item's pieces, in order, and what was learnt. Runs in a decoding process.

        file: at its start, seekable. Raises MediaError (or anything) if the file can't be read: the item then
        fails with that reason, and nothing else does.
        """
        ...


def missing(reader: Reader, item: Item) -> str:
    """What a reader lacks for such an item; "" where nothing."""
    ask = getattr(reader, "missing", None)
    return str(ask(item)) if ask else ""
