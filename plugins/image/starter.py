"""Pictures into the starter's text space and into a space of their own: EfficientNet-lite0 by ONNX Runtime.

One pass over a picture gives two vectors.

In the text space: ConSE (Norouzi et al. 2013, "Zero-shot learning by convex combination of semantic embeddings"), the
text vectors of the likeliest ImageNet classes weighed by their probabilities, plus a linear adapter (`adapter.py`)
fitted on captioned photographs from the pooled last layer, the class probabilities and four middle layers.

In the picture space: the pooled last layer, centred and reduced to its principal components, for "more like this".
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sightsound import EncoderSpec, ImageInput, Role, Space, Vectors
from sightsound.onnxmodel import OnnxModel, parts
from sightsound.plugins.image.adapter import Adapter

MODELS = Path(__file__).parent / "models"
TEXT_SPACE = Space("minilm", 384)
PICTURE_SPACE = Space("efficientnet-lite0", 256)
SIDE = 256
"""A picture is resized to about SIDE x SIDE pixels of area, its shape kept up to 1 : 1.67."""
STEP = 32
WIDEST = 1.67
TOP = 10
"""Classes that ConSE weighs."""
CONSE = 0.75
"""ConSE's share beside the adapter's: 0.5 favours sentences, 1.0 the names of single things."""
BATCH = 16


def starter_image() -> EncoderSpec:
    return EncoderSpec(
        "image", "image", (TEXT_SPACE, PICTURE_SPACE), ImageInput(min_side=SIDE), prepare, lambda device: Starter()
    )


def prepare(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The whole picture, uint8 (h, w, 3), resized so that both sides are multiples of 32: uint8 (H, W, 3)."""
    from PIL import Image

    height, width = image.shape[:2]
    shape = np.clip(np.sqrt(width / height), 0.6, WIDEST)
    size = tuple(max(96, STEP * round(SIDE * side / STEP)) for side in (shape, 1 / shape))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


class Starter:
    """Loads its weights at the first picture."""

    def __init__(self) -> None:
        weights = MODELS / "efficientnet-lite0.onnx"
        self._models: dict[Role, OnnxModel] = {role: OnnxModel(weights, role) for role in ("document", "query")}

    @cached_property
    def fingerprint(self) -> str:
        files = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))
        parts = [files[name]["sha256"][:16] for name in ("efficientnet-lite0.onnx", "adapter.npz", "heads.npz")]
        return f"efficientnet-lite0 {' '.join(parts)} side {SIDE} conse {CONSE}"

    @cached_property
    def _adapter(self) -> Adapter:
        return Adapter.load(MODELS / "adapter.npz")

    @cached_property
    def _heads(self) -> dict[str, Vectors]:
        """labels: (1000, 384) unit text vectors; mean: (1280,) and components: (1280, 256) of the picture space."""
        with np.load(MODELS / "heads.npz", allow_pickle=False) as file:
            return {name: file[name].astype(np.float32) for name in file.files}

    def encode(self, batch: Sequence[npt.NDArray[np.uint8]], role: Role = "document") -> tuple[Vectors, Vectors]:
        """What `prepare` made -> float32 (n, 384) in the text space and (n, 256) in the picture space."""
        text = np.zeros((len(batch), TEXT_SPACE.dims), np.float32)
        picture = np.zeros((len(batch), PICTURE_SPACE.dims), np.float32)
        for rows, outputs in self.layers(batch, role):
            text[rows] = self.into_text_space(outputs)
            features: Vectors = outputs[0] - self._heads["mean"]
            picture[rows] = _unit(features @ self._heads["components"])
        return text, picture

    def layers(
        self, batch: Sequence[npt.NDArray[np.uint8]], role: Role = "document"
    ) -> Iterator[tuple[list[int], list[Vectors]]]:
        """The model's outputs for rows of one shape at a time: features, probabilities, blocks 15, 14, 10, 7."""
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for row, pixels in enumerate(batch):
            by_shape[pixels.shape].append(row)
        most = next(parts(len(batch), BATCH)).stop
        chosen = [rows[start : start + most] for rows in by_shape.values() for start in range(0, len(rows), most)]
        outputs = self._models[role].run([{"pixels": np.stack([batch[row] for row in rows])} for rows in chosen])
        return zip(chosen, outputs, strict=True)

    def into_text_space(self, outputs: Sequence[Vectors], conse: float = CONSE, adapted: float = 1.0) -> Vectors:
        """The adapter's and ConSE's vectors, summed with these shares: float32 (n, 384), rows of unit length."""
        features, probabilities, *blocks = outputs
        vectors: Vectors = np.float32(conse) * self.conse(probabilities)
        if adapted:
            vectors += np.float32(adapted) * self._adapter.apply(adapter_input(features, probabilities, blocks))
        return _unit(vectors)

    def conse(self, probabilities: Vectors) -> Vectors:
        """Class probabilities (n, 1000) -> the likeliest classes' text vectors, weighed: (n, 384), unit length."""
        top = np.argpartition(probabilities, -TOP, axis=1)[:, -TOP:]
        weights = np.take_along_axis(probabilities, top, axis=1)
        return _unit(np.einsum("nk,nkd->nd", weights, self._heads["labels"][top]))


def adapter_input(features: Vectors, probabilities: Vectors, blocks: Sequence[Vectors]) -> Vectors:
    """The adapter's features: float32 (n, 2280 + 704)."""
    return np.concatenate(
        [np.sqrt(features.clip(0)), 0.3 * np.log(probabilities + 1e-4), *blocks], axis=1, dtype=np.float32
    )


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12), dtype=np.float32)
