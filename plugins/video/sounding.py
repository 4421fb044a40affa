"""The sound of a film, and what its container says of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import BinaryIO

from sightsound import Learnt, Piece, Wanted


def heard_and_said(file: BinaryIO, demuxer: str, wanted: Wanted) -> Iterator[Piece | Learnt]:
    """Windows of the first sound track as encoders want them, and the tags. A film without a sound gives none."""
    from sightsound.plugins.audio.decode import Track, check
    from sightsound.plugins.audio.reader import sound_facts
    from sightsound.plugins.audio.tags import container_metadata
    from sightsound.plugins.audio.windows import Windows
    from sightsound.plugins.video.with_pyav import open_container

    if find_spec("av") is None:  # another library reads the pictures, and none the sound
        return
    file.seek(0)
    with open_container(file, demuxer) as container:
        with contextlib.suppress(Exception):  # it is only metadata
            yield Learnt({}, container_metadata(container))
        stream = next(iter(container.streams.audio), None)
        if stream is None or not wanted.audio:
            return
        rate = int(stream.rate or 0)
        check(rate, int(stream.channels or 0))
        track, windows = Track(rate), None
        begin = (container.start_time or 0) / 1_000_000
        try:
            for packet in container.demux(stream):
                for samples in track.decode(packet):
                    windows = windows or Windows(wanted.audio, rate, max(0.0, (track.start or 0.0) - begin))
                    for window in windows.push(samples):
                        yield window.piece
        except MemoryError:
            raise
        except Exception as error:  # the container ends in the middle of it
            track.damaged, track.why = track.damaged + 1, f": {error}"
        for window in windows.finish() if windows else ():
            yield window.piece
        facts = sound_facts(windows) if windows else {}
        if container.streams.video:
            facts.pop("duration", None)  # that of the pictures counts
        damage = f"{track.damaged:,} packets of its sound are damaged{track.why}" if track.damaged else ""
        yield Learnt(facts, damage=damage)
