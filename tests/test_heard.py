"""The words for what is heard: kept by model, and no model is kept by them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sightsound import EncoderSpec, Space, TextInput, heard
from sightsound.encoders import ChosenEncoder
from sightsound.heard import MODELS, WORDS
from sightsound.recent import Recent


class Model:
    """Gives every word the same vector, and counts how often it is asked."""

    def __init__(self, number: int) -> None:
        self.fingerprint, self.number, self.asked = f"model {number}", number, 0

    def encode(self, batch: Sequence[Any], role: str) -> Any:
        self.asked += 1
        return np.tile(np.eye(16, dtype=np.float32)[self.number], (len(batch), 1))


def chosen(model: Model) -> ChosenEncoder:
    spec = EncoderSpec("words", "text", Space("words", 16), TextInput(), str.strip, lambda device: model)
    return ChosenEncoder("tests", spec)


def test_another_model_has_words_of_its_own_and_the_old_one_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: Recent[tuple[str, str], Any] = Recent(MODELS)
    monkeypatch.setattr(heard, "_made", kept)
    models = [Model(number) for number in range(MODELS + 2)]
    for model in models:
        for _ in range(2):
            made = heard._by_space(chosen(model))["words"]
            assert made.shape == (len(WORDS), 16) and int(made[0].argmax()) == model.number
        assert model.asked == 1
    assert len(kept) == MODELS
    last = weakref.ref(models[-1])
    del model
    models.clear()
    gc.collect()
    assert last() is None
