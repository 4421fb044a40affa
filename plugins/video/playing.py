"""Films and sounds as browsers play them: whether one is so already, and made so where it is not.

What is made is H.264 and AAC in MP4, or VP9 and Opus in WebM where FFmpeg was built without H.264, of 720p at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightsound.errors import MediaError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

VIDEO = {"mov": ("h264", "av1", "vp9"), "webm": ("vp8", "vp9", "av1"), "ogg": ()}
"""Codecs that every browser plays, by container."""
AUDIO = {
    "mov": ("aac", "mp3", "opus", "flac"),
    "webm": ("opus", "vorbis"),
    "ogg": ("opus", "vorbis", "flac"),
    "wav": ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"),
    "flac": ("flac",),
    "mp3": ("mp3",),
    "aac": ("aac",),
}
PLAIN = ("yuv420p", "yuvj420p")
"""The only layout of colours, 8 bits deep, that every browser plays."""
WIDE, HIGH = 1280, 720
FASTEST = 60
"""Pictures a second, at the most."""
CLOCK = Fraction(1, 90_000)
SHORTEST = round(0.6 / FASTEST / CLOCK)
"""What of the clock lies between two pictures, at the least."""
RATE = 48_000
CODECS = (("libx264", "aac", "mp4"), ("libvpx-vp9", "libopus", "webm"))
"""Of pictures, of sound, and the container, the first that FFmpeg was built with."""
OPTIONS = {
    "libx264": {"preset": "veryfast", "crf": "26", "maxrate": "3M", "bufsize": "6M"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "6", "crf": "36", "b": "2M"},
}
HELD = 2000
"""Packets of sound after which pictures are not waited for any more."""
LOST = 1000
"""Damaged packets after which a track is given up."""


def plays(container: Any, kind: str) -> bool:
    """Whether browsers play an opened container as it is. kind: `webm`, or FFmpeg's name of its format."""
    kind = kind.split(",")[0]
    video, audio = _tracks(container)
    for stream, codecs in ((video, VIDEO), (audio, AUDIO)):
        if stream is None:
            continue
        context = stream.codec_context
        if context is None or context.codec.canonical_name not in codecs.get(kind, ()):
            return False
    return video is None or video.codec_context.pix_fmt in PLAIN


def remake(container: Any, to: Path, got_on: Callable[[], None]) -> None:
    """Write an opened container as browsers play it. Raises MediaError where nothing of it can be decoded."""
    import av

    video, audio = _tracks(container)
    if video is None and audio is None:
        raise MediaError("there are no pictures and no sound in it")
    of_pictures, of_sound, format_ = next(found for found in CODECS if found[0] in av.codecs_available)
    options = {"movflags": "+faststart"} if format_ == "mp4" else {}
    begin = (container.start_time or 0) / av.time_base
    with av.open(str(to), "w", format=format_, options=options) as made:
        pictures = _Pictures(made, video, of_pictures, begin) if video is not None else None
        sound = _Sound(made, audio, of_sound, begin) if audio is not None else None
        held: list[Any] = []  # sound that comes before the first picture, which says what the file begins with
        for packet in _packets(container, [stream for stream in (video, audio) if stream is not None]):
            got_on()
            if packet.stream is video and pictures:
                pictures.take(packet)
            elif sound:
                held.append(packet)
            if sound and (pictures is None or pictures.begun or len(held) > HELD):
                for one in held:
                    sound.take(one)
                held.clear()
        for one in held:
            if sound:
                sound.take(one)
        finished = [track.finish() for track in (pictures, sound) if track]
        if True not in finished:
            raise MediaError("nothing of it can be decoded")


def _tracks(container: Any) -> tuple[Any, Any]:
    """The first track of pictures, but for a cover, and the first of sound."""
    from av.stream import Disposition

    pictures = (s for s in container.streams.video if not s.disposition & Disposition.attached_pic)
    return next(pictures, None), next(iter(container.streams.audio), None)


def _packets(container: Any, streams: list[Any]) -> Iterator[Any]:
    """The packets of these streams, up to where the container is damaged beyond reading."""
    import av.error

    try:
        yield from container.demux(streams)
    except av.error.FFmpegError:
        return


def fitted(width: float, height: float) -> tuple[int, int]:
    """The size within 1280 x 720, or 720 x 1280 upright, never enlarged, both sides even."""
    wide, high = (WIDE, HIGH) if width >= height else (HIGH, WIDE)
    scale = min(1.0, wide / width, high / height)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


class _Track:
    """Decodes one track, and goes on past damaged packets."""

    def __init__(self) -> None:
        self._lost = 0

    def decoded(self, packet: Any) -> Iterator[Any]:
        import av.error

        if self._lost >= LOST:
            return
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            self._lost += 1


class _Pictures(_Track):
    """Pictures, upright, their pixels square, whole where they were interlaced, of one size from first to last."""

    def __init__(self, made: Any, stream: Any, codec: str, begin: float) -> None:
        from av.video.reformatter import VideoReformatter

        from sightsound.plugins.video.fields import Deinterlacer
        from sightsound.plugins.video.films import check_size

        super().__init__()
        check_size(stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.thread_type = "AUTO"
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25)
        self._rate = rate if 0 < rate <= FASTEST else Fraction(FASTEST)
        aspect = float(stream.sample_aspect_ratio or 1)
        self._aspect = aspect if 0.1 < aspect < 10 else 1.0
        self._made, self._codec, self._begin = made, codec, begin
        self._out: Any = None
        self._turns = 0
        self._size = (0, 0)
        self._last = -1
        self._reformatter = VideoReformatter()
        self._whole = Deinterlacer()

    def take(self, packet: Any) -> None:
        for frame in self.decoded(packet):
            self._frames(self._whole.take(frame))

    @property
    def begun(self) -> bool:
        return self._out is not None

    def finish(self) -> bool:
        self._frames(self._whole.rest())
        if self._out is not None:
            self._made.mux(self._out.encode())
        return self._out is not None

    def _frames(self, frames: list[Any]) -> None:
        for frame in frames:
            self._frame(frame)

    def _frame(self, frame: Any) -> None:
        import numpy as np
        from av import VideoFrame
        from av.video.reformatter import Interpolation

        from sightsound.plugins.video.films import check_size
        from sightsound.plugins.video.with_pyav import colours, turns

        check_size(frame.width, frame.height)
        if self._out is None:
            if self._made.streams.audio and self._made.streams.audio[0].codec_context.is_open:
                return  # the file was begun without pictures
            self._begin_with(frame, turns(frame))
        next_one = self._last + round(1 / self._rate / CLOCK) if self._last >= 0 else 0
        ticks = next_one if frame.time is None else max(0, round((frame.time - self._begin) / CLOCK))
        if self._last >= 0 and ticks < self._last + SHORTEST:
            return  # faster than is seen, or out of order
        small = self._reformatter.reformat(
            frame, *self._size, "yuv420p", src_colorspace=colours(frame), interpolation=Interpolation.AREA
        )
        if self._turns:
            planes = np.asarray(small.to_ndarray(), np.uint8)
            small = VideoFrame.from_ndarray(_turned(planes, *self._size, self._turns), "yuv420p")
        small.pts, small.time_base = ticks, CLOCK
        self._last = ticks
        self._made.mux(self._out.encode(small))

    def _begin_with(self, frame: Any, turned: int) -> None:
        self._turns = turned
        width, height = frame.width * self._aspect, float(frame.height)
        shown = fitted(height, width) if turned % 2 else fitted(width, height)
        self._size = (shown[1], shown[0]) if turned % 2 else shown
        self._out = self._made.add_stream(self._codec, rate=self._rate, options=dict(OPTIONS[self._codec]))
        self._out.width, self._out.height = shown
        self._out.pix_fmt = "yuv420p"
        self._out.codec_context.time_base = CLOCK


def _turned(planes: npt.NDArray[np.uint8], width: int, height: int, turns: int) -> npt.NDArray[np.uint8]:
    """Quarter turns to the left of a picture in yuv420p, plane below plane: uint8 (height * 3 / 2, width)."""
    import numpy as np

    flat = planes.reshape(-1)
    area = width * height
    parts = [(flat[:area], width, height), (flat[area : area * 5 // 4], width // 2, height // 2)]
    parts.append((flat[area * 5 // 4 :], width // 2, height // 2))
    turned = [np.rot90(part.reshape(h, w), turns) for part, w, h in parts]
    joined: npt.NDArray[np.uint8] = np.concatenate([part.reshape(-1) for part in turned])
    return joined.reshape(-1, turned[0].shape[1])


class _Sound(_Track):
    """Sound in stereo, or mono where it is so."""

    def __init__(self, made: Any, stream: Any, codec: str, begin: float) -> None:
        super().__init__()
        self._made, self._begin = made, begin
        layout = "mono" if int(stream.channels or 0) == 1 else "stereo"
        self._out: Any = made.add_stream(codec, rate=RATE, layout=layout)
        self._out.bit_rate = 128_000
        self._resampler: Any = None
        self._shape: tuple[Any, ...] = ()
        self._start = 0
        self._samples = 0

    def take(self, packet: Any) -> None:
        for frame in self.decoded(packet):
            self._frame(frame)

    def finish(self) -> bool:
        if self._resampler is not None:
            self._encode(self._resampler.resample(None))
            self._made.mux(self._out.encode())
        return self._resampler is not None

    def _frame(self, frame: Any) -> None:
        import av

        from sightsound.plugins.audio.decode import GAP, LONGEST, check

        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None:
            self._start = max(0, round(((frame.time or 0.0) - self._begin) * RATE))
        if shape != self._shape:
            check(frame.sample_rate, len(frame.layout.channels))
            context = self._out.codec_context
            self._resampler = av.AudioResampler(format=context.format, layout=context.layout, rate=RATE)
            self._shape = shape
        if frame.time is not None:
            ahead = round((frame.time - self._begin) * RATE) - self._start - self._samples
            if GAP * RATE < ahead < LONGEST * RATE:  # where sound is missing, what follows keeps its time
                self._samples += ahead
        frame.pts = None
        self._encode(self._resampler.resample(frame))

    def _encode(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._start + self._samples, Fraction(1, RATE)
            self._samples += frame.samples
            self._made.mux(self._out.encode(frame))
