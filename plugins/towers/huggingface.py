"""Models of transformers: CLIP, SigLIP and SigLIP 2 with both towers, and sentence models, by name or from a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightsound.errors import ModelError, UsageError, one_line
from sightsound.plugins.towers.model import Built, Model, Which, read_json, required, triple
from sightsound.plugins.towers.pixels import Pixels
from sightsound.plugins.towers.places import Folder, Place, Repository, folder, is_path, pinned
from sightsound.plugins.towers.sentences import Sentences, sentences
from sightsound.plugins.towers.tokens import TOKENS, Ids, Recipe
from sightsound.plugins.towers.weights import checksum
from sightsound.types import Role, Space

CONFIG = "config.json"
NAMES = ("model.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model.bin",)
BOTH_TOWERS = ("clip", "siglip")


@dataclass(frozen=True)
class HuggingFace(Model):
    """kind: the config's `model_type`. length: tokens that its text tower takes. sentences: where it is a sentence
    model, how its tokens become one vector."""

    kind: str
    length: int
    sentences: Sentences | None = None

    @property
    def set(self) -> str:
        return "hf"

    def tells_apart(self, which: Which) -> str:
        if which == "image":
            return f"{self.kind} pixels {self.pixels}"
        tokens = f"{self.kind} tokens {checksum(self._file(TOKENS))[:16]} {self.length}"
        return f"{tokens} {self.sentences}" if self.sentences else tokens

    def prompt(self, role: Role) -> str:
        return self.sentences.prompt(role) if self.sentences else ""

    def build(self, which: Which) -> Built:
        from sightsound.plugins.towers.modules import ImageTower, TextTower

        made = self._made()
        if which == "image":
            assert self.pixels is not None
            return Built(ImageTower(lambda values: _features(made.get_image_features(values)), made, self.pixels))
        tokenizer, recipe = self._tokenizer(), self._recipe

        def tokenize(texts: Sequence[str]) -> tuple[Ids, Ids]:
            padding = "max_length" if recipe.fixed else True
            held = tokenizer(
                list(texts), padding=padding, truncation=True, max_length=self.length, return_attention_mask=True
            )
            import numpy as np

            return np.asarray(held["input_ids"], np.int64), np.asarray(held["attention_mask"], np.int64)

        tower = TextTower(self._encoding(made), made)
        return Built(tower, tokenize, getattr(tokenizer, "backend_tokenizer", None), recipe)

    def _encoding(self, made: Any) -> Callable[[Any, Any], Any]:
        if self.sentences:
            pool = self.sentences.pool
            return lambda ids, mask: pool(made(input_ids=ids, attention_mask=mask).last_hidden_state, mask)
        if self.kind == "siglip":  # trained on rows filled to the end, without a mask
            return lambda ids, mask: _features(made.get_text_features(input_ids=ids))
        return lambda ids, mask: _features(made.get_text_features(input_ids=ids, attention_mask=mask))

    @property
    def _recipe(self) -> Recipe:
        pad = self._tokenizer().pad_token_id
        return Recipe("none", self.length, pad=int(pad or 0), fixed=self.kind == "siglip")

    def _made(self) -> Any:
        """The model of transformers, with exactly the weights that were found: a missing one is not made up."""
        import transformers

        weights = self.weights()
        kind: Any = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}.get(
            self.kind, transformers.AutoModel
        )
        with tempfile.TemporaryDirectory() as linked:
            (Path(linked) / CONFIG).symlink_to(self._file(CONFIG))
            for path in weights:
                (Path(linked) / (path.name if len(weights) > 1 else NAMES[0])).symlink_to(path)
            if len(weights) > 1:
                (Path(linked) / NAMES[1]).symlink_to(self._file(NAMES[1]))
            try:
                with _without_bars():
                    made, told = kind.from_pretrained(
                        linked,
                        local_files_only=True,
                        trust_remote_code=False,
                        use_safetensors=True,
                        output_loading_info=True,
                        dtype="float32",
                    )
            except Exception as error:  # a stranger's files
                raise ModelError(f"{self.place.written} can't be loaded: {one_line(error)}") from error
        missing = [key for key in told["missing_keys"] if not (self.sentences and key.startswith("pooler."))]
        if missing or told.get("mismatched_keys"):
            wrong = ", ".join(sorted(map(str, missing or told["mismatched_keys"]))[:3])
            raise ModelError(f"The weights in {self.place.written} do not fit its {CONFIG}: {wrong} is missing or of"
                             " another shape. They are of another model")  # fmt: skip
        return made.eval()

    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(
            str(self._file(TOKENS).parent), local_files_only=True, trust_remote_code=False
        )

    def _file(self, name: str) -> Path:
        inside = f"{self.sentences.inside}{name}" if self.sentences else name
        found = self.place.find(inside)
        if found is None:
            raise ModelError(f"{self.place.written} lacks {inside}. Take it from where the model is published")
        return found


@contextmanager
def _without_bars() -> Iterator[None]:
    """transformers draws a bar while it loads weights, also into a log."""
    from transformers import utils

    logging: Any = utils.logging
    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def _features(given: Any) -> Any:
    """transformers 5 wraps what earlier versions gave plainly."""
    return given if not hasattr(given, "pooler_output") else given.pooler_output


def resolve(argument: str) -> HuggingFace:
    """`NAME`, `NAME@COMMIT` or a folder. Raises UsageError, ModelError."""
    if not argument:
        raise UsageError("Say which model: hf:google/siglip2-base-patch16-224, or hf:FOLDER")
    if is_path(argument):
        place: Place = folder(argument)
    else:
        name, _, revision = argument.partition("@")
        place = Repository(name, revision) if revision else pinned(Repository(name), CONFIG)
    found = place.find(CONFIG) or place.find("0_Transformer/config.json")
    if found is None:
        raise ModelError(_not_here(argument, place))
    kind = str(read_json(found).get("model_type", ""))
    if place.find("modules.json"):
        return _sentence_model(place, kind)
    if kind in BOTH_TOWERS:
        return _two_towers(place, kind, found)
    if kind == "siglip2":
        raise ModelError(
            f"{argument} is a SigLIP 2 of any resolution (NaFlex), which is not read; those of one resolution are, such"
            " as google/siglip2-base-patch16-224"
        )
    raise ModelError(
        f"{argument} is a model of the kind '{kind}'. hf: takes CLIP, SigLIP and SigLIP 2, and sentence models, which"
        " have a modules.json that says how tokens become one vector"
    )


def _not_here(argument: str, place: Place) -> str:
    if isinstance(place, Folder):
        return f"{place.path} lacks {CONFIG}, which says what the model is. Take it from where the model is published"
    return (
        f"The model {argument} is not on this machine. Fetch it with: sightsound models pull hf:{argument}. Without a"
        f" network: fetch it on another machine and copy {place.cache} from there to the same place here, or name a"
        " folder with its files: hf:/PATH"
    )


def _two_towers(place: Place, kind: str, path: Path) -> HuggingFace:
    config = read_json(path)
    vision, text = config.get("vision_config", {}), config.get("text_config", {})
    # What a config leaves out is the default of its class, which these are.
    dims = config.get("projection_dim", 512) if kind == "clip" else vision.get("hidden_size", 768)
    length = text.get("max_position_embeddings", 77 if kind == "clip" else 64)
    if not place.find(TOKENS):
        raise ModelError(f"{place.written} lacks {TOKENS}, the model's tokenizer. None is guessed")
    return _model(place, kind, int(dims), int(length), _pixels(place, kind), None)


def _sentence_model(place: Place, kind: str) -> HuggingFace:
    found = sentences(place)
    if not place.find(f"{found.inside}{TOKENS}"):
        raise ModelError(f"{place.written} lacks {found.inside}{TOKENS}, the model's tokenizer. None is guessed")
    return _model(place, kind, found.dims, found.length, None, found)


def _model(
    place: Place, kind: str, dims: int, length: int, pixels: Pixels | None, found: Sentences | None
) -> HuggingFace:
    if isinstance(place, Folder):
        title, space = place.path.name, place.space
        names = (place.weights,) if place.weights else (*NAMES, *PICKLED)
    else:
        title, space, names = place.name, place.name.replace("/", "-"), (*NAMES, *PICKLED)
    inside = found.inside if found else ""
    return HuggingFace(
        argument=place.written,
        title=title,
        space=Space(space, dims),
        place=place,
        names=tuple(f"{inside}{name}" for name in names),
        pixels=pixels,
        bytes=0,
        kind=kind,
        length=length,
        sentences=found,
    )


def _pixels(place: Place, kind: str) -> Pixels:
    """From preprocessor_config.json, or what transformers 5 may write instead."""
    path = place.find("preprocessor_config.json")
    held: Mapping[str, Any] = read_json(path) if path else {}
    if path is None and (path := place.find("processor_config.json")):
        held = read_json(path).get("image_processor", {})
    if path is None:
        raise ModelError(
            f"{place.written} lacks preprocessor_config.json: how its pictures are prepared. None is guessed"
        )
    size, resample, mean, std = required(held, ["size", "resample", "image_mean", "image_std"], path)
    for step in ("do_resize", "do_normalize", "do_rescale"):
        if held.get(step) is False:
            raise ModelError(f"{path}: {step} is false; pictures are always resized, rescaled and normalised here")
    if abs(held.get("rescale_factor", 1 / 255) - 1 / 255) > 1e-9:
        raise ModelError(f"{path}: a rescale_factor of {held['rescale_factor']} is not read, only 1/255")
    colours = triple(mean, path), triple(std, path)
    if (isinstance(size, dict) and "shortest_edge" in size) or (isinstance(size, int) and kind == "clip"):
        to = size if isinstance(size, int) else size["shortest_edge"]
        if not held.get("do_center_crop", True):
            raise ModelError(f"{path}: pictures that keep their shape can't be batched: do_center_crop must be true")
        (crop,) = required(held, ["crop_size"], path)
        height, width = (crop, crop) if isinstance(crop, int) else (crop["height"], crop["width"])
        return Pixels(height, width, "shortest", int(resample), *colours, to=int(to), rounding="down")
    height, width = (size, size) if isinstance(size, int) else required(size, ["height", "width"], path)
    return Pixels(int(height), int(width), "squash", int(resample), *colours, rounding="down")
