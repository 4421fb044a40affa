"""Where FFmpeg is sent to come to a second of a file, or before it. Of files without an index, such as TS, MPG and VOB,
it comes to a key frame that may be later; then it is sent further back."""

from __future__ import annotations

from collections.abc import Iterator

SECOND = 1_000_000
"""FFmpeg's units of time, where no stream is named."""
_BACK = (0, 2, 10, 60)


def before(seconds: float) -> Iterator[int]:
    """Places to be tried one after the other, in FFmpeg's units, until it comes to nothing later; at last the start.

    seconds: in the file's own time, which need not begin with 0.
    """
    yield from (max(0, int((seconds - back) * SECOND)) for back in _BACK)
    yield 0
