"""The reader of films: one pass over the frames gives the shots, the frames to encode, and what the look is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sightsound import Item, Learnt, Piece, Wanted
from sightsound.config import setting
from sightsound.errors import UsageError

if TYPE_CHECKING:
    from sightsound.plugins.video.films import Film
    from sightsound.plugins.video.framing import Framing

EXTRA = "pip install 'sightsound[video]'"
MODULES = {"pyav": "av", "decord": "decord", "torchcodec": "torchcodec"}
DEFAULT_SIDE = 256
"""The shorter side of frames, in pixels, where no encoder asks for one."""
FAR = 60.0
"""Seconds into a shot after which an interrupted reading goes on within it, and does not begin the shot again."""


@dataclass(frozen=True)
class FilmReader:
    """Reads every item of the kind film. library: what decodes it; "" for what the setting `video_reader` says."""

    library: str = ""

    def __reduce__(self) -> tuple[type[FilmReader], tuple[str]]:
        """The reading processes know no flags: the setting goes with the reader."""
        return FilmReader, (self.library or setting("video_reader"),)

    def reads(self, item: Item) -> bool:
        return item.kind == "film"

    def missing(self, item: Item) -> str:
        """Raises UsageError where another library than the usual was chosen, and is not here."""
        library = self.library or setting("video_reader")
        if find_spec(MODULES[library]) is not None:
            return ""
        if library != "pyav":
            raise UsageError(
                f"The video reader {library} is not installed: pip install {library}, or index with --video-reader pyav"
            )
        return f"films need further packages: {EXTRA}"

    def load(self) -> None:
        """torch takes gigabytes of addresses, and little memory. What is wrong with it is said of each film."""
        if self.library == "torchcodec":
            with suppress(Exception):
                import_module("torchcodec.decoders")

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        from sightsound.plugins.video.containers import container_of
        from sightsound.plugins.video.films import open_film
        from sightsound.plugins.video.framing import SIDE, Framing, moment
        from sightsound.plugins.video.palette import glances
        from sightsound.plugins.video.sounding import heard_and_said

        container = container_of(file)
        side = wanted.image.min_side if wanted.image else DEFAULT_SIDE
        if wanted.at is not None:
            yield moment(open_film(file, container.demuxer, "pyav", exact=True), wanted.at, side)
            return
        film = open_film(file, container.demuxer, self.library or setting("video_reader"))
        yield Learnt({"format": container.name})
        if film.codec and not wanted.words:
            framing = Framing(side, wanted.shot, *_begun(wanted))
            for pictures, seconds in glances(film, framing.begins, SIDE) if framing.begins else ():
                framing.palette.add(pictures, seconds)
            for frame in film.frames(framing.begins):
                yield from framing.take(frame)
            yield from framing.finish(film.end)
            yield _learnt(film, framing)
        yield from heard_and_said(file, container.demuxer, wanted)

    def plays(self, file: BinaryIO, item: Item) -> bool:
        from sightsound.plugins.video.containers import container_of
        from sightsound.plugins.video.playing import plays
        from sightsound.plugins.video.with_pyav import open_container

        kind = container_of(file)
        with open_container(file, kind.demuxer) as container:
            return plays(container, "webm" if kind.name == "WebM" else kind.demuxer)

    def remake(self, file: BinaryIO, item: Item, to: Path, got_on: Callable[[], None]) -> None:
        from sightsound.plugins.video.containers import container_of
        from sightsound.plugins.video.playing import remake
        from sightsound.plugins.video.with_pyav import open_container

        with open_container(file, container_of(file).demuxer) as container:
            remake(container, to, got_on)


def _learnt(film: Film, framing: Framing) -> Learnt:
    facts = {
        "width": film.width,
        "height": film.height,
        "fps": round(film.fps, 3),
        "codec": film.codec,
        "duration": round(film.end, 3),
        "shots": framing.shots,
        "palette": framing.palette.colours(),
    }
    return Learnt({name: value for name, value in facts.items() if value}, damage=film.damage)


def _begun(wanted: Wanted) -> tuple[float, float, int]:
    """Where to go on after an interruption: the second, the start of its shot, and how many shots there are."""
    shot, frame = wanted.begun.get("shot"), wanted.begun.get("frame")
    start = shot.end if shot else 0.0
    within = frame is not None and frame.end - start > FAR
    return frame.end if within and frame else start, start, shot.count if shot else 0
