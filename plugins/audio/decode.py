"""Sound files as mono samples, streamed. Files are hostile: what a file is, its first bytes say, and nothing else.

soundfile (libsndfile) reads WAV, AIFF, FLAC, OGG and MP3; the rest, and what it can't, PyAV (FFmpeg) reads, with the
one format that the first bytes tell: a playlist would make FFmpeg open other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from sightsound import Vectors
from sightsound.errors import MediaError, one_line

CHANNELS = 64
LOWEST, HIGHEST = 2_000, 768_000
"""Hz: of the rates that sounds are recorded at."""
LONGEST = 12 * 3600
"""Seconds of sound that are read."""
BLOCK = 1 << 16
"""Samples of each channel that are decoded at once."""
FORMATS = "WAV, AIFF, FLAC, OGG, Opus, MP3, M4A, AAC"
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_MATROSKA = "matroska,webm"


@dataclass(frozen=True)
class Kind:
    """What the first bytes say: its name, FFmpeg's demuxer, and whether libsndfile reads it."""

    name: str
    demuxer: str
    sndfile: bool


@dataclass(frozen=True)
class Sound:
    """An opened sound. blocks: float32 (n,) mono, streamed once; it raises MediaError where nothing can be decoded."""

    format: str
    rate: int
    channels: int
    blocks: Iterator[Vectors]


def kind_of(head: bytes) -> Kind:
    """By the first 12 bytes or more. Raises MediaError for what is no sound."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Kind("WAV", "wav", True)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return Kind("AIFF", "aiff", True)
    if head[:4] == b"fLaC":
        return Kind("FLAC", "flac", True)
    if head[:4] == b"OggS":
        return Kind("Opus" if b"OpusHead" in head else "OGG", "ogg", True)
    if head[4:8] == b"ftyp":
        return Kind("M4A", _MP4, False)
    if head[:4] == b"\x1aE\xdf\xa3":
        return Kind("WebM", _MATROSKA, False)
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:
        return Kind("AAC", "aac", False)
    if head[:3] == b"ID3" or (head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6)):
        return Kind("MP3", "mp3", True)
    raise MediaError(f"it is not a sound of a kind that is read ({FORMATS}), or it is damaged")


def open_sound(file: BinaryIO) -> Sound:
    """Raises MediaError with a human reason."""
    head = file.read(64)
    kind = kind_of(head)
    file.seek(0)
    if kind.sndfile:
        opened = _by_sndfile(file, kind)
        if opened is not None:
            return opened
        file.seek(0)
    return _by_ffmpeg(file, kind)


def check(rate: int, channels: int) -> None:
    """Raises MediaError for a rate or a number of channels that no sound has."""
    if not LOWEST <= rate <= HIGHEST:
        raise MediaError(f"a sample rate of {rate:,} Hz is not read; from {LOWEST:,} to {HIGHEST:,} is")
    if not 1 <= channels <= CHANNELS:
        raise MediaError(f"a sound of {channels} channels is not read; up to {CHANNELS} is")


def _by_sndfile(file: BinaryIO, kind: Kind) -> Sound | None:
    import soundfile

    try:
        opened = soundfile.SoundFile(file)
    except Exception:  # FFmpeg may read what libsndfile does not, or say better why nothing can
        return None
    check(opened.samplerate, opened.channels)

    def blocks() -> Iterator[Vectors]:
        with opened:
            read, limit = 0, LONGEST * opened.samplerate
            while True:
                try:
                    block = opened.read(BLOCK, dtype="float32", always_2d=True)
                except Exception as error:  # what came before is kept
                    if not read:
                        raise MediaError(f"the file is damaged: {one_line(error)}") from error
                    return
                if not len(block):
                    break
                read += len(block)
                _check_length(read, limit)
                yield _mono(block.T)
            if not read:
                raise MediaError("it holds no sound, or is cut short")

    return Sound(kind.name, opened.samplerate, opened.channels, blocks())


def open_container(file: BinaryIO, demuxer: str) -> Any:
    """PyAV's container of a file that may only be of these formats of FFmpeg. Raises MediaError.

    Nothing else is opened: what a file names is not looked at.
    """
    import av

    try:
        return av.open(
            file,
            "r",  # a temporary file's own mode would open it to be written
            format=None,
            options={"format_whitelist": demuxer, "protocol_whitelist": "", "enable_drefs": "0"},
            metadata_errors="replace",
        )
    except MemoryError:
        raise
    except Exception as error:  # FFmpeg's errors are of many classes
        raise MediaError(f"the file is cut short or damaged: {one_line(error)}") from error


def _by_ffmpeg(file: BinaryIO, kind: Kind) -> Sound:
    container = open_container(file, kind.demuxer)
    if not container.streams.audio:
        container.close()
        raise MediaError("it has no sound track")
    stream = container.streams.audio[0]
    rate, channels = int(stream.rate or 0), int(stream.channels or 0)
    check(rate, channels)

    def blocks() -> Iterator[Vectors]:
        with container:
            track = Track(rate)
            for packet in container.demux(stream):
                for samples in track.decode(packet):
                    _check_length(track.samples, LONGEST * rate)
                    yield samples
            if not track.samples:
                raise MediaError(f"nothing of its sound can be decoded{track.why}")

    return Sound(kind.name, rate, channels, blocks())


class Track:
    """Decodes the packets of one sound track of PyAV, and goes on past damaged ones.

    rate: of what it gives, Hz.
    start: seconds at which the first sample is heard; None before there is one. Gaps are filled with silence, so that
    times stay right. samples: how many were given. damaged: packets that could not be decoded.
    """

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.start: float | None = None
        self.samples = 0
        self.damaged = 0
        self.why = ""
        self._resampler: Any = None
        self._shape: tuple[Any, ...] = ()

    def decode(self, packet: Any) -> Iterator[Vectors]:
        """The packet's samples, float32 (n,) mono."""
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except Exception as error:  # one damaged packet
            self.damaged += 1
            self.why = f": {one_line(error)}"
            return
        for frame in frames:
            yield from self._frame(frame)

    def _frame(self, frame: Any) -> Iterator[Vectors]:
        import av

        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            check(frame.sample_rate, len(frame.layout.channels))
            self._resampler = av.AudioResampler(format="fltp", rate=self.rate)
            self._shape = shape
        time = frame.time
        if self.start is None:
            self.start = max(0.0, time or 0.0)
        elif time is not None:
            gap = time - self.start - self.samples / self.rate
            if GAP < gap < LONGEST:
                for _ in range(int(gap * self.rate) // BLOCK + 1):
                    silence = np.zeros(min(BLOCK, int(gap * self.rate)), np.float32)
                    gap -= len(silence) / self.rate
                    self.samples += len(silence)
                    yield silence
        for made in self._resampler.resample(frame):
            samples = _mono(made.to_ndarray())
            self.samples += len(samples)
            yield samples


GAP = 0.25
"""Seconds that a track's clock may run ahead of its samples."""


def _mono(channels: Vectors) -> Vectors:
    """float32 (channels, n) -> (n,): their mean. What is no number counts as silence."""
    clean = np.nan_to_num(channels, nan=0.0, posinf=1.0, neginf=-1.0)
    return np.asarray(clean.mean(axis=0), dtype=np.float32)


def _check_length(samples: int, limit: int) -> None:
    if samples > limit:
        raise MediaError(f"it is longer than {LONGEST // 3600} hours, which is the most that is read")
