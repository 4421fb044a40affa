"""Sounds: their reader, and their encoders: the starter's, which other models' sets take for sounds too, and CLAP."""

from __future__ import annotations

from sightsound import EncoderSpec, hookimpl
from sightsound.hookspecs import Register
from sightsound.plugins.audio.reader import SoundReader, missing_packages


@hookimpl
def register_readers(register: Register) -> None:
    register("sound", SoundReader())


@hookimpl
def register_encoders(register: Register) -> None:
    register("starter", starter_set)
    register("clip", starter_set)
    register("hf", beside_two_towers)
    register("clap", clap_set)


def clap_set(argument: str) -> list[EncoderSpec]:
    from sightsound.plugins.audio.clap import clap_set as made

    return made(argument)


def starter_set(argument: str) -> list[EncoderSpec]:
    """The starter's encoder of sounds; none without the extra `audio`, so that all else works as it does with it."""
    if missing_packages():
        return []
    from sightsound.plugins.audio.yamnet import starter_sound

    return [starter_sound()]


def beside_two_towers(argument: str) -> list[EncoderSpec]:
    """Models of pictures have the starter's vectors for titles, and so for sounds; sentence models have none."""
    from sightsound.plugins.towers.sets import resolve

    return starter_set("") if resolve("hf", argument).pixels is not None else []
