"""How every store lists, filters and counts."""

from __future__ import annotations

from typing import ClassVar

import pytest

from sightsound.errors import UsageError
from sightsound.facets import counted
from sightsound.filters import AllButOne, Condition, Filters
from sightsound.stores.base import Collection
from sightsound.stores.fields import FACETS, holds
from sightsound.testing.entries import GREEN, RED, WithStore, entry, found, item, parse


class ListingContract(WithStore):
    """Lists, filters, facets, references and status."""

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
        assert {one.id for one in made.values() if holds(filters[0], one)} == expected

    def test_several_conditions_must_all_hold_and_any_value_will_do(self, collection: Collection) -> None:
        both, one = item("a.jpg", tags=("x", "y"), width=10), item("b.jpg", tags=("x",), width=20)
        collection.put([entry(both, RED), entry(one, RED)])
        assert collection.count(parse("tag=x", "tag=y")) == 1
        assert collection.count((Condition("tag", "is", ("y", "x")),)) == 2
        assert collection.count((Condition("width", "is", (10.0, 20.0, 30.0)),)) == 2
        assert collection.count((Condition("tag", "is", ()),)) == 0
        assert collection.count((Condition("width", "between", (1.0, 11.0, 19.0, 20.0)),)) == 2

    def test_all_groups_of_conditions_but_one_may_be_asked_to_hold(self, collection: Collection) -> None:
        tags = {"a": "xyz", "b": "xy", "c": "xz", "d": "yz", "e": "x", "f": ""}
        made = {name: item(f"{name}.jpg", tags=tuple(of), width=10) for name, of in tags.items()}
        collection.put([entry(one, RED) for one in made.values()])
        collection.put([entry(item("g.mp4", "film", tags=("x", "y")), RED)])
        three = AllButOne((parse("tag=x"), parse("tag=y"), parse("tag=z")))
        photos: Filters = (*parse("kind=photo"), three)
        expected = {made[name].id for name in "abcd"}
        assert set(collection.list(photos, "date", 0, 10)) == expected and collection.count(photos) == 4
        assert {one.id for one in collection.scan(photos)} == expected
        assert set(found(collection, RED, filters=photos)) == expected
        assert dict(collection.facets(photos)["tag"]) == {"x": 3, "y": 3, "z": 3}
        assert collection.count((three,)) == 5
        grouped = AllButOne((parse("tag=x", "tag=y"), parse("width>=5")))
        assert collection.count((grouped,)) == 7, "of two groups, either will do"
        absent = AllButOne((parse("duration>=1"), parse("width>=5"), parse("tag=x")))
        assert collection.count((absent,)) == 4, "what an item does not have is not as asked"

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
        for field in FACETS:
            assert collection.facets(fields=(field,)) == {field: facets[field]}
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
