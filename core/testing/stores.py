"""What every store has to do: subclass `StoreContract` and say with the fixture `store` which one. Needs pytest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from sightsound.errors import CollectionMissing, StoreError, UsageError
from sightsound.facets import FACETS, counted
from sightsound.filters import Condition, parse_condition
from sightsound.stores.base import SPOKEN, Collection, EncoderRecord, Entry, Store
from sightsound.types import Item, Metadata, Segment, SegmentKind, Space, Vectors, item_id

RED, GREEN, BLUE, _ = np.eye(4, dtype=np.float32)

FACTS = ("width", "height", "bytes", "duration", "format", "palette")


def unit(*values: float) -> Vectors:
    vector = np.array(values, np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def item(name: str, kind: Any = "photo", source: str = "photos", **said: Any) -> Item:
    """An item named by its file, of one source; facts by their names, the rest is metadata."""
    facts: dict[str, Any] = {name: said.pop(name) for name in FACTS if name in said}
    uri = f"file:///pictures/{name}"
    id, revision = said.pop("id", item_id(uri)), said.pop("revision", "1")
    made = Item(uri, kind, revision, id=id, content=said.pop("content", item_id(name) * 2), facts=facts)
    return made.with_layers({source: Metadata(**said)})


def entry(of: Item, *vectors: Vectors, kind: SegmentKind | None = None, space: str = "colour", first: int = 0) -> Entry:
    """The item with one segment a vector: a photo's own, or a film's frames at one a second."""
    kind = kind or ("photo" if of.kind == "photo" else "frame")
    timed = kind == "frame"
    segments = [
        Segment(of.id, kind, n, float(n) if timed else None, n + 1.0 if timed else None)
        for n in range(first, first + len(vectors))
    ]
    return Entry(of, segments, {space: {s.id: v for s, v in zip(segments, vectors, strict=True)}})


def found(
    collection: Collection, vector: Vectors, k: int = 10, kind: SegmentKind = "photo", **options: Any
) -> list[str]:
    return [hit.item_id for hit in collection.knn("colour", kind, vector, k, **options)]


class StoreContract:
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        raise NotImplementedError

    @pytest.fixture
    def collection(self, store: Store) -> Iterator[Collection]:
        collection = store.open("default", create=True)
        yield collection
        collection.close()

    # Collections

    def test_collections_are_listed_and_dropped(self, store: Store) -> None:
        assert store.collections() == []
        for name in ("walks", "films"):
            store.open(name, create=True).close()
        assert store.collections() == ["films", "walks"]
        store.drop("films")
        assert store.collections() == ["walks"]

    def test_a_missing_collection_says_how_to_make_it(self, store: Store) -> None:
        with pytest.raises(
            CollectionMissing, match=r"no collection 'walks' in .*sightsound index FOLDER --collection walks"
        ):
            store.open("walks")
        with pytest.raises(CollectionMissing):
            store.drop("walks")

    @pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a b", "ü", "x" * 300])
    def test_a_name_that_can_not_be_one_is_refused(self, store: Store, name: str) -> None:
        with pytest.raises(UsageError):
            store.open(name, create=True)

    def test_a_collection_outlives_its_closing(self, store: Store) -> None:
        first = store.open("default", create=True)
        sea = item("sea.jpg", title="The sea")
        first.put([entry(sea, RED)])
        first.close()
        again = store.open("default")
        assert found(again, RED) == [sea.id]
        assert again.items([sea.id])[sea.id].metadata.title == "The sea"
        again.close()

    def test_a_built_collection_takes_a_name(self, store: Store) -> None:
        old, new = store.open("default", create=True), store.open("default-new", create=True)
        sea, storm = item("sea.jpg"), item("storm.jpg")
        old.put([entry(sea, RED)])
        new.put([entry(storm, RED)])
        new.close()
        store.switch("default-new", "default")
        assert store.collections() == ["default"]
        assert found(old, RED) in ([sea.id], [storm.id])
        old.close()
        switched = store.open("default")
        assert found(switched, RED) == [storm.id]
        switched.close()

    # Writing

    def test_what_was_put_is_there(self, collection: Collection) -> None:
        sea = item(
            "sea.jpg",
            title="The sea",
            tags=("water", "Blue"),
            author="Jane",
            licence="CC0",
            date="2024-05-01",
            credit="© Jane",
            extra={"shelf": "3"},
            width=800,
            bytes=1234,
            format="JPEG",
        )
        collection.put([entry(sea, RED)])
        assert collection.items([sea.id, "absent"]) == {sea.id: sea}
        assert collection.states([sea.uri, "file:///absent"]) == {sea.uri: sea}
        assert list(collection.scan()) == [sea]
        assert collection.count() == 1
        assert collection.segments([sea.id]) == {sea.id: [Segment(sea.id, "photo")]}

    def test_layers_are_merged_and_kept(self, collection: Collection) -> None:
        layers = {"file": Metadata(title="DSC", author="Jane"), "csv": Metadata(title="The sea")}
        sea = item("sea.jpg").with_layers(layers)
        collection.put([entry(sea, RED)])
        stored = collection.items([sea.id])[sea.id]
        assert stored.layers == layers
        assert (stored.metadata.title, stored.metadata.author) == ("The sea", "Jane")

    def test_putting_twice_changes_nothing(self, collection: Collection) -> None:
        entries = [entry(item("sea.jpg"), RED), entry(item("film.mp4", "film"), RED, GREEN)]
        collection.put(entries)
        collection.put(entries)
        collection.put([*entries, *entries])
        assert collection.counts() == {("colour", "photo"): 1, ("colour", "frame"): 2}
        assert collection.count() == 2
        assert len(found(collection, RED)) == 1

    def test_of_an_item_that_is_put_twice_at_once_the_last_counts(self, collection: Collection) -> None:
        sea = item("sea.jpg")
        collection.put([entry(sea, RED), entry(item("storm.jpg"), BLUE), entry(sea, GREEN)])
        assert found(collection, GREEN, 1) == [sea.id] and collection.counts() == {("colour", "photo"): 2}
        assert collection.knn("colour", "photo", RED, 1)[0].score == pytest.approx(0, abs=1e-3)

    def test_a_new_revision_takes_the_place_of_the_old(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        collection.put([entry(film, RED, RED, GREEN)])
        changed = item("film.mp4", "film", revision="2", title="Cut")
        collection.put([entry(changed, BLUE)])
        assert [s.number for s in collection.segments([film.id])[film.id]] == [0]
        (best, *others) = collection.knn("colour", "frame", RED, 10)
        assert others == [] and best.score == pytest.approx(0, abs=1e-3)
        assert collection.items([film.id])[film.id].revision == "2"

    def test_only_the_kinds_that_an_entry_is_about_are_replaced(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        title = Segment(film.id, "title", text="A cut")
        collection.put([entry(film, RED, GREEN)])
        said = Entry(film, [title], {"colour": {title.id: BLUE}}, replaces=frozenset({"title"}))
        collection.put([said])
        assert [s.id for s in collection.segments([film.id])[film.id]] == [
            f"{film.id}:frame:0",
            f"{film.id}:frame:1",
            title.id,
        ]
        collection.put([Entry(film, replaces=frozenset({"title"}))])
        assert collection.counts() == {("colour", "frame"): 2}

    def test_saying_something_of_an_item_keeps_its_segments(self, collection: Collection) -> None:
        sea = item("sea.jpg")
        collection.put([entry(sea, RED)])
        titled = item("sea.jpg", title="Breakers", tags=("surf",))
        collection.put([Entry(titled, replaces=frozenset())])
        assert found(collection, RED) == [sea.id]
        assert [hit.item_id for hit in collection.text("surf", 5)] == [sea.id]
        assert collection.count(parse("tag=surf")) == 1

    def test_a_moved_item_keeps_its_id(self, collection: Collection) -> None:
        sea = item("sea.jpg")
        collection.put([entry(sea, RED)])
        moved = Item("file:///elsewhere/sea.jpg", "photo", "1", id=sea.id, content=sea.content).with_layers(sea.layers)
        newcomer = item("sea.jpg", id=item_id("another"))
        collection.put([entry(newcomer, BLUE), entry(moved, RED)])
        assert collection.states([sea.uri])[sea.uri].id == newcomer.id
        assert collection.states([moved.uri])[moved.uri].id == sea.id
        assert collection.count() == 2

    def test_a_long_item_is_unseen_until_its_last_piece(self, collection: Collection) -> None:
        film = item("film.mp4", "film", title="Harbour")
        collection.put([entry(film, RED, RED)], last=False)
        collection.put([entry(film, GREEN, first=2)], last=False)
        assert collection.states([film.uri])[film.uri].state == "partial"
        assert collection.count() == 0 and list(collection.scan()) == [] and collection.list((), "added", 0, 9) == []
        assert found(collection, RED, kind="frame") == [] and collection.text("harbour", 5) == []
        assert collection.score("colour", RED, [film.id]) == [] and collection.counts() == {}
        assert collection.sample("colour", "frame", 5)[0] == []
        collection.put([entry(film, BLUE, first=3)])
        assert collection.states([film.uri])[film.uri].state == "ok"
        assert [s.number for s in collection.segments([film.id])[film.id]] == [0, 1, 2, 3]
        assert len(found(collection, RED, kind="frame")) == 4 and len(collection.text("harbour", 5)) == 1
        assert collection.counts() == {("colour", "frame"): 4}

    def test_pieces_of_a_new_revision_leave_the_old_one_found(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        collection.put([entry(film, RED)])
        changed = item("film.mp4", "film", revision="2")
        collection.put([entry(changed, BLUE, BLUE)], last=False)
        partial = collection.states([film.uri])[film.uri]
        assert (partial.state, partial.revision) == ("partial", "2")
        assert collection.knn("colour", "frame", RED, 5)[0].score == pytest.approx(1, abs=1e-3)
        collection.put([entry(changed, BLUE, first=2)])
        assert collection.knn("colour", "frame", RED, 5)[0].score == pytest.approx(0, abs=1e-3)
        assert collection.counts() == {("colour", "frame"): 3}

    def test_pieces_that_were_given_up_do_not_come_back(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        collection.put([entry(film, RED, RED)], last=False)
        collection.put([entry(item("film.mp4", "film", revision="2"), BLUE)])
        assert collection.counts() == {("colour", "frame"): 1}

    def test_pieces_sent_again_are_there_once(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        collection.put([entry(film, RED, RED)], last=False)
        collection.put([entry(film, RED, RED)], last=False)
        collection.put([entry(film, RED, RED, GREEN)])
        assert collection.counts() == {("colour", "frame"): 3}

    def test_what_was_put_of_a_long_item_can_be_gone_on_from(self, collection: Collection) -> None:
        film = item("film.mp4", "film", title="Harbour")
        assert collection.pieces(film.id) is None
        collection.put([entry(film, RED, GREEN)], last=False)
        collection.put([entry(film, BLUE, first=2)], last=False)
        begun = collection.pieces(film.id, ["colour"])
        assert begun is not None and begun.item.revision == film.revision
        assert [(s.number, s.start, s.end) for s in begun.segments] == [(0, 0.0, 1.0), (1, 1.0, 2.0), (2, 2.0, 3.0)]
        assert begun.vectors["colour"][f"{film.id}:frame:2"] @ BLUE == pytest.approx(1, abs=1e-3)
        collection.put([entry(film, first=3)])
        assert collection.pieces(film.id) is None

    def test_only_the_pieces_of_the_revision_under_way_are_gone_on_from(self, collection: Collection) -> None:
        film, changed = item("film.mp4", "film"), item("film.mp4", "film", revision="2")
        collection.put([entry(film, RED, RED)])
        assert collection.pieces(film.id) is None
        collection.put([entry(changed, BLUE)], last=False)
        begun = collection.pieces(film.id)
        assert begun is not None and (begun.item.revision, len(begun.segments)) == ("2", 1)
        collection.fail(changed, "cut short")
        assert collection.pieces(film.id) is None

    def test_a_batch_is_written_whole_or_not_at_all(self, collection: Collection) -> None:
        good, bad = item("good.jpg"), item("bad.jpg")
        collection.put([entry(item("first.jpg"), RED)])
        with pytest.raises(StoreError):
            collection.put([entry(good, RED), entry(bad, np.ones(7, np.float32))])
        assert collection.count() == 1 and collection.states([good.uri]) == {}

    @pytest.mark.parametrize("vector", [np.zeros(4), np.full(4, np.nan), np.array([1, 0, np.inf, 0])])
    def test_a_vector_without_a_direction_is_refused(self, collection: Collection, vector: Vectors) -> None:
        with pytest.raises(StoreError, match="colour"):
            collection.put([entry(item("bad.jpg"), vector.astype(np.float32))])

    # Failing and leaving

    def test_a_failed_item_is_noted_and_unseen(self, collection: Collection) -> None:
        broken = item("broken.jpg", title="Broken")
        collection.fail(broken, "not a picture")
        assert collection.count() == 0 and list(collection.scan()) == [] and collection.text("broken", 5) == []
        assert collection.facets()["source"] == []
        (failure,) = collection.failures()
        assert (failure.uri, failure.reason, failure.source, failure.stale) == (
            broken.uri,
            "not a picture",
            "photos",
            False,
        )
        collection.fail(broken.with_layers({**broken.layers, "csv": Metadata()}), "not a picture")
        assert [one.source for one in collection.failures()] == ["photos"]
        state = collection.states([broken.uri])[broken.uri]
        assert (state.state, state.reason, state.revision) == ("failed", "not a picture", "1")
        assert list(collection.of_source("photos")) == [(broken.id, broken.uri)]
        assert collection.status().failed == 1

    def test_failed_items_are_listed_when_asked_for(self, collection: Collection) -> None:
        sea, broken, stale = item("sea.jpg", tags=("x",)), item("broken.jpg", tags=("x",)), item("stale.jpg")
        collection.put([entry(sea, RED), entry(stale, RED)])
        collection.put([entry(item("film.mp4", "film"), RED)], last=False)
        collection.fail(broken, "broken")
        collection.fail(stale, "cut short")
        assert {one.id: one.state for one in collection.scan()} == {sea.id: "ok", stale.id: "stale"}
        every = list(collection.scan(failed=True))
        assert {one.id: one.state for one in every} == {sea.id: "ok", stale.id: "stale", broken.id: "failed"}
        assert [one.id for one in every] == sorted(one.id for one in every)
        assert {one.id for one in collection.scan(parse("tag=x"), failed=True)} == {sea.id, broken.id}

    def test_an_item_that_was_fine_keeps_its_last_good_vectors(self, collection: Collection) -> None:
        sea = item("sea.jpg", title="The sea")
        collection.put([entry(sea, RED)])
        collection.fail(item("sea.jpg", revision="2"), "cut short")
        assert found(collection, RED) == [sea.id]
        stored = collection.items([sea.id])[sea.id]
        assert (stored.state, stored.reason, stored.revision, stored.content) == (
            "stale",
            "cut short",
            "2",
            sea.content,
        )
        assert collection.failures()[0].stale and collection.count() == 1
        collection.put([entry(item("sea.jpg", revision="3"), GREEN)])
        assert collection.failures() == [] and collection.items([sea.id])[sea.id].state == "ok"

    def test_a_film_that_fails_halfway_keeps_its_last_good_vectors(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        collection.put([entry(film, RED)])
        changed = item("film.mp4", "film", revision="2")
        collection.put([entry(changed, BLUE, BLUE)], last=False)
        collection.fail(changed, "cut short")
        assert collection.counts() == {("colour", "frame"): 1}
        assert collection.states([film.uri])[film.uri].state == "stale"

    def test_a_new_film_that_fails_halfway_leaves_nothing(self, collection: Collection) -> None:
        film = item("film.mp4", "film")
        collection.put([entry(film, RED)], last=False)
        collection.fail(film, "cut short")
        assert collection.counts() == {} and collection.segments([film.id]) == {}
        assert collection.states([film.uri])[film.uri].state == "failed"

    def test_an_item_goes_with_its_last_source(self, collection: Collection) -> None:
        sea = item("sea.jpg").with_layers({"file": Metadata(title="DSC"), "a": Metadata(), "b": Metadata(title="Sea")})
        other = item("other.jpg", source="a")
        collection.put([entry(sea, RED), entry(other, RED)])
        assert collection.release([sea.id, other.id, "absent"], "b") == 0
        assert collection.items([sea.id])[sea.id].metadata.title == "DSC"
        assert collection.count(parse("source=b")) == 0
        assert collection.release([sea.id, other.id, sea.id], "a") == 2
        assert collection.count() == 0 and found(collection, RED) == []

    def test_removed_items_are_gone_from_everywhere(self, collection: Collection) -> None:
        sea, storm = item("sea.jpg", title="Sea", tags=("x",)), item("storm.jpg", title="Storm")
        collection.put([entry(sea, RED), entry(storm, RED)])
        assert collection.remove([sea.id, "absent"]) == 1
        assert found(collection, RED) == [storm.id] and collection.text("sea", 5) == []
        assert collection.facets()["tag"] == [] and collection.find(sea.uri) == []
        assert collection.states([sea.uri]) == {} and collection.vectors("colour", [f"{sea.id}:photo:0"]) == {}
        collection.put([entry(sea, GREEN)])
        assert found(collection, GREEN, 1) == [sea.id]

    # For the planner

    def test_copies_are_found_by_content(self, collection: Collection) -> None:
        one, two = item("one.jpg", content="c" * 64, bytes=10), item("two.jpg", content="c" * 64, bytes=10)
        collection.put([entry(one, RED), entry(two, RED), entry(item("other.jpg", bytes=10, content="d" * 64), RED)])
        collection.fail(item("broken.jpg", content="c" * 64, bytes=10), "broken")
        copies = collection.with_content(["c" * 64, "e" * 64])
        assert {key: {i.id for i in value} for key, value in copies.items()} == {"c" * 64: {one.id, two.id}}
        collection.put([entry(item("large.jpg", bytes=12, content="e" * 64), RED)])
        known = collection.contents_of_sizes([10, 11, 12])
        assert {size: sorted(contents) for size, contents in known.items()} == {
            10: ["c" * 64, "d" * 64],
            12: ["e" * 64],
        }
        assert collection.contents_of_sizes([]) == {}

    def test_a_content_is_known_as_soon_as_it_is_put(self, collection: Collection) -> None:
        first, second = item("one.jpg", content="c" * 64), item("two.jpg", content="c" * 64)
        with collection.writing():
            collection.put([entry(first, RED)])
            assert [i.id for i in collection.with_content(["c" * 64])["c" * 64]] == [first.id]
            collection.put([entry(second, RED)])
            assert {i.id for i in collection.with_content(["c" * 64])["c" * 64]} == {first.id, second.id}
            collection.put([entry(item("one.jpg", content="d" * 64, revision="2"), RED)])
            assert [i.id for i in collection.with_content(["c" * 64])["c" * 64]] == [second.id]
            collection.remove([second.id])
            assert collection.with_content(["c" * 64]) == {}

    def test_items_of_a_source_are_streamed(self, collection: Collection) -> None:
        many = [item(f"{n}.jpg", source="many") for n in range(2500)]
        collection.put([entry(one, RED) for one in many])
        collection.put([entry(item("other.jpg"), RED)])
        assert dict(collection.of_source("many")) == {one.id: one.uri for one in many}
        assert [one.id for one in collection.scan(parse("source=many"))] == sorted(one.id for one in many)

    def test_encoders_and_state_are_kept(self, collection: Collection) -> None:
        record = EncoderRecord("clip:ViT", "image", "image", (Space("clip", 512), Space("form", 64)), "abc")
        assert collection.encoders() == [] and collection.state("calibration") is None
        collection.set_encoders([record])
        collection.set_encoders([record])
        collection.set_state("calibration", {"mean": [0.5, None, "ü"]})
        assert collection.encoders() == [record]
        assert collection.state("calibration") == {"mean": [0.5, None, "ü"]}
        collection.set_state("cursor", 3)
        assert collection.kept() == {"calibration": {"mean": [0.5, None, "ü"]}, "cursor": 3}

    # Finding

    def test_knn_ranks_by_cosine(self, collection: Collection) -> None:
        red, orange, green = item("red.jpg"), item("orange.jpg"), item("green.jpg")
        collection.put([entry(green, GREEN), entry(orange, unit(1, 1, 0, 0)), entry(red, 5 * RED)])
        hits = collection.knn("colour", "photo", 3 * RED, 2)
        assert [hit.item_id for hit in hits] == [red.id, orange.id]
        assert [hit.score for hit in hits] == pytest.approx([1, 0.7071], abs=1e-3)
        assert hits[0].segment_id == f"{red.id}:photo:0" and hits[0].kind == "photo"
        assert collection.knn("colour", "photo", -RED, 9)[-1].score == pytest.approx(-1, abs=1e-3)

    def test_knn_keeps_spaces_and_kinds_apart(self, collection: Collection) -> None:
        sea = item("sea.jpg")
        title = Segment(sea.id, "title", text="Sea")
        photo = Segment(sea.id, "photo")
        vectors = {
            "colour": {photo.id: RED, title.id: GREEN},
            "form": {photo.id: unit(1, 2, 3, 4, 5, 6, 7, 8)},
        }
        collection.put([Entry(sea, [photo, title], vectors)])
        assert [h.segment_id for h in collection.knn("colour", "title", RED, 5)] == [title.id]
        assert [h.segment_id for h in collection.knn("form", "photo", np.ones(8, np.float32), 5)] == [photo.id]
        assert collection.knn("absent", "photo", RED, 5) == []
        assert collection.knn("form", "title", np.ones(8, np.float32), 5) == []
        assert collection.counts() == {("colour", "photo"): 1, ("colour", "title"): 1, ("form", "photo"): 1}

    def test_knn_of_another_length_is_refused(self, collection: Collection) -> None:
        collection.put([entry(item("sea.jpg"), RED)])
        with pytest.raises(StoreError, match="4 numbers"):
            collection.knn("colour", "photo", np.ones(7, np.float32), 3)

    def test_knn_leaves_items_out(self, collection: Collection) -> None:
        film, other = item("film.mp4", "film"), item("other.mp4", "film")
        collection.put([entry(film, *[RED] * 300), entry(other, GREEN)])
        assert found(collection, RED, 3, kind="frame", without=[film.id]) == [other.id]
        assert found(collection, RED, 3, kind="frame", without={film.id, other.id}) == []

    def test_filters_are_applied_before_the_nearest_are_taken(self, collection: Collection) -> None:
        near = [item(f"near{n}.jpg", author="Ann") for n in range(300)]
        far = item("far.jpg", author="Bob")
        collection.put([*(entry(one, RED) for one in near), entry(far, GREEN)])
        assert found(collection, RED, 2, filters=parse("author=bob")) == [far.id]
        assert found(collection, RED, 2, filters=parse("author=nobody")) == []

    def test_a_segment_may_lack_a_vector(self, collection: Collection) -> None:
        night = item("night.jpg")
        collection.put([Entry(night, [Segment(night.id, "photo")])])
        assert collection.count() == 1 and found(collection, RED) == []

    def test_score_gives_every_segment_of_the_items(self, collection: Collection) -> None:
        film, other = item("film.mp4", "film"), item("other.mp4", "film")
        collection.put([entry(film, RED, unit(1, 1, 0, 0)), entry(other, GREEN)])
        scores = {s.segment_id: s.score for s in collection.score("colour", RED, [film.id, "absent"])}
        assert scores == pytest.approx({f"{film.id}:frame:0": 1, f"{film.id}:frame:1": 0.7071}, abs=1e-3)
        assert collection.score("absent", RED, [film.id]) == []

    def test_vectors_come_back(self, collection: Collection) -> None:
        sea = item("sea.jpg")
        collection.put([entry(sea, unit(1, 2, 3, 4))])
        vectors = collection.vectors("colour", [f"{sea.id}:photo:0", f"{sea.id}:photo:1", "nonsense"])
        assert list(vectors) == [f"{sea.id}:photo:0"]
        assert vectors[f"{sea.id}:photo:0"] == pytest.approx(unit(1, 2, 3, 4), abs=1e-3)
        assert vectors[f"{sea.id}:photo:0"].dtype == np.float32

    def test_vectors_that_came_back_are_stored_as_the_same(self, collection: Collection) -> None:
        many = [item(f"{n}.jpg") for n in range(200)]
        chance = np.random.default_rng(1).standard_normal((len(many), 4)).astype(np.float32)
        ids = [f"{one.id}:photo:0" for one in many]
        collection.put([entry(one, unit(*row)) for one, row in zip(many, chance, strict=True)])
        before = collection.vectors("colour", ids)
        collection.remove([one.id for one in many])
        collection.put([entry(one, before[id]) for one, id in zip(many, ids, strict=True)])
        after = collection.vectors("colour", ids)
        assert all(np.array_equal(before[id].astype(np.float16), after[id].astype(np.float16)) for id in ids)

    def test_the_sample_is_of_the_lowest_ids(self, collection: Collection) -> None:
        many = sorted((item(f"{n}.jpg") for n in range(20)), key=lambda one: one.id)
        collection.put([entry(one, RED) for one in reversed(many)])
        ids, vectors = collection.sample("colour", "photo", 5)
        assert ids == [f"{one.id}:photo:0" for one in many[:5]]
        assert vectors.shape == (5, 4) and vectors.dtype == np.float32
        assert collection.sample("absent", "photo", 5)[0] == []

    # Text

    def test_text_scores_the_share_of_the_words(self, collection: Collection) -> None:
        both, one = item("1.jpg", title="Storm at sea"), item("2.jpg", title="Calm seas")
        others = [item(f"{n}.jpg", title="Mountain") for n in range(3, 9)]
        collection.put([entry(each, RED) for each in (both, one, *others)])
        first, second = collection.text("the stormy... sea storms", 5)
        assert first.item_id == both.id and first.kind == "title" and second.item_id == one.id
        assert 0 < second.score < first.score < 1
        assert collection.text("storm sea", 5)[0].score == 1.0
        assert collection.text("storm sea", 1)[0].item_id == both.id

    def test_a_rare_word_weighs_more_than_a_common_one(self, collection: Collection) -> None:
        rare = item("r.jpg", title="Heron")
        common = [item(f"{n}.jpg", title="Lake") for n in range(10)]
        collection.put([entry(each, RED) for each in (rare, *common)])
        hits = collection.text("heron lake", 20)
        assert hits[0].item_id == rare.id and hits[0].score > 0.7 and hits[1].score < 0.3

    def test_text_knows_where_it_matched(self, collection: Collection) -> None:
        tagged = item("a.jpg", tags=("lighthouse",))
        described = item("b.jpg", description="A lighthouse in fog")
        named = item("old_lighthouse-2.jpg")
        collection.put([entry(each, RED) for each in (tagged, described, named)])
        kinds = {hit.item_id: hit.kind for hit in collection.text("lighthouses", 5)}
        assert kinds == {tagged.id: "tag", described.id: "description", named.id: "title"}

    def test_text_honours_phrases_accents_and_filters(self, collection: Collection) -> None:
        rio, river = (
            item("a.jpg", title="Rio de Janeiro", author="Ann"),
            item("b.jpg", title="Janeiro, de Río"),
        )
        collection.put([entry(rio, RED), entry(river, RED)])
        assert {hit.item_id for hit in collection.text("rio", 5)} == {rio.id, river.id}
        assert [hit.item_id for hit in collection.text('"rio de janeiro"', 5)] == [rio.id]
        assert [hit.item_id for hit in collection.text("río", 5, parse("author=ann"))] == [rio.id]

    def test_text_can_be_searched_among_some_items(self, collection: Collection) -> None:
        lakes = [item(f"{n}.jpg", title="Lake") for n in range(6)]
        heron = item("heron.jpg", title="Heron by the lake")
        collection.put([entry(each, RED) for each in (*lakes, heron)])
        whole = {hit.item_id: hit.score for hit in collection.text("heron lake", 9)}
        some = [lakes[1].id, heron.id, "absent"]
        among = collection.text("heron lake", 9, among=some)
        assert {hit.item_id: hit.score for hit in among} == {id: whole[id] for id in (lakes[1].id, heron.id)}
        assert [hit.item_id for hit in collection.text("lake", 1, among=some)] == [lakes[1].id]
        assert collection.text("lake", 9, among=[]) == []

    def test_what_is_said_is_found_at_its_moment(self, collection: Collection) -> None:
        film, photo = item("reel.mp4", "film", title="The crossing"), item("a.jpg", title="A steamer in the harbour")
        lines = ["The steamer leaves tonight.", "Nothing to see.", "Steamers, always steamers in the harbour!"]
        said = [Segment(film.id, "subtitle", n, 10.0 * n, 10.0 * n + 4, line) for n, line in enumerate(lines)]
        collection.put([Entry(film, said), entry(photo, RED)])
        hits = collection.text("a steamer in the harbour", 5)
        assert {hit.segment_id for hit in hits} == {said[0].id, said[2].id, f"{photo.id}:title:0"}
        whole = {hit.segment_id: hit.score for hit in hits}
        assert whole[said[2].id] == whole[f"{photo.id}:title:0"] == 1.0 > whole[said[0].id]
        assert [hit.kind for hit in collection.text("tonight", 5)] == ["subtitle"]
        assert [hit.kind for hit in collection.text("crossing", 5)] == ["title"]
        assert {hit.item_id for hit in collection.text("harbour", 5, parse("kind=film"))} == {film.id}
        assert {hit.item_id for hit in collection.text("harbour", 5, among=[photo.id])} == {photo.id}
        assert len({hit.item_id for hit in collection.text("harbour", 1)}) == 1

    def test_of_a_film_that_says_it_often_the_best_moments_are_found(self, collection: Collection) -> None:
        film, other = item("reel.mp4", "film"), item("other.mp4", "film")
        said = [Segment(film.id, "subtitle", n, float(n), n + 1.0, f"storm number {n}") for n in range(3 * SPOKEN)]
        late = Segment(other.id, "subtitle", 0, 5.0, 6.0, "a storm")
        collection.put([Entry(film, said), Entry(other, [late])])
        hits = collection.text("storm", 2)
        assert len([hit for hit in hits if hit.item_id == film.id]) == SPOKEN
        assert late.id in {hit.segment_id for hit in hits}

    def test_what_is_said_in_unseen_or_replaced_pieces_is_not_found(self, collection: Collection) -> None:
        film = item("reel.mp4", "film")
        begun = Entry(film, [Segment(film.id, "subtitle", 0, 0.0, 1.0, "the lighthouse")])
        collection.put([begun], last=False)
        assert collection.text("lighthouse", 5) == []
        collection.put([begun], last=True)
        assert len(collection.text("lighthouse", 5)) == 1
        again = item("reel.mp4", "film", revision="2")
        collection.put([Entry(again, [Segment(film.id, "subtitle", 0, 0.0, 1.0, "the windmill")])])
        assert collection.text("lighthouse", 5) == [] and len(collection.text("windmill", 5)) == 1
        collection.remove([film.id])
        assert collection.text("windmill", 5) == [] and collection.check() == []

    def test_small_words_count_only_alone(self, collection: Collection) -> None:
        who = item("a.jpg", title="The Who")
        collection.put([entry(who, RED)])
        assert collection.text("the who of it", 5)[0].score == 1.0
        assert [hit.item_id for hit in collection.text("the", 5)] == [who.id]

    @pytest.mark.parametrize(
        "words",
        [
            '"',
            '""',
            '"unclosed',
            "NEAR(a, b)",
            "a NEAR b",
            "sea*",
            "*",
            "^sea",
            "title:sea",
            "{title}: sea",
            "(sea",
            "NOT",
            "AND OR NOT",
            "sea AND",
            "-sea",
            "sea;--",
            "' OR 1=1 --",
            "🌊",
            "🌊 sea",
            "\0sea\0",
            "\ud800sea",
            "",
            " \n\t",
            "sea + storm",
            "%_%",
            "\\",
            "a" * 100_000,
            "sea " * 100_000,
            '"' * 9_999,
            "日本 海",
            "²½",
            "i\u0307\u0301",
        ],
    )
    def test_any_words_can_be_searched(self, collection: Collection, words: str) -> None:
        sea = item("a.jpg", title="Sea 🌊 storm")
        collection.put([entry(sea, RED)])
        hits = collection.text(words, 5)
        assert all(0 <= hit.score <= 1 for hit in hits)
        if "sea" in words.replace("\ud800", " ").replace("*", " ").split():
            assert [hit.item_id for hit in hits] == [sea.id]

    # Listing and filtering

    def test_lists_are_newest_first_and_undated_last(self, collection: Collection) -> None:
        dates = {"a": "2023", "b": "2024-05-01T10:00:00", "c": "", "d": "2024-05-01 11:30", "e": "2024-05"}
        made = {name: item(f"{name}.jpg", date=date) for name, date in dates.items()}
        for one in made.values():
            collection.put([entry(one, RED)])
        names = {one.id: name for name, one in made.items()}
        assert [names[id] for id in collection.list((), "date", 0, 10)] == ["d", "b", "e", "a", "c"]
        assert [names[id] for id in collection.list((), "added", 0, 10)] == ["e", "d", "c", "b", "a"]
        assert [names[id] for id in collection.list((), "added", 1, 2)] == ["d", "c"]

    def test_items_keep_the_order_in_which_they_were_added(self, collection: Collection) -> None:
        first, second, third = (item(f"{n}.jpg") for n in range(3))
        collection.put([entry(first, RED), entry(second, RED)])
        collection.fail(third, "broken")
        known = collection.items([first.id, second.id, third.id])
        assert 0 < known[first.id].added < known[second.id].added < known[third.id].added
        collection.put([entry(known[third.id], RED)])
        collection.put([entry(first, GREEN)])
        assert collection.list((), "added", 0, 9) == [third.id, second.id, first.id]
        collection.remove([first.id, second.id, third.id])
        collection.put([entry(known[id], RED) for id in (third.id, first.id, second.id)])
        assert collection.list((), "added", 0, 9) == [third.id, second.id, first.id]
        assert collection.items([first.id])[first.id].added == known[first.id].added

    CONDITIONS: ClassVar = {
        "kind=PHOTO": "sea rock",
        "kind=film": "film",
        "tag=blue": "sea film",
        "tag=BLUE": "sea film",
        "author=JANE DOE": "sea",
        "author=jürgen": "film",
        "licence=cc0": "sea rock",
        "source=csv": "rock",
        "source=photos": "sea film",
        "format=jpeg": "sea",
        "colour=blue": "sea",
        "colour=Grey": "sea rock",
        "colour=red": "",
        "orientation=landscape": "film",
        "orientation=portrait": "rock",
        "width>=800": "sea film",
        "width<=800": "sea rock",
        "width=800": "sea",
        "height>=1": "film rock",
        "bytes<=100": "rock",
        "duration>=60": "film",
        "duration<=60": "",
        "duration=10-90.5": "film",
        "width=10-800": "sea rock",
        "width=801-": "film",
        "width=11-799": "",
        "date=2024": "sea film",
        "date=2024-05": "sea",
        "date=2024-05-01": "sea",
        "date>=2024-05": "sea film",
        "date<=2024-05": "sea",
        "date<=2023": "",
        "date>=2025": "",
    }

    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_every_field_and_comparison(self, collection: Collection, condition: str) -> None:
        made = {
            "sea": item(
                "sea.jpg",
                tags=("Blue", "sky"),
                author="Jane Doe",
                licence="CC0",
                width=800,
                bytes=500,
                date="2024-05-01T18:30:00",
                format="JPEG",
                palette=[["#1e5bd0", 0.6], ["#808080", 0.3], ["#e01010", 0.1]],
            ),
            "film": item(
                "film.mp4",
                "film",
                tags=("blue",),
                author="JÜRGEN",
                width=1920,
                height=1080,
                duration=90.5,
                date="2024-06",
            ),
            "rock": item(
                "rock.png",
                source="csv",
                licence="cc0",
                width=10,
                height=20,
                bytes=50,
                format="PNG",
                palette=[["#808080", 1.0]],
            ),
        }
        collection.put([entry(one, RED) for one in made.values()])
        expected = {made[name].id for name in self.CONDITIONS[condition].split()}
        filters = parse(condition)
        assert set(collection.list(filters, "date", 0, 10)) == expected
        assert {one.id for one in collection.scan(filters)} == expected
        assert collection.count(filters) == len(expected)
        nearest = found(collection, RED, filters=filters) + found(collection, RED, kind="frame", filters=filters)
        assert set(nearest) == expected

    def test_several_conditions_must_all_hold_and_any_value_will_do(self, collection: Collection) -> None:
        both, one = item("a.jpg", tags=("x", "y"), width=10), item("b.jpg", tags=("x",), width=20)
        collection.put([entry(both, RED), entry(one, RED)])
        assert collection.count(parse("tag=x", "tag=y")) == 1
        assert collection.count((Condition("tag", "is", ("y", "x")),)) == 2
        assert collection.count((Condition("width", "is", (10.0, 20.0, 30.0)),)) == 2
        assert collection.count((Condition("tag", "is", ()),)) == 0
        assert collection.count((Condition("width", "between", (1.0, 11.0, 19.0, 20.0)),)) == 2

    HOSTILE = (
        "' OR 1=1 --",
        '" OR ""="',
        "x'); DROP TABLE items; --",
        "%",
        "_",
        "*",
        "\\",
        "\0",
        "\ud800",
        "🌊",
        "",
    )

    @pytest.mark.parametrize("value", HOSTILE)
    @pytest.mark.parametrize("field", ["kind", "tag", "author", "licence", "source", "format", "colour"])
    def test_hostile_words_match_nothing_but_themselves(self, collection: Collection, field: str, value: str) -> None:
        collection.put([entry(item("sea.jpg", author="Jane", tags=("a",), licence="CC0", format="JPEG"), RED)])
        filters = (Condition(field, "is", (value,)),)
        assert collection.count(filters) == 0 and found(collection, RED, filters=filters) == []
        assert collection.facets(filters)["kind"] == [] and collection.count() == 1

    @pytest.mark.parametrize("value", HOSTILE[:-1])
    def test_hostile_metadata_comes_back(self, collection: Collection, value: str) -> None:
        sea = item("sea.jpg", title=value, author=value, tags=(value,), extra={value: value})
        collection.put([entry(sea, RED)])
        assert collection.items([sea.id])[sea.id].metadata == sea.metadata
        assert collection.count((Condition("tag", "is", (value,)),)) == 1

    @pytest.mark.parametrize(
        "condition",
        [
            Condition("rowid", "is", (1,)),
            Condition("id; --", "is", ("x",)),
            Condition("width", "is", ("1 OR 1",)),
            Condition("date", "is", ("' OR 1=1 --",)),
            Condition("author", ">=", ("a",)),
            Condition("author", "between", ("a", "b")),
            Condition("width", "between", (1.0, 2.0, 3.0)),
            Condition("width", "; --", (1.0,)),  # type: ignore[arg-type]
        ],
    )
    def test_nonsense_filters_are_refused(self, collection: Collection, condition: Condition) -> None:
        with pytest.raises(UsageError):
            collection.count((condition,))

    def test_facets_count_the_commonest_values(self, collection: Collection) -> None:
        collection.put(
            [
                entry(item("a.jpg", tags=("Blue", "sky"), author="Ann", licence="CC0"), RED),
                entry(item("b.jpg", tags=("blue", "BLUE"), author="ann"), RED),
                entry(item("c.mp4", "film", tags=("red",)), RED),
            ]
        )
        facets = collection.facets()
        assert facets["kind"] == [("photo", 2), ("film", 1)] and facets["source"] == [("photos", 3)]
        assert [(tag.casefold(), n) for tag, n in facets["tag"]] == [("blue", 2), ("red", 1), ("sky", 1)]
        assert [(name.casefold(), n) for name, n in facets["author"]] == [("ann", 2)]
        assert facets["licence"] == [("CC0", 1)]
        assert len(collection.facets(limit=1)["tag"]) == 1
        assert [tag for tag, _ in collection.facets(parse("kind=film"))["tag"]] == ["red"]

    def test_facets_of_looks_years_and_lengths(self, collection: Collection) -> None:
        blue, red = [["#1e5bd0", 0.9]], [["#e01010", 0.5], ["#1e5bd0", 0.4]]
        collection.put(
            [
                entry(item("a.jpg", width=30, height=20, palette=blue, date="2023-05-01"), RED),
                entry(item("b.jpg", width=20, height=20, palette=red, date="2024"), RED),
                entry(item("c.mp4", "film", width=40, height=20, duration=60.0, date="2023"), RED),
                entry(item("d.mp4", "film", duration=7_000, date="someday"), RED),
            ]
        )
        gone = item("e.jpg", width=30, height=20, palette=red, date="2022", duration=5)
        collection.fail(gone, "broken")
        facets = collection.facets()
        assert set(facets) == set(FACETS)
        assert facets["colour"] == [("blue", 2), ("red", 1)]
        assert facets["orientation"] == [("landscape", 2), ("square", 1)]
        assert facets["date"] == [("2024", 1), ("2023", 2)]
        assert facets["duration"] == [("10-60", 1), ("60-300", 1), ("3600-", 1)]
        assert collection.facets(limit=1)["date"] == [("2024", 1)]
        films = collection.facets(parse("kind=film"))
        assert (films["date"], films["colour"]) == ([("2023", 1)], [])
        assert films["duration"] == facets["duration"]

    def test_facets_are_those_counted_of_the_items_themselves(self, collection: Collection) -> None:
        names = ("Ann", "ann", "BÖ", "bö", "Cy")
        collection.put(
            [
                entry(
                    item(
                        f"{n}.jpg",
                        author=names[n % 5],
                        tags=(names[n % 3], names[n % 4]),
                        date=str(2000 + n % 7),
                        width=n % 4 * 10,
                        height=20,
                        duration=n * 30.0,
                        palette=[[f"#{n * 40 % 256:02x}40{n * 90 % 256:02x}", 0.7]],
                    ),
                    RED,
                )
                for n in range(12)
            ]
        )
        for filters in ((), parse("tag=ann"), parse("duration>=100")):
            assert collection.facets(filters) == counted(collection.scan(filters))

    def test_items_are_found_by_reference(self, collection: Collection) -> None:
        one, two = item("a.jpg", id="abcd1" + "0" * 27), item("b.jpg", id="abcd2" + "0" * 27)
        collection.put([entry(one, RED), entry(two, RED)])
        assert collection.find(one.id) == [one.id] and collection.find(one.uri) == [one.id]
        assert collection.find("abcd1") == [one.id] and collection.find("ABCD1") == [one.id]
        assert sorted(collection.find("abcd")) == [one.id, two.id]
        assert collection.find("abc") == [] and collection.find("") == [] and collection.find("zzzz") == []
        assert collection.find("ab%d") == [] and collection.find("' OR 1=1 --") == []

    def test_status_counts(self, collection: Collection) -> None:
        collection.put([entry(item("a.jpg"), RED), entry(item("b.mp4", "film"), RED, RED)])
        status = collection.status()
        assert (status.name, status.items, status.failed) == ("default", {"photo": 1, "film": 1}, 0)
        assert status.segments == {("colour", "photo"): 1, ("colour", "frame"): 2} and status.bytes > 0

    def test_status_follows_what_becomes_of_items(self, collection: Collection) -> None:
        sea, film = item("sea.jpg"), item("film.mp4", "film")
        collection.put([entry(sea, RED), entry(item("gone.jpg"), RED)])
        collection.put([entry(film, RED)], last=False)
        collection.fail(item("broken.mp4", "film"), "broken")
        collection.fail(sea, "cut short")
        assert (collection.status().items, collection.status().failed) == ({"photo": 2}, 2)
        collection.put([entry(film, RED, first=1)])
        collection.remove([item("gone.jpg").id, item("broken.mp4").id])
        status = collection.status()
        assert (status.items, status.failed, collection.count()) == ({"photo": 1, "film": 1}, 1, 2)
        assert status.segments == {("colour", "photo"): 1, ("colour", "frame"): 2}

    def test_a_healthy_collection_checks_clean(self, collection: Collection) -> None:
        assert collection.check() == []
        collection.put([entry(item(f"{n}.jpg", title="sea"), RED) for n in range(10)])
        collection.fail(item("broken.jpg"), "broken")
        collection.remove([item("3.jpg").id])
        assert collection.check() == []

    def test_writing_can_be_held_over_many_calls(self, collection: Collection) -> None:
        with collection.writing():
            with collection.writing():
                collection.put([entry(item("a.jpg"), RED)])
            collection.set_state("cursor", 1)
        collection.remove([item("a.jpg").id])
        assert collection.count() == 0 and collection.state("cursor") == 1


def parse(*conditions: str) -> tuple[Condition, ...]:
    return tuple(parse_condition(condition) for condition in conditions)
