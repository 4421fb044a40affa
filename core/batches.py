"""The vectors of a batch of items: each encoder runs once over all that it reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sightsound.encoders import ChosenEncoder, EncoderSet
from sightsound.errors import EncodingError
from sightsound.stores.base import Collection, Entry
from sightsound.types import Segment, Vectors

MANY = 8
"""Items that an encoder does not fail at for their own sake, if it fails at all of them."""
_Input = tuple[Segment, object]


class BatchVectors:
    """Gathers a batch's inputs by encoder, and encodes each encoder's at once.

    failed: why an encoder failed at something of an item, by the item's id, once `encode` is through.
    """

    def __init__(self, encoders: EncoderSet) -> None:
        self._encoders = encoders
        self._inputs: dict[str, list[_Input]] = {encoder.key: [] for encoder in encoders.chosen}
        self._made: dict[str, dict[str, Vectors]] = {}
        self.failed: dict[str, str] = {}

    def add(self, segment: Segment, inputs: dict[str, object]) -> None:
        for key, prepared in inputs.items():
            self._inputs[key].append((segment, prepared))

    def add_texts(self, collection: Collection, segments: list[Segment]) -> None:
        """Texts that the collection has under the same id need not be encoded again."""
        if not segments:
            return
        items = {segment.item_id for segment in segments}
        before = {s.id: s.text for stored in collection.segments(items).values() for s in stored}
        same = [segment.id for segment in segments if before.get(segment.id) == segment.text]
        for encoder in self._encoders.reading("text", "document"):
            kept = [collection.vectors(space.name, same) for space in encoder.spec.spaces]
            for space, found in zip(encoder.spec.spaces, kept, strict=True):
                self._made.setdefault(space.name, {}).update(found)
            for segment in segments:
                if not all(segment.id in found for found in kept):
                    self._prepare(encoder, segment)

    def _prepare(self, encoder: ChosenEncoder, segment: Segment) -> None:
        try:
            self._inputs[encoder.key].append((segment, *encoder.prepared([segment.text])))
        except EncodingError as error:
            self.failed.setdefault(segment.item_id, str(error))

    def encode(self) -> dict[str, dict[str, Vectors]]:
        """Space name -> segment id -> vector.

        What an encoder fails at is left out. Raises EncodingError where one fails at everything, of many items.
        """
        for encoder in self._encoders.chosen:
            inputs = self._inputs[encoder.key]
            for space, vectors in self._encoded(encoder, inputs).items():
                found = self._made.setdefault(space, {})
                found.update({s.id: v for (s, _), v in zip(inputs, vectors, strict=True) if v is not None})
        return self._made

    def _encoded(self, encoder: ChosenEncoder, inputs: Sequence[_Input]) -> Mapping[str, Sequence[Vectors | None]]:
        try:
            return encoder.encode([prepared for _, prepared in inputs], "document")
        except EncodingError:
            apart = [self._alone(encoder, *one) for one in inputs]
            if len({segment.item_id for segment, _ in inputs}) >= MANY and not any(apart):
                raise
            return {space.name: [one.get(space.name) for one in apart] for space in encoder.spec.spaces}

    def _alone(self, encoder: ChosenEncoder, segment: Segment, prepared: object) -> Mapping[str, Vectors | None]:
        """The vectors of one input; none where the encoder fails at it."""
        try:
            return {space: made[0] for space, made in encoder.encode([prepared], "document").items()}
        except EncodingError as error:
            self.failed.setdefault(segment.item_id, str(error))
            return {}


def with_vectors(entry: Entry, made: dict[str, dict[str, Vectors]]) -> Entry:
    vectors = {space: dict(found) for space, found in entry.vectors.items()}
    for space, found in made.items():
        mine = {segment.id: found[segment.id] for segment in entry.segments if segment.id in found}
        vectors.setdefault(space, {}).update(mine)
    return replace(entry, vectors=vectors)
