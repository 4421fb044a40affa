"""How every store finds: by vectors and by words."""

from __future__ import annotations

import numpy as np
import pytest

from sightsound.errors import StoreError
from sightsound.stores.base import SPOKEN, Collection, Entry
from sightsound.testing.entries import GREEN, RED, WithStore, entry, found, item, parse, unit
from sightsound.types import Segment


class FindingContract(WithStore):
    """The nearest, exact scores, vectors that come back, and words."""

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
