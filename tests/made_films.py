"""Films with known truth, rendered for tests: photographs that move, cuts and fades at known times."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from conftest import PHOTOS
from PIL import Image

Frames = npt.NDArray[np.float32]
Heard = npt.NDArray[np.float32]
WIDTH, HEIGHT, FPS = 320, 180, 25
RATE = 16_000


def photo(name: str, width: int = WIDTH * 8 // 5, height: int = HEIGHT * 8 // 5) -> npt.NDArray[np.uint8]:
    """A demo photograph that covers the size."""
    with Image.open(PHOTOS / f"{name}.jpg") as picture:
        scale = max(width / picture.width, height / picture.height)
        large = picture.convert("RGB").resize((int(picture.width * scale) + 1, int(picture.height * scale) + 1))
    return np.asarray(large)


def shot(name: str, seconds: float, motion: str = "still", fps: int = FPS) -> Frames:
    """float32 (n, HEIGHT, WIDTH, 3): `still`, `pan`, `zoom`, or `shake`n by hand."""
    large, count = photo(name), round(seconds * fps)
    chance = np.random.default_rng(len(name))
    left, top = (large.shape[1] - WIDTH) // 2, (large.shape[0] - HEIGHT) // 2
    frames = []
    for number in range(count):
        share = number / max(1, count - 1)
        x, y, crop = left, top, None
        if motion == "pan":
            x = int((large.shape[1] - WIDTH) * share)
        elif motion == "shake":
            x, y = left + int(chance.integers(-6, 7)), top + int(chance.integers(-6, 7))
        elif motion == "zoom":
            wide, high = int(WIDTH * 1.5 / (1 + share / 2)), int(HEIGHT * 1.5 / (1 + share / 2))
            x, y = (large.shape[1] - wide) // 2, (large.shape[0] - high) // 2
            crop = Image.fromarray(large[y : y + high, x : x + wide]).resize((WIDTH, HEIGHT))
        frames.append(np.asarray(crop) if crop else large[y : y + HEIGHT, x : x + WIDTH])
    return np.stack(frames).astype(np.float32)


def colour(rgb: Sequence[int], seconds: float, fps: int = FPS) -> Frames:
    return np.broadcast_to(np.array(rgb, np.float32), (round(seconds * fps), HEIGHT, WIDTH, 3)).copy()


@dataclass
class Edited:
    """Frames joined, and the times within which each boundary lies."""

    frames: Frames
    truth: list[tuple[float, float]]


def cut(shots: Iterable[Frames]) -> Edited:
    shots = list(shots)
    ends = np.cumsum([len(one) for one in shots])[:-1] / FPS
    return Edited(np.concatenate(shots), [(end, end) for end in ends])


def dissolved(shots: Iterable[Frames], seconds: float) -> Edited:
    joined, truth, count = None, [], round(seconds * FPS)
    for one in shots:
        if joined is None:
            joined = one
            continue
        shares = (np.arange(1, count + 1) / (count + 1)).reshape(-1, 1, 1, 1)
        mixed = joined[-count:] * (1 - shares) + one[:count] * shares
        truth.append(((len(joined) - count) / FPS, len(joined) / FPS))
        joined = np.concatenate([joined[:-count], mixed, one[count:]])
    assert joined is not None
    return Edited(joined.astype(np.float32), truth)


def faded(shots: Iterable[Frames], seconds: float) -> Edited:
    """Each to black, and the next from black."""
    joined, truth, count = [], [], round(seconds * FPS)
    shots = list(shots)
    length = 0
    for number, one in enumerate(shots):
        one = one.copy()
        shares = (np.arange(1, count + 1) / (count + 1)).reshape(-1, 1, 1, 1)
        if number:
            one[:count] *= shares
            truth.append(((length - count) / FPS, (length + count) / FPS))
        if number < len(shots) - 1:
            one[-count:] *= shares[::-1]
        joined.append(one)
        length += len(one)
    return Edited(np.concatenate(joined).astype(np.float32), truth)


@contextmanager
def own_priority() -> Iterator[None]:
    """libsvtav1, run by root, makes the thread that calls it a real-time one, which all others then wait for."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def render(
    path: Path,
    frames: Frames,
    fps: int = FPS,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[float] | None = None,
    turned: int = 0,
    sound: Heard | bool = False,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
) -> Path:
    """times: of each frame, in seconds, where they are not even. turned: degrees in the file's display matrix."""
    with own_priority(), av.open(str(path), "w", options=container or {}) as out:
        stream: Any = out.add_stream(codec, rate=fps)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        fast = {"libx264": {"preset": "ultrafast", "crf": "18"}, "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}}  # fmt: skip  # noqa: E501
        stream.options = {**fast.get(codec, {}), **(options or {})}
        if turned:
            stream.set_display_rotation(turned)
        heard: Any = out.add_stream("aac", rate=RATE, layout="mono") if sound is not False else None
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
            if times is not None:
                frame.pts = round(times[number] * 1000)
                frame.time_base = stream.codec_context.time_base
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
        if heard is not None:
            wave = sound if isinstance(sound, np.ndarray) else tone(len(frames) / fps)
            for samples in blocks(wave):
                out.mux(heard.encode(samples))
            out.mux(heard.encode())
    return path


def fields(moments: Sequence[npt.NDArray[Any]] | Frames, first: str = "top", pixels: str = "yuv420p") -> Iterator[Any]:
    """Interlaced frames, each of two moments, whose lines it has by turns, in planes of light and of colour.

    first: `top` where the upper lines are of the earlier moment, or `bottom`.
    """
    order = "tff" if first == "top" else "bff"
    graph = av.filter.Graph()
    high, wide = moments[0].shape[:2]
    source = graph.add_buffer(width=wide, height=high, format="rgb24", time_base=Fraction(1, 2 * FPS))
    of_two = "not(mod(n,4))+eq(mod(n,4),3)"  # the first field of the one, and the second of the other
    steps = [("format", pixels), ("setfield", order), ("separatefields", ""), ("select", of_two)]
    steps += [("weave", first), ("setfield", order)]
    graph.link_nodes(source, *(graph.add(*one) for one in steps), graph.add("buffersink")).configure()
    for number, picture in enumerate(moments):
        frame = av.VideoFrame.from_ndarray(picture.clip(0, 255).astype(np.uint8), format="rgb24")
        frame.pts, frame.time_base = number, Fraction(1, 2 * FPS)
        graph.push(frame)
        yield from pulled(graph)
    graph.push(None)
    yield from pulled(graph)


def pulled(graph: Any) -> Iterator[Any]:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield graph.pull()


def woven(
    path: Path,
    moments: Sequence[npt.NDArray[Any]] | Frames,
    first: str = "top",
    codec: str = "mpeg2video",
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
) -> Path:
    """An interlaced film, of 50 moments a second."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=FPS)
        stream.pix_fmt, stream.options = pixels, options or {}
        for number, frame in enumerate(fields(moments, first, pixels)):
            if number == 0:
                stream.width, stream.height = frame.width, frame.height
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def tone(seconds: float, pitch: float = 440) -> Heard:
    return (0.3 * np.sin(np.arange(int(seconds * RATE)) * 2 * np.pi * pitch / RATE)).astype(np.float32)


def hiss(seconds: float, seed: int = 1) -> Heard:
    return (0.2 * np.random.default_rng(seed).standard_normal(int(seconds * RATE)).clip(-3, 3)).astype(np.float32)


def clicks(seconds: float, every: float = 0.25) -> Heard:
    wave = np.zeros(int(seconds * RATE), np.float32)
    for start in np.arange(0, seconds - 0.05, every):
        place = int(start * RATE)
        wave[place : place + 400] = 0.8 * np.exp(-np.arange(400) / 60) * (-1) ** np.arange(400)
    return wave


def blocks(wave: Heard) -> Iterator[Any]:
    for start in range(0, len(wave) - 1024, 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts = RATE, start
        yield frame


def f1(found: Sequence[float], truth: Sequence[tuple[float, float]], tolerance: float = 0.1) -> float:
    """Of boundaries: each found one that lies in a true one's time is right, once."""
    left = list(truth)
    for second in found:
        hit = next((one for one in left if one[0] - tolerance <= second <= one[1] + tolerance), None)
        if hit:
            left.remove(hit)
    right = len(truth) - len(left)
    return 2 * right / (len(found) + len(truth))
