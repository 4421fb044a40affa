"""What is made of items to show them: small pictures, strips of films, waveforms, and what browsers can play.

Each of these is a job for a reading process (`pool.py`): picklable, called there, through the same readers as indexing.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sightsound import media
from sightsound.beside import content_with
from sightsound.errors import MediaError, MediaGone
from sightsound.jobs import CHUNK, Equipment, Job, Preparation, Read, hashed, read_item
from sightsound.media import Reader, Wanted
from sightsound.sources import Source, file_revision
from sightsound.types import AudioInput, ImageInput, Item, ItemKind, Medium

Pixels = npt.NDArray[np.uint8]
GotOn = Callable[[], None]

QUALITY = 82
CHANGED = "it is not what was indexed any more; index again to see it as it is now"
FILM_MOMENT = 1.0
"""The second of a film that is shown where no other is asked for."""
TILE = 160
"""Pixels of the longer side of one picture of a strip."""
WINDOW = AudioInput(8000, 1.0)
"""What sounds are read in for their waveform."""
STEP = 0.01
"""Seconds whose loudest sample is kept."""
BARS = 400
HALF = 32
_GREY = "#7a7f87"
"""It is seen on light ground and on dark."""

TYPES: dict[tuple[ItemKind, str], str] = {
    ("photo", "JPEG"): "image/jpeg",
    ("photo", "MPO"): "image/jpeg",
    ("photo", "PNG"): "image/png",
    ("photo", "WEBP"): "image/webp",
    ("photo", "GIF"): "image/gif",
    ("photo", "BMP"): "image/bmp",
    ("photo", "TIFF"): "image/tiff",
    ("photo", "AVIF"): "image/avif",
    ("photo", "HEIF"): "image/heic",
    ("film", "MP4"): "video/mp4",
    ("film", "MOV"): "video/quicktime",
    ("film", "WebM"): "video/webm",
    ("film", "MKV"): "video/x-matroska",
    ("film", "AVI"): "video/x-msvideo",
    ("film", "OGV"): "video/ogg",
    ("film", "FLV"): "video/x-flv",
    ("film", "WMV"): "video/x-ms-wmv",
    ("film", "MPEG"): "video/mpeg",
    ("film", "TS"): "video/mp2t",
    ("sound", "WAV"): "audio/wav",
    ("sound", "FLAC"): "audio/flac",
    ("sound", "OGG"): "audio/ogg",
    ("sound", "Opus"): "audio/ogg",
    ("sound", "MP3"): "audio/mpeg",
    ("sound", "M4A"): "audio/mp4",
    ("sound", "AAC"): "audio/aac",
    ("sound", "WebM"): "audio/webm",
}
"""Content types, by the fact `format` that readers tell. What a file is called says nothing."""


@dataclass(frozen=True)
class Jpeg:
    """Makes a JPEG without metadata, no larger than a box of so many pixels, and never larger than the picture."""

    width: int
    height: int

    def __call__(self, image: Pixels) -> bytes:
        """uint8 (h, w, 3), upright sRGB."""
        from PIL import Image

        small = Image.fromarray(image)
        small.thumbnail((self.width, self.height))
        out = io.BytesIO()
        small.save(out, "JPEG", quality=QUALITY, progressive=max(small.size) > 1000)
        return out.getvalue()


@dataclass(frozen=True)
class Indexed:
    """An item of a collection with what it takes to read it. Nothing is read but the content that was indexed."""

    item: Item
    source: Source
    readers: tuple[Reader, ...]
    memory: float

    def prepared(self, medium: Medium, wanted: Wanted, prepare: Callable[[Any], Any], got_on: GotOn,
                 at: float | None = None) -> Iterator[tuple[float, Any]]:  # fmt: skip
        """(its start in seconds, what `prepare` made of it) of each piece of this medium.

        Raises MediaGone where the file changed, and what reading it raises.
        """
        preparation = Preparation("shown", medium, prepare, wanted.audio[0] if wanted.audio else None)
        equipment = Equipment(self.source, self.readers, (preparation,), wanted, self.memory)
        sure = is_as_indexed(self.item)
        for read in read_item(Job(self.item, at=at, content=self.item.content if sure else ""), equipment, got_on):
            self._check(read, sure)
            for piece in read.pieces:
                if preparation.key in piece.inputs:
                    yield piece.start or 0.0, piece.inputs[preparation.key]

    def _check(self, read: Read, sure: bool) -> None:
        if read.content != self.item.content or (sure and not is_as_indexed(self.item)):
            raise MediaGone(CHANGED)

    @contextmanager
    def opened(self, got_on: GotOn) -> Iterator[tuple[Reader, BinaryIO]]:
        """Its reader, and the file at its start."""
        reader = next((reader for reader in self.readers if reader.reads(self.item)), None)
        if reader is None:
            raise MediaError("no installed plug-in reads this kind of file; see: sightsound plugins")
        with self.source.open(self.item) as file:
            if not is_as_indexed(self.item):
                content = content_with(hashed(file, got_on)[0], self.source, self.item)
                if content != self.item.content:
                    raise MediaGone(CHANGED)
                file.seek(0)
            yield reader, file


def is_as_indexed(item: Item) -> bool:
    """Whether the local file is sure to be what was indexed, as an index run would tell. False says that it may not be,
    and for what lies elsewhere."""
    path = item.path
    return path is not None and bool(item.content) and has_revision(item, path.stat())


def has_revision(item: Item, status: os.stat_result) -> bool:
    """A file's own revision begins that of its item; what lies beside it follows."""
    return item.revision.split("+")[0] == file_revision(status)


@dataclass(frozen=True)
class Picture:
    """A photograph, or a moment of a film, as JPEG. width: pixels at the most."""

    of: Indexed
    width: int
    at: float | None = None

    def __call__(self, got_on: GotOn) -> bytes:
        wanted, prepare = Wanted(ImageInput(self.width)), Jpeg(self.width, 4 * self.width)
        for _, made in self.of.prepared("image", wanted, prepare, got_on, self.at):
            return bytes(made)
        raise MediaError("it has no picture")


@dataclass(frozen=True)
class Strip:
    """Moments of a film side by side in one JPEG, each `TILE` wide, or high where the film is upright."""

    of: Indexed
    moments: tuple[float, ...]

    def __call__(self, got_on: GotOn) -> bytes:
        from PIL import Image

        tiles: list[Image.Image] = []
        for at in self.moments:
            for _, made in self.of.prepared("image", Wanted(ImageInput(TILE)), _as_it_is, got_on, at):
                tiles.append(Image.fromarray(made))
                tiles[-1].thumbnail((TILE, TILE))
                break
        if not tiles:
            raise MediaError("it has no pictures")
        width, height = tiles[0].size
        joined = Image.new("RGB", (width * len(self.moments), height))
        for place, tile in enumerate(tiles):
            joined.paste(tile, (place * width, 0))
        return Jpeg(*joined.size)(np.asarray(joined))


def _as_it_is(image: Pixels) -> Pixels:
    return image


@dataclass(frozen=True)
class Waveform:
    """A sound as SVG: how loud it is, over its time."""

    of: Indexed

    def __call__(self, got_on: GotOn) -> bytes:
        loudest: list[tuple[int, npt.NDArray[np.float32]]] = []
        for start, made in self.of.prepared("audio", Wanted(audio=(WINDOW,)), peaks, got_on):
            loudest.append((round(start / STEP), made))
        end = max((place + len(made) for place, made in loudest), default=1)
        duration = self.of.item.facts.get("duration", 0)
        whole = np.zeros(max(end, min(round(float(duration) / STEP), 100 * end)), np.float32)
        for place, made in loudest:
            np.maximum(whole[place : place + len(made)], made, out=whole[place : place + len(made)])
        return svg(_reduced(whole, BARS))


def peaks(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """float32 (n,) in -1..1 at `WINDOW.rate` -> the largest amplitude of each `STEP`, float32 (m,) in 0..1."""
    step = max(1, round(WINDOW.rate * STEP))
    padded = np.pad(np.abs(samples), (0, -len(samples) % step))
    largest: npt.NDArray[np.float32] = padded.reshape(-1, step).max(axis=1)
    return largest


def _reduced(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """The largest of each of `count` equal parts, or the values themselves where they are fewer."""
    if len(values) <= count:
        return values
    starts = np.arange(count) * len(values) // count
    largest: npt.NDArray[np.float32] = np.maximum.reduceat(values, starts)
    return largest


def svg(bars: npt.NDArray[np.float32]) -> bytes:
    """Bars about a middle line; it may be stretched to any size. bars: float32 (n,) in 0..1."""
    heights = np.maximum(0.5, np.sqrt(np.clip(bars, 0, 1)) * HALF)  # the ear hears in ratios
    path = "".join(f"M{n + 0.5} {HALF - h:.1f}V{HALF + h:.1f}" for n, h in enumerate(heights))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {len(bars)} {2 * HALF}" preserveAspectRatio="none">'
        f'<path d="{path}" stroke="{_GREY}" stroke-width="0.8" fill="none"/></svg>'
    ).encode()


@dataclass(frozen=True)
class Plays:
    """Whether browsers play the file as it is."""

    of: Indexed

    def __call__(self, got_on: GotOn) -> bool:
        with self.of.opened(got_on) as (reader, file):
            return media.plays(reader, file, self.of.item)


@dataclass(frozen=True)
class Remade:
    """A film or a sound as browsers play it, written to the path `to`."""

    of: Indexed
    to: Path

    def __call__(self, got_on: GotOn) -> None:
        with self.of.opened(got_on) as (reader, file):
            media.remake(reader, file, self.of.item, self.to, got_on)


@dataclass(frozen=True)
class Copied:
    """The file as it is, written to the path `to`."""

    of: Indexed
    to: Path

    def __call__(self, got_on: GotOn) -> None:
        with self.of.opened(got_on) as (_, file), self.to.open("wb") as out:
            while chunk := file.read(CHUNK):
                out.write(chunk)
                got_on()


@dataclass(frozen=True)
class Same:
    """Whether the file is what was indexed, though an index run would have to look."""

    of: Indexed

    def __call__(self, got_on: GotOn) -> bool:
        with self.of.opened(got_on):
            return True
