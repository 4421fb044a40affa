"""Photographs: the reader of pictures, and their encoders: the starter's, and the image towers of other models."""

from __future__ import annotations

from sightsound import EncoderSpec, hookimpl
from sightsound.errors import UsageError
from sightsound.hookspecs import Register, SpecsFor
from sightsound.plugins.image.reader import PictureReader


@hookimpl
def register_readers(register: Register) -> None:
    register("picture", PictureReader())


@hookimpl
def register_encoders(register: Register) -> None:
    register("starter", starter_set)
    register("clip", _towers("clip"))
    register("hf", _towers("hf"))


def _towers(name: str) -> SpecsFor:
    def specs_for(argument: str) -> list[EncoderSpec]:
        from sightsound.plugins.towers.sets import image_tower

        return image_tower(name, argument)

    return specs_for


def starter_set(argument: str) -> list[EncoderSpec]:
    if argument:
        raise UsageError(f"The encoder set starter takes no argument; '{argument}' was given")
    from sightsound.plugins.image.starter import starter_image

    return [starter_image()]
