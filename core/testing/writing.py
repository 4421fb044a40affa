"""What every store does with what is written: items and pieces of long ones, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from sightsound.errors import CollectionMissing, StoreError, UsageError
from sightsound.stores.base import Collection, Entry, Store
from sightsound.testing.entries import BLUE, GREEN, RED, WithStore, entry, found, item, parse
from sightsound.types import Item, Metadata, Segment, Vectors, item_id


class WritingContract(WithStore):
    """Collections, and what is put into them."""

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
