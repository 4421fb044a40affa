"""The check of a reader."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from sightsound.media import Learnt, Piece, Reader, Shot, Wanted
from sightsound.testing.expecting import expect, pickled
from sightsound.types import AudioInput, ImageInput, Item, Metadata, SegmentKind

WANTED = Wanted(ImageInput(min_side=64), (AudioInput(rate=16000, seconds=1.0), AudioInput(rate=48000, seconds=2.5)))


def check_reader(reader: Reader, item: Item, data: bytes, wanted: Wanted = WANTED) -> list[Piece]:
    """Read the item from its bytes, then from damaged ones. Returns the pieces.

    item: one that the reader is for, with its URI and kind. data: a good file's bytes.
    """
    reader = pickled(reader, "the reader")
    expect(reader.reads(item), f"the reader says that {item.uri} is not for it")
    made = list(reader.read(io.BytesIO(data), item, wanted))
    pieces = [one for one in made if isinstance(one, Piece)]
    learnt = [one for one in made if isinstance(one, Learnt)]
    expect(len(pieces) + len(learnt) == len(made), "a reader yields Piece and Learnt, nothing else")
    expect(pieces, "the reader gave no piece to encode")
    for one in learnt:
        expect(isinstance(one.metadata, Metadata), "Learnt.metadata must be Metadata")
        try:
            json.dumps(dict(one.facts))
        except TypeError as error:
            raise AssertionError(f"facts must be JSON values: {error}") from error
    for piece in pieces:
        _check_piece(piece)
    _check_damaged(reader, item, wanted, [b"", data[: len(data) // 2], bytes(len(data)), b"not media at all" * 10])
    return pieces


def _check_piece(piece: Piece) -> None:
    expect(piece.kind in get_args(SegmentKind), f"'{piece.kind}' is no kind of segment")
    media: Any = piece.media
    if piece.medium == "image":
        good = isinstance(media, np.ndarray) and media.dtype == np.uint8 and media.ndim == 3 and media.shape[2] == 3
        expect(good and media.size, "an image piece is uint8 (h, w, 3)")
    elif piece.medium == "audio":
        good = isinstance(media, np.ndarray) and media.dtype == np.float32 and media.ndim == 1
        expect(good and np.abs(media).max(initial=0) <= 1, "an audio piece is float32 (n,) in -1..1")
    elif piece.medium == "shot":
        good = isinstance(media, Shot) and media.frames.dtype == np.uint8 and media.frames.ndim == 4
        expect(good and len(media.frames) == len(media.seconds) > 0, "a shot is Shot((n, h, w, 3), (n,))")
    else:
        expect(piece.medium == "text" and isinstance(media, str), "a piece is of image, audio, shot or text")
    if piece.start is not None and piece.end is not None:
        expect(0 <= piece.start <= piece.end, f"a piece ends ({piece.end}) before it starts ({piece.start})")


def _check_damaged(reader: Reader, item: Item, wanted: Wanted, files: Sequence[bytes]) -> None:
    """A damaged file may raise any Exception, or be read as far as it goes; it may not end the process."""
    for data in files:
        try:
            list(reader.read(io.BytesIO(data), item, wanted))
        except Exception:
            continue
        except BaseException as error:
            raise AssertionError(
                f"a damaged file raised {type(error).__name__}, which would end the process"
            ) from error
