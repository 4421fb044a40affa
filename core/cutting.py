"""Cutting found moments out of their files, as clips with a file of credits beside them. In a process of its own.

Packets are copied as they are: nothing is encoded again, and nothing of the quality is lost. A film can only be cut
where a picture stands for itself, so that its clip begins there: at the moment, or some seconds before.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from sightsound.children import confine
from sightsound.config import number
from sightsound.cutlist import Cut
from sightsound.errors import MediaError, UsageError, one_line
from sightsound.moments import clock
from sightsound.opening import Sources
from sightsound.seeking import SECOND, before

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,mxf,dv,ogg,wav,aiff,flac,mp3,aac"
"""FFmpeg's formats that may be cut: none that opens other files."""
NEAR = 1e-3
"""Seconds that a key frame may be late."""
CREDITS = "credits.txt"
_ENDINGS = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".wmv", ".ogg", ".opus", ".wav", ".flac", ".mp3", ".m4a", ".aac"}
_ANY = ".mkv"
"""What takes nearly every codec, where a file's own format can't be written."""
_ELSE = ".mov"
"""What takes others, such as DV's."""


def cut_out(cuts: Sequence[Cut], folder: Path, sources: Sources) -> Iterator[tuple[Cut, Path | None, str]]:
    """Write each cut as a clip: (it, its file or None, why not). Raises UsageError without the packages it takes."""
    if find_spec("av") is None:
        raise UsageError("--cut needs a further package: pip install 'sightsound[audio]'")
    folder.mkdir(parents=True, exist_ok=True)
    credits: list[str] = []
    for place, cut in enumerate(cuts, 1):
        if sources.of(cut.item).hotlink_only:
            yield cut, None, "its source allows no copies"
            continue
        try:
            made = _cut(cut, folder / _name(cut, place), sources)
        except (MediaError, OSError) as error:
            yield cut, None, str(error)
            continue
        credits.append(f"{made.name}: {cut.credit or 'no author or licence is known'} ({cut.item.uri})")
        (folder / CREDITS).write_text("\n".join(credits) + "\n", encoding="utf-8", errors="backslashreplace")
        yield cut, made, ""


def _name(cut: Cut, place: int) -> str:
    """`001 title 1.05-1.12.mp4`: what a file may be called anywhere, and no path out of the folder."""
    path = cut.item.path
    title = cut.item.metadata.title or (path.stem if path else cut.item.display_title)
    title = re.sub(r"[^\w \-]+", " ", title).strip()
    title = " ".join(title.split())[:60] or cut.item.id[:8]
    times = f"{clock(cut.start)}-{clock(cut.end)}".replace(":", ".")
    ending = (path or Path(cut.item.uri)).suffix.lower()
    return f"{place:03d} {title} {times}{ending if ending in _ENDINGS else _ANY}"


def _cut(cut: Cut, to: Path, sources: Sources) -> Path:
    path = cut.item.path
    if path is not None:
        return _in_child(path, cut, to)
    with tempfile.TemporaryDirectory() as folder:  # a source elsewhere: FFmpeg needs to go back and forth
        copy = Path(folder) / "media"
        with sources.of(cut.item).open(cut.item) as file, copy.open("wb") as out:
            shutil.copyfileobj(file, out)
        return _in_child(copy, cut, to)


def _in_child(path: Path, cut: Cut, to: Path) -> Path:
    """The file is a stranger's: it is read in a process that may crash or hang."""
    for made in dict.fromkeys([to, to.with_suffix(_ANY), to.with_suffix(_ELSE)]):
        job = json.dumps([str(path), cut.start, cut.end, str(made)])
        try:
            done = subprocess.run(
                [sys.executable, "-m", "sightsound.cutting"],
                input=job,
                capture_output=True,
                encoding="utf-8",
                timeout=number("deadline"),
            )
        except subprocess.TimeoutExpired:
            made.unlink(missing_ok=True)
            raise MediaError(f"cutting it took more than {number('deadline'):.0f} seconds") from None
        if done.returncode == 0:
            return made
        made.unlink(missing_ok=True)
    said = (done.stdout.strip() or f"the process ended with exit code {done.returncode}").splitlines()[-1]
    raise MediaError(f"it can't be cut: {said[:200]}")


def copy_packets(path: str, start: float, end: float, to: str) -> float:
    """Copy what lies between two times, in seconds of the film, into a new file. Returns the second at which it really
    begins."""
    import av

    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file", "enable_drefs": "0"}
    with av.open(path, options=options) as source, av.open(to, "w") as made:
        covers = av.stream.Disposition.attached_pic
        pictures = [stream for stream in source.streams.video if not stream.disposition & covers]
        chosen: list[Any] = [*pictures[:1], *source.streams.audio[:1]]
        if not chosen:
            raise ValueError("there are no pictures and no sound in it")
        targets = {stream.index: made.add_stream_from_template(stream) for stream in chosen}
        origin = (source.start_time or 0) / SECOND
        start, end = origin + start, origin + end
        _go_to(source, chosen[0], start)
        between = _until(source.demux(chosen), {stream.index for stream in chosen}, end)
        begin, packets = _from_key(between, start) if pictures else (start, between)
        shifts = {stream.index: round(begin / stream.time_base) for stream in chosen}
        for packet in packets:
            if not _is_before(packet, begin):
                shift = shifts[packet.stream.index]
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = targets[packet.stream.index]
                made.mux(packet)
    return begin - origin


def _go_to(source: Any, stream: Any, start: float) -> None:
    """To a key frame at this time of the file, or before it."""
    for place in before(start):
        source.seek(place, backward=True)
        timed = (packet for packet in source.demux(stream) if packet.pts is not None)
        first = next((packet for packet in timed if packet.is_keyframe or _time(packet) > start), None)
        if first is not None and _time(first) <= start + NEAR:
            break
    source.seek(place, backward=True)


def _until(packets: Iterable[Any], going: set[int], end: float) -> Iterator[Any]:
    """Those of each stream, by its index, that are decoded before the end."""
    for packet in packets:
        if packet.dts is None or packet.pts is None:
            continue
        if packet.dts * packet.time_base >= end:
            going.discard(packet.stream.index)
        elif packet.stream.index in going:
            yield packet
        if not going:
            return


def _from_key(packets: Iterator[Any], start: float) -> tuple[float, Iterator[Any]]:
    """The time of the last key frame up to the start, or of the first after it, and the packets from there on. Raises
    ValueError where there is none."""
    begin: float | None = None
    held: list[Any] = []
    for packet in packets:
        held.append(packet)
        if packet.stream.type != "video":
            continue
        if packet.is_keyframe and (begin is None or _time(packet) <= start + NEAR):
            begin = _time(packet)
            held = [one for one in held if not _is_before(one, begin)]
        if begin is not None and packet.dts * packet.time_base > start:
            break
    if begin is None:
        raise ValueError("there is no picture at that time")
    return begin, chain(held, packets)


def _is_before(packet: Any, begin: float) -> bool:
    """Whether it belongs to what comes before: of a sound, where most of it does."""
    time, length = _time(packet), float((packet.duration or 0) * packet.time_base)
    return time < begin and time + (length / 2 if packet.stream.type == "audio" else length) <= begin


def _time(packet: Any) -> float:
    return float(packet.pts * packet.time_base)


def main() -> None:
    path, start, end, to = json.loads(sys.stdin.read())
    confine(number("memory"))
    try:
        print(copy_packets(path, start, end, to))
    except Exception as error:  # whatever a hostile file brings out of FFmpeg
        print(one_line(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
