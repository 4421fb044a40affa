"""Models that are missing, damaged or refused; fetching, listing and checking them; memory that runs out."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import PHOTOS, CommandLine
from safetensors.torch import load_file, save_file
from tiny_models import clip_folder, into_hub_cache, open_clip_folder, sentence_folder

from sightsound.encoders import choose
from sightsound.errors import ModelError, PluginError, SightsoundError
from sightsound.plugins.towers import exporting, exports, openclip
from sightsound.plugins.towers.catalogue import DEFAULT, catalogue
from sightsound.plugins.towers.sets import resolve
from sightsound.plugins.towers.torchrun import TorchRunner
from sightsound.plugins.towers.weights import checksum
from sightsound.registry import registry

WEIGHTS = "open_clip_model.safetensors"
REPOSITORY = catalogue()[DEFAULT].repository


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of open_clip; copy it before you change it."""
    return open_clip_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "tiny"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGHTSOUND_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir(exist_ok=True)
    return tmp_path / "home"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache of the hub."""
    import huggingface_hub.constants

    cache = tmp_path / "hf" / "hub"
    cache.mkdir(parents=True)
    monkeypatch.setenv("HF_HOME", str(cache.parent))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.file_download, "HF_HUB_CACHE", str(cache), raising=False)
    yield cache


# Missing and refused


@pytest.mark.parametrize("name", ["clip", f"clip:{DEFAULT}", "hf:google/siglip2-base-patch16-224"])
def test_without_weights_it_says_how_to_get_them(sightsound: CommandLine, name: str, tmp_path: Path) -> None:
    ran = sightsound("index", PHOTOS, "--encoders", name, code=1, HF_HOME=str(tmp_path / "empty"))
    assert "sightsound models pull" in ran.err
    assert f"copy {tmp_path}/empty/hub/models--" in ran.err, "where to put them"
    assert sightsound("status", "--json").json["collections"] == [], "nothing is left behind"


def test_without_weights_no_heavy_library_is_imported(tmp_path: Path) -> None:
    """Which is what makes the error come at once."""
    code = (
        "import sys; from sightsound.encoders import choose; from sightsound.registry import registry\n"
        "from sightsound.errors import ModelError\n"
        "try:\n    choose(registry(), ['clip']).records()\n"
        "except ModelError as error:\n    print(error)\n"
        "print([name for name in ('torch', 'open_clip', 'transformers', 'onnxruntime') if name in sys.modules])"
    )
    environment = {"HF_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert "about 605 MB" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_unset_takes_the_starter_and_names_the_better_one(sightsound: CommandLine, tmp_path: Path) -> None:
    ran = sightsound("index", PHOTOS / "cat.jpg", HF_HOME=str(tmp_path))
    (line,) = [line for line in ran.err.splitlines() if "clip" in line]
    assert f"sightsound models pull clip:{DEFAULT}" in line and "605 MB" in line
    sets = {one["set"] for one in sightsound("status", "--json").json["collections"][0]["encoders"]}
    assert sets == {"starter@sightsound"}
    again = sightsound("index", PHOTOS / "cat.jpg", HF_HOME=str(tmp_path))
    assert "clip" not in again.err, "said once, when the collection is made"


def test_unset_takes_clip_where_it_is_fetched(hub: Path, home: Path, folder: Path) -> None:
    from sightsound.opening import set_names

    assert set_names(registry(), None) == ["starter"]
    into_hub_cache(hub, REPOSITORY, folder, "a" * 40)
    assert set_names(registry(), None) == ["clip"]
    assert choose(registry(), ["clip"]).sets == [f"clip@sightsound:{DEFAULT}@{'a' * 40}"], "pinned by its commit"


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("ViT-B-32", "Say which weights of ViT-B-32.*clip:ViT-B-32/"),
        ("ViT-B-33/openai", "no model 'ViT-B-33' with the weights 'openai'. Did you mean"),
        ("ViT-B-32/mine", "Say which weights"),
        ("/nowhere", "There is no model at /nowhere"),
    ],
)
def test_an_unknown_model_is_named(argument: str, said: str) -> None:
    with pytest.raises(SightsoundError, match=said):
        choose(registry(), [f"clip:{argument}"])


def edit(path: Path, change: Any) -> None:
    held = json.loads(path.read_text())
    change(held)
    path.write_text(json.dumps(held))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held.pop("preprocess_cfg"), "does not say preprocess_cfg"),
        (lambda held: held["preprocess_cfg"].pop("mean"), "does not say mean"),
        (lambda held: held["preprocess_cfg"].pop("interpolation"), "does not say interpolation"),
        (lambda held: held["preprocess_cfg"].pop("resize_mode"), "does not say resize_mode"),
        (lambda held: held["model_cfg"].pop("embed_dim"), "does not say embed_dim"),
        (lambda held: held["model_cfg"]["text_cfg"].update(hf_tokenizer_name="some/one"), "lacks tokenizer.json"),
        (lambda held: held["model_cfg"]["text_cfg"].update(vocab_size=1000), "names no tokenizer"),
    ],
)
def test_what_a_folder_does_not_say_is_not_guessed(folder: Path, change: Any, said: str) -> None:
    edit(folder / "open_clip_config.json", change)
    with pytest.raises(ModelError, match=said):
        choose(registry(), [f"clip:{folder}"])


def test_a_folder_without_its_config_is_refused(folder: Path) -> None:
    (folder / "open_clip_config.json").unlink()
    for named in (folder, folder / WEIGHTS):
        with pytest.raises(ModelError, match=r"lacks open_clip_config.json"):
            choose(registry(), [f"clip:{named}"])


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("tokenizer.json", r"lacks tokenizer.json.*None is guessed"),
        ("preprocessor_config.json", r"lacks preprocessor_config.json.*None is guessed"),
        ("config.json", r"lacks config.json"),
    ],
)
def test_a_folder_of_transformers_must_be_whole(tmp_path: Path, file: str, said: str) -> None:
    folder = clip_folder(tmp_path / "clip")
    (folder / file).unlink()
    with pytest.raises(ModelError, match=said):
        choose(registry(), [f"hf:{folder}"])


def test_models_that_are_not_read_are_named(tmp_path: Path) -> None:
    folder = sentence_folder(tmp_path / "sentences")
    shutil.rmtree(folder / "1_Pooling")
    with pytest.raises(ModelError, match="how tokens are pooled"):
        choose(registry(), [f"hf:{folder}"])
    (folder / "modules.json").unlink()
    with pytest.raises(ModelError, match=r"of the kind 'bert'.*modules.json"):
        choose(registry(), [f"hf:{folder}"])
    edit(folder / "config.json", lambda held: held.update(model_type="siglip2"))
    with pytest.raises(ModelError, match="NaFlex"):
        choose(registry(), [f"hf:{folder}"])


# Pickles


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_pickle_never_runs(sightsound: CommandLine, folder: Path, tmp_path: Path, protocol: str) -> None:
    (folder / WEIGHTS).unlink()
    canary, file = tmp_path / "ran", folder / "open_clip_pytorch_model.bin"
    if protocol == "torch":
        torch.save({"visual.proj": Canary(canary)}, file)
    else:
        file.write_bytes(pickle.dumps({"visual.proj": Canary(canary)}))
    ran = sightsound("index", PHOTOS, "--encoders", f"clip:{folder}", code=1)
    assert "can run any program" in ran.err and "--allow-pickle" in ran.err
    ran = sightsound("index", PHOTOS, "--encoders", f"clip:{folder}", "--allow-pickle", code=1)
    assert "holds more than tensors" in ran.err
    ran = sightsound("models", "verify", f"clip:{folder}", "--allow-pickle", code=1)
    assert "holds more than tensors" in ran.out
    assert not canary.exists()
    torch.load(file, weights_only=False) if protocol == "torch" else pickle.loads(file.read_bytes())
    assert canary.exists(), "the canary works"


def test_a_pickle_of_tensors_is_read_where_it_is_allowed(home: Path, folder: Path, monkeypatch: Any) -> None:
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in tensors.items()}},
        folder / "open_clip_pytorch_model.bin",
    )
    model = openclip.resolve(str(folder))
    with pytest.raises(ModelError, match="is a pickle"):
        model.weights()
    monkeypatch.setenv("SIGHTSOUND_ALLOW_PICKLE", "yes")
    (safe,) = model.weights()
    assert safe.suffix == ".safetensors" and home in safe.parents
    held = load_file(safe)
    assert held.keys() == tensors.keys() and all(torch.equal(held[name], tensors[name]) for name in tensors)


# Weights that do not fit


def test_weights_of_other_dims_are_refused(home: Path, folder: Path) -> None:
    edit(folder / "open_clip_config.json", lambda held: held["model_cfg"].update(embed_dim=32))
    with pytest.raises(ModelError, match="does not fit the model tiny"):
        image = next(e for e in choose(registry(), [f"clip:{folder}"]).chosen if e.spec.name == "image")
        image.encode([np.zeros((224, 224, 3), np.uint8)], "document")


def test_a_text_tower_of_another_model_is_refused(home: Path, tmp_path: Path) -> None:
    folder = clip_folder(tmp_path / "clip")
    path = folder / "model.safetensors"
    tensors = {name: value for name, value in load_file(path).items() if not name.startswith("text_model.")}
    save_file(tensors, path, {"format": "pt"})
    query = next(e for e in choose(registry(), [f"hf:{folder}"]).chosen if e.spec.name == "query")
    with pytest.raises(ModelError, match="of another model"):
        query.encode(["a boat"], "query")


def test_a_collection_refuses_queries_of_another_model(sightsound: CommandLine, folder: Path, tmp_path: Path) -> None:
    sightsound("index", PHOTOS / "cat.jpg", "--encoders", f"clip:{folder}")
    other = open_clip_folder(tmp_path / "other", seed=1)
    shutil.copy(other / WEIGHTS, folder / WEIGHTS)
    ran = sightsound("search", "a cat", code=1)
    assert "another version of the encoder" in ran.err and "--rebuild" in ran.err


def test_two_commits_of_a_model_do_not_share_a_space(hub: Path, folder: Path) -> None:
    for commit in ("a" * 40, "b" * 40):
        into_hub_cache(hub, REPOSITORY, folder, commit)
    with pytest.raises(PluginError, match="both fill the space"):
        choose(registry(), [f"clip:{DEFAULT}@{'a' * 40}", f"clip:{DEFAULT}@{'b' * 40}"])


# Exports


@pytest.fixture
def image(home: Path, folder: Path) -> Any:
    return next(e for e in choose(registry(), [f"clip:{folder}"]).chosen if e.spec.name == "image")


PIXELS = [np.full((224, 224, 3), value, np.uint8) for value in (0, 90, 255)]


def vectors(encoder: Any) -> Any:
    (found,) = encoder.encode(PIXELS, "document").values()
    return np.stack(found)


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_export_is_made_again(
    image: Any, home: Path, folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = vectors(image)
    (path,) = (home / "cache" / "exports").glob("*/model.onnx")
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2] if damage == "cut" else whole[:-100] + bytes(100))
    again = next(e for e in choose(registry(), [f"clip:{folder}"]).chosen if e.spec.name == "image")
    with caplog.at_level("INFO", "sightsound"):
        assert np.allclose(vectors(again), wanted)
    assert "the one in the cache is damaged" in caplog.text
    assert path.stat().st_size == len(whole)


def test_a_tower_that_can_not_be_exported_runs_in_torch(
    image: Any, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = vectors(image)

    def fail(*arguments: Any) -> Any:
        raise exports.ExportError("no such operator")

    monkeypatch.setattr(exports, "_make", fail)
    shutil.rmtree(home / "cache" / "exports")
    chosen = {e.spec.name: e for e in choose(registry(), [f"clip:{folder}"]).chosen}
    assert np.allclose(vectors(chosen["image"]), wanted, atol=1e-5)
    (made,) = chosen["query"].encode(["a boat"], "query").values()
    assert made[0] is not None
    assert "runs by torch" in caplog.text and "no such operator" in caplog.text


def test_an_export_that_these_libraries_can_not_make_is_not_tried_at_each_command(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, codes, tried = resolve("clip", str(folder)), [exports.NOT_NOW, 1], list[str]()

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        tried.append(command[-1])
        return subprocess.CompletedProcess(command, codes[len(tried) - 1], "", "what it said\n")

    monkeypatch.setattr(exports.subprocess, "run", run)
    for _ in range(3):
        with pytest.raises(exports.ExportError, match="what it said"):
            exports.exported(model, "text", "int8", lambda said: None)
    assert len(tried) == 2, "again after a full disk, and no more after what these versions can't do"


def test_an_export_that_gives_other_vectors_is_not_used(
    home: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightsound.plugins.towers.sessions import Session

    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, *given: np.roll(run(self, *given), 1, axis=1))
    with pytest.raises(exports.ExportError, match="gives other vectors than torch"):
        exporting.export(resolve("clip", str(folder)), "image", "fp32", tmp_path)


# Memory of a GPU


class Small(torch.nn.Module):
    """Has memory for so many inputs."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.batches = room, list[int]()

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        if len(given) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.batches.append(len(given))
        return given.float()


def test_out_of_memory_halves_the_batch_and_says_so_once() -> None:
    said: list[str] = []
    module = Small(5)
    runner = TorchRunner(module, "cpu", "fp32", said.append)
    given = np.arange(200, dtype=np.float32).reshape(100, 2)
    for _ in range(2):
        assert np.array_equal(runner.run([given], "document"), given), "all of them, in order, none twice"
    assert runner.batch == 4 and max(module.batches) == 4
    assert len(said) == 1 and "memory ran out" in said[0]


def test_a_model_that_does_not_fit_at_all_says_what_to_do() -> None:
    with pytest.raises(ModelError, match="--device cpu"):
        TorchRunner(Small(0), "cpu", "fp32", lambda line: None).run([np.zeros((4, 2), np.float32)], "document")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--device", "cuda", "no cuda that torch can use"),
        ("--device", "abacus", "no device 'abacus'"),
        ("--precision", "fp16", "none that cpu has"),
    ],
)
def test_what_the_machine_has_not_is_refused(
    sightsound: CommandLine, folder: Path, option: str, value: str, said: str
) -> None:
    ran = sightsound("index", PHOTOS / "cat.jpg", "--encoders", f"clip:{folder}", option, value, code=2)
    assert said in ran.err


# The command models


def test_models_lists_what_is_known_and_what_is_here(sightsound: CommandLine, folder: Path, tmp_path: Path) -> None:
    hub = tmp_path / "hf" / "hub"
    into_hub_cache(hub, REPOSITORY, folder, "a" * 40)
    sightsound("index", PHOTOS / "cat.jpg", "--encoders", f"clip:{folder}")
    models = sightsound("models", "--all", "--json", HF_HOME=str(hub.parent)).json["models"]
    assert len(models) > 190
    by_name = {one["name"]: one for one in models}
    default = by_name[f"clip:{DEFAULT}"]
    assert default["here"] and default["dims"] == 512 and default["bytes"] == pytest.approx(605e6, rel=0.01)
    assert default["coco"] == pytest.approx([0.3934, 0.6543, 0.7561])
    assert by_name[f"clip:{folder}"]["rates"]["image fp32"] > 0, "measured here"
    shown = sightsound("models", HF_HOME=str(hub.parent)).out
    assert f"* clip:{DEFAULT}" in shown and "39/65/76" in shown and "openclip_retrieval_results.csv" in shown


def test_verify_finds_a_damaged_download(sightsound: CommandLine, folder: Path, tmp_path: Path) -> None:
    hub = tmp_path / "hf" / "hub"
    snapshot = into_hub_cache(hub, REPOSITORY, folder, "a" * 40)
    ran = sightsound("models", "verify", HF_HOME=str(hub.parent))
    assert f"clip:{DEFAULT}: ok" in ran.out and "as the hub has it" in ran.out
    blob = (snapshot / WEIGHTS).resolve()
    held = bytearray(blob.read_bytes())
    held[-1] ^= 1
    blob.write_bytes(held)
    ran = sightsound("models", "verify", "clip", HF_HOME=str(hub.parent), code=1)
    assert "is damaged" in ran.out and "pull the model again" in ran.out


def test_a_model_on_this_machine_need_not_be_fetched(sightsound: CommandLine, folder: Path) -> None:
    assert "nothing to fetch" in sightsound("models", "pull", f"clip:{folder}", code=2).err
    ran = sightsound("models", "pull", "clip", code=1, HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in ran.err


def test_a_checksum_is_made_again_when_the_file_changes(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = checksum(file)
    assert checksum(file) == first
    file.write_bytes(b"two")
    assert checksum(file) != first
