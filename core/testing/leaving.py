"""What every store does with items that fail, leave or are asked for by the planner."""

from __future__ import annotations

from sightsound.stores.base import Collection, EncoderRecord
from sightsound.testing.entries import BLUE, GREEN, RED, WithStore, entry, found, item, parse
from sightsound.types import Metadata, Space


class LeavingContract(WithStore):
    """Failing, leaving, and what the planner asks."""

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
        collection.fail(two, "half of it could be read")
        collection.fail(item("large.jpg", bytes=12, content="e" * 64), "half of it could be read")
        copies = collection.with_content(["c" * 64, "e" * 64])
        assert {key: {i.id for i in value} for key, value in copies.items()} == {"c" * 64: {one.id}}
        assert collection.contents_of_sizes([12]) == {}

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
