"""The encoders for words: the starter's, the text towers of other models, and sentence models."""

from __future__ import annotations

from sightsound import EncoderSpec, hookimpl
from sightsound.errors import UsageError
from sightsound.hookspecs import Register


@hookimpl
def register_encoders(register: Register) -> None:
    register("starter", starter_set)
    register("clip", clip_set)
    register("hf", hf_set)


def clip_set(argument: str) -> list[EncoderSpec]:
    from sightsound.plugins.towers.sets import text_tower

    return text_tower("clip", argument)


def hf_set(argument: str) -> list[EncoderSpec]:
    from sightsound.plugins.towers.sets import text_tower

    return text_tower("hf", argument)


def starter_set(argument: str) -> list[EncoderSpec]:
    if argument:
        raise UsageError(f"The encoder set starter takes no argument; '{argument}' was given")
    from sightsound.plugins.text.minilm import starter_text

    return [starter_text()]
