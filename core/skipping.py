"""What an index run passes over: items whose reader or encoder is not here, or was not when the collection began."""

from __future__ import annotations

from sightsound.encoders import EncoderSet, choose
from sightsound.media import missing
from sightsound.registry import Registry
from sightsound.types import Item


class Skips:
    """Says of each item why it is passed over, and how that is mended."""

    def __init__(self, registry: Registry, encoders: EncoderSet, collection: str) -> None:
        self._registry = registry
        self._encoders = encoders
        self._collection = collection
        self._deaf: str | None = None

    def reason(self, item: Item) -> str:
        """Why the item can't be indexed; "" where it can."""
        reader = next((one.thing for one in self._registry.readers if one.thing.reads(item)), None)
        wanting = missing(reader, item) if reader and item.kind != "text" else ""
        return wanting or (self.deaf if item.kind == "sound" else "")

    def in_part(self, item: Item) -> str:
        """Why only a part of the item can be indexed: the pictures of a film, and not its sound."""
        return f"the sound of films: {self.deaf}" if item.kind == "film" and self.deaf else ""

    @property
    def deaf(self) -> str:
        """Why the collection can't take sounds; "" where it can."""
        if self._deaf is None:
            self._deaf = "" if self._encoders.reading("audio", "document") else self._advice()
        return self._deaf

    def _advice(self) -> str:
        sets = self._encoders.sets
        again = f"sightsound index --rebuild --collection {self._collection}"
        if any(encoder.spec.reads == "audio" for encoder in choose(self._registry, sets).chosen):
            return f"'{self._collection}' was made without an encoder of sounds; to build it anew: {again}"
        if any(encoder.spec.reads == "audio" for encoder in choose(self._registry, ["starter"]).chosen):
            wider = ",".join([*sets, "starter"])
            return f"no encoder of '{self._collection}' reads sounds; to add one: {again} --encoders {wider}"
        return "sounds need further packages: pip install 'sightsound[audio]'"
