"""Films by torchcodec, where it is installed with the FFmpeg it needs, and chosen."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, BinaryIO

from sightsound.errors import MediaError
from sightsound.plugins.video.films import Frame, check_size, clock, decoded


class TorchcodecFilm:
    """Pixels are taken to be square."""

    def __init__(self, file: BinaryIO) -> None:
        try:
            decoders: Any = import_module("torchcodec.decoders")
        except (ImportError, RuntimeError, OSError) as error:
            if "failed to map segment" in str(error):
                raise MemoryError from error
            raise MediaError(_NO_FFMPEG) from error
        try:
            self._decoder: Any = decoders.VideoDecoder(file, dimension_order="NHWC")
        except (ImportError, OSError) as error:
            raise MediaError(_NO_FFMPEG) from error
        except Exception as error:  # RuntimeError, ValueError and others, by what is wrong
            no_library = "libtorchcodec" in str(error)
            raise MediaError(_NO_FFMPEG if no_library else f"torchcodec can't read it: {_line(error)}") from error
        about = self._decoder.metadata
        check_size(about.width or 0, about.height or 0)
        self.width, self.height = int(about.width or 0), int(about.height or 0)
        self.fps = float(about.average_fps or 0)
        self.codec, self.damage = str(about.codec or "torchcodec"), ""
        self._start = float(about.begin_stream_seconds or 0)
        self.end = float(about.end_stream_seconds or 0) - self._start

    def frames(self, after: float = 0.0) -> Iterator[Frame]:
        count = len(self._decoder)
        begin = after + self._start
        first = self._number_at(begin, count) if after > 0 else 0
        seconds = after
        for number in range(first, count):
            try:
                frame = self._decoder.get_frame_at(number)
            except Exception as error:
                self.damage = f"damaged at {clock(seconds)} ({_line(error)}); what comes after is not read"
                self.end = seconds
                return
            seconds = float(frame.pts_seconds) - self._start
            if number == first:
                self.height, self.width = (int(side) for side in frame.data.shape[:2])
            if seconds >= after - 1e-6:
                yield decoded(seconds, frame.data.numpy())

    def _number_at(self, seconds: float, count: int) -> int:
        low, high = 0, count - 1
        while low < high:
            middle = (low + high) // 2
            if float(self._decoder.get_frame_at(middle).pts_seconds) < seconds - 1e-6:
                low = middle + 1
            else:
                high = middle
        return low


_NO_FFMPEG = "torchcodec finds no FFmpeg that it can use: install FFmpeg, or index with --video-reader pyav"


def _line(error: Exception) -> str:
    return " ".join(str(error).split("\n")[0].split())[:120] or type(error).__name__
