"""Indexing and searching with `clip` on ViT-B/32 at 256 pixels with random weights: against the bare session, and
beside rclip on the same photographs and weights.

    python benchmarks/towers.py --count 300

rclip comes from PyPI into an environment of its own; the random weights lie where it would have downloaded its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from photographs import make_photographs
from report import Row, table

from sightsound.config import setting
from sightsound.encoders import choose
from sightsound.indexing import BATCH, default_workers
from sightsound.jobs import Equipment, Job
from sightsound.opening import open_source
from sightsound.plugins.towers.devices import device_for, precision_on
from sightsound.plugins.towers.exports import exported
from sightsound.plugins.towers.sets import resolve
from sightsound.registry import registry
from sightsound.workers import Workers

MODEL = "ViT-B-32-256"
SIZES = {
    "of web pages, 0.1 to 0.6 megapixels": (0.1, 0.6),
    "of screens, 2 to 3 megapixels": (2.0, 3.0),
    "of cameras, 1 to 12 megapixels": (1.0, 12.0),
}
QUERY = "a boat at dusk"
ROUNDS = 3
PEER = "rclip"
PEER_FOLDER = "ViT-B-32-256-datacomp_s34b_b86k"
PEER_NOTICES = ("LICENSE", "OPENAI-CLIP-MIT.txt", "README.md", "THIRD_PARTY_NOTICES.md")


def make_model(folder: Path) -> Path:
    """ViT-B/32 with seeded random weights, as open_clip saves a model."""
    if not (folder / "open_clip_model.safetensors").exists():
        import open_clip
        import torch
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        config = open_clip.get_model_config(MODEL)
        mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        preprocess = {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": "shortest"}
        (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}))
        torch.manual_seed(0)
        model = open_clip.create_model(MODEL)
        tensors = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
        save_file(tensors, folder / "open_clip_model.safetensors")
    return folder


def make_peer(work: Path, model: Path) -> tuple[Path, dict[str, str]]:
    """rclip in an environment of its own with these weights: its program and its settings."""
    program = work / PEER / "bin" / PEER
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", work / PEER], check=True)
        subprocess.run([work / PEER / "bin" / "pip", "install", "--quiet", PEER], check=True)
    data = work / "rclip-data"
    place = data / PEER_FOLDER
    if not (place / "textual.onnx").exists():
        from open_clip.tokenizer import default_bpe

        place.mkdir(parents=True, exist_ok=True)
        (data / "tokenizer").mkdir(exist_ok=True)
        shutil.copy(default_bpe(), data / "tokenizer" / "bpe_simple_vocab_16e6.txt.gz")
        for name in PEER_NOTICES:
            (data / name).touch()
        _export_for_peer(model, place)
    return program, {"RCLIP_DATADIR": str(data), "HF_HUB_OFFLINE": "1"}


def peer_version(work: Path) -> str:
    asked = [work / PEER / "bin" / "python", "-c", f"import importlib.metadata as m; print(m.version('{PEER}'))"]
    return subprocess.run(list(map(str, asked)), check=True, capture_output=True, text=True).stdout.strip()


def _export_for_peer(model: Path, place: Path) -> None:
    """As rclip's own files are: float pixels or ids as `input`, features as `output`."""
    import open_clip
    import torch

    made: Any = open_clip.create_model(f"local-dir:{model}").eval()

    class Tower(torch.nn.Module):
        def __init__(self, encode: Callable[[Any], Any]) -> None:
            super().__init__()
            self.made, self.encode = made, encode

        def forward(self, input: Any) -> Any:
            return self.encode(input)

    texts = open_clip.get_tokenizer(MODEL)(["a", "b"])
    for name, encode, given in (
        ("visual.onnx", made.encode_image, torch.zeros(2, 3, 256, 256)),
        ("textual.onnx", made.encode_text, texts),
    ):
        torch.onnx.export(
            Tower(encode),
            (given,),
            str(place / name),
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def bare(model: Path, count: int) -> tuple[float, float]:
    """Pictures a second of the model alone, on pixels that are ready: ONNX Runtime as it comes, and in our parts."""
    import onnxruntime

    tower = exported(resolve("clip", str(model)), "image", "fp32", print)
    plain, ours = onnxruntime.InferenceSession(str(tower.folder / "model.onnx")), tower.session()
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, 256, 256, 3), dtype=np.uint8)
    return (
        _rate(lambda: plain.run(None, {"pixels": pixels}), count // 2),
        _rate(lambda: ours.run([pixels], "document"), count // 2),
    )


def _rate(encode: Callable[[], Any], count: int) -> float:
    encode()
    batches = max(1, count // BATCH)
    began = time.perf_counter()
    for _ in range(batches):
        encode()
    return batches * BATCH / (time.perf_counter() - began)


def seconds(command: list[Any], cwd: Path, **environment: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=os.environ | environment, capture_output=True, text=True
    )
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stderr
    return took


class Ours:
    def __init__(self, model: Path, photographs: Path, home: Path) -> None:
        self._program = Path(sys.executable).with_name("sightsound")
        self._home, self._photographs, self._model = home, photographs, model

    def run(self, *arguments: Any) -> float:
        cache = {"SIGHTSOUND_STORE": str(self._home), "HF_HUB_OFFLINE": "1"}
        return seconds([self._program, *arguments], self._photographs, **cache)

    def index(self) -> float:
        shutil.rmtree(self._home, ignore_errors=True)
        return self.run("index", self._photographs, "--encoders", f"clip:{self._model}")

    def query(self) -> float:
        return self.run("search", QUERY, "--paths")


class Theirs:
    def __init__(self, program: Path, settings: dict[str, str], photographs: Path) -> None:
        self._program, self._settings, self._photographs = program, settings, photographs

    def run(self, *arguments: Any) -> float:
        return seconds([self._program, *arguments], self._photographs, **self._settings)

    def index(self) -> float:
        """Without the query that rclip always ends with."""
        for path in Path(self._settings["RCLIP_DATADIR"]).glob("db.sqlite3*"):
            path.unlink()
        return self.run(QUERY, "--filepath-only") - self.query()

    def query(self) -> float:
        return self.run("--no-indexing", QUERY, "--filepath-only")


def decoded(photographs: Path, model: Path) -> float:
    """Photographs a second of the reading processes alone: decoded and prepared, and not encoded."""
    source = open_source(registry(), str(photographs), {}).source
    encoders = choose(registry(), [f"clip:{model}"])
    preparations = tuple(encoder.preparation for encoder in encoders.reading("image", "document"))
    readers = tuple(entry.thing for entry in registry().readers)
    equipment = Equipment(source, readers, preparations, encoders.wanted, 2048)
    began = time.perf_counter()
    with Workers(equipment, default_workers(), 60) as workers:
        count = sum(1 for _ in workers.run((item, Job(item)) for item in source.items()))
    return count / (time.perf_counter() - began)


def forward(model: Path, device: str, count: int) -> float:
    """Pictures a second of torch's forward pass alone, in the batches that memory takes, on pixels that are ready."""
    from sightsound.plugins.towers.torchrun import TorchRunner

    runner = TorchRunner(resolve("clip", str(model)).build("image").module, device, precision_on(device), print)
    pixels = np.random.default_rng(0).integers(0, 256, (count, 256, 256, 3), dtype=np.uint8)
    runner.run([pixels], "document")
    began = time.perf_counter()
    runner.run([pixels], "document")
    return count / (time.perf_counter() - began)


def on_gpu(model: Path, photographs: Path, count: int, home: Path, device: str) -> Row:
    ours = Ours(model, photographs, home)
    rounds = [(count / ours.index(), forward(model, device, count), decoded(photographs, model)) for _ in range(ROUNDS)]
    mine, bare_pass, decoding = (statistics.median(values) for values in zip(*rounds, strict=True))
    ratios = [m / min(b, d) for m, b, d in rounds]
    bound = f"forward pass {bare_pass:.0f} /s, decoding {decoding:.0f} /s"
    return Row(
        f"indexing {count:,} photographs with `clip` on {device}", f"{mine:.0f} /s", bound, ratios, "at least 0.85"
    )


def measure(count: int, work: Path) -> list[Row]:
    model = make_model(work / "vit-b-32-256")
    program, settings = make_peer(work, model)
    for encoder in choose(registry(), [f"clip:{model}"]).chosen:  # made ready before anything is timed
        encoder.encode(
            [encoder.spec.prepare(np.zeros((256, 256, 3), np.uint8))] if encoder.spec.reads == "image" else ["a"],
            "query",
        )
    rows = []
    for what, megapixels in SIZES.items():
        photographs = make_photographs(work / f"photographs-{count}-{megapixels[1]}", count, megapixels)
        ours, theirs = Ours(model, photographs, work / "towers-store"), Theirs(program, settings, photographs)
        rounds = [(count / ours.index(), *bare(model, count), count / theirs.index()) for _ in range(ROUNDS)]
        mine, plain, parted, peer = (statistics.median(values) for values in zip(*rounds, strict=True))
        what = f"indexing {count:,} photographs {what} with `clip`"
        rate = f"{mine:.1f} /s"
        rows += [
            Row(what, rate, f"bare session {plain:.1f} /s", [r[0] / r[1] for r in rounds], "at least 0.9"),
            Row("the same", rate, f"bare session in parts {parted:.1f} /s", [r[0] / r[2] for r in rounds], "to see"),
            Row("the same, beside rclip", rate, f"rclip {peer:.1f} /s", [r[0] / r[3] for r in rounds], "at least 1.15"),
        ]
        if len(rows) == 3:
            queries = [(ours.query(), theirs.query()) for _ in range(2 * ROUNDS + 1)]
            mine, peer = (statistics.median(values) for values in zip(*queries, strict=True))
            ratios = [m / p for m, p in queries]
            rows.append(
                Row(
                    "a whole query with `clip`",
                    f"{mine * 1000:.0f} ms",
                    f"rclip {peer * 1000:.0f} ms",
                    ratios,
                    "at most 1",
                )
            )
    device = device_for("auto")
    if device != "cpu":
        rows.append(on_gpu(model, photographs, count, work / "towers-store", device))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    assert setting("precision") in ("auto", "fp32")
    print(table(measure(arguments.count, arguments.work)))
