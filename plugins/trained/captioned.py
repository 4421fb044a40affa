"""The pictures of a collection that have a caption: what there is to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sightsound.checksums import pages
from sightsound.encoders import ChosenEncoder, EncoderSet
from sightsound.errors import UsageError
from sightsound.filters import any_of
from sightsound.plugins.trained import folder, is_trained
from sightsound.plugins.trained.folds import FEWEST, folds
from sightsound.queryfiles import words
from sightsound.stores.base import Collection
from sightsound.types import Item, Segment, Space, Vectors

MOST = 50_000
"""Pictures that are learnt from. More bring little, and these take gigabytes already."""
LEAST = 50
"""Captions below which nothing can be learnt, nor tried."""
LONGEST = 2000
"""Letters of a caption that are read."""
PHOTOS = any_of("kind", ["photo"])
AT_ONCE = 256
"""Captions that are encoded between two steps of the bar."""

Told = Callable[[str, int, int], None]
"""Is told what goes on, how many are done, and of how many."""


@dataclass(frozen=True)
class Pair:
    """The encoders that are brought closer: one of pictures and one of words, and the space they share."""

    picture: ChosenEncoder
    words: ChosenEncoder
    space: Space


@dataclass(frozen=True)
class Captioned:
    """n pictures with m different captions.

    pictures: float32 (n, dims of the space), rows of unit length. seen: float32 (n, all that the encoder gives a
    picture), the same beside its vectors in other spaces. captions: float32 (m, dims of the space). caption: intp (n,),
    which of them is each picture's. fold: intp (n,), as `folds.py` says.
    """

    pictures: Vectors
    seen: Vectors
    captions: Vectors
    caption: npt.NDArray[np.intp]
    fold: npt.NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.pictures)

    def only(self, chosen: npt.NDArray[np.bool_]) -> Captioned:
        """Those pictures; all captions."""
        return replace(
            self,
            pictures=self.pictures[chosen],
            seen=self.seen[chosen],
            caption=self.caption[chosen],
            fold=self.fold[chosen],
        )


def pair_of(encoders: EncoderSet) -> Pair:
    """The first of pictures that shares a space with one of words. Raises UsageError where there is none, or only one
    that was trained: on captions that it learnt from, nothing could be tried."""
    trained = ""
    for picture in encoders.reading("image", "document"):
        for space in picture.spec.spaces:
            for of_words in encoders.reading("text", "query"):
                if space not in of_words.spec.spaces:
                    continue
                if not is_trained(picture.set):
                    return Pair(picture, of_words, space)
                trained = picture.set
    if trained:
        base = folder.read(Path(trained.partition(":")[2])).base
        raise UsageError(
            f"The collection was made with {trained}, which may have learnt from these captions. Train on a collection"
            " that was made with what it was trained on: sightsound index TABLE.csv --collection other --encoders"
            f" {base}"
        )
    raise UsageError(
        f"None of the encoders {', '.join(encoders.sets)} puts pictures and words into one space, so there is nothing"
        " to bring closer"
    )


def read(collection: Collection, pair: Pair, tell: Told) -> Captioned:
    """Raises UsageError where there are too few captions to learn from."""
    texts: dict[str, str] = {}
    keys: list[str] = []
    contents: list[str] = []
    rows: list[list[Vectors]] = []
    wanted = min(collection.count(PHOTOS), MOST)
    described = (item for item in collection.scan(PHOTOS) if caption_of(item))
    for page in pages(islice(described, MOST)):
        for item, vectors in _with_vectors(collection, pair, page):
            caption = caption_of(item)
            keys.append(_digest(caption))
            texts.setdefault(keys[-1], caption)
            contents.append(item.content)
            rows.append(vectors)
        tell("pictures", len(rows), max(wanted, len(rows)))
    made = dict(zip(texts, _encoded(pair, list(texts.values()), tell), strict=True))
    usable = [at for at, key in enumerate(keys) if made[key] is not None]
    keys, contents = [keys[at] for at in usable], [contents[at] for at in usable]
    fold = folds(keys, contents)
    if len(set(keys)) < LEAST or len(set(fold)) < FEWEST:
        raise UsageError(
            f"'{collection.name}' has {len(set(keys)):,} different captions of pictures; training needs {LEAST} at the"
            " least, of different pictures, and some hundreds to gain from it. Titles, descriptions and tags count:"
            " sightsound index TABLE.csv"
        )
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    spaces = pair.picture.spec.spaces
    parts = [_unit(np.stack([rows[at][space] for at in usable])) for space in range(len(spaces))]
    return Captioned(
        parts[spaces.index(pair.space)],
        np.concatenate(parts, axis=1),
        np.stack([vector for key in order if (vector := made[key]) is not None]),
        np.array([order[key] for key in keys], np.intp),
        fold,
    )


def caption_of(item: Item) -> str:
    """What people say that it shows: its description, else its title, else its tags; the first that has a word."""
    said = item.metadata
    return next((text[:LONGEST] for text in (said.description, said.title, ", ".join(said.tags)) if words(text)), "")


def _digest(caption: str) -> str:
    """The same for the same words."""
    return hashlib.sha256(" ".join(words(caption)).encode("utf-8", "surrogatepass")).hexdigest()


def _with_vectors(collection: Collection, pair: Pair, items: list[Item]) -> Iterator[tuple[Item, list[Vectors]]]:
    """With its vector in each space of the encoder, in their order; items that lack one are left out."""
    ids = {item.id: Segment(item.id, "photo").id for item in items}
    held = [collection.vectors(space.name, ids.values()) for space in pair.picture.spec.spaces]
    for item in items:
        vectors = [of_space.get(ids[item.id]) for of_space in held]
        if all(vector is not None for vector in vectors):
            yield item, [vector for vector in vectors if vector is not None]


def _encoded(pair: Pair, texts: list[str], tell: Told) -> Iterator[Vectors | None]:
    """As queries, which is what people will search with."""
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        yield from pair.words.encode(pair.words.prepared(some), "query")[pair.space.name]
        tell("captions", start + len(some), len(texts))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
