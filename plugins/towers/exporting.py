"""Making a tower's export: from torch to ONNX, compared with torch, its tokenizer compared with the library's own."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sightsound.config import cores
from sightsound.plugins.towers.exports import MANIFEST, MODEL, ExportError, Manifest
from sightsound.plugins.towers.model import Built, Model, Which
from sightsound.plugins.towers.sessions import CPU_BATCH, Session
from sightsound.plugins.towers.tokens import TOKENS, Tokenizer
from sightsound.plugins.towers.weights import checksum
from sightsound.types import Vectors

LEAST = {"fp32": 0.999, "int8": 0.9}
"""The least cosine to torch at which an export is used. int8 is a choice that its cosine is shown for."""
TEXTS = (
    "a boat at dusk",
    "Two dogs, a cat & 3 birds — running!",
    "can't won't they've it's I'm she'll he'd",
    "Ein Fahrrad lehnt an der Hauswand",
    "夕暮れの船",
    "Лодка на закате",
    "naïve café 😀 #sunset_2024",
    "word " * 120,
    "x",
    "A PHOTOGRAPH OF THE SEA\nwith\ttabs  and   spaces",
)


def export(model: Model, which: Which, precision: str, folder: Path) -> Manifest:
    """Export, compare with torch, measure, and write all into the folder. Raises ExportError, ModelError."""
    built = model.build(which)
    given = _samples(model, which, built)
    truth = _by_torch(built, given)
    if truth.shape[1] != model.space.dims:
        raise ExportError(f"its vectors have {truth.shape[1]} dims, and its config says {model.space.dims}")
    path = folder / MODEL
    if precision == "int8":
        with tempfile.TemporaryDirectory(dir=folder) as work:
            _write_onnx(built, which, given, Path(work) / MODEL)
            _quantise(Path(work) / MODEL, path)
    else:
        _write_onnx(built, which, given, path)
    session = Session(path)
    cosine = float((session.run(given, "query") * truth).sum(axis=1).min())
    if which == "text" and built.recipe and not built.recipe.fixed:
        cosine = min(cosine, _short_alike(session, built, truth, model.prompt("query")))
    if not cosine >= LEAST[precision]:
        raise ExportError(f"its ONNX form gives other vectors than torch: cosine {cosine:.4f}")
    recipe = _write_tokenizer(built, folder) if which == "text" else None
    files = {one.name: checksum(one) for one in folder.iterdir()}
    manifest = Manifest(
        model.title, model.set, model.argument, which, precision, cosine, _rate(session, given), recipe, files
    )
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2), encoding="utf-8")
    return manifest


def _samples(model: Model, which: Which, built: Built) -> list[Any]:
    """Inputs to compare with: pictures of noise, slopes and plain colours; texts of several scripts."""
    if which == "text":
        assert built.tokenize is not None
        return list(built.tokenize([model.prompt("query") + text for text in TEXTS]))
    assert model.pixels is not None
    noise = np.random.default_rng(0)
    height, width = model.pixels.height, model.pixels.width
    slope = np.broadcast_to(np.linspace(0, 255, width)[None, :, None], (height, width, 3))
    pictures = [noise.integers(0, 256, (height, width, 3)), slope, slope[::-1, ::-1], np.full((height, width, 3), 90)]
    pictures += [np.clip(slope * tint, 0, 255) for tint in ([1, 0.3, 0.1], [0.2, 1, 0.4])]
    return [np.stack(pictures).astype(np.uint8)]


def _short_alike(session: Session, built: Built, truth: Vectors, prompt: str) -> float:
    """The least cosine where each text's row is no longer than the text."""
    if built.tokens is None or built.recipe is None:
        return 1.0
    light = Tokenizer(built.tokens, built.recipe)
    alone = np.concatenate([session.run(list(light([prompt + text])), "query") for text in TEXTS])
    return float((alone * truth).sum(axis=1).min())


def _by_torch(built: Built, given: list[Any]) -> Vectors:
    import torch

    with torch.inference_mode():
        vectors: Vectors = built.module(*(torch.from_numpy(array) for array in given)).numpy()
    return vectors


def _write_onnx(built: Built, which: Which, given: list[Any], path: Path) -> None:
    import warnings

    import torch

    names = ["pixels"] if which == "image" else ["ids", "mask"]
    count = torch.export.Dim("count")
    dims: dict[int, Any] = {0: count}
    tensors = [torch.from_numpy(array[:4]) for array in given]
    if which == "text" and built.recipe and not built.recipe.fixed:
        dims[1] = torch.export.Dim("length", max=built.recipe.length)
        tensors = [tensor[:, : built.recipe.length // 2] for tensor in tensors]  # at its most it counts as fixed
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            built.module,
            tuple(tensors),
            str(path),
            input_names=names,
            output_names=["vectors"],
            dynamic_shapes=tuple(dims for _ in tensors),
            external_data=True,  # weights in a file of their own are mapped, not read: a query starts much sooner
            dynamo=True,
            verbose=False,
        )


def _quantise(full: Path, path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(full), str(path), weight_type=QuantType.QInt8, per_channel=True, use_external_data_format=True)


def _write_tokenizer(built: Built, folder: Path) -> dict[str, Any] | None:
    """The tokenizer for `tokenizers` alone, where it cuts texts as the model's own does."""
    if built.tokens is None or built.recipe is None or built.tokenize is None:
        return None
    light = Tokenizer(built.tokens, built.recipe)
    wanted, made = built.tokenize(TEXTS)[0], light(TEXTS)[0]
    width = made.shape[1]
    if (wanted[:, :width] != made).any() or (wanted[:, width:] != built.recipe.pad).any():
        return None
    built.tokens.save(str(folder / TOKENS))
    return built.recipe.to_json()


def _rate(session: Session, given: list[Any]) -> float:
    """Things a second, in batches: the best of three."""
    count = CPU_BATCH * cores()
    batch = [np.resize(array, (count, *array.shape[1:])) for array in given]
    session.run(batch, "document")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        session.run(batch, "document")
        took.append(time.perf_counter() - began)
    return count / min(took)
