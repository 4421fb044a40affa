"""Encoders trained on one's own captioned pictures: what another set sees, turned towards the words one uses for it.

    collection ─► vectors of its pictures, and of their captions ─► a linear map, tried on captions that it never saw
    the map, kept in a folder ─► `--encoders trained:FOLDER`: the encoders of the set it was trained on, in a space
    of their own

Only the pictures' vectors are turned. Words, sounds and titles are encoded as before, so that they are searched with
each other as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightsound import EncoderSpec, hookimpl
from sightsound.hookspecs import Register

if TYPE_CHECKING:
    import typer

SET = "trained"


def is_trained(name: str) -> bool:
    """Whether an encoder set, by its short or full name with its argument, is a trained one."""
    return name.partition(":")[0].partition("@")[0] == SET


@hookimpl
def register_encoders(register: Register) -> None:
    register(SET, trained_set)


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    from sightsound.plugins.trained.commands import train

    cli.command("train", epilog="Example: `sightsound train ~/encoders/museum --collection museum`")(train)


def trained_set(argument: str) -> list[EncoderSpec]:
    from sightsound.plugins.trained.encoders import specs_for

    return specs_for(argument)
