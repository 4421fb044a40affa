"""What is encoded and what is not: by a stand-in that counts, through the real plug-in manager and store."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PHOTOS, ROOT
from made_sounds import drums, write

from sightsound import (
    AudioInput,
    EncoderSpec,
    ImageInput,
    Item,
    Metadata,
    Source,
    Space,
    TextInput,
    Vectors,
    calibration,
    file_uri,
    hookimpl,
)
from sightsound.encoders import choose
from sightsound.errors import EncodingError, PluginError
from sightsound.hookspecs import Register
from sightsound.indexing import index
from sightsound.plugins.image.adapter import Adapter, fit
from sightsound.registry import Registry, load
from sightsound.reports import Options, Report
from sightsound.searching import FilePart, ItemPart, Query, TextPart, search
from sightsound.stores.base import Collection
from sightsound.stores.local import LocalStore
from sightsound.types import item_id

Copy = Callable[..., Path]
LETTERS = Space("letters", 26)
BRIGHTNESS = Space("brightness", 4)


def levels(image: Any) -> Any:
    """uint8 (h, w, 3) -> how much of the picture lies in each quarter of brightness."""
    counts = np.histogram(image, bins=4, range=(0, 256))[0].astype(np.float32)
    return counts / np.linalg.norm(counts)


class Counting:
    """Remembers what it was given to encode."""

    def __init__(self, encode: Callable[[Any], Vectors]) -> None:
        self.fingerprint = "counting 1"
        self.seen: list[Any] = []
        self._encode = encode

    def encode(self, batch: Sequence[Any], role: str) -> Any:
        if role == "document":
            self.seen += batch
        return np.stack([self._encode(one) for one in batch])


def letters(text: str) -> Vectors:
    counts = np.array([text.lower().count(chr(97 + n)) for n in range(26)], np.float32)
    return counts / max(float(np.linalg.norm(counts)), 1e-9)


class Standin:
    """A set `counting` with a text and an image encoder."""

    def __init__(self) -> None:
        self.texts = Counting(letters)
        self.prepare: Callable[[str], str] = str.strip
        self.background: Callable[[], list[str]] = list
        self.images = Counting(lambda prepared: prepared)

    @hookimpl
    def register_encoders(self, register: Register) -> None:
        register("counting", lambda argument: [
            EncoderSpec(
                "text", "text", LETTERS, TextInput(), self.prepare, lambda device: self.texts, lambda: self.background()
            ),
            EncoderSpec("image", "image", BRIGHTNESS, ImageInput(16), levels, lambda device: self.images),
        ])  # fmt: skip


class Shelf(Source):
    """These items."""

    name = "shelf"

    def __init__(self, items: list[Item]) -> None:
        self._items = items

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        yield from self._items


@pytest.fixture
def standin() -> Standin:
    return Standin()


@pytest.fixture
def plugins(standin: Standin) -> Registry:
    found = load()
    found.add(standin, "standin", "tests")
    return found


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    made = LocalStore(str(tmp_path / "store"), create=True).open("default", create=True)
    yield made
    made.close()


@pytest.fixture
def run(plugins: Registry, collection: Collection) -> Callable[..., Report]:
    def run(*items: Item, retry: bool = False) -> Report:
        return index(plugins, collection, Shelf(list(items)), choose(plugins, ["counting"]), Options(retry=retry))

    return run


def photo(path: Path, **said: Any) -> Item:
    return Item(file_uri(path), "photo", str(path.stat().st_mtime_ns), Metadata(**said))


def test_only_changed_texts_are_encoded_again(standin: Standin, run: Callable[..., Report], copy_photos: Copy) -> None:
    cat = copy_photos("cat.jpg") / "cat.jpg"
    run(photo(cat, title="Minka", description="sleeps", tags=("pet",)))
    assert sorted(standin.texts.seen) == ["Minka", "pet", "sleeps"]
    assert len(standin.images.seen) == 1
    run(photo(cat, title="Minka", description="plays", author="Ada"))
    assert standin.texts.seen[3:] == ["plays"]
    assert len(standin.images.seen) == 1


def test_a_copy_is_not_encoded_again(standin: Standin, run: Callable[..., Report], copy_photos: Copy) -> None:
    folder = copy_photos("cat.jpg")
    (folder / "copy.jpg").write_bytes((folder / "cat.jpg").read_bytes())
    report = run(photo(folder / "cat.jpg"), photo(folder / "copy.jpg"))
    assert (report.added, report.copied) == (1, 1)
    assert len(standin.images.seen) == 1


def test_long_descriptions_become_passages(
    standin: Standin, run: Callable[..., Report], collection: Collection
) -> None:
    said = " ".join(f"Sentence {number} tells of something else." for number in range(120))
    run(Item("test://1", "text", "1", Metadata(description=said)))
    (segments,) = collection.segments([item_id("test://1")]).values()
    assert len(segments) > 3
    assert " ".join(segment.text for segment in segments) == said
    assert all(len(segment.text) <= 1000 and segment.text.endswith(".") for segment in segments)
    assert sorted(standin.texts.seen) == sorted(segment.text for segment in segments)


def test_a_text_without_a_vector_is_kept_without_it(
    run: Callable[..., Report], plugins: Registry, collection: Collection
) -> None:
    run(Item("test://1", "text", "1", Metadata(title="12345")), Item("test://2", "text", "1", Metadata(title="abc")))
    assert collection.counts() == {("letters", "title"): 1}
    assert collection.count() == 2
    answer = search(plugins, collection, choose(plugins, ["counting"]), Query((TextPart("12345"),)))
    assert answer.hits[0].item.uri == "test://1", "its words are still found"


def test_a_predictable_encoder_gives_the_predicted_order(
    run: Callable[..., Report], plugins: Registry, collection: Collection
) -> None:
    titles = ["aaaa", "aaab", "aabb", "bbbb"]
    run(*(Item(f"test://{title}", "text", "1", Metadata(title=title)) for title in titles))
    encoders = choose(plugins, ["counting"])
    answer = search(plugins, collection, encoders, Query((ItemPart(item_id("test://aaaa")),)))
    assert [hit.item.metadata.title for hit in answer.hits] == ["aaab", "aabb", "bbbb"]
    nearest = answer.hits[0].matched[0]
    assert nearest is not None
    assert nearest.score == pytest.approx(3 / np.sqrt(10), abs=1e-3)
    assert answer.hits[0].confidence is None, "four items are too few to tell chance"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            lambda batch: np.zeros((len(batch), 5), np.float32),
            r"gave vectors of shape \(1, 5\).*\(1, 26\) was promised",
        ),
        (lambda batch: (letters("a")[None], letters("a")[None]), "names 1 spaces and gave 2 arrays"),
    ],
)
def test_an_encoder_that_breaks_its_promise_is_named(
    standin: Standin, run: Callable[..., Report], wrong: Callable[[Any], Any], said: str
) -> None:
    standin.texts.encode = lambda batch, role: wrong(batch)  # type: ignore[method-assign]
    with pytest.raises(PluginError, match=said):
        run(Item("test://1", "text", "1", Metadata(title="a")))


def test_an_encoder_that_fails_at_an_item_costs_that_item(
    standin: Standin, run: Callable[..., Report], collection: Collection, plugins: Registry, copy_photos: Copy
) -> None:
    folder, hated = copy_photos("cat.jpg", "horse.jpg"), list[Vectors]()

    def particular(prepared: Vectors) -> Vectors:
        hated[:] = hated or [prepared]
        if np.array_equal(prepared, hated[0]):
            raise ValueError("that one\nnever")
        return prepared

    standin.images._encode = particular
    report = run(*(photo(folder / f"{name}.jpg", title=name) for name in ("cat", "horse")))
    assert (report.added, report.failed) == (1, 1)
    (reason,) = (reason for _, reason in report.failures)
    assert reason == "The encoder counting@tests/image failed: ValueError: that one never"
    assert (collection.count(), collection.counts()["brightness", "photo"]) == (1, 1)
    hated[:] = [np.ones(4, np.float32)]
    again = run(*(photo(folder / f"{name}.jpg", title=name) for name in ("cat", "horse")), retry=True)
    assert (again.added + again.changed, again.unchanged, again.failed) == (1, 1, 0)
    assert collection.counts()["brightness", "photo"] == 2


def test_where_an_encoder_fails_what_was_there_is_kept(
    standin: Standin, run: Callable[..., Report], collection: Collection, plugins: Registry, copy_photos: Copy
) -> None:
    cat = copy_photos("cat.jpg") / "cat.jpg"
    run(photo(cat, title="Minka"))
    cat.write_bytes((PHOTOS / "horse.jpg").read_bytes())
    standin.images._encode = lambda prepared: 1 / 0  # type: ignore[assignment, return-value]
    assert run(photo(cat, title="Minka")).failed == 1
    assert (collection.count(), collection.status().failed) == (1, 1)
    answer = search(plugins, collection, choose(plugins, ["counting"]), Query((TextPart("Minka"),)))
    assert [hit.item.uri for hit in answer.hits] == [file_uri(cat)]


def fussy(text: str) -> str:
    if "zzz" in text:
        raise ValueError("no snoring")
    return text


@pytest.mark.parametrize("when", ["prepare", "encode"])
def test_a_text_that_an_encoder_fails_at_is_tried_again(
    standin: Standin, run: Callable[..., Report], collection: Collection, plugins: Registry, when: str
) -> None:
    items = [Item(f"test://{n}", "text", "1", Metadata(title=title)) for n, title in enumerate(["a", "zzz", "b"])]
    particular = {when: True}
    if when == "prepare":
        standin.prepare = lambda text: fussy(text) if particular[when] else text
    else:
        standin.texts._encode = lambda text: letters(fussy(text) if particular[when] else text)
    report = run(*items)
    assert (report.listed, report.added, report.failed) == (3, 2, 1)
    assert (run(*items).unchanged, run(*items, retry=True).failed) == (2, 1)
    particular[when] = False
    assert run(*items, retry=True).failed == 0
    assert collection.count() == 3 and collection.status().failed == 0


def test_a_text_that_an_encoder_fails_at_costs_no_others_that_have_no_vector(
    standin: Standin, run: Callable[..., Report], collection: Collection
) -> None:
    standin.texts._encode = lambda text: letters(fussy(text))
    titles = [str(number) for number in range(12)]
    report = run(*(Item(f"test://{title}", "text", "1", Metadata(title=title)) for title in [*titles, "zzz"]))
    assert (report.added, report.failed, collection.count()) == (12, 1, 12)


def test_a_title_that_is_mended_is_taken(
    standin: Standin, run: Callable[..., Report], collection: Collection, copy_photos: Copy
) -> None:
    cat = copy_photos("cat.jpg") / "cat.jpg"
    standin.texts._encode = lambda text: letters(fussy(text))
    run(photo(cat, title="Minka"))
    assert run(photo(cat, title="zzz")).failed == 1
    assert run(photo(cat, title="zzz")).failed == 1, "and is not tried again unasked"
    report = run(photo(cat, title="Mia"))
    assert (report.changed, report.failed, collection.status().failed) == (1, 0, 0)
    (item,) = collection.items([item_id(file_uri(cat))]).values()
    assert item.metadata.title == "Mia"


def test_of_what_was_moved_and_failed_the_vectors_are_kept(
    standin: Standin, plugins: Registry, collection: Collection, copy_photos: Copy
) -> None:
    folder = copy_photos("cat.jpg")
    standin.texts._encode = lambda text: letters(fussy(text))

    def pruned(name: str, title: str) -> Report:
        shelf, encoders = Shelf([photo(folder / name, title=title)]), choose(plugins, ["counting"])
        return index(plugins, collection, shelf, encoders, Options(prune=True, confirm=lambda _: True))

    pruned("cat.jpg", "Minka")
    (folder / "cat.jpg").rename(folder / "moved.jpg")
    assert (report := pruned("moved.jpg", "zzz")).failed == 1 and report.pruned == 0
    assert collection.counts()["brightness", "photo"] == 1
    assert pruned("moved.jpg", "Mia").failed == 0
    assert collection.count() == 1 and len(standin.images.seen) <= 2


@pytest.mark.parametrize("gave", [[[1.0], [1.0, 2.0]], "nothing of the kind"])
def test_what_is_no_array_is_an_encoders_failure(
    standin: Standin, run: Callable[..., Report], gave: Any, collection: Collection
) -> None:
    standin.texts.encode = lambda batch, role: gave  # type: ignore[method-assign]
    report = run(Item("test://1", "text", "1", Metadata(title="a")))
    assert report.failed == 1 and "counting@tests/text failed: ValueError" in report.failures[0][1]


def test_an_encoder_that_fails_at_background_queries_leaves_what_was_written(
    standin: Standin, run: Callable[..., Report], collection: Collection
) -> None:
    def picky(batch: Sequence[Any], role: str) -> Any:
        if role == "query":
            raise ValueError("no questions")
        return np.stack([letters(text) for text in batch])

    standin.texts.fingerprint = f"counting {secrets.token_hex(8)}"  # nobody has encoded these for it yet
    standin.background, standin.texts.encode = lambda: ["what", "where"], picky  # type: ignore[method-assign]
    items = [Item(f"test://{n}", "text", "1", Metadata(title=f"title {n}")) for n in range(3)]
    report = run(*items)
    assert report.added == 3 and "was not drawn again" in report.warnings[0]
    del standin.texts.encode
    assert calibration.calibrated_items(collection) == 0
    assert run(*items).warnings == []
    assert calibration.calibrated_items(collection) == 3, "the next run draws it"


def loud(samples: Any) -> Any:
    return np.eye(4, dtype=np.float32)[3 if np.abs(samples).max() > 0.1 else 0]


def test_a_sound_finds_pictures_where_an_encoder_of_queries_says_so(
    run: Callable[..., Report], collection: Collection, plugins: Registry, copy_photos: Copy, tmp_path: Path
) -> None:
    class Heard:
        @hookimpl
        def register_encoders(self, register: Register) -> None:
            hears = Counting(lambda prepared: prepared)
            spec = EncoderSpec(
                "hear", "audio", BRIGHTNESS, AudioInput(16_000, 2), loud, lambda device: hears, roles=("query",)
            )
            register("heard", lambda argument: [spec])

    plugins.add(Heard(), "heard", "tests-4")
    cat = copy_photos("cat.jpg") / "cat.jpg"
    encoders = choose(plugins, ["counting", "heard"])
    index(plugins, collection, Shelf([photo(cat)]), encoders)
    asked = Query((FilePart(write(tmp_path / "drums.wav", drums(3)), kind="sound"),))
    assert [hit.item.uri for hit in search(plugins, collection, encoders, asked).hits] == [file_uri(cat)]


def test_an_encoder_that_can_not_be_loaded_is_named(plugins: Registry) -> None:
    class Broken:
        @hookimpl
        def register_encoders(self, register: Register) -> None:
            spec = EncoderSpec("t", "text", LETTERS, TextInput(), str, lambda device: 1 / 0)  # type: ignore[arg-type, return-value]
            register("broken", lambda argument: [spec])

    plugins.add(Broken(), "broken", "tests-3")
    with pytest.raises(EncodingError, match="broken@tests-3/t can't be loaded: ZeroDivisionError: division by zero"):
        choose(plugins, ["broken"]).records()


def test_an_encoder_that_fails_at_everything_ends_the_run_and_nothing_is_lost(
    standin: Standin, run: Callable[..., Report], collection: Collection
) -> None:
    items = [Item(f"test://{number}", "text", "1", Metadata(title=f"title {number}")) for number in range(20)]
    run(*items[:5])
    broken = standin.texts.encode
    standin.texts.encode = lambda batch, role: 1 / 0  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(EncodingError, match="counting@tests/text failed: ZeroDivisionError: division by zero"):
        run(*items)
    assert collection.count() == 5
    standin.texts.encode = broken  # type: ignore[method-assign]
    assert run(*items).added == 15


def test_two_encoders_may_not_disagree_on_a_spaces_dims(plugins: Registry) -> None:
    class Other:
        @hookimpl
        def register_encoders(self, register: Register) -> None:
            spec = EncoderSpec("t", "text", Space("letters", 7), TextInput(), str, lambda device: Counting(letters))
            register("other", lambda argument: [spec])

    plugins.add(Other(), "other", "tests-2")
    with pytest.raises(PluginError, match="fill the space letters with 26 and 7 dims"):
        choose(plugins, ["counting", "other"])


# The starter's models


@pytest.mark.parametrize("folder", ["plugins/image/models", "plugins/text/models"])
def test_the_models_are_those_of_their_manifest(folder: str) -> None:
    manifest = json.loads((ROOT / folder / "manifest.json").read_text())
    files = {path.name for path in (ROOT / folder).iterdir()} - {"manifest.json"}
    assert files == set(manifest)
    for name, said in manifest.items():
        assert hashlib.sha256((ROOT / folder / name).read_bytes()).hexdigest() == said["sha256"]
        assert said["licence"] in ("Apache-2.0", "BSD-3-Clause")
        assert said["package"]


def test_the_text_encoder_knows_what_sentences_mean() -> None:
    (spec,) = [s for one in load().encoders.get("starter") for s in one.thing("") if s.reads == "text"]
    sentences = ["A man is eating food.", "Someone has a meal.", "The stock market fell."]
    made = spec.load("cpu").encode(sentences, "document")
    assert isinstance(made, np.ndarray)
    assert made[0] @ made[1] > 0.5 > made[0] @ made[2]


def test_the_background_is_of_different_everyday_queries() -> None:
    (spec,) = [s for one in load().encoders.get("starter") for s in one.thing("") if s.reads == "text"]
    assert spec.background is not None
    texts = spec.background()
    assert len(set(texts)) == len(texts) >= 200


# A user's own adapter


def test_an_adapter_learns_a_linear_relation_and_comes_back_from_its_file(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    truth = chance.normal(size=(40, 8))
    features = chance.normal(size=(600, 40)).astype(np.float32)
    targets = (features @ truth).astype(np.float32)
    adapter = fit(features[:500], targets[:500], np.ones(500, np.float32))
    adapter.save(tmp_path / "adapter.npz")
    made = Adapter.load(tmp_path / "adapter.npz").apply(features[500:])
    wanted = targets[500:] / np.linalg.norm(targets[500:], axis=1, keepdims=True)
    nearest = (made @ wanted.T).argmax(axis=1)
    assert (nearest == np.arange(100)).mean() > 0.9
    assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)


def test_an_adapter_is_fitted_alike_each_time() -> None:
    chance = np.random.default_rng(1)
    data = chance.normal(size=(50, 20)), chance.normal(size=(50, 6)), chance.uniform(1, 3, 50)
    first, second = (fit(*(one.astype(np.float32) for one in data)) for _ in range(2))
    assert np.array_equal(first.matrix, second.matrix)
