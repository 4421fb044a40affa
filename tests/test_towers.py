"""Models with two towers: the vectors of their own libraries, on real photographs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from conftest import MEDIA, PHOTOS, CommandLine
from PIL import Image
from tiny_models import MEAN, STD, clip_folder, open_clip_folder, sentence_folder, siglip_folder, word_tokenizer

from sightsound.encoders import ChosenEncoder, EncoderSet, choose
from sightsound.plugins.image.decode import decode
from sightsound.plugins.text.minilm import background
from sightsound.plugins.towers.exporting import TEXTS
from sightsound.plugins.towers.pixels import Pixels
from sightsound.plugins.towers.sentences import Sentences
from sightsound.plugins.towers.tokens import Recipe, Tokenizer, clip_tokens
from sightsound.registry import load, registry
from sightsound.stores.local import LocalStore
from sightsound.testing import check_encoder
from sightsound.types import Role, Vectors, file_uri, item_id

ALIKE = 0.9999
PICTURES = sorted(PHOTOS.iterdir())
QUERIES = [*background()[:20], *TEXTS]
FINEST = 100_000


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which models are made ready once for all tests here."""
    return tmp_path_factory.mktemp("towers")


@pytest.fixture(scope="module", autouse=True)
def at_home(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(home))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of open_clip."""
    return open_clip_folder(tmp_path_factory.mktemp("models") / "tiny")


def upright(path: Path) -> Image.Image:
    """A photograph as its encoder sees it, at full size: turned as it was taken, in sRGB."""
    with path.open("rb") as file:
        return Image.fromarray(decode(file, FINEST).image)


def unit(tensor: Any) -> Vectors:
    return torch.nn.functional.normalize(tensor.float(), dim=-1).numpy()


def cosines(some: Any, others: Any) -> Vectors:
    """Of rows that may be rounded to float16, and so a little off unit length."""
    one, other = np.stack(list(some)), np.stack(list(others))
    return (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def towers(encoders: EncoderSet) -> dict[str, ChosenEncoder]:
    return {one.spec.name: one for one in encoders.chosen}


def encoded(encoder: ChosenEncoder, things: list[Any], role: Role) -> list[Any]:
    (found,) = encoder.encode([encoder.spec.prepare(thing) for thing in things], role).values()
    return found


# Preprocessing


@pytest.mark.parametrize("resize", ["shortest", "squash", "longest"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_those_of_open_clip(resize: Any, interpolation: str) -> None:
    theirs = open_clip.image_transform(
        64, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=resize, interpolation=interpolation
    )
    ours = Pixels(64, 64, resize, {"bilinear": 2, "bicubic": 3}[interpolation], (0, 0, 0), (1, 1, 1))
    for path in PICTURES[:30]:
        picture = upright(path)
        wanted = (theirs(picture).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)  # type: ignore[operator]
        assert np.array_equal(ours(np.asarray(picture)), wanted), path.name


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (63, 65), (64, 64), (65, 64), (131, 97)])
def test_odd_shapes_are_prepared_as_open_clip_does(size: tuple[int, int]) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    for resize in ("shortest", "squash", "longest") if min(size) > 1 or size == (1, 1) else ("shortest", "squash"):
        theirs = open_clip.image_transform(64, is_train=False, mean=(0, 0, 0), std=(1, 1, 1), resize_mode=resize)
        ours: Any = Pixels(64, 64, resize, 3, (0, 0, 0), (1, 1, 1))  # type: ignore[arg-type]
        wanted = (theirs(picture).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)  # type: ignore[operator]
        assert np.array_equal(ours(np.asarray(picture)), wanted), resize


def test_pixels_are_those_of_transformers() -> None:
    from transformers.models.clip import CLIPImageProcessorPil
    from transformers.models.siglip import SiglipImageProcessorPil

    clip = CLIPImageProcessorPil(size={"shortest_edge": 72}, crop_size={"height": 64, "width": 64}, do_normalize=False)
    siglip = SiglipImageProcessorPil(size={"height": 64, "width": 64}, resample=2, do_normalize=False)
    ours_clip = Pixels(64, 64, "shortest", 3, (0, 0, 0), (1, 1, 1), to=72, rounding="down")
    ours_siglip = Pixels(64, 64, "squash", 2, (0, 0, 0), (1, 1, 1), rounding="down")
    for path in PICTURES[:30]:
        picture = upright(path)
        for theirs, ours in ((clip, ours_clip), (siglip, ours_siglip)):
            made = np.asarray(theirs(picture, return_tensors="np")["pixel_values"][0]).transpose(1, 2, 0)
            assert np.array_equal(ours(np.asarray(picture)), (made * 255).round().astype(np.uint8)), path.name


@pytest.mark.parametrize("cleaning", ["lower", "whitespace", "canonicalize"])
def test_texts_are_cut_as_open_clip_cuts_them(cleaning: Any) -> None:
    from open_clip.tokenizer import SimpleTokenizer, default_bpe

    theirs = SimpleTokenizer(clean=cleaning)
    ours = Tokenizer(clip_tokens(Path(default_bpe())), Recipe(cleaning, 77, pad=0, fixed=True))
    texts = [
        *background(),
        *TEXTS,
        "&amp;amp; schÃ¶n",
        "<b>bold</b>",
        "a\u200bb",
        "don’t “quote” it",
        "\x00\x1b[31mred",
    ]
    wanted, made = theirs(texts).numpy(), ours(texts)[0]
    wrong = [text for text, one, other in zip(texts, wanted, made, strict=True) if (one != other).any()]
    assert wrong == []


# Vectors


def test_photographs_get_open_clips_vectors(home: Path, folder: Path) -> None:
    """Through the whole of an index run: reading processes, decoding, preparing, ONNX Runtime, the store."""
    CommandLine(home)("index", MEDIA / "media.csv", "--encoders", f"clip:{folder}")
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    model.eval()
    with torch.inference_mode():
        wanted = unit(model.encode_image(torch.stack([preprocess(upright(path)) for path in PICTURES])))  # type: ignore
    collection = LocalStore(str(home / "collections")).open("default")
    try:
        space = next(space for space, kind in collection.counts() if kind == "photo")
        ids = {path: item_id(file_uri(path)) for path in PICTURES}
        segments = collection.segments(ids.values())
        photo = {id: next(s.id for s in held if s.kind == "photo") for id, held in segments.items()}
        held = collection.vectors(space, photo.values())
        made = [held[photo[ids[path]]] for path in PICTURES]
        texts = {space for space, kind in collection.counts() if kind in ("title", "description")}
    finally:
        collection.close()
    assert cosines(made, wanted).min() >= ALIKE
    assert texts == {"minilm"}, "titles are for a model of sentences"


def test_queries_get_open_clips_vectors(folder: Path) -> None:
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        wanted = unit(model.encode_text(tokenizer(QUERIES)))  # type: ignore[operator]
    query = towers(choose(registry(), [f"clip:{folder}"]))["query"]
    assert cosines(encoded(query, QUERIES, "query"), wanted).min() >= ALIKE
    assert query.spec.roles == ("query",)


@pytest.mark.parametrize("strip", [False, True])
def test_a_tokenizer_that_the_config_names_is_used(tmp_path: Path, strip: bool) -> None:
    """As SigLIP (canonicalised texts, the last token) and CLIPA (marks of the end left out) have it."""
    kwargs = {"clean": "canonicalize"} | ({"strip_sep_token": True} if strip else {})
    text = {"context_length": 24, "vocab_size": 600, "pool_type": "last", "no_causal_mask": True}
    folder = tmp_path / "named"
    folder.mkdir()
    word_tokenizer(folder)
    open_clip_folder(folder, hf_tokenizer_name="some/where", tokenizer_kwargs=kwargs, **text)
    model = open_clip.create_model(f"local-dir:{folder}").eval()
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    with torch.inference_mode():
        wanted = unit(model.encode_text(tokenizer(QUERIES)))  # type: ignore[operator]
    query = towers(choose(registry(), [f"clip:{folder}"]))["query"]
    assert cosines(encoded(query, QUERIES, "query"), wanted).min() >= ALIKE


def test_words_need_neither_torch_nor_the_models_library(home: Path, folder: Path) -> None:
    """A search by a model that was made ready starts as fast as any other."""
    code = (
        "import sys; from sightsound.encoders import choose; from sightsound.registry import registry\n"
        f"found = choose(registry(), ['clip:{folder}']).chosen\n"
        "query = next(e for e in found if e.spec.name == 'query')\n"
        "assert query.encode(['a boat'], 'query')\n"
        "print([name for name in ('torch', 'open_clip', 'transformers', 'ftfy') if name in sys.modules])"
    )
    import subprocess
    import sys

    towers(choose(registry(), [f"clip:{folder}"]))["query"].encode(["made ready"], "query")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module", params=[clip_folder, siglip_folder])
def two_towers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    make: Callable[[Path], Path] = request.param
    return make(tmp_path_factory.mktemp("hf") / make.__name__)


def test_transformers_models_get_transformers_vectors(two_towers: Path) -> None:
    from transformers import AutoModel, AutoTokenizer
    from transformers.models.clip import CLIPImageProcessorPil
    from transformers.models.siglip import SiglipImageProcessorPil

    model = AutoModel.from_pretrained(two_towers).eval()
    siglip = model.config.model_type == "siglip"
    processor: Any = (SiglipImageProcessorPil if siglip else CLIPImageProcessorPil).from_pretrained(two_towers)
    tokenizer = AutoTokenizer.from_pretrained(two_towers)
    pictures = [upright(path) for path in PICTURES[:30]]
    tokens = tokenizer(
        QUERIES, padding="max_length" if siglip else True, truncation=True, max_length=32, return_tensors="pt"
    )
    given = {"input_ids": tokens["input_ids"]} if siglip else {k: tokens[k] for k in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        pixels = processor(pictures, return_tensors="pt")["pixel_values"]
        wanted_pictures = unit(model.get_image_features(pixel_values=pixels).pooler_output)
        wanted_texts = unit(model.get_text_features(**given).pooler_output)
    made = towers(choose(registry(), [f"hf:{two_towers}"]))
    assert cosines(encoded(made["image"], list(map(np.asarray, pictures)), "document"), wanted_pictures).min() >= ALIKE
    assert cosines(encoded(made["query"], QUERIES, "query"), wanted_texts).min() >= ALIKE
    assert made["text"].spec.space.name == "minilm"  # type: ignore[union-attr]


@pytest.mark.parametrize("pooling", ["mean_tokens", "lasttoken"])
def test_sentence_models_pool_and_prompt_as_they_say(tmp_path: Path, pooling: str) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = sentence_folder(tmp_path / "sentences", pooling)
    (text,) = choose(registry(), [f"hf:{folder}"]).chosen
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    roles: tuple[tuple[Role, str], ...] = (("query", "query: "), ("document", "passage: "))
    for role, prompt in roles:
        tokens = tokenizer(
            [prompt + one.strip() for one in QUERIES], padding=True, truncation=True, max_length=40, return_tensors="pt"
        )
        mask = tokens["attention_mask"]
        with torch.inference_mode():
            states = model(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
        rows = [state[: int(one.sum())] for state, one in zip(states, mask, strict=True)]
        pooled = [row.mean(0) if pooling == "mean_tokens" else row[-1] for row in rows]
        assert cosines(encoded(text, QUERIES, role), unit(torch.stack(pooled))).min() >= ALIKE


def test_pooling_leaves_out_what_fills_the_rows() -> None:
    states = torch.tensor([[[1.0, -5.0], [3.0, -1.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0]])
    wanted = {"cls": [1.0, -5.0], "mean": [2.0, -3.0], "max": [3.0, -1.0], "lasttoken": [3.0, -1.0]}
    for pooling, vector in wanted.items():
        assert Sentences("", 2, 3, pooling).pool(states, mask)[0].tolist() == pytest.approx(vector)


def test_they_pass_the_check_for_encoders(folder: Path) -> None:
    for encoder in choose(load(), [f"clip:{folder}"]).chosen:
        check_encoder(encoder.spec)


def test_int8_is_a_choice_and_says_what_it_costs(
    home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    full = towers(choose(registry(), [f"clip:{folder}"]))["image"]
    pictures = [np.asarray(upright(path)) for path in PICTURES[:10]]
    wanted = encoded(full, pictures, "document")
    monkeypatch.setenv("SIGHTSOUND_PRECISION", "int8")
    with caplog.at_level("INFO", "sightsound"):
        small = towers(choose(registry(), [f"clip:{folder}"]))["image"]
        made = cosines(encoded(small, pictures, "document"), wanted)
    assert made.min() > 0.98 and made.max() < 0.999999, "as int8, not as it was"
    assert "cosine to full precision 0.9" in caplog.text or "cosine to full precision 1.0000" in caplog.text
    assert small.loaded.fingerprint == full.loaded.fingerprint, "precision is not the model"


def test_a_photograph_of_a_camera_is_decoded_finer_than_the_model_needs(folder: Path) -> None:
    """Large files are not decoded in full; what that changes is less than what tells two photographs apart."""
    encoder = towers(choose(registry(), [f"clip:{folder}"]))["image"]
    large = [upright(path).resize((3000, 2000), Image.Resampling.BICUBIC) for path in PICTURES[:12]]
    finest, delivered = [], []
    for picture in large:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=92)
        for side, into in ((FINEST, finest), (encoder.spec.input.min_side, delivered)):  # type: ignore[union-attr]
            file.seek(0)
            into.append(decode(file, side).image)
    assert delivered[0].shape[0] < 1200
    assert cosines(encoded(encoder, delivered, "document"), encoded(encoder, finest, "document")).min() >= ALIKE


def test_mean_and_std_are_used(folder: Path) -> None:
    assert towers(choose(registry(), [f"clip:{folder}"]))["image"].spec.prepare.mean == tuple(MEAN)  # type: ignore
    assert towers(choose(registry(), [f"clip:{folder}"]))["image"].spec.prepare.std == tuple(STD)  # type: ignore
