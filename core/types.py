"""The words of sightsound as types: items, segments, spaces and the encoders that fill them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import unquote, unquote_to_bytes, urlsplit

Medium = Literal["image", "text", "audio", "shot"]
ItemKind = Literal["photo", "film", "sound", "text"]
SegmentKind = Literal["photo", "frame", "shot", "sound", "title", "description", "subtitle", "tag", "signature"]
ItemState = Literal["ok", "partial", "stale", "failed"]
Role = Literal["document", "query"]
Device = str
"""Where a model runs: `auto` (the best there is), `cpu`, `cuda` or `mps`."""
if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
else:  # importing numpy for a name would double the time that `sightsound --help` takes
    Vectors = "npt.NDArray[np.float32]"
Facts = Mapping[str, Any]
"""What was learnt of an item by reading it: `width`, `height` (pixels), `bytes`, `format`, `palette`
(list of [`#rrggbb`, share]), `perceptual_hash` (16 hex digits), `duration` (seconds). JSON values only."""


@dataclass(frozen=True)
class Space:
    """A vector space. Encoders of one space can be searched with each other, whatever they read.

    Vectors are unit length and compared by cosine. The name says which model made the space.
    """

    name: str
    dims: int


@dataclass(frozen=True)
class ImageInput:
    """An upright sRGB picture, uint8 (h, w, 3), its shorter side at least `min_side` where the file has it."""

    min_side: int


@dataclass(frozen=True)
class AudioInput:
    """A mono window of `seconds`, shorter only where the whole sound is, float32 in -1..1 at `rate` Hz."""

    rate: int
    seconds: float


@dataclass(frozen=True)
class ShotInput:
    """The pictures of one shot of a film, small, at even steps: a `Shot`.

    min_side: pixels of their shorter side, or more where another encoder asks for more. rate: pictures a second, or
    more; fewer where the film or the shot has no more (a very long shot is thinned).
    """

    min_side: int
    rate: float


@dataclass(frozen=True)
class TextInput:
    """A passage of text, str."""


class Encoder(Protocol):
    """Turns prepared media into vectors. Made by `EncoderSpec.load`, in the process that encodes."""

    @property
    def fingerprint(self) -> str:
        """Names the model, the SHA-256 of its weights and its preprocessing; not device or precision."""
        ...

    def encode(self, batch: Sequence[Any], role: Role) -> Vectors | tuple[Vectors, ...]:
        """Encode what `EncoderSpec.prepare` returned. Called from one thread at a time, not always the same.

        Returns float32 (n, dims), rows of unit length; a tuple of such arrays, in the spec's order, where the
        spec names several spaces. A row of zeros or with NaN says "no vector for this one": core leaves it out. It may
        raise anything: it is then given one after the other, and the items of those that it raises for fail. Where it
        raises for everything, of eight items or more, the run ends.
        """
        ...


@dataclass(frozen=True)
class EncoderSpec:
    """What an encoder reads, fills and needs. Cheap to make: weights and heavy imports wait for `load`.

    name: unique within its set.
    reads: the medium it reads. An image encoder reads photos and film frames alike.
    space: the space it fills, or several where one pass fills several.
    input: what `prepare` is given.
    prepare: importable function, run in the decoding process: media -> whatever `encode` takes in its batch.
    load: makes the encoder on a device; called once a process.
    background: unrelated queries to calibrate scores against, for encoders that queries go through.
    roles: what it encodes; ("query",) for one that finds what other encoders of its space made.
    pinned: the set's argument written so that it names this very model for ever, where what a user writes may come to
        mean another; kept with the collection in its place. One spec of a set may say it for all.
    missing: what must be fetched before it can be loaded, and how, in one line, and what else could be done in further
        ones; "" where nothing is.
    """

    name: str
    reads: Medium
    space: Space | tuple[Space, ...]
    input: ImageInput | AudioInput | TextInput | ShotInput
    prepare: Callable[[Any], Any]
    load: Callable[[Device], Encoder]
    background: Callable[[], Sequence[str]] | None = None
    roles: tuple[Role, ...] = ("document", "query")
    pinned: str = ""
    missing: str = ""

    @property
    def spaces(self) -> tuple[Space, ...]:
        return self.space if isinstance(self.space, tuple) else (self.space,)


@dataclass(frozen=True)
class Metadata:
    """What people say of an item. Empty means not said.

    date: ISO 8601, as much as is known ("2024", "2024-05-01T18:30:00").
    credit: a credit line to be shown as it is; else one is made of title, author and licence.
    extra: further attributes, such as a CSV's other columns.
    """

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    author: str = ""
    licence: str = ""
    page_url: str = ""
    date: str = ""
    credit: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    def over(self, lower: Metadata) -> Metadata:
        """This metadata, with what it does not say taken from `lower`; extras are joined."""
        mine = {name: value for name, value in vars(self).items() if value and name != "extra"}
        return replace(lower, **mine, extra={**lower.extra, **self.extra})


FILE_LAYER = "file"
"""The layer of metadata that the file itself holds (EXIF, IPTC, XMP)."""


@dataclass(frozen=True)
class Item:
    """One photograph, film, sound or text.

    A source fills in `uri`, `kind`, `revision` and `metadata`; core adds the rest.

    uri: canonical; for a local file `file_uri(path)`.
    revision: changes when the content does (size and mtime, an ETag, a version).
    id: hex; a hash of the URI it was first seen at.
    content: SHA-256 of the bytes, "" for an item without a file; after a colon that of what lies beside it.
    metadata: what is known of the item; in a store, all layers merged.
    layers: metadata by where it comes from: `file`, and the name of each source that names the item.
    state: `ok`; `partial` while a long item is being written; `stale` when its last good vectors are kept
        though it now fails, or what could be read of a damaged file; `failed` with nothing to show.
    added: when it came into the collection, in seconds since 1970; the store fills it in where it is 0.
    """

    uri: str
    kind: ItemKind
    revision: str = ""
    metadata: Metadata = Metadata()
    id: str = ""
    content: str = ""
    facts: Facts = field(default_factory=dict)
    layers: Mapping[str, Metadata] = field(default_factory=dict)
    state: ItemState = "ok"
    reason: str = ""
    added: float = field(default=0.0, compare=False)

    @property
    def path(self) -> Path | None:
        """The local file, or None for an item that lies elsewhere or has no file."""
        return file_path(self.uri)

    @property
    def sources(self) -> list[str]:
        return [name for name in self.layers if name != FILE_LAYER]

    @property
    def display_title(self) -> str:
        """Its title, else the name of its file; of a row that names no file, its URI."""
        if self.metadata.title:
            return self.metadata.title
        if path := self.path:
            return path.name
        parts = urlsplit(self.uri)
        return (unquote(parts.path.rpartition("/")[2]) if not parts.fragment else "") or self.uri

    def with_layers(self, layers: Mapping[str, Metadata]) -> Item:
        """The item with these layers and their merger: what sources say wins over the file's own."""
        merged = layers.get(FILE_LAYER, Metadata())
        for name, layer in layers.items():
            if name != FILE_LAYER:
                merged = layer.over(merged)
        return replace(self, layers=dict(layers), metadata=merged)


@dataclass(frozen=True)
class Segment:
    """The part of an item that one vector stands for (one vector in each space).

    number: counts the segments of one kind in an item, from 0.
    start, end: seconds, for frames, sounds and subtitles.
    text: the passage itself, for segments of text.
    """

    item_id: str
    kind: SegmentKind
    number: int = 0
    start: float | None = None
    end: float | None = None
    text: str = ""

    @property
    def id(self) -> str:
        return f"{self.item_id}:{self.kind}:{self.number}"


def file_uri(path: Path) -> str:
    """The canonical URI of a local file: absolute, symbolic links followed, bytes percent-encoded (ASCII)."""
    return Path(os.path.realpath(path)).as_uri()


def file_path(uri: str) -> Path | None:
    """The local file that `uri` names, or None. Takes names that are not UTF-8 back to their bytes."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.fragment:
        return None
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


def item_id(uri: str, content: str = "") -> str:
    """The id of an item first seen at `uri`: 32 hex digits of a SHA-256.

    `content` is given only where another item already has the id of the plain URI.
    """
    return hashlib.sha256(f"{uri}\n{content}".encode() if content else uri.encode()).hexdigest()[:32]
