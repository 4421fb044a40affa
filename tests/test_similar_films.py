"""Films alike in look, sound or meaning, where the three are made to disagree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandLine
from made_films import Frames, Heard, clicks, cut, hiss, render, shot, tone

from sightsound.media import Shot
from sightsound.plugins.video.look import shot_look, to_lab
from sightsound.signatures import signature

ANIMALS, MORE_ANIMALS = ("cat", "horse", "owl", "panda"), ("cow", "giraffe", "bison", "kangaroo")
BUILDINGS, FISH = ("colosseum", "petra", "tajmahal", "eiffeltower"), ("fish1", "fish9", "fish10", "fish28")


def graded(frames: Frames, tint: Sequence[float], light: float, lift: float) -> Frames:
    """Colours towards a tint, made darker or lighter: what a colourist does."""
    grey = frames.mean(axis=3, keepdims=True)
    mixed = (0.35 * frames + 0.65 * grey * np.array(tint, np.float32)) * light + lift
    return np.asarray(mixed.clip(0, 255), np.float32)


def warm(names: Sequence[str]) -> Frames:
    """Dark and orange, slow cuts, a camera that stands."""
    return graded(cut([shot(name, 2.4) for name in names]).frames, (1.3, 0.9, 0.5), 0.6, 0)


def cold(names: Sequence[str]) -> Frames:
    """Pale and blue, quick cuts, a camera held by hand."""
    return graded(cut([shot(name, 0.8, "shake") for name in names] * 3).frames, (0.7, 1.0, 1.3), 0.5, 110)


def green(names: Sequence[str]) -> Frames:
    return graded(cut([shot(name, 1.6, "pan") for name in names]).frames, (0.7, 1.3, 0.7), 0.9, 10)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    folder, line = tmp_path_factory.mktemp("alike"), CommandLine(tmp_path_factory.mktemp("home"))

    def make(name: str, frames: Frames, sound: Heard) -> None:
        render(folder / name, frames, sound=sound)

    make("asked.mp4", warm(ANIMALS), tone(9, 330))
    make("look.mp4", warm(BUILDINGS), hiss(9))
    make("sound.mp4", green(FISH), tone(6, 350))
    make("meaning.mp4", cold(MORE_ANIMALS), clicks(9))
    make("none.mp4", cold(FISH), hiss(9, 2))
    line("index", folder, "--encoders", "starter")
    return line


def names(line: CommandLine, *arguments: object) -> list[str]:
    return [Path(hit["path"]).stem for hit in line("similar", *arguments, "--json").json["hits"]]


def film(line: CommandLine, name: str) -> str:
    hits = line("search", "--kind", "film", "--json").json["hits"]
    return str(next(hit["path"] for hit in hits if Path(hit["path"]).stem == name))


@pytest.mark.parametrize("axis", ["look", "sound", "meaning"])
def test_each_axis_ranks_its_own_sibling_first(line: CommandLine, axis: str) -> None:
    weights = [word for one in ("look", "sound", "meaning") for word in (f"--{one}", int(one == axis))]
    assert names(line, film(line, "asked"), *weights)[0] == axis


def test_all_axes_together_leave_the_unlike_film_last(line: CommandLine) -> None:
    found = names(line, film(line, "asked"))
    assert len(found) == 4 and found[-1] == "none"


def test_a_film_outside_the_collection_is_compared_too(line: CommandLine, tmp_path: Path) -> None:
    outside = render(tmp_path / "outside.mp4", warm(ANIMALS[::-1]), sound=tone(9, 330))
    answer = line("similar", outside, "--json").json
    best = answer["hits"][0]
    assert Path(best["path"]).stem == "asked"
    assert set(best["axes"]) == {"look", "sound", "meaning"}
    assert best["axes"]["meaning"] > 0.95 and best["axes"]["look"] > 0.98
    pairs = [pair for pair in best["pairs"] if pair["axis"] == "meaning"]
    assert {(p["start"], p["their_start"]) for p in pairs} <= {(0.0, 7.2), (2.4, 4.8), (4.8, 2.4), (7.2, 0.0)}


def test_people_are_told_why(line: CommandLine) -> None:
    out = line("similar", film(line, "asked"), "--limit", 1, "--look", 1, "--sound", 0, "--meaning", 0).out
    first, axes, stretches = out.splitlines()[:3]
    assert "look.mp4" in first and axes.strip().startswith("look 9")
    assert stretches.strip().startswith("look: 0:0") and " → 0:0" in stretches


def test_what_can_not_be_compared_says_so(line: CommandLine, tmp_path: Path) -> None:
    asked = film(line, "asked")
    nothing = line("similar", asked, "--look", 0, "--sound", 0, "--meaning", 0, code=2)
    assert "Give a weight above 0 to something that the film has here: look, sound, meaning" in nothing.err
    assert "are 0 or more" in line("similar", asked, "--look", -1, code=2).err
    (tmp_path / "broken.mp4").write_text("not a film")
    broken = line("similar", tmp_path / "broken.mp4", code=1)
    assert "can't be compared: it is not a film of a kind that is read" in broken.err


def test_lab_is_that_of_the_standard() -> None:
    """Values of CIE L*a*b* (D65) of sRGB colours, as colour science libraries give them."""
    colours = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 255, 0], [0, 0, 255], [119, 119, 119]]], np.uint8)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86]]
    assert np.abs(to_lab(colours)[0, :5] - expected).max() < 0.1


def test_a_look_is_one_unit_vector_whatever_the_shot() -> None:
    chance = np.random.default_rng(1)
    shots = [
        Shot(np.zeros((1, 36, 64, 3), np.uint8), np.zeros(1)),
        Shot(chance.integers(0, 255, (500, 50, 36, 3), np.uint8), np.arange(500) / 4),
        Shot(np.full((3, 1, 1, 3), 255, np.uint8), np.array([0, 0, 0.1])),
    ]
    looks = [shot_look(one) for one in shots]
    assert {one.shape for one in looks} == {looks[0].shape}
    assert all(np.linalg.norm(one) == pytest.approx(1, abs=1e-5) for one in looks)


def test_a_signature_knows_the_course_of_a_film() -> None:
    """A film that goes from one to the other is more like one that does so too than like its reverse."""
    first, second = np.eye(8, dtype=np.float32)[:2]
    spans = np.array([(n, n + 1.0) for n in range(12)])
    there = signature(np.stack([first] * 6 + [second] * 6), spans)
    again = signature(np.stack([first] * 5 + [second] * 7), spans)
    back = signature(np.stack([second] * 6 + [first] * 6), spans)
    assert there.dtype == np.float32 and np.linalg.norm(there) == pytest.approx(1, abs=1e-5)
    assert there @ again > there @ back + 0.2
