"""Fit the starter's adapter, its label vectors and its picture space.

    python scripts/fit_starter_adapter.py FOLDER

FOLDER holds features.npz (pooled layers of captioned photographs, as docs/starter.md describes) and captions.jsonl
(a line a photograph: id, captions). Takes about a minute, needs no GPU, and gives the same files each time.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from sightsound.plugins.image import adapter
from sightsound.plugins.image.starter import MODELS, PICTURE_SPACE, adapter_input
from sightsound.plugins.text.minilm import MiniLM


def main(folder: Path) -> None:
    text = MiniLM()
    data = np.load(folder / "features.npz")
    captions = {line["id"]: line["captions"] for line in map(json.loads, (folder / "captions.jsonl").open())}
    said = [captions[str(id)] for id in data["ids"]]
    flat = text.encode([caption for several in said for caption in several])
    ends = np.cumsum([len(several) for several in said])
    targets = np.stack([part.mean(0) for part in np.split(flat, ends[:-1])])
    features = data["features"].astype(np.float32)
    blocks = [data[f"block{number}"].astype(np.float32) for number in (15, 14, 10, 7)]
    x = adapter_input(features, probabilities(features), blocks)
    weights = np.sqrt([len(several) for several in said]).astype(np.float32)
    adapter.fit(x, targets, weights).save(MODELS / "adapter.npz")

    names = (MODELS / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1]
    labels = unit(text.encode(names) + text.encode([f"a photo of a {name}" for name in names]))
    mean = features.mean(0)
    _, _, components = np.linalg.svd(features - mean, full_matrices=False)
    np.savez_compressed(
        MODELS / "heads.npz",
        labels=labels.astype(np.float16),
        mean=mean.astype(np.float32),
        components=components[: PICTURE_SPACE.dims].T.astype(np.float16),
    )
    note(len(said), len(flat))


def probabilities(features: np.ndarray) -> np.ndarray:
    """The classifier's softmax over stored features, by its own last layer."""
    graph = onnx.load(str(MODELS / "efficientnet-lite0.onnx")).graph
    weights = {i.name: numpy_helper.to_array(i).astype(np.float32) for i in graph.initializer}
    matrix = next(w for w in weights.values() if w.shape == (1000, 1280))
    bias = next(w for w in weights.values() if w.shape == (1000,))
    logits = features @ matrix.T + bias
    exponents = np.exp(logits - logits.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def note(photos: int, captions: int) -> None:
    path = MODELS / "manifest.json"
    known = json.loads(path.read_text())
    for name, what in (
        (
            "adapter.npz",
            f"fitted on {captions:,} captions of {photos:,} photographs of Microsoft COCO"
            " (captions (c) COCO Consortium, CC BY 4.0)",
        ),
        ("heads.npz", "label vectors by all-MiniLM-L6-v2; principal components of the same photographs' features"),
    ):
        digest = hashlib.sha256((MODELS / name).read_bytes()).hexdigest()
        known[name] = {
            "sha256": digest,
            "package": "scripts/fit_starter_adapter.py",
            "licence": "Apache-2.0",
            "made": what,
        }
    path.write_text(json.dumps(known, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
