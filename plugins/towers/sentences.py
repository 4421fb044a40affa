"""Sentence models, as the library sentence-transformers saves them: how a text's tokens become one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightsound.errors import ModelError
from sightsound.plugins.towers.model import read_json, required
from sightsound.plugins.towers.places import Place
from sightsound.types import Role

POOLINGS = ("cls", "mean", "max", "lasttoken")
DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True)
class Sentences:
    """inside: the folder of the transformer within the model's, with its slash, or "". length: tokens that are read.
    prompts: what is put before a text, by the names that the model gives."""

    inside: str
    dims: int
    length: int
    pooling: str
    prompts: Mapping[str, str] = field(default_factory=dict)

    def prompt(self, role: Role) -> str:
        names = ("query",) if role == "query" else DOCUMENT_PROMPTS
        return next((self.prompts[name] for name in (*names, "default") if name in self.prompts), "")

    def pool(self, tokens: Any, mask: Any) -> Any:
        """float (n, length, dims) and mask (n, length) -> (n, dims), in torch."""
        if self.pooling == "cls":
            return tokens[:, 0]
        counted = mask.unsqueeze(-1).to(tokens.dtype)
        if self.pooling == "mean":
            return (tokens * counted).sum(1) / counted.sum(1).clamp(min=1e-9)
        if self.pooling == "max":
            return (tokens + (1 - counted) * -1e9).amax(1)
        last = mask.sum(1) - 1  # rows are filled at their end
        return tokens.gather(1, last.view(-1, 1, 1).expand(-1, 1, tokens.shape[-1])).squeeze(1)

    def __str__(self) -> str:
        return f"pooling {self.pooling} prompts {dict(sorted(self.prompts.items()))}"


def sentences(place: Place) -> Sentences:
    """Raises ModelError for a model with parts that are not known here."""
    path = place.find("modules.json")
    assert path is not None
    modules = _modules(path)
    inside = next((f"{folder}/" if folder else "" for kind, folder in modules if kind == "Transformer"), "")
    unknown = [kind for kind, _ in modules if kind not in ("Transformer", "Pooling", "Normalize")]
    if unknown or [kind for kind, _ in modules][:2] != ["Transformer", "Pooling"]:
        raise ModelError(
            f"{path}: a sentence model of {', '.join(kind for kind, _ in modules)} is not read; only of a Transformer,"
            " Pooling and Normalize"
        )
    pooling = place.find(f"{modules[1][1]}/config.json")
    if pooling is None:
        raise ModelError(f"{place.written} lacks {modules[1][1]}/config.json: how tokens are pooled. None is guessed")
    dims, mode = _pooling(pooling)
    return Sentences(inside, dims, _length(place, inside), mode, _prompts(place))


def _modules(path: Path) -> list[tuple[str, str]]:
    """(kind, folder) of each module, in order."""
    import json

    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return [(str(module["type"]).rpartition(".")[2], str(module["path"])) for module in held]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error


def _pooling(path: Path) -> tuple[int, str]:
    held = read_json(path)
    dims = held.get("word_embedding_dimension") or held.get("embedding_dimension")
    modes = [
        name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
        for name, on in held.items()
        if name.startswith("pooling_mode_") and on is True
    ]
    said = held.get("pooling_mode")
    modes = modes or ([said] if isinstance(said, str) else list(said or []))
    if not isinstance(dims, int) or len(modes) != 1 or modes[0] not in POOLINGS or held.get("include_prompt") is False:
        raise ModelError(
            f"{path}: pooling by {' and '.join(map(str, modes)) or 'nothing'} is not read; only by one of"
            f" {', '.join(POOLINGS)}, with word_embedding_dimension, and prompts included"
        )
    return dims, str(modes[0])


def _length(place: Place, inside: str) -> int:
    for name, key in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        found = place.find(f"{inside}{name}")
        value = read_json(found).get(key) if found else None
        if isinstance(value, int) and 0 < value < 1_000_000:
            return value
    found = place.find(f"{inside}config.json")
    assert found is not None
    (length,) = required(read_json(found), ["max_position_embeddings"], found)
    return int(length)


def _prompts(place: Place) -> dict[str, str]:
    found = place.find("config_sentence_transformers.json")
    if found is None:
        return {}
    held = read_json(found)
    prompts = {str(name): str(text) for name, text in (held.get("prompts") or {}).items() if text}
    default = held.get("default_prompt_name")
    return prompts | ({"default": prompts[default]} if default in prompts else {})
