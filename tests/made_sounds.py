"""Sounds that the tests render: what is heard in them is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 32_000


def tone(hertz: float, seconds: float, rate: int = RATE, level: float = 0.3) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def noise(seconds: float, rate: int = RATE, level: float = 0.2) -> np.ndarray:
    return (level * np.random.default_rng(0).uniform(-1, 1, round(seconds * rate))).astype(np.float32)


def silence(seconds: float, rate: int = RATE) -> np.ndarray:
    return np.zeros(round(seconds * rate), np.float32)


def drums(seconds: float, rate: int = RATE) -> np.ndarray:
    """A low beat, dying away, twice a second."""
    time = np.arange(rate // 2) / rate
    beat = 0.8 * np.sin(2 * np.pi * 70 * time) * np.exp(-14 * time) + 0.2 * noise(0.5, rate) * np.exp(-60 * time)
    return np.tile(beat.astype(np.float32), round(2 * seconds))


def write(path: Path, samples: np.ndarray, rate: int = RATE, **tags: str) -> Path:
    """In the format that the name says; tags where FFmpeg writes it."""
    if tags and path.suffix == ".ogg":
        with soundfile.SoundFile(path, "w", rate, 1) as file:
            for name, value in tags.items():
                setattr(file, name, value)
            file.write(samples)
        return path
    if tags or path.suffix in (".m4a", ".aac", ".mp3", ".webm"):
        return _by_ffmpeg(path, samples, rate, tags)
    subtype: dict[str, Any] = {"subtype": "OPUS"} if path.suffix == ".opus" else {}
    kind = {".oga": "OGG", ".opus": "OGG"}.get(path.suffix, path.suffix[1:].upper())
    soundfile.write(path, samples, rate, format=kind, **subtype)
    return path


def _by_ffmpeg(path: Path, samples: np.ndarray, rate: int, tags: dict[str, str]) -> Path:
    import av

    codecs = {".mp3": "libmp3lame", ".m4a": "aac", ".aac": "aac", ".flac": "flac", ".wav": "pcm_s16le"}
    codec = codecs.get(path.suffix, "libopus")
    with av.open(str(path), "w") as made:
        made.metadata.update(tags)
        stream = made.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.codec_context.format, rate=rate, layout="mono")
        for given in [*resampler.resample(frame), None]:
            made.mux(stream.encode(given))
    return path


def with_sound(film: Path, to: Path, samples: np.ndarray, rate: int = RATE, subtitles: Path | None = None, **tags: str) -> Path:  # fmt: skip  # noqa: E501
    """The film's pictures as they are, with a sound track, and subtitles as a track of its own."""
    import av

    with av.open(str(film)) as pictures, av.open(str(to), "w") as made:
        made.metadata.update(tags)
        seen = made.add_stream_from_template(pictures.streams.video[0])
        heard: Any = made.add_stream("aac", rate=rate, layout="mono")
        said = av.open(str(subtitles)) if subtitles else None
        track = made.add_stream_from_template(said.streams.subtitles[0]) if said else None
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        packets = [packet for packet in pictures.demux(pictures.streams.video[0]) if packet.dts is not None]
        for packet in packets:
            packet.stream = seen
        for given in [*av.AudioResampler(format="fltp", rate=rate, layout="mono").resample(frame), None]:
            packets += heard.encode(given)
        for packet in said.demux(said.streams.subtitles[0]) if said else ():
            if packet.dts is not None:
                packet.stream = track
                packets.append(packet)
        for packet in sorted(packets, key=lambda one: float(one.dts * one.time_base)):
            made.mux(packet)
    return to
