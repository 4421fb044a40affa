"""The sound of a film, its subtitles, and what its container says of it: one pass over those packets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, BinaryIO

from sightsound import Learnt, Piece, Wanted
from sightsound.errors import MediaError

if TYPE_CHECKING:
    from sightsound.plugins.audio.decode import Track
    from sightsound.plugins.audio.windows import Windows

TEXTS = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")
"""Codecs of subtitles that are text; others are pictures of it."""
MOST_TRACKS = 8


def heard_and_said(file: BinaryIO, demuxer: str, wanted: Wanted) -> Iterator[Piece | Learnt]:
    """Windows of the first sound track as encoders want them, the passages of the subtitles, and the tags.

    A film without a sound gives none; one whose sound can't be read is told to be damaged, and found by the rest.
    """
    from sightsound.plugins.audio.tags import container_metadata
    from sightsound.plugins.text.subtitles import SubtitleTrack
    from sightsound.plugins.video.with_pyav import open_container

    if find_spec("av") is None:  # another library reads the pictures, and none the sound
        return
    file.seek(0)
    with open_container(file, demuxer) as container:
        with contextlib.suppress(Exception):  # it is only metadata
            yield Learnt({}, container_metadata(container))
        begin = (container.start_time or 0) / 1_000_000
        texts = {s.index: SubtitleTrack(begin) for s in container.streams.subtitles[:MOST_TRACKS] if _is_text(s)}
        track = None if wanted.words else next(iter(container.streams.audio), None)
        heard = _Heard(track, wanted, begin)
        chosen = [s for s in container.streams if s.index in texts or s.index == heard.index]
        try:
            for packet in container.demux(chosen) if chosen else ():
                if packet.stream.index in texts:
                    texts[packet.stream.index].add(packet)
                else:
                    yield from heard.pieces(packet)
        except MemoryError:
            raise
        except Exception as error:  # the container ends in the middle of it
            heard.damage = f"its sound ends early: {error}"
        yield from heard.finish(bool(container.streams.video))
        for text in texts.values():
            for passage in text.passages():
                yield passage.piece


def _is_text(stream: Any) -> bool:
    context = stream.codec_context
    return context is not None and context.name in TEXTS


class _Heard:
    """One sound track, cut into windows. index: of its stream, -1 where it is not read."""

    def __init__(self, stream: Any, wanted: Wanted, begin: float) -> None:
        from sightsound.plugins.audio.decode import Track, check

        self.index = -1
        self.damage = ""
        self._begin = begin
        self._wanted = wanted
        self._track: Track | None = None
        self._windows: Windows | None = None
        if stream is None or not wanted.audio:
            return
        rate = int(stream.rate or 0)
        try:
            check(rate, int(stream.channels or 0))
        except MediaError as error:
            self.damage = f"its sound is left out: {error}"
            return
        self.index = stream.index
        self._track = Track(rate)

    def pieces(self, packet: Any) -> Iterator[Piece]:
        from sightsound.plugins.audio.windows import Windows

        track = self._track
        assert track is not None
        for samples in track.decode(packet):
            if self._windows is None:
                start = max(0.0, (track.start or 0.0) - self._begin)
                self._windows = Windows(self._wanted.audio, track.rate, start)
            for window in self._windows.push(samples):
                yield window.piece

    def finish(self, beside_pictures: bool) -> Iterator[Piece | Learnt]:
        from sightsound.plugins.audio.reader import sound_facts

        for window in self._windows.finish() if self._windows else ():
            yield window.piece
        facts = sound_facts(self._windows) if self._windows else {}
        if beside_pictures:
            facts.pop("duration", None)  # that of the pictures counts
        damaged = self._track.damaged if self._track else 0
        if damaged and not self.damage:
            self.damage = f"{damaged:,} packets of its sound are damaged{self._track.why if self._track else ''}"
        if facts or self.damage:
            yield Learnt(facts, damage=self.damage)
