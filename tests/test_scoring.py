"""One scale for all scores: backgrounds, and what parts add up to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightsound import calibration
from sightsound.chance import PROBABLE, Calibration, calibrate, calibrate_own, confidence, of_normal
from sightsound.encoders import choose
from sightsound.fusing import Candidate, Match, fuse
from sightsound.registry import registry
from sightsound.stores.local import LocalStore
from sightsound.testing.stores import RED, entry, item


def normal(queries: int, sample: int, mean: float, spread: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, (queries, sample)).astype(np.float32)


def test_one_unrelated_query_in_five_passes_the_line() -> None:
    background = calibrate(normal(400, 500, 0.1, 0.08))
    fresh = normal(2000, 500, 0.1, 0.08, seed=1).max(axis=1)
    passed = np.mean([confidence(background.standardise(score, 500)) >= PROBABLE for score in fresh])
    assert 0.1 < passed < 0.3


@pytest.mark.parametrize("among", [500, 5_000, 50_000])
def test_the_line_rises_with_the_size_of_the_collection(among: int) -> None:
    background = calibrate(normal(400, 500, 0.1, 0.08))
    fresh = normal(200, among, 0.1, 0.08, seed=2).max(axis=1)
    passed = np.mean([confidence(background.standardise(score, among)) >= PROBABLE for score in fresh])
    assert 0.05 < passed < 0.4


def test_scores_of_other_spaces_come_to_the_same_scale() -> None:
    low, high = calibrate(normal(400, 500, 0.1, 0.02)), calibrate(normal(400, 500, 0.6, 0.1, seed=3))
    assert low.standardise(0.1 + 5 * 0.02, 500) == pytest.approx(high.standardise(0.6 + 5 * 0.1, 500), abs=0.7)
    assert abs(low.standardise(0.6, 500) - high.standardise(0.6, 500)) > 5


def test_related_items_do_not_move_the_line_of_items_as_queries() -> None:
    scores = normal(200, 200, 0.1, 0.1)
    plain = calibrate_own(scores).standardise(0.5, 200)
    scores[:, :8] = 0.8  # every item has a few that are like it
    assert calibrate_own(scores).standardise(0.5, 200) == pytest.approx(plain, abs=1.5)


@pytest.mark.parametrize(("queries", "sample"), [(400, 49), (49, 400), (1, 1)])
def test_too_little_to_tell_gives_no_confidence(queries: int, sample: int) -> None:
    scores = normal(queries, sample, 0.1, 0.1)
    assert not calibrate(scores).measured
    assert not calibrate_own(scores).measured


def test_a_background_survives_being_stored() -> None:
    background = calibrate(normal(400, 500, 0.1, 0.08))
    assert Calibration.from_json(background.to_json()) == background


def test_words_that_unrelated_queries_rarely_hit_still_leave_a_line() -> None:
    shares = np.zeros((300, 500), np.float32)
    assert 0 < confidence(calibrate(shares, 0.15).standardise(1.0, 500)) <= 1


def test_the_background_of_words_is_that_of_the_sample(tmp_path: Path) -> None:
    encoders = choose(registry(), ["starter"])
    (encoder,) = encoders.reading("text", "query")
    assert encoder.spec.background
    everyday = " ".join(encoder.spec.background())
    ids = sorted(item(f"{n}.jpg").id for n in range(calibration.SAMPLE + 50))
    last = set(ids[calibration.SAMPLE :])
    photos = [item(f"{n}.jpg") for n in range(len(ids))]
    collection = LocalStore(str(tmp_path), create=True).open("default", create=True)
    collection.put(
        [entry(item(Path(one.uri).name, description=everyday) if one.id in last else one, RED) for one in photos]
    )
    calibration.refresh(collection, encoders)
    background = calibration.stored(collection)["words", "text", "words"]
    assert (background.mean, background.sample, background.measured) == (0, calibration.SAMPLE, True)
    collection.close()


def test_confidence_is_between_zero_and_one() -> None:
    values = [confidence(score) for score in (-1e9, -5, 0, 1.5, 5, 1e9)]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 1.0)
    assert confidence(1.5) == pytest.approx(0.8, abs=0.001)


def match(item: str, score: float, measured: bool = True, kind: str = "photo") -> tuple[str, Match]:
    return item, Match(f"{item}:{kind}:0", "space", score / 10, score, measured)


def ranked(*parts: tuple[float, dict[str, float]], among: str = "abc") -> list[Candidate]:
    return fuse([(weight, [match(item, score) for item, score in found.items()]) for weight, found in parts], among)


def order(found: list[Candidate]) -> str:
    return "".join(candidate.item_id for candidate in found)


def test_weights_say_which_part_counts_more() -> None:
    boat, dusk = {"a": 3.0, "b": 1.0, "c": -1.0}, {"a": -1.0, "b": 2.0, "c": 5.0}
    assert order(ranked((1, boat), (0.1, dusk))) == "abc"
    assert order(ranked((0.1, boat), (1, dusk))) == "cba"


def test_a_negative_part_pushes_away_only_what_is_better_than_chance() -> None:
    boat, people = {"a": 3.0, "b": 2.5, "c": 2.0}, {"a": 4.0, "b": -3.0, "c": -9.0}
    found = ranked((1, boat), (-1, people))
    assert order(found) == "bca"
    assert [round(candidate.total, 2) for candidate in found] == [2.5, 2.0, -1.0]


def test_an_item_that_a_part_did_not_find_gets_its_lowest_score() -> None:
    found = {candidate.item_id: candidate.total for candidate in ranked((1, {"a": 3.0, "b": -1.0}))}
    assert found == {"a": 3.0, "b": -1.0, "c": -1.0}


def test_the_best_segment_speaks_for_an_item() -> None:
    found = fuse([(1, [match("a", 1.0), match("a", 4.0, kind="title"), match("b", 3.0)])], "ab")
    assert order(found) == "ab"
    assert found[0].best[0].segment_id == "a:title:0"


def test_confidence_goes_with_the_order_and_needs_enough_to_tell() -> None:
    found = ranked((1, {"a": 3.0, "b": 2.0, "c": 0.0}), (0.5, {"a": 0.0, "b": 5.0, "c": 1.0}))
    told = [candidate.confidence for candidate in found]
    assert told == sorted(told, reverse=True)  # type: ignore[type-var]
    unknown = fuse([(1, [match("a", 3.0, measured=False)])], "a")
    assert unknown[0].confidence is None


def test_the_extremes_of_a_normal_distribution_are_met() -> None:
    background = of_normal(0.0, 1.0, 1000, measured=True)
    best = normal(2000, 1000, 0.0, 1.0).max(axis=1)
    assert np.mean([confidence(background.standardise(score, 1000)) for score in best]) == pytest.approx(0.5, abs=0.05)
