"""Films by PyAV, which brings its own FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from sightsound.config import cores
from sightsound.errors import MediaError
from sightsound.plugins.video.fields import Deinterlacer, OneField
from sightsound.plugins.video.films import (
    SECONDS,
    STREAMS,
    THUMB,
    Frame,
    Picture,
    Thumb,
    check_size,
    clock,
    reduced,
    thumb_of,
)
from sightsound.plugins.video.glimpse import Glimpse, glimpse, layout
from sightsound.seeking import before

TRIES = 50
"""Errors of the container in a row after which the rest is given up."""
HD = 720
"""Films of this height that do not say how their colours are meant have those of HD television."""
_UNSAID = 2
LARGE = 1920 * 1088
"""Pixels of a frame above which several threads decode one film. Of smaller ones so many are decoded a second that what
the threads cost each other counts, and films beside each other fill the cores as well."""
POINTS = 2
"""Of a picture that is made very small, the points each way that are looked at for each of its pixels."""
_PLAIN = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv420p10le", "yuv422p10le", "nv12")
FASTEST = 1000
"""Frames a second; a film that says more says something else."""
SHORT = 0.1
"""The share of its length that a film may lack of what it says before that is told."""


def open_container(file: BinaryIO, demuxer: str) -> Any:
    """PyAV's container of a film that may be of this format only, and may name no other file. Raises MediaError."""
    av.logging.set_level(None)
    options = {"format_whitelist": demuxer, "protocol_whitelist": "none", "max_streams": str(STREAMS)}
    try:
        return av.open(file, "r", format=demuxer, options=options, metadata_errors="replace")
    except MemoryError:
        raise MediaError(f"it has more than {STREAMS} streams, or takes too much memory to open") from None
    except Exception as error:  # FFmpeg's errors are of many classes
        raise MediaError(f"the film is cut short or damaged: {_said(error)}") from error


class PyavFilm:
    """exact: whether blocks are smoothed in each frame, and not only in those that others are made from, which takes a
    sixth more time; and whether interlaced frames are made whole, and not taken from one field."""

    def __init__(self, file: BinaryIO, demuxer: str, exact: bool = False) -> None:
        self._exact = exact
        self._container = open_container(file, demuxer)
        self._stream: Any = next((stream for stream in self._container.streams.video if not _is_cover(stream)), None)
        self.width = self.height = 0
        self.fps, self.end, self.codec, self.damage = 0.0, 0.0, "", ""
        self._damaged, self._first = 0, 0.0
        self._glimpse: tuple[tuple[Any, ...], Glimpse | None] = (), None
        self._one_field = OneField()
        self._reformatters: dict[int, tuple[VideoReformatter, VideoReformatter]] = {}
        if self._stream is not None:
            self._look_at(self._stream)

    def _look_at(self, stream: Any) -> None:
        context = stream.codec_context
        if context is None:
            raise MediaError("its pictures are of a kind that can't be decoded here")
        check_size(context.width, context.height)
        context.thread_type = "AUTO"
        context.thread_count = min(4, cores()) if context.width * context.height > LARGE else 1
        if not self._exact:
            context.options = {"skip_loop_filter": "noref"}
        self.codec = context.codec.canonical_name
        rates = (stream.average_rate, stream.guessed_rate)  # of DV the first is of its clock
        self.fps = next((float(rate) for rate in rates if rate and rate <= FASTEST), 0.0)
        self.width, self.height = context.width, context.height

    @property
    def interlaced(self) -> bool:
        """Whether its first frame is; that is read."""
        return any(frame.interlaced_frame for frame in islice(self._decoded(), 1))

    @property
    def duration(self) -> float:
        """Seconds that the film says it lasts; 0 where it does not say."""
        stream = self._stream
        if stream is not None and stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        return float((self._container.duration or 0) / av.time_base)

    def frames(self, after: float = 0.0) -> Iterator[Frame]:
        if self._stream is None:
            return
        begin = (self._container.start_time or 0) / av.time_base
        last, step = -1.0, 1 / self.fps if self.fps > 0 else 0.04
        for frame in self._pictures(self._decoded_from(begin + after) if after > 0 else self._decoded()):
            seconds = last + step if frame.time is None else frame.time - begin
            if seconds <= last:
                seconds = last + 1e-3
            if seconds > SECONDS:
                self._note(seconds, f"it goes on after {clock(SECONDS)}")
                break
            if frame.is_corrupt:
                self._note(seconds, "frames are incomplete")
            if last < 0:
                self._first_seen(frame)
            last = max(seconds, 0.0)
            if last >= after - 1e-6:
                check_size(frame.width, frame.height)
                size = 3 * frame.width * frame.height
                yield Frame(last, partial(self._rgb, frame), partial(self._thumb, frame), size)
        if last < 0:
            raise MediaError(f"no frame of it can be decoded{': ' + self.damage if self.damage else ''}")
        self.end = last + step
        self._sum_up()

    def _decoded_from(self, seconds: float) -> Iterator[Any]:
        """Frames in order, from one at this time of the container or before it."""
        for place in before(seconds):
            try:
                self._container.seek(place, backward=True)
            except av.error.FFmpegError:  # from the start, then; what is before is passed over
                self._container.seek(0)
            frames = self._decoded()
            first = next(frames, None)
            if first is not None and (first.time is None or first.time <= seconds + 1e-6):
                return chain([first], frames)
            self._damaged, self.damage = 0, ""  # this try is not what is read
        self._container.seek(0)
        return self._decoded()

    def _pictures(self, frames: Iterator[Any]) -> Iterator[Any]:
        if not self._exact:
            yield from frames
            return
        whole = Deinterlacer()
        for frame in frames:
            yield from whole.take(frame)
        yield from whole.rest()

    def _decoded(self) -> Iterator[Any]:
        """Frames in order, past packets and stretches that are damaged."""
        failures = 0
        while failures < TRIES:
            try:
                for packet in self._container.demux(self._stream):
                    try:
                        yield from packet.decode()
                        failures = 0
                    except av.error.EOFError:
                        return
                    except av.error.FFmpegError as error:
                        self._note(float(packet.pts * packet.time_base) if packet.pts else 0.0, _said(error))
                return
            except av.error.FFmpegError as error:
                failures += 1
                self._note(0.0, _said(error))

    def _first_seen(self, frame: Any) -> None:
        """Size as shown: pixels that are not square made so, and upright."""
        aspect = float(self._stream.sample_aspect_ratio or 1)
        self._aspect = aspect if 0.1 < aspect < 10 else 1.0
        self.width, self.height = round(frame.width * self._aspect), frame.height
        if turns(frame) % 2:
            self.width, self.height = self.height, self.width

    def _rgb(self, frame: Any, min_side: int) -> Picture:
        width, height = reduced(frame.width * self._aspect, frame.height, min_side)
        first, second = self._reformatters.setdefault(min_side, (VideoReformatter(), VideoReformatter()))
        meant, turned = colours(frame), turns(frame)
        if frame.interlaced_frame:
            frame = self._one_field(frame)
        few = min(frame.width // width, frame.height // height) >= 2 * POINTS and frame.format.name in _PLAIN
        if few:  # a quarter of the time that the mean of all its pixels takes, and all but the same
            frame = first.reformat(frame, POINTS * width, POINTS * height, interpolation=Interpolation.POINT, threads=1)
        small = second.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=meant,
            interpolation=Interpolation.AREA if height < frame.height else Interpolation.BICUBIC,
            threads=1,
        )
        picture: Picture = np.rot90(small.to_ndarray(), turned)
        return np.ascontiguousarray(picture)

    def _thumb(self, frame: Any) -> Thumb:
        planes = frame.planes
        laid = layout(frame, planes)
        if self._glimpse[0] != laid:
            self._glimpse = laid, glimpse(frame, self._aspect, colours(frame))
        seen = self._glimpse[1]
        if seen is None:
            return thumb_of(self._rgb(frame, 2 * THUMB))
        turned = turns(frame)
        return np.ascontiguousarray(np.rot90(seen(planes), turned, axes=(1, 2))) if turned else seen(planes)

    def _note(self, seconds: float, reason: str) -> None:
        self._damaged += 1
        if self._damaged == 1:
            self._first = seconds
            self.damage = reason

    def _sum_up(self) -> None:
        if self._damaged:
            places = f"{self._damaged:,} places" if self._damaged > 1 else "one place"
            self.damage = f"damaged in {places}, the first at {clock(self._first)} ({self.damage}); the rest is read"
        elif self.duration > self.end * (1 + SHORT) + 1:
            self.damage = f"it says that it lasts {clock(self.duration)}, and ends at {clock(self.end)}"


def _is_cover(stream: Any) -> bool:
    """Whether it is a picture on the sleeve, as sounds have them."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def turns(frame: Any) -> int:
    """Quarter turns to the left that set it upright."""
    return int(round(frame.rotation / 90) % 4)


def colours(frame: Any) -> Colorspace | None:
    """What its colours are to be taken for where it does not say; None where it does."""
    if frame.colorspace != _UNSAID:
        return None
    return Colorspace.ITU709 if frame.height >= HD else Colorspace.ITU601


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", "") or error or type(error).__name__)
