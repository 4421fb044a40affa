"""Interlaced frames: their lines are by turns from two moments, the fields, and show combs where something moves.

libswscale scales each field by itself, and weaves what it made: the combs stay in pictures of any size.
"""

from __future__ import annotations

from typing import Any

import av
import av.error

from sightsound.plugins.video.films import check_size

LEAST = 16
"""Pixels each way of a frame that can be made whole."""


class _Filter:
    """One of FFmpeg's filters, for frames laid out as one."""

    def __init__(self, like: Any, name: str, arguments: str) -> None:
        self.layout = _layout(like)
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=like.width, height=like.height, format=like.format.name, time_base=like.time_base
        )
        self._graph.link_nodes(source, self._graph.add(name, arguments), self._graph.add("buffersink")).configure()

    def take(self, frame: Any) -> list[Any]:
        """What comes out once a frame has gone in; None for the end of them."""
        made: list[Any] = []
        self._graph.push(frame)
        try:
            while True:
                made.append(self._graph.pull())
        except (av.error.BlockingIOError, av.error.EOFError):  # it waits for the next frame, or has given all
            return made


def _layout(frame: Any) -> tuple[Any, ...]:
    return frame.format.name, frame.width, frame.height, frame.time_base


def _by_planes(frame: Any) -> bool:
    """Whether FFmpeg makes it whole as it lies: of what it has to lay out anew it forgets which colours are meant."""
    return min(frame.width, frame.height) >= LEAST and len(frame.planes) == len(frame.format.components)


class OneField:
    """Of an interlaced frame its upper field: a frame of half the height, in the same memory."""

    def __init__(self) -> None:
        self._filter: _Filter | None = None

    def __call__(self, frame: Any) -> Any:
        if self._filter is None or self._filter.layout != _layout(frame):
            self._filter = _Filter(frame, "field", "top")
        (field,) = self._filter.take(frame)
        return field


class Deinterlacer:
    """Makes interlaced frames whole, as they were at the moment of their first field, from the fields about them.

    Frames come out in the order in which they went in, from the first that is interlaced each once the next has come.
    Those that are not, or that are packed or tiny, or that have none about them, stay as they are.
    """

    def __init__(self) -> None:
        self._filter: _Filter | None = None
        self._lone: Any = None

    def take(self, frame: Any) -> list[Any]:
        """The frames that are ready once this one has come. Raises MediaError where it is too large."""
        ready = [] if self._filter is None or self._filter.layout == _layout(frame) else self.rest()
        if self._filter is None:
            if not frame.interlaced_frame or not _by_planes(frame):
                return [*ready, frame]
            check_size(frame.width, frame.height)
            self._filter, self._lone = _Filter(frame, "bwdif", "mode=send_frame:deint=interlaced"), frame
        else:
            self._lone = None
        return ready + self._filter.take(frame)

    def rest(self) -> list[Any]:
        """The frames that still wait, where none comes after them."""
        ending, lone = self._filter, self._lone
        self._filter = self._lone = None
        if lone is not None:  # FFmpeg would take it to stand still, and leave its combs
            return [lone]
        return [] if ending is None else ending.take(None)
