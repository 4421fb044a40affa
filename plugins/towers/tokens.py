"""Words to token ids with the library `tokenizers` alone: open_clip and transformers take seconds to import.

The recipe of a model's tokenizer is written beside its export, once, and compared there with the model's own.
"""

from __future__ import annotations

import gzip
import html
import string
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Cleaning = Literal["none", "lower", "whitespace", "canonicalize"]
TOKENS = "tokenizer.json"
"""The file of a tokenizer, as `tokenizers` saves it."""
CLIP_WORDS = 49408
CLIP_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True)
class Recipe:
    """cleaning: what is done to a text before. length: tokens that the model takes. pad: the id that fills a row.

    fixed: rows are filled up to `length`, and not to the longest of a batch. blank: an id that is replaced by 0, or -1.
    """

    cleaning: Cleaning
    length: int
    pad: int
    fixed: bool
    blank: int = -1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Tokenizer:
    """tokens: of the library tokenizers, which adds the marks of beginning and end by itself."""

    def __init__(self, tokens: Any, recipe: Recipe) -> None:
        self._tokens = tokens
        self._recipe = recipe
        self.fixed = recipe.fixed
        tokens.enable_truncation(recipe.length)
        tokens.no_padding()

    @staticmethod
    def load(path: Path, recipe: Recipe) -> Tokenizer:
        from tokenizers import Tokenizer as Tokens

        return Tokenizer(Tokens.from_file(str(path)), recipe)

    def __call__(self, texts: Sequence[str]) -> tuple[Ids, Ids]:
        """Texts -> ids and mask (1 where there is a token), int64 (n, length)."""
        cleaned = [clean(text, self._recipe.cleaning) for text in texts]
        rows = [encoding.ids for encoding in self._tokens.encode_batch(cleaned)]
        width = self._recipe.length if self._recipe.fixed else max((len(row) for row in rows), default=1)
        ids = np.full((len(rows), width), self._recipe.pad, np.int64)
        mask = np.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        if self._recipe.blank >= 0:
            ids[ids == self._recipe.blank] = 0
        return ids, mask


def clean(text: str, how: Cleaning) -> str:
    """What open_clip does to a text before it is cut into tokens, for the models that were trained so."""
    if how == "none":
        return text
    text = _mended(text).strip()
    if how == "canonicalize":
        return " ".join(text.replace("_", " ").translate(_PUNCTUATION).lower().split())
    text = " ".join(text.split())
    return text.lower() if how == "lower" else text


def _mended(text: str) -> str:
    """Broken encodings put right. Plain letters have nothing to put right, and are spared the import."""
    if text.isascii() and text.isprintable():
        return html.unescape(html.unescape(text))
    import ftfy

    return html.unescape(html.unescape(ftfy.fix_text(text)))


def clip_tokens(vocabulary: Path) -> Any:
    """CLIP's own tokenizer (Radford et al. 2021) from its list of merges: byte-level BPE with marked ends of words."""
    from tokenizers import Regex
    from tokenizers import Tokenizer as Tokens
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
    from tokenizers.processors import TemplateProcessing

    with gzip.open(vocabulary, "rt", encoding="utf-8") as file:
        lines = file.read().split("\n")
    letters = _letters()
    marks = ["<start_of_text>", "<end_of_text>"]
    count = CLIP_WORDS - 2 * len(letters) - len(marks)
    merges = [tuple(line.split()) for line in lines[1 : count + 1]]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges), *marks]
    ids = {word: number for number, word in enumerate(words)}
    tokens = Tokens(BPE(ids, [(a, b) for a, b in merges], end_of_word_suffix="</w>"))
    tokens.pre_tokenizer = Sequence(
        [Split(Regex(CLIP_PATTERN), "removed", invert=True), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokens.post_processor = TemplateProcessing(
        single=f"{marks[0]} $A {marks[1]}", special_tokens=[(mark, ids[mark]) for mark in marks]
    )
    return tokens


def _letters() -> list[str]:
    """A printable letter for each byte, in the order of CLIP's vocabulary: first those that are printable."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(byte) for byte in shown] + [chr(256 + n) for n in range(256 - len(shown))]
