"""One item's reading: what a reading process is given, what it does, and what it gives back."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, BinaryIO, cast

from sightsound.beside import content_with, read_beside
from sightsound.errors import MediaError
from sightsound.media import Begun, Learnt, Piece, Reader, Wanted
from sightsound.sources import Source
from sightsound.types import Facts, Item, ItemKind, Medium, Metadata, SegmentKind

CHUNK = 1 << 20
LONG: frozenset[ItemKind] = frozenset({"film", "sound"})
"""Kinds of items that may take long to read, and get on meanwhile."""
PIECES = 32
"""Pieces of a long item that are given back at once."""
BYTES = 32 << 20
"""What they may hold together, before it is given back."""
READS = 8
"""How many times over a file may be read; more is no sign that the reading gets on."""


@dataclass(frozen=True)
class Job:
    """One item to read.

    known: contents (SHA-256) of items of this size, not to be read again. own: the content that the collection has of
    the item itself, without what lies beside it; "" where it is to be read in any case. content: the item's own with
    what lies beside it, where it is sure: then the file is not read through for it. begun, at: see `Wanted`.
    """

    item: Item
    known: frozenset[str] = frozenset()
    own: str = ""
    begun: Mapping[SegmentKind, Begun] = field(default_factory=dict)
    at: float | None = None
    content: str = ""


@dataclass(frozen=True)
class PreparedPiece:
    """A piece, prepared for each encoder that reads its medium: inputs by encoder key. text: of a piece of text."""

    kind: SegmentKind
    number: int
    start: float | None
    end: float | None
    inputs: dict[str, Any]
    text: str = ""


@dataclass(frozen=True)
class Read:
    """What was read of an item, or a part of it.

    known: the content is one of the job's, and nothing was decoded. last: whether this is all there is; the parts of
    a long item come one after the other. words: the item itself is as it was, and only the passages of text were read.
    facts, metadata, damage: as far as they were learnt.
    """

    content: str
    known: bool = False
    facts: Facts = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)
    pieces: tuple[PreparedPiece, ...] = ()
    damage: str = ""
    last: bool = True
    words: bool = False


@dataclass(frozen=True)
class Failed:
    reason: str


@dataclass(frozen=True)
class Preparation:
    """How an encoder, or whoever wants media, has them prepared. prepare: importable, since it is pickled.

    input: what `prepare` is given; of sounds, only the pieces that were cut for it.
    """

    key: str
    reads: Medium
    prepare: Callable[[Any], Any]
    input: object = None

    def takes(self, piece: Piece) -> bool:
        return self.reads == piece.medium and piece.input in (None, self.input)


@dataclass(frozen=True)
class Equipment:
    """What a child needs for its work; sent once, when it starts.

    preparations: for each encoder that reads what readers deliver. memory: megabytes it may take on top of what
    it has at the start.
    """

    source: Source
    readers: tuple[Reader, ...]
    preparations: tuple[Preparation, ...]
    wanted: Wanted
    memory: float


def read_item(
    job: Job,
    equipment: Equipment,
    got_on: Callable[[], None] | None = None,
    opened: Callable[[], BinaryIO] | None = None,
) -> Iterator[Read]:
    """Open, read and prepare one item: the whole work of a child, and the bound that benchmarks measure.

    Gives what was read in parts that are bounded, the last one marked; a photograph is one part.
    got_on: called whenever the reading of a long item has got on. opened: gives its bytes, if opened ahead.
    """
    is_long = job.item.kind in LONG
    got_on = got_on if got_on and is_long else _quietly
    reader = next((reader for reader in equipment.readers if reader.reads(job.item)), None)
    if reader is None:
        raise MediaError("no installed plug-in reads this kind of file; see: sightsound plugins")
    with opened() if opened else equipment.source.open(job.item) as file:
        if job.content:
            own, content, size = "", job.content, file.seek(0, os.SEEK_END)
        else:
            own, size = hashed(file, got_on)
            content = content_with(own, equipment.source, job.item)
        if content in job.known:
            yield Read(content, known=True)
            return
        file.seek(0)
        words = is_long and bool(own) and own == job.own
        parts = _Parts(job, equipment, content, size, words)
        watched = cast(BinaryIO, _Watched(file, READS * size, got_on)) if is_long else file
        wanted = replace(equipment.wanted, begun=job.begun, words=words, at=job.at)
        beside = read_beside(equipment.source, job.item, equipment.readers, wanted)
        try:
            for made in chain(reader.read(watched, job.item, wanted), beside):
                got_on()
                if isinstance(made, Learnt):
                    parts.learn(made)
                elif not parts.has(made):
                    if parts.full and not words:
                        yield parts.take(last=False)
                    parts.add(made)
                    if job.at is not None and made.medium == "image":
                        break
        except MemoryError:
            raise
        except Exception:
            if is_long and not words and parts.begun:  # what came before it broke off is kept
                yield parts.take(last=False)
            raise
        yield parts.take(last=True)


def _quietly() -> None:
    pass


class _Parts:
    """What was read of one item since the last part of it was given."""

    def __init__(self, job: Job, equipment: Equipment, content: str, size: int, words: bool) -> None:
        self._job = job
        self._words = words
        self._preparations = equipment.preparations
        self._content = content
        self._learnt = Learnt({"bytes": size})
        self._numbers: dict[str, int] = {}
        self._pieces: list[PreparedPiece] = []
        self._bytes = 0

    @property
    def full(self) -> bool:
        return len(self._pieces) >= PIECES or self._bytes >= BYTES

    @property
    def begun(self) -> bool:
        """Whether anything was read that is still to be given."""
        return bool(self._pieces)

    def learn(self, more: Learnt) -> None:
        known = self._learnt
        metadata = known.metadata if more.metadata == Metadata() else more.metadata.over(known.metadata)
        damage = "; ".join(dict.fromkeys(one for one in (known.damage, more.damage) if one))
        self._learnt = Learnt({**known.facts, **more.facts}, metadata, damage)

    def has(self, piece: Piece) -> bool:
        """Whether the collection has the piece: an interrupted reading gave it, or the item itself is as it was."""
        begun = self._job.begun.get(piece.kind)
        if self._words and piece.medium != "text":
            return True
        return begun is not None and (piece.start, piece.end) in begun.spans

    def add(self, piece: Piece) -> None:
        begun = self._job.begun.get(piece.kind)
        number = self._numbers.get(piece.kind, begun.count if begun and piece.start is not None else 0)
        self._numbers[piece.kind] = number + 1
        inputs = {p.key: p.prepare(piece.media) for p in self._preparations if p.takes(piece)}
        text = piece.media if piece.medium == "text" else ""
        self._pieces.append(PreparedPiece(piece.kind, number, piece.start, piece.end, inputs, text))
        self._bytes += sum(getattr(prepared, "nbytes", 0) for prepared in inputs.values())

    def take(self, last: bool) -> Read:
        pieces, self._pieces, self._bytes = tuple(self._pieces), [], 0
        learnt = self._learnt
        return Read(self._content, False, learnt.facts, learnt.metadata, pieces, learnt.damage, last, self._words)


class _Watched:
    """A file that tells that it is read from, until that is no sign of getting on any more."""

    def __init__(self, file: BinaryIO, most: int, got_on: Callable[[], None]) -> None:
        self._file: Any = file
        self._left = most
        self._got_on = got_on

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self._count(len(data))
        return data

    def readinto(self, buffer: Any) -> int:
        count = int(self._file.readinto(buffer) or 0)
        self._count(count)
        return count

    def _count(self, size: int) -> None:
        self._left -= size
        if size and self._left > 0:
            self._got_on()


def hashed(file: BinaryIO, got_on: Callable[[], None]) -> tuple[str, int]:
    """The SHA-256 and the size of a file that is at its start. Raises MediaError where it is empty."""
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
        got_on()
    if size == 0:
        raise MediaError("the file is empty")
    return digest.hexdigest(), size
