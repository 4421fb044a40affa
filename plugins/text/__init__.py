"""Subtitles, and the encoders for words: the starter's, the text towers of other models, and sentence models."""

from __future__ import annotations

from sightsound import EncoderSpec, hookimpl
from sightsound.errors import UsageError
from sightsound.hookspecs import Register, SpecsFor
from sightsound.plugins.text.subtitles import SubtitleReader


@hookimpl
def register_readers(register: Register) -> None:
    register("subtitles", SubtitleReader())


@hookimpl
def register_encoders(register: Register) -> None:
    register("starter", starter_set)
    register("clip", _towers("clip"))
    register("hf", _towers("hf"))


def _towers(name: str) -> SpecsFor:
    def specs_for(argument: str) -> list[EncoderSpec]:
        from sightsound.plugins.towers.sets import text_tower

        return text_tower(name, argument)

    return specs_for


def starter_set(argument: str) -> list[EncoderSpec]:
    if argument:
        raise UsageError(f"The encoder set starter takes no argument; '{argument}' was given")
    from sightsound.plugins.text.minilm import starter_text

    return [starter_text()]
