"""One item's reading: what a reading process is given, what it does, and what it gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, BinaryIO

from sightsound.beside import content_with, read_beside
from sightsound.errors import MediaError
from sightsound.media import Learnt, Piece, Reader, Wanted
from sightsound.sources import Source
from sightsound.types import Facts, Item, Medium, Metadata, SegmentKind

CHUNK = 1 << 20


@dataclass(frozen=True)
class Job:
    """One item to read. known: contents (SHA-256) of items of this size, not to be read again."""

    item: Item
    known: frozenset[str] = frozenset()


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
    """What was read of an item. known: the content is one of the job's, and nothing was decoded."""

    content: str
    known: bool = False
    facts: Facts = field(default_factory=dict)
    metadata: Metadata = field(default_factory=Metadata)
    pieces: tuple[PreparedPiece, ...] = ()


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


def read_item(job: Job, equipment: Equipment) -> Read:
    """Open, read and prepare one item: the whole work of a child, and the bound that benchmarks measure."""
    reader = next((reader for reader in equipment.readers if reader.reads(job.item)), None)
    if reader is None:
        raise MediaError("no installed plug-in reads this kind of file; see: sightsound plugins")
    with equipment.source.open(job.item) as file:
        content, size = _hash(file)
        content = content_with(content, equipment.source, job.item)
        if content in job.known:
            return Read(content, known=True)
        file.seek(0)
        facts: dict[str, Any] = {"bytes": size}
        metadata = Metadata()
        pieces: list[PreparedPiece] = []
        numbers: dict[str, int] = {}
        beside = read_beside(equipment.source, job.item, equipment.readers, equipment.wanted)
        for made in chain(reader.read(file, job.item, equipment.wanted), beside):
            if isinstance(made, Learnt):
                facts |= made.facts
                metadata = made.metadata.over(metadata)
            else:
                number = numbers.get(made.kind, 0)
                numbers[made.kind] = number + 1
                pieces.append(_prepare(made, number, equipment))
    return Read(content, False, facts, metadata, tuple(pieces))


def _hash(file: BinaryIO) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    if size == 0:
        raise MediaError("the file is empty")
    return digest.hexdigest(), size


def _prepare(piece: Piece, number: int, equipment: Equipment) -> PreparedPiece:
    inputs = {p.key: p.prepare(piece.media) for p in equipment.preparations if p.takes(piece)}
    text = piece.media if piece.medium == "text" else ""
    return PreparedPiece(piece.kind, number, piece.start, piece.end, inputs, text)
