"""Sound cut into overlapping windows, streamed: mono, at the rate and of the length that each encoder asks for.

    windows = Windows(wanted.audio, rate)     # rate: of the samples that come, Hz
    for samples in …:                         # float32 (n,) mono, as they are decoded
        yield from windows.push(samples)
    yield from windows.finish()

A window begins every half window. The last one is moved back to end with the sound, so that none is cut short; only a
sound that is shorter than a window gives a shorter one. Memory is bounded by the longest window.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sightsound import AudioInput, Piece, Vectors

SILENT = 1e-3
"""Root mean square below which nothing is heard: 60 dB below full scale."""
BLOCK = 0.1
"""Seconds that loudness is measured over."""


@dataclass(frozen=True)
class Window:
    """samples: float32 (n,) mono in -1..1 at `input.rate`. start, end: seconds."""

    start: float
    end: float
    samples: Vectors
    input: AudioInput

    @property
    def piece(self) -> Piece:
        return Piece("sound", "audio", self.samples, round(self.start, 3), round(self.end, 3), self.input)


class Windows:
    """Cuts one sound for several encoders at once. Silent windows are left out, and counted.

    inputs: what encoders ask for. rate: of the samples that come, Hz. start: seconds at which the sound begins, as
    where a film's sound begins after its pictures.
    seconds: of sound that came so far; silent: of these, how many were silent; passed_over: windows left out.
    """

    def __init__(self, inputs: Sequence[AudioInput], rate: int, start: float = 0.0) -> None:
        self._rate = rate
        self._cutters = [_Cutter(one, rate, start) for one in inputs]
        self._samples = 0
        self._energy = 0.0
        self._silent = 0
        self._rest = np.empty(0, np.float32)

    def push(self, samples: Vectors) -> Iterator[Window]:
        """float32 (n,) mono; what is no number counts as silence, what is beyond -1..1 is cut off."""
        clean = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0).clip(-1, 1).astype(np.float32, copy=False)
        self._measure(clean)
        for cutter in self._cutters:
            yield from cutter.push(clean)

    def finish(self) -> Iterator[Window]:
        if len(self._rest):
            self._count(self._rest[None])
            self._rest = self._rest[:0]
        for cutter in self._cutters:
            yield from cutter.finish()

    @property
    def seconds(self) -> float:
        return self._samples / self._rate

    @property
    def silent(self) -> float:
        return self._silent / self._rate

    @property
    def passed_over(self) -> int:
        return sum(cutter.passed_over for cutter in self._cutters)

    @property
    def loudness(self) -> float | None:
        """Root mean square of the whole sound in dB below full scale (0 or less); None for silence."""
        mean = self._energy / self._samples if self._samples else 0.0
        return 10 * math.log10(mean) if mean > 1e-12 else None

    def _measure(self, samples: Vectors) -> None:
        self._samples += len(samples)
        self._energy += float(np.dot(samples, samples))
        joined = np.concatenate([self._rest, samples])
        size = max(1, round(self._rate * BLOCK))
        whole = len(joined) // size
        self._count(joined[: whole * size].reshape(whole, size))
        self._rest = joined[whole * size :]

    def _count(self, blocks: Vectors) -> None:
        self._silent += int((_loudness(blocks) < SILENT).sum()) * blocks.shape[1]


class _Cutter:
    """The windows of one input."""

    def __init__(self, wanted: AudioInput, rate: int, start: float) -> None:
        import soxr

        self._wanted = wanted
        self._start = start
        self._length = max(1, round(wanted.rate * wanted.seconds))
        self._hop = max(1, self._length // 2)
        self._resampler = None if rate == wanted.rate else soxr.ResampleStream(rate, wanted.rate, 1, dtype="float32")
        self._kept: list[Vectors] = []
        self._held = 0
        self._first = 0  # where the samples that are kept begin, in samples of the sound
        self._next = 0  # where the next window begins
        self._ended = 0  # where the last one ended
        self.passed_over = 0

    def push(self, samples: Vectors, last: bool = False) -> Iterator[Window]:
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples, last=last).clip(-1, 1)
        if len(samples):
            self._kept.append(samples)
            self._held += len(samples)
        if self._first + self._held < self._next + self._length:
            return
        kept = self._joined()
        end = self._first + len(kept)
        while self._next + self._length <= end:
            at = self._next - self._first
            yield from self._window(kept[at : at + self._length], self._next)
            self._next += self._hop
        # As much as a window stays: the last one of all ends with the sound.
        self._kept, self._held, self._first = [kept[-self._length :]], self._length, end - self._length

    def finish(self) -> Iterator[Window]:
        yield from self.push(np.empty(0, np.float32), last=True)
        kept = self._joined()
        end = self._first + len(kept)
        if end - self._ended > self._wanted.rate * BLOCK or (kept.size and not self._ended):
            last = kept[-self._length :]
            yield from self._window(last, end - len(last))

    def _joined(self) -> Vectors:
        return np.concatenate(self._kept) if self._kept else np.empty(0, np.float32)

    def _window(self, samples: Vectors, first: int) -> Iterator[Window]:
        self._ended = first + len(samples)
        block = max(1, min(round(self._wanted.rate * BLOCK), len(samples)))
        whole = len(samples) // block * block
        if _loudness(samples[:whole].reshape(-1, block)).max() < SILENT:
            self.passed_over += 1
            return
        start = self._start + first / self._wanted.rate
        yield Window(start, start + len(samples) / self._wanted.rate, samples.copy(), self._wanted)


def _loudness(blocks: Vectors) -> Vectors:
    """Root mean square of each row."""
    return np.asarray(np.sqrt(np.einsum("ns,ns->n", blocks, blocks) / max(1, blocks.shape[1])), np.float32)
