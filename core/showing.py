"""How items are shown: what is asked for is kept already, or made now in the reading processes, or on its way."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import TimeoutError
from pathlib import Path
from typing import Any, BinaryIO, Literal

from sightsound.beside import own_content
from sightsound.config import cache_folder, number
from sightsound.errors import MediaError, MediaGone
from sightsound.indexing import default_workers
from sightsound.pool import GONE, Do, Limits, Pool, Work
from sightsound.previewcache import PreviewCache
from sightsound.previews import (
    FILM_MOMENT,
    Copied,
    Indexed,
    Picture,
    Plays,
    Remade,
    Same,
    Strip,
    Waveform,
    has_revision,
)
from sightsound.registry import Registry
from sightsound.sources import Source
from sightsound.types import Item

WIDTHS = (320, 640, 1280)
"""Pixels of small pictures: more widths would be more files for nothing that can be seen."""
LARGE = 2560
"""Pixels of a photograph that browsers can't show, as it is shown."""
SHOWN = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "AVIF", "BMP")
"""Formats of pictures that browsers show."""
HEAVY = 15_000_000
"""Bytes above which even these are shown as a JPEG."""
LAST = 0.1
"""Seconds before the end of a film of which the picture is shown for all later ones."""
MOST_MOMENTS = 20
"""Of one strip."""
PICTURES, FILMS = 400, 20
"""Jobs that may wait."""
PATIENCE = 6.0
"""Seconds that a request waits for what is being made; it goes on, and is there at the next."""
WAITING = 12
"""Requests that may wait at once, so that they take no thread from pages and searches; others come again."""
REMEMBERED = 600.0
"""Seconds for which what could not be made is not tried again."""
COUNT_HOLDS = 30.0
"""Seconds for which what the cache takes is not counted anew."""
MOST_REMEMBERED = 10_000
VERSION = 1
"""Of what is made. Another is made anew."""

Making = Literal["making"]
Way = Literal["original", "making"]


class Showing:
    """Makes what is shown of items, and keeps it in the cache folder. One for a server; methods from any thread.

    All take the item's source, and raise MediaError where it can't be read, MediaGone where it is gone or is not what
    was indexed, and Busy where too much is being made already. `making` says that it is being made: ask again.
    """

    def __init__(self, registry: Registry) -> None:
        self._readers = tuple(entry.thing for entry in registry.readers)
        self.cache = preview_cache()
        memory, deadline = number("memory"), number("deadline")
        self._memory = memory
        limits = Limits(deadline, memory, number("preview_minutes") * 60)
        self._pictures = Pool(default_workers(), PICTURES, limits)
        self._films = Pool(1, FILMS, limits)
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._counted = (float("-inf"), 0)
        self._failures = _Failures()

    def close(self) -> None:
        self._films.close()
        self._pictures.close()

    def picture(self, item: Item, source: Source, width: int, at: float | None = None) -> BinaryIO | Making:
        """A JPEG of a photograph, or of a moment of a film. width: one of WIDTHS, or LARGE."""
        if item.kind not in ("photo", "film"):
            raise MediaError(f"a {item.kind} has no picture")
        moment = _moment(item, at) if item.kind == "film" else None
        return self._at_once(picture_name(item, width, at), Picture(self._indexed(item, source), width, moment))

    def strip(self, item: Item, source: Source, count: int) -> BinaryIO | Making:
        """A JPEG of so many moments of a film side by side, at even steps."""
        duration = float(item.facts.get("duration", 0))
        if item.kind != "film" or not duration:
            raise MediaError("only a film that was read to its end has moments")
        moments = tuple(round((place + 0.5) * duration / count, 3) for place in range(count))
        return self._at_once(kept_name(item, f"strip{count}.jpg"), Strip(self._indexed(item, source), moments))

    def waveform(self, item: Item, source: Source) -> BinaryIO | Making:
        """An SVG of a sound."""
        if item.kind != "sound":
            raise MediaError(f"a {item.kind} has no waveform")
        return self._at_once(kept_name(item, "wave.svg"), Waveform(self._indexed(item, source)))

    def preview(self, item: Item, source: Source) -> BinaryIO | Way:
        """What a browser can show or play of an item: a file, or `original` where the item's own file will do."""
        if item.kind == "text":
            raise MediaError("a text has nothing to be shown")
        if item.kind == "photo":
            fits = item.facts.get("format") in SHOWN and item.facts.get("bytes", 0) <= HEAVY
            return "original" if fits else self.picture(item, source, LARGE)
        name = kept_name(item, "made")
        if (kept := self.cache.open(name)) is not None:
            return kept
        indexed = self._indexed(item, source)
        plays = self._at_once(kept_name(item, "plays"), Plays(indexed))
        if plays == "making":
            return "making"
        if plays.read() == _YES:
            return "original"
        self._failures.check(name)
        self._films.submit(name, self._noting(name, lambda do: self._keep(do, name, lambda to: Remade(indexed, to))))
        return "making"

    def original(self, item: Item, source: Source) -> BinaryIO | Making:
        """The file itself, where it is local; a copy of it where it lies elsewhere and has no URL to be shown by."""
        name = kept_name(item, "copy")
        if item.path is not None:
            return self.local(item, source)
        if (kept := self.cache.open(name)) is not None:
            return kept
        self._failures.check(name)
        indexed = self._indexed(item, source)
        self._films.submit(name, self._noting(name, lambda do: self._keep(do, name, lambda to: Copied(indexed, to))))
        return "making"

    def kept_bytes(self) -> int:
        """What the cache takes on disk, counted now and then."""
        counted, size = self._counted
        if time.monotonic() - counted > COUNT_HOLDS:
            size = self.cache.size()
            self._counted = (time.monotonic(), size)
        return size

    def local(self, item: Item, source: Source) -> BinaryIO | Making:
        """The file itself of an item that is a local file, as it was indexed; `making` while that is looked at."""
        try:
            file = source.open(item)
        except (FileNotFoundError, NotADirectoryError):
            raise MediaGone(GONE) from None
        except OSError as error:
            raise MediaError(f"it can't be opened: {error.strerror}") from error
        try:
            status = os.fstat(file.fileno())
            if not has_revision(item, status):  # it was touched, or is another: once for each state of it
                seen = f"same-{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"
                same = self._at_once(kept_name(item, seen), Same(self._indexed(item, source)))
                if same == "making":
                    file.close()
                    return "making"
                same.close()
        except BaseException:
            file.close()
            raise
        return file

    def _indexed(self, item: Item, source: Source) -> Indexed:
        return Indexed(item, source, self._readers, self._memory)

    def _at_once(self, name: str, work: Work) -> BinaryIO | Making:
        """A file that is kept, or made while the caller waits, where that does not take long."""
        if (kept := self.cache.open(name)) is not None:
            return kept
        self._failures.check(name)
        future = self._pictures.submit(name, self._noting(name, lambda do: self._make(do, name, work)))
        if not self._waiting.acquire(blocking=False):
            return "making"
        try:
            data: bytes = future.result(PATIENCE)
        except TimeoutError:
            return "making"
        finally:
            self._waiting.release()
        return io.BytesIO(data)

    def _make(self, do: Do, name: str, work: Work) -> bytes:
        made = do(work)
        data = made if isinstance(made, bytes) else _YES if made else _NO
        with contextlib.suppress(OSError):  # a full disk: it is shown all the same
            self.cache.put(name, data)
        return data

    def _keep(self, do: Do, name: str, work: Callable[[Path], Work]) -> None:
        try:
            with self.cache.writing(name) as partial:
                do(work(partial))
        except OSError as error:
            raise MediaError(f"there is no keeping it: {error.strerror or error}") from error

    def _noting(self, name: str, job: Callable[[Do], Any]) -> Callable[[Do], Any]:
        def noted(do: Do) -> Any:
            try:
                return job(do)
            except MediaError as error:
                self._failures.note(name, error)
                raise

        return noted


_YES, _NO = b"yes", b"no"


def preview_cache() -> PreviewCache:
    """Where what was made is kept. Several servers may have the same."""
    return PreviewCache(cache_folder() / "previews", number("previews_megabytes") * 1e6)


def picture_name(item: Item, width: int, at: float | None = None) -> str:
    """How the picture is kept, and its ETag: the same for the same content."""
    moment = f"-{round(_moment(item, at) * 1000)}" if item.kind == "film" else ""
    return kept_name(item, f"{width}{moment}.jpg")


def nearest_width(asked: int) -> int:
    """The smallest of WIDTHS that is as wide, or the largest."""
    return next((width for width in WIDTHS if width >= asked), WIDTHS[-1])


def _moment(item: Item, at: float | None) -> float:
    """A second that the film has a picture at, to the millisecond."""
    wanted = FILM_MOMENT if at is None else at
    duration = float(item.facts.get("duration") or 0)
    return round(min(wanted, max(0.0, duration - LAST)) if duration else wanted, 3)


def kept_name(item: Item, what: str) -> str:
    """How something made of an item is kept: the same for the same content. Raises MediaError where none was read."""
    content = own_content(item.content)
    if len(content) != 64 or not content.isalnum():
        raise MediaError(item.reason or "nothing of it could be read")
    return f"{content}-{VERSION}-{what}"


class _Failures:
    """What could not be made, for a while: what hangs or crashes a process is not tried for every visitor."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._known: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def note(self, name: str, error: MediaError) -> None:
        if isinstance(error, MediaGone):
            return  # it may be back the next moment, and costs nothing
        with self._guard:
            self._known[name] = (time.monotonic(), str(error))
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)

    def check(self, name: str) -> None:
        """Raises MediaError where it failed not long ago."""
        with self._guard:
            when, reason = self._known.get(name, (0.0, ""))
            if reason and time.monotonic() - when < REMEMBERED:
                raise MediaError(reason)
            self._known.pop(name, None)
