"""Text into the starter's space: all-MiniLM-L6-v2 by ONNX Runtime.

Wang et al. 2020, "MiniLM", as trained for sentences by the sentence-transformers project. The weights are int8 with
a scale a column, the arithmetic float32: cosine to the original 0.9987 or more on the build script's sentences.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sightsound import EncoderSpec, Role, Space, TextInput, Vectors
from sightsound.onnxmodel import Feed, OnnxModel, parts

MODELS = Path(__file__).parent / "models"
SPACE = Space("minilm", 384)
TOKENS = 256
"""Tokens of a text that are read; what comes after them is not."""
BATCH = 32


def starter_text() -> EncoderSpec:
    return EncoderSpec("text", "text", SPACE, TextInput(), str.strip, _load, background)


def _load(device: str) -> MiniLM:
    return MiniLM()


def background() -> list[str]:
    """Everyday queries that have nothing to do with each other, nor with any collection."""
    return (Path(__file__).parent / "background.txt").read_text(encoding="utf-8").split("\n")[:-1]


class MiniLM:
    """Loads its weights at the first text."""

    def __init__(self) -> None:
        weights = MODELS / "all-MiniLM-L6-v2.onnx"
        self._models: dict[Role, OnnxModel] = {role: OnnxModel(weights, role) for role in ("document", "query")}

    @cached_property
    def fingerprint(self) -> str:
        files = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
        weights, tokens = files["all-MiniLM-L6-v2.onnx"]["sha256"], files["tokenizer.json"]["sha256"]
        return f"all-MiniLM-L6-v2 {weights[:16]} {tokens[:16]} tokens {TOKENS}"

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(MODELS / "tokenizer.json"))
        tokenizer.enable_truncation(TOKENS)
        return tokenizer

    def encode(self, batch: Sequence[str], role: Role = "document") -> Vectors:
        """Texts -> float32 (n, 384), rows of unit length. Queries and documents are encoded alike."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(batch))]
        vectors = np.zeros((len(tokens), SPACE.dims), np.float32)
        by_length = sorted(range(len(tokens)), key=lambda number: len(tokens[number]))
        chosen = [by_length[part] for part in parts(len(tokens), BATCH)]
        outputs = self._models[role].run([_padded([tokens[number] for number in rows]) for rows in chosen])
        for rows, (found,) in zip(chosen, outputs, strict=True):
            vectors[rows] = found
        return vectors


def _padded(tokens: Sequence[Sequence[int]]) -> Feed:
    """ids and mask, int64 (n, length of the longest)."""
    ids = np.zeros((len(tokens), max(map(len, tokens))), np.int64)
    mask = np.zeros_like(ids)
    for row, mine in enumerate(tokens):
        ids[row, : len(mine)] = mine
        mask[row, : len(mine)] = 1
    return {"ids": ids, "mask": mask}
