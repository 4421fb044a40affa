"""Models in ONNX Runtime: a batch is cut into parts, and comes back whole and in order whoever encodes it."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from sightsound.config import cores
from sightsound.onnxmodel import OnnxModel, parts
from sightsound.plugins.image.starter import MODELS, Starter
from sightsound.plugins.text.minilm import MiniLM

WEIGHTS = MODELS / "efficientnet-lite0.onnx"


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 96, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 7, 32, 100])
def test_parts_cover_all_rows_once_and_leave_no_core_idle(count: int) -> None:
    cut = list(parts(count, 8))
    assert [row for part in cut for row in range(count)[part]] == list(range(count))
    assert all(len(range(count)[part]) <= 8 for part in cut)
    assert len(cut) >= min(count, cores())


def test_documents_and_queries_have_the_same_vectors_in_the_same_order() -> None:
    batch = pictures(21)
    whole = OnnxModel(WEIGHTS, "query").run([{"pixels": batch}])[0]
    parted = OnnxModel(WEIGHTS, "document").run([{"pixels": batch[part]} for part in parts(21, 4)])
    for number, output in enumerate(whole):
        joined = np.concatenate([made[number] for made in parted])
        assert np.allclose(joined, output, atol=1e-4)


def test_the_parts_of_a_batch_run_beside_each_other() -> None:
    """As many threads encode as there are cores; a session's own threads would not be Python's."""
    others = threading.enumerate()
    model = OnnxModel(WEIGHTS, "document")
    model.run([{"pixels": pictures(1)}, {"pixels": pictures(1)}])
    running = [one for one in threading.enumerate() if one.name.startswith("encoding") and one not in others]
    assert 1 <= len(running) <= len(os.sched_getaffinity(0))


def test_a_document_s_vector_does_not_depend_on_its_batch() -> None:
    batch = [*pictures(9), *np.random.default_rng(1).integers(0, 256, (5, 128, 64, 3), dtype=np.uint8)]
    together = Starter().encode(batch)
    alone = [Starter().encode([one], "query") for one in (batch[0], batch[-1])]
    for number, vectors in enumerate(together):
        assert np.allclose(vectors[0], alone[0][number][0], atol=1e-3)
        assert np.allclose(vectors[-1], alone[1][number][0], atol=1e-3)
    texts = ["a boat", "a much longer description of a boat that lies in the harbour at dusk", "boats", "x"] * 20
    encoded = MiniLM().encode(texts)
    assert np.allclose(encoded[:4], encoded[-4:], atol=1e-3)
    assert np.allclose(encoded[1], MiniLM().encode([texts[1]], "query")[0], atol=1e-3)
