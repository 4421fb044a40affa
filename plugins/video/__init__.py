"""Films: their reader, and the encoder of their look, which goes with every set of encoders that reads pictures."""

from __future__ import annotations

from sightsound import EncoderSpec, hookimpl
from sightsound.hookspecs import Register
from sightsound.plugins.video.reader import FilmReader


@hookimpl
def register_readers(register: Register) -> None:
    register("film", FilmReader())


@hookimpl
def register_encoders(register: Register) -> None:
    for name in ("starter", "clip", "hf", "look"):
        register(name, look_set)


def look_set(argument: str) -> list[EncoderSpec]:
    from sightsound.plugins.video.look import look

    return [look()]
