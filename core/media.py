"""What a reader plug-in provides: it turns an item's bytes into pieces to encode, and facts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from sightsound.errors import MediaError
from sightsound.types import AudioInput, Facts, ImageInput, Item, Medium, Metadata, SegmentKind, ShotInput

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Begun:
    """What a collection holds already of one kind of a long item's pieces, from a reading that was interrupted.

    count: how many. start, end: of the last one. spans: (start, end) of them all.
    """

    count: int
    start: float
    end: float
    spans: frozenset[tuple[float, float]] = frozenset()


@dataclass(frozen=True)
class Wanted:
    """What the collection's encoders need of a reader; None or nothing where no encoder reads that medium.

    image, shot: their `min_side` is the largest that an encoder asks for; a reader need not decode finer.
    audio: the windows that encoders ask for, each once; a reader gives pieces for each of them.
    begun: of an item whose reading was interrupted, how far it came, by kind. A reader may go on from there; pieces
        of the same start and end, given again, are left out.
    words: whether only passages of text are wanted: what lies beside the item changed, and not the item itself. Other
        pieces of a reader that can't tell are left out.
    at: seconds; only the picture of that moment is wanted, for a thumbnail. A reader that can't tell gives what it has.
    """

    image: ImageInput | None = None
    audio: tuple[AudioInput, ...] = ()
    shot: ShotInput | None = None
    begun: Mapping[SegmentKind, Begun] = field(default_factory=dict)
    words: bool = False
    at: float | None = None


@dataclass(frozen=True)
class Shot:
    """The pictures of one shot. frames: uint8 (n, h, w, 3), upright sRGB. seconds: float64 (n,), into the film."""

    frames: npt.NDArray[np.uint8]
    seconds: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Piece:
    """One segment's media, before it is prepared for each encoder.

    media: image: uint8 (h, w, 3) upright sRGB; text: str; audio: float32 (n,) mono in -1..1; shot: a `Shot`.
    start, end: seconds, for frames, shots, sounds and subtitles.
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
    """What a reader learnt of the item as a whole: facts, and the metadata that the file itself holds.

    damage: what could not be read, where the rest could: the item is found by the rest, and listed as failed.
    """

    facts: Facts
    metadata: Metadata = field(default_factory=Metadata)
    damage: str = ""


class Reader(Protocol):
    """May also have `missing(item)`: what must be installed before it can read such items, and how; "" if nothing.
    Such items are then counted as skipped, and do not fail. And `load()`: import what takes much memory or many
    addresses; called in each reading process before its memory is limited.

    A reader of films or sounds may have two more, for the site. `plays(file, item)`: whether browsers play the file as
    it is. `remake(file, item, to, got_on)`: write what they play, an MP4 or a WebM, to the path `to`, and call
    `got_on()` all the while. Both get the file as `read` does, in a decoding process, and raise what it raises.
    """

    def reads(self, item: Item) -> bool:
        """Whether this reader is for the item, judged by its URI and kind alone."""
        ...

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        """Stream the item's pieces, those of a kind in order of their start, and what was learnt. Runs in a decoding
        process.

        Core takes pieces as they come: a reader should hold a few, not a film. What is learnt may come in several
        parts, at any time. A reader that neither reads from the file nor gives anything for as long as the setting
        `deadline` says is taken to hang, and ended.
        file: at its start, seekable. Raises MediaError (or anything) if the file can't be read: the item then
        fails with that reason, and nothing else does.
        """
        ...


def missing(reader: Reader, item: Item) -> str:
    """What a reader lacks for such an item; "" where nothing."""
    ask = getattr(reader, "missing", None)
    return str(ask(item)) if ask else ""


def load(reader: Reader) -> None:
    """Have a reader import what it needs, where it says that this takes much."""
    if prepare := getattr(reader, "load", None):
        prepare()


def plays(reader: Reader, file: BinaryIO, item: Item) -> bool:
    """Whether browsers play the file as it is; what a reader can't tell is left to them."""
    ask = getattr(reader, "plays", None)
    return bool(ask(file, item)) if ask else True


def remake(reader: Reader, file: BinaryIO, item: Item, to: Path, got_on: Callable[[], None]) -> None:
    """Write what browsers play. Raises MediaError where the reader can't."""
    make = getattr(reader, "remake", None)
    if make is None:
        raise MediaError("the plug-in that reads it makes nothing that browsers play")
    make(file, item, to, got_on)
