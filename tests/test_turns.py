"""Lines in which clients take turns, and of which moments of a film pictures are made."""

from __future__ import annotations

import threading

import pytest

from sightsound.frames import Frames
from sightsound.turns import Places, Turns
from sightsound.types import Item, Segment


def test_clients_take_turns_whoever_asks_for_more() -> None:
    line: Turns[str] = Turns(10, 5)
    assert [line.put("greedy", f"g{number}") for number in range(6)] == [True] * 5 + [False]
    assert line.put("modest", "m0") and line.put("other", "o0") and line.put("modest", "m1")
    assert [line.get() for _ in range(8)] == ["g0", "m0", "o0", "g1", "m1", "g2", "g3", "g4"]


def test_a_line_is_bounded_for_all_together() -> None:
    line: Turns[int] = Turns(4, 2)
    assert [line.put(str(number // 2), number) for number in range(5)] == [True] * 4 + [False]


def test_what_waits_is_given_back_at_the_end_and_whoever_waits_for_it_is_told() -> None:
    line: Turns[int] = Turns(4, 4)
    got: list[int | None] = []
    waiting = threading.Thread(target=lambda: got.extend((line.get(), line.get())))
    waiting.start()
    assert line.put("a", 1)
    assert line.end() in ([], [1])
    waiting.join(60)
    assert got in ([1, None], [None, None])
    assert not line.put("a", 2)


def test_places_are_shared_and_given_back() -> None:
    places = Places(3, 2)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert places.take("b") and not places.take("c")
    places.leave("a")
    assert places.take("c")
    for client in "abc":
        places.leave(client)
    assert not places._inside


def film(*shots: tuple[float, float], kind: str = "shot", **facts: float) -> tuple[Frames, Item]:
    made = [Segment("x", kind, number, *shot) for number, shot in enumerate(shots)]  # type: ignore[arg-type]
    return Frames(lambda id: made), Item("file:///x.mp4", "film", content="c", facts=facts)


@pytest.mark.parametrize("kind", ["shot", "frame"])
@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (0.0, 0.0),
        (4.3, 4.0),
        (12.0, 12.0),  # the next one begins at 12.04
        (12.04, 13.0),  # as an address writes 12.044
        (20.2, 20.35),  # the middle of a shot that has no whole second
        (20.7, 21.0),
        (31.9, 31.0),
        (99.0, 31.0),
    ],
)
def test_a_moment_is_shown_by_a_whole_second_of_its_shot(at: float, shown: float, kind: str) -> None:
    frames, item = film((0, 12.044), (12.044, 20.1), (20.1, 20.6), (20.6, 32.0), kind=kind, duration=32.0)
    assert frames.nearest(item, at) == pytest.approx(shown)


def test_an_hour_of_film_has_no_more_pictures_than_seconds_and_shots() -> None:
    shots = [(number * 3.6, number * 3.6 + 3.6) for number in range(1000)]
    frames, item = film(*shots, duration=3600.0)
    seen = {frames.nearest(item, number / 50) for number in range(180_000)}
    assert len(seen) <= 4600
    assert frames.nearest(item, 999_999.0) == 3599.0


def test_a_film_of_unknown_length_is_shown_as_far_as_it_was_read() -> None:
    frames, item = film((0.0, 7.5))
    assert frames.nearest(item, 500_000.0) == 7.0
    frames, item = film()
    assert frames.nearest(item, 500_000.0) is None
