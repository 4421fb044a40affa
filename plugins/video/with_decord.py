"""Films by decord, where it is installed and chosen. It has not been maintained since 2022, and reads no AV1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import decord

from sightsound.errors import MediaError
from sightsound.plugins.video.films import Frame, check_size, clock, decoded


class DecordFilm:
    """Colours are taken as decord takes them; pixels are taken to be square."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            self._reader: Any = decord.VideoReader(_readable(file), ctx=decord.cpu(0))
            height, width, _ = self._reader[0].shape
        except Exception as error:  # decord has an error class of its own, and raises others too
            none = "cannot find video stream" in str(error)
            why = "it knows no codec of its pictures. Index with --video-reader pyav" if none else _line(error)
            raise MediaError(f"decord can't read it: {why}") from error
        check_size(width, height)
        self.width, self.height = int(width), int(height)
        self.fps = float(self._reader.get_avg_fps())
        self.codec, self.damage, self.end = "decord", "", 0.0

    def frames(self, after: float = 0.0) -> Iterator[Frame]:
        stamps = self._reader.get_frame_timestamp(range(len(self._reader)))
        first = float(stamps[0][0])
        self.end = float(stamps[-1][1]) - first
        for number, (start, _) in enumerate(stamps):
            seconds = float(start) - first
            if seconds < after - 1e-6:
                continue
            try:
                picture = self._reader[number].asnumpy()
            except Exception as error:  # what comes after can't be reached: decord has lost its place
                self.damage = f"damaged at {clock(seconds)} ({_line(error)}); what comes after is not read"
                self.end = seconds
                return
            yield decoded(seconds, picture)


def _readable(file: BinaryIO) -> Any:
    """decord opens paths, and copies other files into memory whole: the open file by its path, where it has one."""
    try:
        return f"/proc/self/fd/{file.fileno()}" if Path("/proc/self/fd").exists() else file
    except (OSError, AttributeError):
        return file


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0].split())[-120:] or type(error).__name__
