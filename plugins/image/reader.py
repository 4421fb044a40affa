"""The reader of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from sightsound import Item, Learnt, Piece, Wanted

DEFAULT_SIDE = 256
"""The shorter side to decode to, in pixels, where no encoder asks for one."""


class PictureReader:
    """Reads every item of the kind photo."""

    def reads(self, item: Item) -> bool:
        return item.kind == "photo"

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        from sightsound.plugins.image.decode import decode
        from sightsound.plugins.image.facts import picture_facts

        picture = decode(file, wanted.image.min_side if wanted.image else DEFAULT_SIDE)
        yield Learnt(picture_facts(picture), picture.metadata)
        yield Piece("photo", "image", picture.image)
