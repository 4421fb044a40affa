"""The pictures of a collection that have a caption: what there is to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from sightsound.checksums import pages
from sightsound.encoders import ChosenEncoder, EncoderSet
from sightsound.errors import UsageError
from sightsound.filters import any_of
from sightsound.plugins.trained import SET
from sightsound.queryfiles import words
from sightsound.stores.base import Collection
from sightsound.types import Item, Segment, Space, Vectors

MOST = 50_000
"""Pictures that are learnt from. More bring little, and these take gigabytes already."""
LEAST = 50
"""Captions below which nothing can be learnt, nor tried."""
FOLDS = 5
"""Parts that the captions fall into: each is tried on what the others taught."""
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
    which of them is each picture's. fold: intp (n,), 0 to FOLDS - 1, by the caption's words alone.
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
    """The first of pictures that shares a space with one of words. Raises UsageError where there is none, or where it
    was trained already: on captions that it learnt from, nothing could be tried."""
    for picture in encoders.reading("image", "document"):
        for space in picture.spec.spaces:
            for of_words in encoders.reading("text", "query"):
                if space in of_words.spec.spaces:
                    return _untrained(Pair(picture, of_words, space))
    raise UsageError(
        f"None of the encoders {', '.join(encoders.sets)} puts pictures and words into one space, so there is nothing"
        " to bring closer"
    )


def _untrained(pair: Pair) -> Pair:
    if pair.picture.set.startswith((f"{SET}@", f"{SET}:")):
        raise UsageError(
            f"The collection was made with {pair.picture.set}, which may have learnt from these captions. Train on a"
            " collection that was made with the encoders it was trained on, such as: sightsound index TABLE.csv"
            " --collection other --encoders starter"
        )
    return pair


def read(collection: Collection, pair: Pair, tell: Told) -> Captioned:
    """Raises UsageError where there are too few captions to learn from."""
    found: dict[tuple[str, ...], str] = {}
    keys: list[tuple[str, ...]] = []
    rows: list[list[Vectors]] = []
    wanted = min(collection.count(any_of("kind", ["photo"])), MOST)
    photos = islice(_captioned(collection), MOST)
    for page in pages(photos):
        for item, vectors in _with_vectors(collection, pair, page):
            keys.append(words(caption_of(item)))
            found.setdefault(keys[-1], caption_of(item))
            rows.append(vectors)
        tell("pictures", len(rows), max(wanted, len(rows)))
    if len(found) < LEAST:
        raise UsageError(
            f"'{collection.name}' has {len(found):,} different captions of pictures; training needs {LEAST} at the"
            " least, and some hundreds to gain from it. Titles, descriptions and tags count: sightsound index TABLE.csv"
        )
    order = {key: number for number, key in enumerate(found)}
    captions = np.stack(list(_encoded(pair, list(found.values()), tell)))
    parts = [_unit(np.stack([row[at] for row in rows])) for at in range(len(pair.picture.spec.spaces))]
    caption = np.array([order[key] for key in keys], np.intp)
    told = np.linalg.norm(captions, axis=1)[caption] > 0
    return Captioned(
        parts[pair.picture.spec.spaces.index(pair.space)][told],
        np.concatenate(parts, axis=1)[told],
        captions,
        caption[told],
        np.array([_fold(key) for key in found], np.intp)[caption[told]],
    )


def caption_of(item: Item) -> str:
    """What people say that it shows: its description, else its title, else its tags."""
    said = item.metadata
    return said.description or said.title or ", ".join(said.tags)


def _captioned(collection: Collection) -> Iterator[Item]:
    return (item for item in collection.scan(any_of("kind", ["photo"])) if words(caption_of(item)))


def _with_vectors(collection: Collection, pair: Pair, items: list[Item]) -> Iterator[tuple[Item, list[Vectors]]]:
    """With its vector in each space of the encoder, in their order; items that lack one are left out."""
    ids = {item.id: Segment(item.id, "photo").id for item in items}
    held = [collection.vectors(space.name, ids.values()) for space in pair.picture.spec.spaces]
    for item in items:
        vectors = [of_space.get(ids[item.id]) for of_space in held]
        if all(vector is not None for vector in vectors):
            yield item, [vector for vector in vectors if vector is not None]


def _encoded(pair: Pair, texts: list[str], tell: Told) -> Iterator[Vectors]:
    """As queries, which is what people will search with. One without a vector stands at the origin."""
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        for vector in pair.words.encode(pair.words.prepared(some), "query")[pair.space.name]:
            yield np.zeros(pair.space.dims, np.float32) if vector is None else vector
        tell("captions", start + len(some), len(texts))


def _fold(key: tuple[str, ...]) -> int:
    """The same for the same words in any collection, so that pictures of one caption stay together."""
    return int(hashlib.sha256(" ".join(key).encode("utf-8", "surrogatepass")).hexdigest()[:8], 16) % FOLDS


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
