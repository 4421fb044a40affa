"""Synthetic photographs, as many as one likes, the same ones every time: what is said of them, and their vectors.

Words come from the tokenizer's list, which begins with the commonest, and are drawn as often as words of that rank are
(Zipf). A vector is MiniLM's of a generated sentence, with something of another's and some noise: they lie in clusters,
as real ones do, and words find them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import knn
import numpy as np
import numpy.typing as npt

from sightsound.plugins.text.minilm import MODELS
from sightsound.stores.base import Entry
from sightsound.types import Item, Metadata, Segment, Vectors, item_id

CHUNK = 10_000
SENTENCES = 10_000
SOURCE = "synthetic"
SPACE = "minilm"
TAGS, AUTHORS = 300, 1_000
DESCRIBED = 0.3
LICENCES = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0")
FIRST_DAY = datetime.date(2005, 1, 1)
DAYS = 20 * 365


def photographs(count: int, work: Path) -> Iterator[list[Entry]]:
    """`count` items, each with one photo segment, in chunks."""
    sentences, words = knn.vectors(SENTENCES, work), common_words()
    for start in range(0, count, CHUNK):
        chance = np.random.default_rng(start)
        vectors = clustered(sentences, CHUNK, chance)
        said = metadata(words, CHUNK, chance)
        yield [
            photograph(number, one, vector)
            for number, one, vector in zip(range(start, min(start + CHUNK, count)), said, vectors, strict=False)
        ]


def photograph(number: int, said: Metadata, vector: Vectors) -> Entry:
    uri = f"file:///photographs/{number // 1000:04d}/IMG_{number:07d}.jpg"
    facts = {"width": 4000, "height": 3000, "bytes": 2_000_000 + number, "format": "JPEG"}
    content = hashlib.sha256(uri.encode()).hexdigest()
    item = Item(uri, "photo", f"{number}", id=item_id(uri), content=content, facts=facts).with_layers({SOURCE: said})
    segment = Segment(item.id, "photo")
    return Entry(item, [segment], {SPACE: {segment.id: vector}})


def clustered(sentences: Vectors, count: int, chance: np.random.Generator) -> Vectors:
    """float32 (count, dims), unit length: cosine about 0.8 to the sentence each is of."""
    one, other = chance.integers(len(sentences), size=(2, count))
    noise = chance.standard_normal((count, sentences.shape[1]), np.float32) / sentences.shape[1] ** 0.5
    mixed = sentences[one] + 0.5 * sentences[other] + 0.5 * noise
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)


def metadata(words: list[str], count: int, chance: np.random.Generator) -> Iterator[Metadata]:
    """A title of three to seven words, a tag, an author, a licence and a day; of some also a description."""
    titles = chance.integers(3, 8, count)
    described = np.where(chance.random(count) < DESCRIBED, chance.integers(8, 21, count), 0)
    drawn = iter(drawn_words(len(words), int(titles.sum() + described.sum()), chance).tolist())
    tags, authors = drawn_words(TAGS, count, chance), drawn_words(AUTHORS, count, chance)
    licences, days = chance.integers(len(LICENCES), size=count), chance.integers(DAYS, size=count)
    # The commonest words are too small for tags and names.
    naming = words[200:]
    for number in range(count):
        yield Metadata(
            title=" ".join(words[next(drawn)] for _ in range(titles[number])).capitalize(),
            description=" ".join(words[next(drawn)] for _ in range(described[number])).capitalize(),
            tags=(naming[tags[number]],),
            author=f"{naming[authors[number]]} {naming[-1 - authors[number]]}".title(),
            licence=LICENCES[licences[number]],
            date=str(FIRST_DAY + datetime.timedelta(days=int(days[number]))),
        )


def common_words() -> list[str]:
    """The tokenizer's whole words, the commonest first."""
    vocabulary = json.loads((MODELS / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return [word for word in sorted(vocabulary, key=vocabulary.get) if len(word) > 1 and word.isalpha()]


def drawn_words(ranks: int, count: int, chance: np.random.Generator) -> npt.NDArray[np.int64]:
    """Places in a list of words, each as often as a word of its rank is written."""
    shares = np.cumsum(1 / (np.arange(ranks) + 2.7))
    return np.searchsorted(shares, chance.random(count) * shares[-1])
