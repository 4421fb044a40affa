"""The vectors of a batch of items: each encoder runs once over all that it reads of them."""

from __future__ import annotations

from dataclasses import replace

from sightsound.encoders import EncoderSet
from sightsound.stores.base import Collection, Entry
from sightsound.types import Segment, Vectors


class BatchVectors:
    """Gathers a batch's inputs by encoder, and encodes each encoder's at once."""

    def __init__(self, encoders: EncoderSet) -> None:
        self._encoders = encoders
        self._inputs: dict[str, list[tuple[str, object]]] = {encoder.key: [] for encoder in encoders.chosen}
        self._made: dict[str, dict[str, Vectors]] = {}

    def add(self, segment: Segment, inputs: dict[str, object]) -> None:
        for key, prepared in inputs.items():
            self._inputs[key].append((segment.id, prepared))

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
            self._inputs[encoder.key] += [
                (segment.id, encoder.spec.prepare(segment.text))
                for segment in segments
                if not all(segment.id in found for found in kept)
            ]

    def encode(self) -> dict[str, dict[str, Vectors]]:
        """Space name -> segment id -> vector."""
        for encoder in self._encoders.chosen:
            inputs = self._inputs[encoder.key]
            made = encoder.encode([prepared for _, prepared in inputs], "document")
            for space, vectors in made.items():
                found = self._made.setdefault(space, {})
                found.update({id: v for (id, _), v in zip(inputs, vectors, strict=True) if v is not None})
        return self._made


def with_vectors(entry: Entry, made: dict[str, dict[str, Vectors]]) -> Entry:
    vectors = {space: dict(found) for space, found in entry.vectors.items()}
    for space, found in made.items():
        mine = {segment.id: found[segment.id] for segment in entry.segments if segment.id in found}
        vectors.setdefault(space, {}).update(mine)
    return replace(entry, vectors=vectors)
