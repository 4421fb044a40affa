"""The models that open_clip knows by name, without importing it: that takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sightsound.plugins.towers.pixels import Resize

DEFAULT = "ViT-B-32/laion2b_s34b_b79k"
RECALL_FROM = "https://github.com/mlfoundations/open_clip/blob/main/docs/openclip_retrieval_results.csv"
FILE = Path(__file__).parent / "catalogue.json"
TEXT_KEYS = ("context_length", "vocab_size", "hf_tokenizer_name", "tokenizer_kwargs", "hf_model_name")
BYTES = 4
"""Of a weight: most are published as float32."""


@dataclass(frozen=True)
class Entry:
    """One model and tag. The published figures are recall of pictures for captions at 1, 5 and 10; empty if unknown.

    millions: weights of the image and of the text tower.
    """

    name: str
    repository: str
    file: str
    dims: int
    side: int | tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    resize: Resize
    quick_gelu: bool
    text: Mapping[str, Any]
    millions: tuple[float, float] = (0.0, 0.0)
    coco: tuple[float, ...] = ()
    flickr: tuple[float, ...] = ()

    @property
    def bytes(self) -> int:
        """About: of the weights, downloaded or in memory. 0 where it is not known."""
        return round(sum(self.millions) * 1e6 * BYTES)


@cache
def catalogue() -> dict[str, Entry]:
    """By `NAME/TAG`."""
    held = json.loads(FILE.read_text(encoding="utf-8"))
    return {name: _entry(name, described) for name, described in held.items()}


def _entry(name: str, described: Mapping[str, Any]) -> Entry:
    lists = {key: tuple(value) for key, value in described.items() if isinstance(value, list)}
    return Entry(name, **{**described, **lists})


def entry(name: str, tag: str) -> Entry | None:
    return catalogue().get("/".join(_plain(name, tag)))


def _plain(name: str, tag: str) -> tuple[str, str]:
    """As open_clip reads names: `/` in a model's name is `-`, tags are not case-sensitive and `-` is `_`."""
    return name.replace("/", "-"), tag.lower().replace("-", "_")


def describe(name: str, tag: str) -> dict[str, Any] | None:
    """An entry as open_clip's installed version has it, for models newer than this catalogue; None where it has none.

    Imports open_clip, which takes seconds.
    """
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    config, pretrained = open_clip.get_model_config(name), get_pretrained_cfg(name, tag)
    if not config or not pretrained.get("hf_hub") or "vision_cfg" not in config or "genlip_cfg" in config:
        return None
    text = config["text_cfg"]
    preprocess = merge_preprocess_dict(PreprocessCfg(size=config["vision_cfg"].get("image_size", 224)), pretrained)
    repository, _, file = pretrained["hf_hub"].rpartition("/")
    return {
        "repository": repository,
        "file": file,
        "dims": config["embed_dim"],
        "side": preprocess["size"],
        "mean": list(preprocess["mean"]),
        "std": list(preprocess["std"]),
        "interpolation": preprocess["interpolation"],
        "resize": preprocess["resize_mode"],
        "quick_gelu": bool(pretrained.get("quick_gelu", config.get("quick_gelu", False))),
        "text": {key: text[key] for key in TEXT_KEYS if key in text},
    }


def of_library(name: str, tag: str) -> Entry | None:
    name, tag = _plain(name, tag)
    described = describe(name, tag)
    return _entry(f"{name}/{tag}", described) if described else None
