"""What is heard in a film or sound, in words: the nearest of some everyday words to each window of its sound.

Nothing but the collection's own vectors is needed: any encoder that reads words into a space of sounds can say it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightsound import calibration
from sightsound.chance import confidence
from sightsound.encoders import ChosenEncoder, EncoderSet, check_fingerprint
from sightsound.fusing import UNMEASURED
from sightsound.recent import Recent
from sightsound.stores.base import Collection
from sightsound.types import Segment, Vectors

WORDS = (
    "speech", "a crowd talking", "laughter", "crying", "a baby", "children playing", "shouting", "whispering",
    "singing", "a choir", "applause", "cheering", "coughing", "snoring", "footsteps", "breathing",
    "music", "piano", "guitar", "violin", "fiddle", "cello", "an orchestra", "flute", "clarinet", "saxophone",
    "trumpet", "organ", "accordion", "harp", "bagpipes", "drums", "hand drums", "bells", "a gong", "xylophone",
    "a didgeridoo", "electronic music", "rock music", "jazz", "folk music", "harmonica", "banjo",
    "sitar", "a bass guitar",
    "a dog", "a cat", "birdsong", "a crow", "a rooster", "a hen", "a duck", "a goose", "an owl", "pigeons",
    "a cow", "a sheep", "a goat", "a pig", "a horse", "a lion", "a wolf", "a monkey", "an elephant", "frogs",
    "crickets", "bees", "a mosquito", "a snake", "a whale", "a mouse",
    "wind", "rain", "thunder", "waves", "a stream", "a waterfall", "fire crackling", "rustling leaves",
    "a car", "traffic", "a truck", "a bus", "a motorcycle", "a train", "an aeroplane", "a helicopter", "a boat",
    "a siren", "a horn", "an engine", "brakes squealing", "a bicycle",
    "a door", "knocking", "a doorbell", "a telephone", "an alarm", "a clock ticking", "a clock striking", "typing",
    "a camera", "a printer", "a vacuum cleaner", "a washing machine", "a kettle", "frying", "dishes", "water running",
    "pouring", "a saw", "a hammer", "a drill", "glass breaking", "wood breaking", "a gunshot", "an explosion",
    "fireworks", "a whistle", "clapping", "clicking", "a beep", "a hum", "static", "hiss",
)  # fmt: skip
"""What the words are chosen from."""
SURE = 0.6
"""The confidence from which a word is said: lower than a search's, as it is one of a few and not of a collection."""

MODELS = 4
"""Whose vectors of the words are kept."""
_made: Recent[tuple[str, str], dict[str, Vectors]] = Recent(MODELS)
"""By model, not by encoder: one that is kept would keep its weights too."""


def heard(collection: Collection, encoders: EncoderSet, segments: Sequence[Segment]) -> dict[str, str]:
    """The best word for each of these segments of sound, by segment id; none where none is known to fit.

    Raises FingerprintMismatch.
    """
    ids = [segment.id for segment in segments if segment.kind == "sound"]
    held = {space for space, kind in collection.counts() if kind == "sound"}
    calibrations = calibration.stored(collection)
    best: dict[str, tuple[float, str]] = {}
    for encoder in encoders.reading("text", "query") if ids else []:
        if not held & {space.name for space in encoder.spec.spaces}:
            continue
        check_fingerprint(collection, encoder)
        for space, words in _by_space(encoder).items():
            background = calibrations.get((space, "text", "sound"), UNMEASURED)
            for id, vector in collection.vectors(space, ids).items():
                scores = words @ vector
                place = int(scores.argmax())
                standardised = background.standardise(float(scores[place]), 1)
                if confidence(standardised) >= SURE and standardised > best.get(id, (-np.inf, ""))[0]:
                    best[id] = standardised, WORDS[place]
    return {id: word for id, (_, word) in best.items()}


def _by_space(encoder: ChosenEncoder) -> dict[str, Vectors]:
    """The words' vectors, float32 (n, dims) for each space."""
    key = encoder.key, encoder.loaded.fingerprint
    if (made := _made.get(key)) is None:
        made = _encoded(encoder)
        _made.keep(key, made)
    return made


def _encoded(encoder: ChosenEncoder) -> dict[str, Vectors]:
    made = encoder.encode(encoder.prepared(WORDS), "query")
    zero = {space.name: np.zeros(space.dims, np.float32) for space in encoder.spec.spaces}
    return {
        space: np.stack([zero[space] if one is None else one for one in vectors]) for space, vectors in made.items()
    }
