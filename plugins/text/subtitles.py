"""Subtitles: SRT and VTT files, and the tracks of films, as passages with their times."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from sightsound import Item, Learnt, Piece, Wanted
from sightsound.errors import MediaError

ENDINGS = (".srt", ".vtt")
LARGEST = 10_000_000
"""Bytes of a file of subtitles."""
MOST = 50_000
"""Cues of a file or track."""
LATEST = 24 * 3600.0
LONGEST_CUE = 1000
PASSAGE, PASSAGE_SECONDS = 300, 12.0
"""Characters and seconds that one passage may grow to, of cues that follow each other within a sentence."""
PAUSE = 1.0
"""Seconds without words that end a passage."""
_TAG = re.compile(r"<[^<>\n]{0,100}>|\{[^{}\n]{0,100}\}")
_OPENINGS = str.maketrans("<{", "  ")
_ENDED = re.compile(r"[.!?…。！？][\"'”’)\]]*$")


@dataclass(frozen=True)
class Cue:
    """start, end: seconds."""

    start: float
    end: float
    text: str

    @property
    def piece(self) -> Piece:
        return Piece("subtitle", "text", self.text, round(self.start, 3), round(self.end, 3))


class SubtitleReader:
    """Reads files of subtitles, which lie beside films."""

    def reads(self, item: Item) -> bool:
        return item.kind == "text" and PurePosixPath(urlsplit(item.uri).path).suffix.lower() in ENDINGS

    def missing(self, item: Item) -> str:
        return "" if find_spec("pysubs2") else "subtitles need a further package: pip install 'sightsound[audio]'"

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        ending = PurePosixPath(urlsplit(item.uri).path).suffix.lower()
        for passage in passages(parse(file.read(LARGEST + 1), ending)):
            yield passage.piece


def parse(data: bytes, ending: str) -> list[Cue]:
    """Cues in the order of time. ending: `.srt` or `.vtt`. Raises MediaError for what is no such file, or too large."""
    import pysubs2

    if len(data) > LARGEST:
        raise MediaError(f"subtitles of more than {LARGEST // 1_000_000} MB are not read")
    # Marks go before the parser sees them: its own patterns take hours over a line of many that never close.
    text = _TAG.sub("", decoded(data).replace("\0", "")).translate(_OPENINGS)
    if "-->" not in text:
        raise MediaError("these are no subtitles: no line has a time with an arrow")
    found = pysubs2.SSAFile.from_string(text, format_=ending[1:])
    return cleaned((event.start / 1000, event.end / 1000, event.plaintext) for event in found.events)


def decoded(data: bytes) -> str:
    """By its byte order mark, else UTF-16 where every other byte is zero, else UTF-8, else Windows-1252."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    head = data[:2000]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(head) > 20 and head[offset::2].count(0) > len(head) // 4:
            return data.decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def cleaned(cues: Iterable[tuple[float, float, str]]) -> list[Cue]:
    """Cues that say something at a time there is, in order; one that ends before it begins is taken to be short."""
    found: list[Cue] = []
    for start, end, text in cues:
        said = " ".join(html.unescape(_TAG.sub("", text)).split())[:LONGEST_CUE].strip()
        if said and 0 <= start <= LATEST and len(found) < MOST:
            found.append(Cue(start, min(end, LATEST) if end > start else start + 1.0, said))
    return sorted(found, key=lambda cue: (cue.start, cue.end))


def passages(cues: Iterable[Cue]) -> list[Cue]:
    """Cues joined while a sentence goes on: half a sentence has half a meaning. What is said twice counts once."""
    made: list[Cue] = []
    for cue in cues:
        last = made[-1] if made else None
        if last and cue.text == last.text and cue.start <= last.end + PAUSE:
            made[-1] = Cue(last.start, max(last.end, cue.end), last.text)
        elif (
            last
            and not _ENDED.search(last.text)
            and cue.start <= last.end + PAUSE
            and max(last.end, cue.end) - last.start <= PASSAGE_SECONDS
            and len(last.text) + len(cue.text) < PASSAGE
        ):
            made[-1] = Cue(last.start, max(last.end, cue.end), f"{last.text} {cue.text}")
        else:
            made.append(cue)
    return made


class SubtitleTrack:
    """The cues of a film's own track, from its packets: `add` each, then `passages`. Pictures of text are not read.

    begin: the second of the container's clock that counts as its first.
    """

    def __init__(self, begin: float = 0.0) -> None:
        self._begin = begin
        self._cues: list[tuple[float, float, str]] = []

    def add(self, packet: Any) -> None:
        """A packet of PyAV, of a stream of the type `subtitle`. One that can't be decoded is passed over."""
        if len(self._cues) >= MOST or packet.pts is None:
            return
        start = float(packet.pts * packet.time_base) - self._begin
        length = float((packet.duration or 0) * packet.time_base)
        try:
            made = packet.decode()
        except MemoryError:
            raise
        except Exception:  # FFmpeg's errors are of many classes
            return
        lines = [_dialogue(rect) for rect in made if getattr(rect, "type", b"") in (b"ass", b"text")]
        self._cues.append((start, start + (length or 3.0), " ".join(lines)))

    def passages(self) -> list[Cue]:
        return passages(cleaned(self._cues))


def _dialogue(rect: Any) -> str:
    """What an ASS event says: its ninth field, where FFmpeg gives them all."""
    said: bytes | str = getattr(rect, "dialogue", b"") or getattr(rect, "ass", b"") or getattr(rect, "text", b"")
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return text.replace("\\N", " ").replace("\\n", " ")
