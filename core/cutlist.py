"""Cut lists of found moments: CSV for spreadsheets, and EDL (CMX 3600) for editing programs. Both carry the credits."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightsound.opening import Sources
from sightsound.searching import Answer
from sightsound.types import Item

RATE = 25.0
"""Frames a second of a list of sounds only."""
DAY_BEGINS = 3600
"""Seconds at which an edit's own time begins: 01:00:00:00, as editing programs have it."""


@dataclass(frozen=True)
class Cut:
    """A found moment to be cut out. start, end: seconds. whole: it is a whole item, such as a photo, without times."""

    item: Item
    start: float
    end: float
    credit: str
    confidence: float | None
    whole: bool = False


def cuts_of(answer: Answer, sources: Sources) -> list[Cut]:
    """The moments of the probable hits, or of all hits where none is known to be; in the order of the hits."""
    hits = [hit for hit in answer.hits if hit.moments and hit.probable is not False]
    hits = hits or [hit for hit in answer.hits if hit.moments]
    return [
        Cut(hit.item, moment.start, moment.end, sources.of(hit.item).credit(hit.item), moment.match.confidence)
        for hit in hits
        for moment in hit.moments
    ]


def write_csv(path: Path, cuts: Sequence[Cut]) -> None:
    path.write_text(csv_of(cuts), encoding="utf-8", newline="")


def csv_of(cuts: Sequence[Cut]) -> str:
    """A row a moment, in seconds and as h:mm:ss.mmm; a row without times for a whole item."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["file", "title", "kind", "start", "end", "from", "to", "credit", "licence", "confidence"])
    for cut in cuts:
        times = [] if cut.whole else [f"{cut.start:.3f}", f"{cut.end:.3f}", _hours(cut.start), _hours(cut.end)]
        table.writerow(
            [
                _plain(str(cut.item.path or cut.item.uri)),
                _plain(cut.item.display_title),
                cut.item.kind,
                *(times or [""] * 4),
                _plain(cut.credit),
                _plain(cut.item.metadata.licence),
                "" if cut.confidence is None else f"{cut.confidence:.2f}",
            ]
        )
    return text.getvalue()


def write_edl(path: Path, cuts: Sequence[Cut], title: str) -> None:
    path.write_text(edl_of(cuts, title), encoding="utf-8", errors="backslashreplace")


def edl_of(cuts: Sequence[Cut], title: str) -> str:
    """An EDL whose events follow each other. Its frame rate is that of the first film; sounds take 25 where none is."""
    rate = next((r for cut in cuts if (r := _rate(cut.item))), RATE)
    lines = [f"TITLE: {_line(title)[:60]}", "FCM: NON-DROP FRAME", ""]
    at = round(DAY_BEGINS * round(rate))
    for number, cut in enumerate(cuts, 1):
        first, last = round(cut.start * rate), max(round(cut.end * rate), round(cut.start * rate) + 1)
        track = "B" if cut.item.kind == "film" else "AA"
        times = [_timecode(frame, rate) for frame in (first, last, at, at + last - first)]
        lines.append(f"{number:03d}  {_reel(cut.item):8} {track:5} C        {' '.join(times)}")
        lines.append(f"* FROM CLIP NAME: {_line(_name(cut.item))}")
        lines.append(f"* SOURCE FILE: {_line(str(cut.item.path or cut.item.uri))}")
        lines += [f"* CREDIT: {_line(cut.credit)}"] if cut.credit else []
        lines.append("")
        at += last - first
    return "\n".join(lines)


def _rate(item: Item) -> float | None:
    rate = item.facts.get("fps")
    return float(rate) if isinstance(rate, int | float) and 1 <= rate <= 240 else None


def _timecode(frame: int, rate: float) -> str:
    """hh:mm:ss:ff, counted without dropping numbers."""
    whole = round(rate)
    seconds, frames = divmod(frame, whole)
    return f"{seconds // 3600 % 100:02}:{seconds // 60 % 60:02}:{seconds % 60:02}:{frames:02}"


def _hours(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    whole, rest = divmod(thousandths, 1000)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{rest:03}"


def _name(item: Item) -> str:
    return item.path.name if item.path else item.uri.rsplit("/", 1)[-1]


def _reel(item: Item) -> str:
    """The first eight letters and digits of the file's name, as the format has them."""
    return re.sub(r"[^A-Z0-9]", "", Path(_name(item)).stem.upper())[:8] or "CLIP"


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula, and that can be written."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return f"'{text}" if text[:1] in "=+-@\t\r" and text[:1] else text
