"""The built-ins pass the test kit that strangers use, and the kit finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from conftest import MEDIA, PHOTOS

from sightsound import Encoder, EncoderSpec, ImageInput, Item, Learnt, Piece, Source, Space, Vectors, Wanted, file_uri
from sightsound.opening import open_source
from sightsound.registry import registry
from sightsound.testing import check_encoder, check_reader, check_source

STARTER = [spec for entry in registry().encoders.get("starter") for spec in entry.thing("")]


@pytest.mark.parametrize("spec", STARTER, ids=lambda spec: spec.name)
def test_the_starters_encoders_pass(spec: EncoderSpec) -> None:
    check_encoder(spec)


@pytest.mark.parametrize("argument", [PHOTOS, MEDIA / "media.csv"], ids=["folder", "table"])
def test_the_built_in_sources_pass(argument: Path) -> None:
    assert len(check_source(open_source(registry(), str(argument), {}).source)) == 94


@pytest.mark.parametrize("name", ["cat.jpg", "polar_bear.jpg"])
def test_the_built_in_reader_passes(name: str) -> None:
    item = Item(file_uri(PHOTOS / name), "photo")
    readers = [entry.thing for entry in registry().readers if entry.thing.reads(item)]
    assert len(check_reader(readers[0], item, (PHOTOS / name).read_bytes())) == 1


def flat(image: Any) -> Any:
    return image.reshape(-1, 3).mean(axis=0)


class Faulty:
    fingerprint = "faulty 1"

    def __init__(self, encode: Callable[[Sequence[Any]], Any]) -> None:
        self._encode = encode

    def encode(self, batch: Sequence[Any], role: str) -> Any:
        return self._encode(batch)


def lengths(batch: Sequence[Any]) -> Vectors:
    return np.stack(batch).astype(np.float32)


def doubles(batch: Sequence[Any]) -> Any:
    made = np.stack(batch)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def by_batch(batch: Sequence[Any]) -> Vectors:
    made = (np.stack(batch) - np.mean(batch, axis=0)).astype(np.float32) + np.float32(0.01)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def constant(batch: Sequence[Any]) -> Vectors:
    return np.tile(np.array([1, 0, 0], np.float32), (len(batch), 1))


@pytest.mark.parametrize(
    ("encode", "said"),
    [
        (lengths, "not of unit length"),
        (doubles, "float64, not float32"),
        (by_batch, "another vector in a batch than alone"),
        (constant, "different things get the same vector"),
        (lambda batch: np.zeros((len(batch), 4), np.float32), r"shape \(4, 4\), not \(4, 3\)"),
        (lambda batch: (constant(batch), constant(batch)), "names 1 spaces, encode gave 2"),
    ],
)
def test_a_faulty_encoder_is_found_out(encode: Callable[[Sequence[Any]], Any], said: str) -> None:
    made: Encoder = Faulty(encode)
    spec = EncoderSpec("faulty", "image", Space("mean", 3), ImageInput(16), flat, lambda device: made)
    with pytest.raises(AssertionError, match=said):
        check_encoder(spec)


def test_a_prepare_that_can_not_reach_another_process_is_found_out() -> None:
    spec = EncoderSpec("f", "image", Space("m", 3), ImageInput(16), lambda image: image, lambda device: Faulty(lengths))
    with pytest.raises(AssertionError, match="can't be pickled"):
        check_encoder(spec)


class Wandering(Source):
    """Lists other items each time."""

    name = "wandering"
    times = 0

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        self.times += 1
        yield Item(f"test://{self.times}", "photo", "1")


class Twice(Source):
    name = "twice"

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        yield from [Item("test://1", "photo", "1")] * 2


class Relative(Source):
    name = "relative"

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        yield Item("photos/cat.jpg", "photo", "1")


@pytest.mark.parametrize(
    ("source", "said"),
    [(Wandering(), "second listing differs"), (Twice(), "same URI"), (Relative(), "no URI"), (Source(), "no name")],
    ids=["wandering", "twice", "relative", "nameless"],
)
def test_a_faulty_source_is_found_out(source: Source, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_source(source)


class Floating:
    def reads(self, item: Item) -> bool:
        return True

    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        yield Piece("photo", "image", np.zeros((4, 4, 3)))


class Leaving(Floating):
    def read(self, file: BinaryIO, item: Item, wanted: Wanted) -> Iterator[Piece | Learnt]:
        if not file.read(1):
            raise SystemExit
        yield Piece("photo", "image", np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(("reader", "said"), [(Floating(), "uint8"), (Leaving(), "would end the process")])
def test_a_faulty_reader_is_found_out(reader: Floating, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_reader(reader, Item("test://1", "photo"), b"\x01")
