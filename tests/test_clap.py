"""CLAP by transformers: the same vectors as the library's own, features included, on small models of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import CommandLine
from tiny_models import clap_folder, into_hub_cache

from sightsound.errors import ModelError
from sightsound.plugins.audio import clap
from sightsound.testing import check_encoder

RATE = 48_000


def sounds() -> list[np.ndarray]:
    noise = np.random.default_rng(1)
    time = np.arange(10 * RATE) / RATE
    tone = 0.4 * np.sin(2 * np.pi * 440 * time) * np.exp(-time)
    return [one.astype(np.float32) for one in (tone, noise.uniform(-0.5, 0.5, 10 * RATE), tone[: 3 * RATE], tone[:999])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clap_folder(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """One home for all: the tower of words is made ready once."""
    return CommandLine(tmp_path_factory.mktemp("home"))


def test_the_vectors_of_sounds_are_the_librarys_own(folder: Path) -> None:
    import torch
    from transformers import ClapFeatureExtractor, ClapModel

    extractor, model = ClapFeatureExtractor.from_pretrained(folder), ClapModel.from_pretrained(folder).eval()
    given = extractor(sounds(), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        made = model.get_audio_features(**given)
    wanted = getattr(made, "pooler_output", made).numpy()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    spec = clap.clap_set(str(folder))[0]
    mine = spec.load("cpu").encode([spec.prepare(sound) for sound in sounds()], "document")
    assert (mine * wanted).sum(axis=1).min() >= 0.9999
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3


def test_the_features_of_a_fused_model_are_the_librarys_own(tmp_path: Path) -> None:
    from transformers import ClapFeatureExtractor

    folder = clap_folder(tmp_path / "fused", fused=True)
    spec = clap.clap_set(str(folder))[0]
    extractor = ClapFeatureExtractor.from_pretrained(folder)
    for sound in sounds():
        wanted = np.asarray(extractor([sound], sampling_rate=RATE)["input_features"][0])
        assert np.abs(spec.prepare(sound) - wanted).max() < 0.02
    check_encoder(spec)


def test_the_vectors_of_queries_are_the_librarys_own_with_the_prompt(
    folder: Path, line: CommandLine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import torch
    from transformers import AutoTokenizer, ClapModel

    monkeypatch.setenv("SIGHTSOUND_HOME", str(line.home))
    texts = ["a dog barking", "rain on a tin roof", "a bell"]
    tokenizer, model = AutoTokenizer.from_pretrained(folder), ClapModel.from_pretrained(folder).eval()
    given = tokenizer([clap.PROMPT + text for text in texts], padding=True, return_tensors="pt")
    with torch.inference_mode():
        made = model.get_text_features(input_ids=given["input_ids"], attention_mask=given["attention_mask"])
    wanted = getattr(made, "pooler_output", made).numpy()
    spec = clap.clap_set(str(folder))[1]
    assert spec.roles == ("query",)
    mine = spec.load("cpu").encode(texts, "query")
    assert (mine * wanted).sum(axis=1).min() >= 0.9999
    assert "runs by torch" not in caplog.text
    assert list((line.home / "cache" / "exports").glob("*-text-fp32/model.onnx")), "words need no torch"


def test_the_encoder_of_sounds_passes_the_kit(folder: Path) -> None:
    check_encoder(clap.clap_set(str(folder))[0])


def test_the_fingerprint_has_the_checkpoint_and_the_prompt(folder: Path) -> None:
    sound, words, _ = clap.clap_set(str(folder))
    assert folder.name in sound.load("cpu").fingerprint and "rate=48000" in sound.load("cpu").fingerprint
    assert clap.PROMPT in words.load("cpu").fingerprint


def test_a_model_of_the_hubs_cache_is_pinned_to_its_commit(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    into_hub_cache(tmp_path, "someone/clap", folder, commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert clap.clap_set("someone/clap")[0].pinned == f"someone/clap@{commit}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("preprocessor_config.json", "how its sounds are prepared"),
        ("tokenizer.json", "the model's tokenizer"),
        ("config.json", "which says what the model is"),
    ],
)
def test_nothing_that_is_missing_is_guessed(tmp_path: Path, folder: Path, name: str, said: str) -> None:
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(ModelError, match=said):
        clap.clap_set(str(copy))


def test_sounds_of_other_lengths_are_indexed_beside_each_other(line: CommandLine, folder: Path, tmp_path: Path) -> None:
    """YAMNet's windows of 4 s at 16 kHz and CLAP's of 10 s at 48 kHz, in one collection."""
    (tmp_path / "sounds").mkdir()
    soundfile.write(tmp_path / "sounds" / "tone.wav", np.tile(sounds()[1], 2), RATE)
    sets = f"starter,clap:{folder}"
    line("index", tmp_path / "sounds", "--encoders", sets)
    spaces = line("status", "--json").json["collections"][0]["spaces"]
    counted = {s["space"]: s["vectors"] for s in spaces if s["segments"] == "sound"}
    assert counted["yamnet"] == 9
    assert [n for space, n in counted.items() if space.startswith(folder.name)] == [3]
    hit = line("search", "--sound", tmp_path / "sounds" / "tone.wav", "--json").json["hits"][0]
    assert {segment["space"] for segment in hit["segments"]} > {"yamnet"}
    assert line("search", "a high tone", "--json").json["hits"][0]["kind"] == "sound"
