"""Texts: items without a file, and the starter's encoder for words."""

from __future__ import annotations

from sightsound import EncoderSpec, hookimpl
from sightsound.errors import UsageError
from sightsound.hookspecs import Register


@hookimpl
def register_encoders(register: Register) -> None:
    register("starter", starter_set)


def starter_set(argument: str) -> list[EncoderSpec]:
    if argument:
        raise UsageError(f"The encoder set starter takes no argument; '{argument}' was given")
    from sightsound.plugins.text.minilm import starter_text

    return [starter_text()]
