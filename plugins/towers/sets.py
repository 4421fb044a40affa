"""The encoder sets `clip` and `hf`: from what follows the colon to encoder specs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from sightsound import EncoderSpec, ImageInput, TextInput
from sightsound.errors import PluginError
from sightsound.plugins.towers import catalogue, huggingface, openclip
from sightsound.plugins.towers.model import Model, Which
from sightsound.plugins.towers.tower import Load

LIBRARIES = {"clip": "open_clip", "hf": "transformers", "clap": "transformers"}
RESOLVE: dict[str, Callable[[str], Model]] = {
    "clip": openclip.resolve,
    "hf": huggingface.resolve,
    "clap": lambda argument: _clap(argument),
}


def _clap(argument: str) -> Model:
    from sightsound.plugins.audio.clap import resolve as clap

    return clap(argument)


def resolve(name: str, argument: str) -> Model:
    """The model that a set's argument names. Raises UsageError, ModelError, PluginError without the set's extra."""
    if name not in RESOLVE:
        raise PluginError(f"Models are named clip:NAME/WEIGHTS, hf:NAME or clap:NAME, not {name}:{argument}")
    if find_spec(LIBRARIES[name]) is None:
        raise PluginError(
            f"The encoder set {name} needs further packages: pip install 'sightsound[{name}]', and then its weights:"
            f" sightsound models pull {name}{f':{argument}' if argument else ''}"
            + (f" (about {catalogue.catalogue()[catalogue.DEFAULT].bytes / 1e6:,.0f} MB)" if name == "clip" else "")
        )
    return RESOLVE[name](argument)


def missing(model: Model) -> str:
    """What to do for a model whose weights are not on this machine; "" where they are."""
    if model.here:
        return ""
    name, about = f"{model.set}:{model.argument}", f" (about {model.bytes / 1e6:,.0f} MB)" if model.bytes else ""
    held = getattr(model.place, "cache", None)
    if held is None:
        return f"{model.place.written} holds no weights: {model.names[0]} is missing"
    return (
        f"The weights of {name} are not on this machine{about}. Fetch them with: sightsound models pull {name}\n"
        f"Without a network, do that on another machine, and copy {held} from there to the same place here"
    )


def image_tower(name: str, argument: str) -> list[EncoderSpec]:
    model = resolve(name, argument)
    if model.pixels is None:
        return []
    return [_spec(model, "image", "image", ImageInput(model.pixels.min_side), model.pixels)]


def text_tower(name: str, argument: str) -> list[EncoderSpec]:
    """The text tower. One that shares its space with pictures is for queries: such towers are poor at telling texts
    from each other, so titles and descriptions get the starter's sentence vectors besides."""
    from sightsound.plugins.text.minilm import starter_text

    model = resolve(name, argument)
    if model.pixels is None:
        return [_spec(model, "text", "text", TextInput(), str.strip)]
    return [replace(_spec(model, "text", "query", TextInput(), str.strip), roles=("query",)), starter_text()]


def _spec(model: Model, which: Which, name: str, wants: Any, prepare: Callable[[Any], Any]) -> EncoderSpec:
    from sightsound.plugins.text.minilm import background

    return EncoderSpec(
        name,
        which,
        model.space,
        wants,
        prepare,
        Load(model, which),
        background if which == "text" else None,
        pinned=model.argument,
        missing=missing(model),
    )
