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
    for name in ("starter", "clip", "look"):
        register(name, look_set)
    register("hf", beside_pictures)


def look_set(argument: str) -> list[EncoderSpec]:
    from sightsound.plugins.video.look import look

    return [look()]


def beside_pictures(argument: str) -> list[EncoderSpec]:
    """Sentence models read no pictures, and so no films."""
    from sightsound.plugins.towers.sets import resolve

    return look_set("") if resolve("hf", argument).pixels is not None else []
