"""Models of open_clip: by name and tag, or a folder with open_clip_config.json."""

from __future__ import annotations

import difflib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from sightsound.errors import ModelError, UsageError, one_line
from sightsound.plugins.towers import catalogue
from sightsound.plugins.towers.model import Built, Model, Which, read_json, required, triple
from sightsound.plugins.towers.pixels import Pixels
from sightsound.plugins.towers.places import Folder, Repository, folder, is_path, pinned
from sightsound.plugins.towers.tokens import CLIP_WORDS, TOKENS, Cleaning, Ids, Recipe, clip_tokens
from sightsound.plugins.towers.weights import SAFE, checksum
from sightsound.types import Space

NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
PICKLED = ("open_clip_pytorch_model.bin", "pytorch_model.bin")
CONFIG = "open_clip_config.json"
RESAMPLE = {"bilinear": 2, "bicubic": 3}
CONTEXT = 77


@dataclass(frozen=True)
class OpenClip(Model):
    """name: as open_clip's `create_model` takes it. text: the config's `text_cfg`."""

    name: str
    quick_gelu: bool
    text: Mapping[str, Any]

    @property
    def set(self) -> str:
        return "clip"

    def tells_apart(self, which: Which) -> str:
        if which == "image":
            return f"gelu {'quick' if self.quick_gelu else 'own'} pixels {self.pixels}"
        kwargs = json.dumps(self.text.get("tokenizer_kwargs", {}), sort_keys=True)
        return f"gelu {'quick' if self.quick_gelu else 'own'} tokens {self._tokenizer()} {self._context} {kwargs}"

    @property
    def _context(self) -> int:
        return int(self.text.get("context_length") or CONTEXT)

    def _tokenizer(self) -> str:
        """What tells the tokenizer apart. Raises ModelError where its files are missing."""
        named = self.text.get("hf_tokenizer_name")
        if not named:
            return "clip"
        place = self.place if isinstance(self.place, Folder) else Repository(named)
        found = place.find(TOKENS)
        if found is None:
            raise ModelError(
                f"{place.written} lacks {TOKENS}, the model's tokenizer. "
                + (
                    "Take it from where the model is published"
                    if isinstance(place, Folder)
                    else f"Fetch it with: sightsound models pull clip:{self.argument}"
                )
            )
        return checksum(found)[:16]

    def build(self, which: Which) -> Built:
        import open_clip
        from open_clip.factory import load_checkpoint

        self._tokenizer()
        (weights,) = self.weights()
        logging.disable(logging.WARNING)  # it warns that it loads no weights: those come next
        try:
            made: Any = open_clip.create_model(
                self.name,
                load_weights=False,
                force_quick_gelu=self.quick_gelu,
                pretrained_text=False,
                pretrained_image=False,
            )
            load_checkpoint(made, str(weights))
        except Exception as error:  # a stranger's weights
            raise ModelError(f"{weights} does not fit the model {self.title}: {one_line(error)}") from error
        finally:
            logging.disable(logging.NOTSET)
        made.eval()
        from sightsound.plugins.towers.modules import ImageTower, TextTower

        if which == "image":
            assert self.pixels is not None
            return Built(ImageTower(made.encode_image, made, self.pixels))
        tokenizer = open_clip.get_tokenizer(self.name)

        def tokenize(texts: Sequence[str]) -> tuple[Ids, Ids]:
            ids: Ids = tokenizer(list(texts)).numpy()
            return ids, ids * 0 + 1

        tower = TextTower(lambda ids, mask: made.encode_text(ids), made)
        return Built(tower, tokenize, *self._light(tokenizer))

    def _light(self, tokenizer: Any) -> tuple[Any, Recipe | None]:
        """The tokenizer for `tokenizers` alone, and how it is used."""
        from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, default_bpe

        own = isinstance(tokenizer, SimpleTokenizer)
        cleaning = self.text.get("tokenizer_kwargs", {}).get("clean", "lower" if own else "whitespace")
        if cleaning not in get_args(Cleaning):
            return None, None
        if own:
            return clip_tokens(Path(default_bpe())), Recipe(cleaning, self._context, pad=0, fixed=True)
        if not isinstance(tokenizer, HFTokenizer) or tokenizer.tokenizer_mode:
            return None, None
        blank = tokenizer.tokenizer.sep_token_id if tokenizer.strip_sep_token else -1
        recipe = Recipe(cleaning, self._context, tokenizer.tokenizer.pad_token_id or 0, True, blank)
        return getattr(tokenizer.tokenizer, "backend_tokenizer", None), recipe


def resolve(argument: str) -> OpenClip:
    """`NAME/TAG`, `NAME/TAG@COMMIT`, a folder or a .safetensors file. Raises UsageError, ModelError."""
    argument = argument or catalogue.DEFAULT
    if is_path(argument):
        return _of_folder(folder(argument))
    written, _, revision = argument.partition("@")
    name, _, tag = written.rpartition("/")
    found = catalogue.entry(name, tag) or catalogue.of_library(name, tag)
    if found is None:
        raise UsageError(_unknown(name, tag))
    names = _names(found.file)
    place = Repository(found.repository, revision)
    if not revision:
        place = pinned(place, *names)
    resample = RESAMPLE[found.interpolation]
    height, width = (found.side, found.side) if isinstance(found.side, int) else found.side
    pixels = Pixels(height, width, found.resize, resample, found.mean, found.std)
    model, tag = found.name.split("/")
    exact = f"{found.name}@{place.revision}" if place.revision else found.name
    space = Space(f"{model}-{tag}", found.dims)
    return OpenClip(exact, found.name, space, place, names, pixels, found.bytes, model, found.quick_gelu, found.text)


def _names(file: str) -> tuple[str, ...]:
    """As open_clip does: safetensors before the pickle that the tag names."""
    if not file:
        return NAMES[0], PICKLED[0]
    return str(Path(file).with_suffix(SAFE)), file


def _unknown(name: str, tag: str) -> str:
    known = catalogue.catalogue()
    tagged = [one for one in known.values() if one.name.split("/")[0] == (name or tag)]
    if tagged:
        best = sorted(tagged, key=lambda one: -sum(one.coco))[:3]
        return (
            f"Say which weights of {name or tag}; the best are {', '.join(f'clip:{b.name}' for b in best)}."
            " All: sightsound models --all"
        )
    near = difflib.get_close_matches(f"{name}/{tag}", known, 3, 0.4)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"open_clip knows no model '{name}' with the weights '{tag}'.{hint} All: sightsound models --all"


def _of_folder(place: Folder) -> OpenClip:
    path = place.path / CONFIG
    if not path.is_file():
        raise ModelError(
            f"{place.path} lacks {CONFIG}, which says how the model is built and how its pictures are prepared. Take it"
            " from where the model is published; a folder that open_clip's push_to_hf_hub saved has it"
        )
    held = read_json(path)
    config, preprocess = required(held, ["model_cfg", "preprocess_cfg"], path)
    dims, vision, text = required(config, ["embed_dim", "vision_cfg", "text_cfg"], path)
    mean, std, interpolation, resize = required(preprocess, ["mean", "std", "interpolation", "resize_mode"], path)
    if interpolation not in RESAMPLE or resize not in ("shortest", "squash", "longest"):
        raise ModelError(f"{path}: interpolation '{interpolation}' or resize_mode '{resize}' is none that is known")
    size = vision.get("image_size", 224)
    height, width = (size, size) if isinstance(size, int) else size
    pixels = Pixels(
        height,
        width,
        resize,
        RESAMPLE[interpolation],
        triple(mean, path),
        triple(std, path),
        fill=int(preprocess.get("fill_color", 0)),
    )
    if not text.get("hf_tokenizer_name") and text.get("vocab_size", CLIP_WORDS) != CLIP_WORDS:
        raise ModelError(
            f"{path} names no tokenizer (text_cfg.hf_tokenizer_name), and its vocab_size {text['vocab_size']} is not"
            f" that of CLIP's own, {CLIP_WORDS}. None is guessed: add the tokenizer's files and name it"
        )
    if text.get("hf_tokenizer_name") and not place.find(TOKENS):
        raise ModelError(
            f"{place.path} lacks {TOKENS}, the model's tokenizer. Take it from where the model is published"
        )
    names = (place.weights,) if place.weights else (*NAMES, *PICKLED)
    return OpenClip(
        argument=place.written,
        title=place.path.name,
        space=Space(place.space, int(dims)),
        place=place,
        names=names,
        pixels=pixels,
        bytes=0,
        name=f"local-dir:{place.path}",
        quick_gelu=bool(config.get("quick_gelu", False)),
        text=text,
    )
