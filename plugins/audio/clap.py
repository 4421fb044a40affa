"""CLAP (Wu et al. 2023, "Large-scale contrastive language-audio pretraining") by transformers: sounds and words in a
space of their own.

Features are made by librosa in the reading processes, as transformers' ClapFeatureExtractor makes them; the tower of
sounds runs in torch, that of words as other models' do. The windows are as long as the model's own, so that it never
cuts a sound at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from sightsound import AudioInput, EncoderSpec, Role, Space, TextInput, Vectors
from sightsound.errors import ModelError, PluginError
from sightsound.plugins.towers.huggingface import CONFIG, NAMES, PICKLED, HuggingFace
from sightsound.plugins.towers.model import Which, read_json, required
from sightsound.plugins.towers.places import Folder, Place, Repository, folder, is_path, pinned
from sightsound.plugins.towers.tokens import TOKENS

DEFAULT = "laion/clap-htsat-unfused"
PROMPT = "This is a sound of "
"""Put before a query, as the model's authors do to find sounds by the names of classes."""
BATCH = 16


@dataclass(frozen=True)
class Features:
    """Log mel bands, by the model's own figures: a function from samples to what the tower of sounds takes.

    fused: the model takes a window four times over, and bands of another scale.
    """

    rate: int
    seconds: float
    bands: int
    size: int
    hop: int
    lowest: float
    highest: float
    padding: str
    fused: bool

    def __call__(self, samples: Vectors) -> Vectors:
        """float32 (n,) at `rate` Hz -> float32 (1 or 4, frames, bands)."""
        import librosa

        most = round(self.seconds * self.rate)
        given = samples[:most]
        if 0 < len(given) < most and self.padding.startswith("repeat"):
            given = np.tile(given, most // len(given) + (self.padding == "repeat"))[:most]
        given = np.pad(given, (0, most - len(given)))
        scale: dict[str, Any] = {"htk": True, "norm": None} if self.fused else {"htk": False, "norm": "slaney"}
        power = librosa.feature.melspectrogram(
            y=given,
            sr=self.rate,
            n_fft=self.size,
            hop_length=self.hop,
            pad_mode="reflect",
            power=2.0,
            n_mels=self.bands,
            fmin=self.lowest,
            fmax=self.highest,
            **scale,
        )
        decibels = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).T.astype(np.float32)
        return np.stack([decibels] * (4 if self.fused else 1))


@dataclass(frozen=True)
class Clap(HuggingFace):
    """A model of transformers whose towers read sounds and words."""

    features: Features | None = None

    @property
    def set(self) -> str:
        return "clap"

    @property
    def towers(self) -> tuple[Which, ...]:
        return ("audio", "text")

    def tells_apart(self, which: Which) -> str:
        if which == "audio":
            return f"clap {self.features}"
        return f"{super().tells_apart(which)} prompt '{PROMPT}'"

    def prompt(self, role: Role) -> str:
        return PROMPT if role == "query" else ""

    def sounds(self) -> Any:
        """The tower of sounds in torch: float32 (n, 1 or 4, frames, bands) -> float32 (n, dims), unit length."""
        import torch

        made = self._made()

        class SoundTower(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.whole = made

            def forward(self, features: torch.Tensor) -> torch.Tensor:
                kind = next(self.whole.parameters()).dtype
                longer = torch.zeros(len(features), 1, dtype=torch.bool, device=features.device)
                given = self.whole.get_audio_features(input_features=features.to(kind), is_longer=longer)
                vectors = getattr(given, "pooler_output", given)
                return torch.nn.functional.normalize(vectors.float(), dim=-1)

        return SoundTower()


class Sounds:
    """The encoder of sounds. Loads its weights at the first one."""

    def __init__(self, model: Clap, device: str) -> None:
        self._model = model
        self._device = device

    @cached_property
    def fingerprint(self) -> str:
        return self._model.fingerprint("audio")

    @cached_property
    def _runner(self) -> Any:
        from sightsound.plugins.towers.devices import device_for, precision_on
        from sightsound.plugins.towers.torchrun import TorchRunner
        from sightsound.plugins.towers.tower import warn

        device = device_for(self._device)
        precision = precision_on(device)
        return TorchRunner(self._model.sounds(), device, "fp32" if precision == "int8" else precision, warn)

    def encode(self, batch: Sequence[Vectors], role: Role) -> Vectors:
        """What `Features` made -> float32 (n, dims), rows of unit length. Raises ModelError."""
        parts = [batch[start : start + BATCH] for start in range(0, len(batch), BATCH)]
        made: Vectors = np.concatenate([self._runner.run([np.stack(part)], role) for part in parts])
        return made


@dataclass(frozen=True)
class LoadSounds:
    model: Clap

    def __call__(self, device: str) -> Sounds:
        return Sounds(self.model, device)


def clap_set(argument: str) -> list[EncoderSpec]:
    """The towers, and the starter's vectors for titles and descriptions, which CLAP's tower of words is poor at."""
    from sightsound.plugins.text.minilm import background, starter_text
    from sightsound.plugins.towers.sets import missing
    from sightsound.plugins.towers.tower import Load

    model = resolve(argument)
    features = model.features
    assert features is not None
    sounds = EncoderSpec(
        "sound",
        "audio",
        model.space,
        AudioInput(features.rate, features.seconds),
        features,
        LoadSounds(model),
        pinned=model.argument,
        missing=missing(model),
    )
    words = EncoderSpec(
        "query",
        "text",
        model.space,
        TextInput(),
        str.strip,
        Load(model, "text"),
        background,
        roles=("query",),
        missing=missing(model),
    )
    return [sounds, words, starter_text()]


def resolve(argument: str) -> Clap:
    """`NAME`, `NAME@COMMIT` or a folder; without one the default. Raises ModelError, PluginError."""
    from sightsound.plugins.audio.reader import missing_packages

    if find_spec("transformers") is None or missing_packages():
        raise PluginError(
            "The encoder set clap needs further packages: pip install 'sightsound[audio,hf]', and then its weights:"
            " sightsound models pull clap"
        )
    written = argument or DEFAULT
    if is_path(written):
        place: Place = folder(written)
    else:
        name, _, revision = written.partition("@")
        place = Repository(name, revision) if revision else pinned(Repository(name), CONFIG)
    found = place.find(CONFIG)
    if found is None:
        if isinstance(place, Folder):
            raise ModelError(f"{place.path} lacks {CONFIG}, which says what the model is. Take it from its publisher")
        raise ModelError(
            f"The model {written} is not on this machine. Fetch it with: sightsound models pull clap:{written}. Without"
            f" a network: fetch it on another machine and copy {place.cache} from there to the same place here, or name"
            " a folder with its files: clap:/PATH"
        )
    config = read_json(found)
    if config.get("model_type") != "clap":
        raise ModelError(f"{written} is a model of the kind '{config.get('model_type')}', not CLAP")
    if not place.find(TOKENS):
        raise ModelError(f"{place.written} lacks {TOKENS}, the model's tokenizer. None is guessed")
    one = place.weights if isinstance(place, Folder) else ""
    words = config.get("text_config", {})
    return Clap(
        argument=place.written,
        title=place.path.name if isinstance(place, Folder) else place.name,
        space=Space(place.space if isinstance(place, Folder) else place.name.replace("/", "-"), _dims(config)),
        place=place,
        names=(one,) if one else (*NAMES, *PICKLED),
        pixels=None,
        bytes=0,
        kind="clap",
        # Of RoBERTa's positions the first two stand for no word.
        length=int(words.get("max_position_embeddings", 514)) - 2,
        features=_features(place),
    )


def _dims(config: Mapping[str, Any]) -> int:
    return int(config.get("projection_dim", 512))


def _features(place: Place) -> Features:
    path = place.find("preprocessor_config.json")
    held: Mapping[str, Any] = read_json(path) if path else {}
    if path is None and (path := place.find("processor_config.json")):
        held = read_json(path).get("feature_extractor", {})
    if path is None:
        raise ModelError(f"{place.written} lacks preprocessor_config.json: how its sounds are prepared")
    keys = ["sampling_rate", "max_length_s", "feature_size", "fft_window_size", "hop_length", "frequency_min"]
    rate, seconds, bands, size, hop, lowest = required(held, keys, path)
    highest, padding, truncation = required(held, ["frequency_max", "padding", "truncation"], path)
    known = padding in ("repeatpad", "repeat", "pad") and truncation in ("fusion", "rand_trunc")
    if not known or held.get("top_db"):
        raise ModelError(f"{path}: padding {padding}, truncation {truncation}, top_db {held.get('top_db')} is not read")
    return Features(
        int(rate), float(seconds), int(bands), int(size), int(hop), float(lowest), float(highest), padding,
        truncation == "fusion",
    )  # fmt: skip
