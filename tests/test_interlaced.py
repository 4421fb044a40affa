"""Interlaced films: no combs in what is encoded, shown and played, and the same shots as in their progressive twins."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.video.reformatter import Interpolation
from made_films import FPS, HEIGHT, WIDTH, Frames, cut, fields, photo, render, shot, woven
from PIL import Image
from test_films import OTHERS, frames_of, read, starts

from sightsound import Item, Piece, Wanted, file_uri
from sightsound.plugins.video.containers import container_of
from sightsound.plugins.video.films import open_film
from sightsound.plugins.video.reader import FilmReader
from sightsound.types import ImageInput

SECONDS = 1.2
KINDS: dict[str, dict[str, Any]] = {
    "television.mkv": {"codec": "mpeg2video", "options": {"flags": "+ildct+ilme", "b": "8000000"}},
    "camera.dv": {"codec": "dvvideo", "first": "bottom"},
    "broadcast.mp4": {"codec": "libx264", "options": {"preset": "ultrafast", "crf": "16", "x264-params": "tff=1"}},
    "edited.mov": {"codec": "prores_ks", "pixels": "yuv422p10le", "options": {"flags": "+ildct"}},
}
LATER = {"camera.dv"}
"""Those whose upper field, which is what is encoded, is of the later moment."""

Pictures = npt.NDArray[np.uint8]


def moments(wide: int = WIDTH, high: int = HEIGHT) -> Frames:
    """50 a second: a photograph that the camera moves over, and before it a shape that flies past."""
    large = photo("petra", wide * 3 // 2, high)[:high]
    made = []
    for number in range(round(SECONDS * 2 * FPS)):
        left, place = number * wide // 160, number * wide // 30 % wide
        picture = large[:, left : left + wide].copy()
        picture[high // 4 : high * 3 // 4, place : place + wide // 6] = (230, 30, 40)
        made.append(picture)
    return np.stack(made).astype(np.float32)


def size_of(name: str) -> tuple[int, int]:
    return (720, 576) if name.endswith(".dv") else (WIDTH, HEIGHT)


@pytest.fixture(scope="module", params=list(KINDS))
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Frames]:
    """An interlaced film, and its moments."""
    name, seen = request.param, moments(*size_of(request.param))
    path = woven(tmp_path_factory.mktemp("interlaced") / name, seen, **KINDS[name])
    with av.open(str(path)) as container:
        assert all(frame.interlaced_frame for frame in container.decode(video=0)), "the test is of something else"
    return path, seen


def combs(picture: Pictures) -> float:
    """How far lines are from their neighbours, beside how far from the next but one: over 1 where there are combs."""
    lines = picture.astype(int)
    return float(np.abs(lines[1:-1] - lines[:-2]).mean() / np.abs(lines[2:] - lines[:-2]).mean())


def apart(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def enlarged(frame: npt.NDArray[Any], width: int) -> Pictures:
    """As wide as it is shown."""
    return np.asarray(Image.fromarray(frame.astype(np.uint8)).resize((width, frame.shape[0])))


def at(path: Path, second: float, side: int = 2000) -> Pictures:
    """The picture of a moment as people see it."""
    with path.open("rb") as file:
        (piece,) = FilmReader().read(file, Item(file_uri(path), "film"), Wanted(ImageInput(side), at=second))
    assert isinstance(piece, Piece)
    return piece.media


def to_index(path: Path, side: int) -> list[tuple[Pictures, npt.NDArray[np.float32]]]:
    """Of each frame the picture that is encoded, and the thumb in which shots are found."""
    with path.open("rb") as file:
        frames = open_film(file, container_of(file).demuxer, "pyav").frames()
        return [(frame.rgb(side), frame.thumb()) for frame in frames]


def as_they_lie(path: Path, width: int, height: int) -> list[Pictures]:
    with av.open(str(path)) as container:
        how = {"format": "rgb24", "interpolation": Interpolation.AREA}
        return [frame.reformat(width, height, **how).to_ndarray() for frame in container.decode(video=0)]


def test_the_picture_of_a_moment_has_no_combs(film: tuple[Path, Frames]) -> None:
    path, seen = film
    for number in (0, 10, 20, 29):  # after the last there is none to make it whole from
        picture = at(path, number / FPS)
        height, width = picture.shape[:2]
        assert combs(as_they_lie(path, width, height)[number]) > 1.1
        assert combs(picture) < 0.8 and combs(at(path, number / FPS, height // 2)) < 0.9
        assert int(np.argmin([apart(picture, enlarged(one, width)) for one in seen])) // 2 == number


def test_what_stands_still_keeps_all_its_lines(tmp_path: Path) -> None:
    frame = photo("petra", WIDTH, HEIGHT)[:HEIGHT, :WIDTH]
    path = woven(tmp_path / "still.mkv", [frame] * 20, codec="ffv1")
    assert apart(at(path, 0.2), frame) < 4 < apart(to_index(path, HEIGHT)[5][0], frame)


def test_what_is_encoded_is_of_one_moment(film: tuple[Path, Frames]) -> None:
    path, seen = film
    same = render(path.parent / "twin.mp4", seen[int(path.name in LATER) :: 2], options={"crf": "16"})
    for side in (HEIGHT, 96, 36):
        pictures, twins = to_index(path, side), to_index(same, side)
        assert len(pictures) == len(twins) == 30
        height, width = pictures[0][0].shape[:2]
        for (ours, _), (twin, _), lies in zip(pictures, twins, as_they_lie(path, width, height), strict=True):
            twin = enlarged(twin, width)
            assert apart(ours, twin) < 0.85 * apart(lies, twin)
    if path.name != "camera.dv":  # whose pixels are not square
        assert np.mean([apart(thumb, its) for (_, thumb), (_, its) in zip(pictures, twins, strict=True)]) < 4.5


def test_shots_are_those_of_the_progressive_twin(tmp_path: Path) -> None:
    names, lengths = ("cat", "petra", "owl", "colosseum", "horse", "bee"), (1.2, 2.0, 1.6, 1.2, 2.4, 1.2)
    edited = cut([shot(*one, "pan", 2 * FPS) for one in zip(names, lengths, strict=True)]).frames
    twin, _, _ = read(render(tmp_path / "twin.mp4", edited[::2]))
    assert starts(twin) == pytest.approx([0, *np.cumsum(lengths)[:-1]])
    for name, kind in (("a.vob", "television.mkv"), ("a.ts", "broadcast.mp4"), ("a.mov", "edited.mov")):
        pieces, facts, damage = read(woven(tmp_path / name, edited, **KINDS[kind]))
        assert starts(pieces) == pytest.approx(starts(twin), abs=0.01) and damage == ""
        assert starts(pieces, "frame") == pytest.approx(starts(twin, "frame"), abs=0.01)
        assert (facts["width"], facts["height"]) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("library", OTHERS)
def test_every_library_gives_the_same_frames_of_interlaced_films(library: str, film: tuple[Path, Frames]) -> None:
    ours, others = frames_of(film[0], "pyav"), frames_of(film[0], library)
    assert [second for second, _ in ours] == [second for second, _ in others]
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(ours, others, strict=True))


def test_a_film_that_browsers_do_not_play_is_remade_without_combs(film: tuple[Path, Frames], tmp_path: Path) -> None:
    path, made = film[0], tmp_path / "made.mp4"
    with path.open("rb") as file:
        FilmReader().remake(file, Item(file_uri(path), "film"), made, lambda: None)
    with av.open(str(made)) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert [second for second, _ in frames] == pytest.approx(list(np.arange(30) / FPS), abs=1e-3)
    assert max(combs(picture) for _, picture in frames) < 0.8


def test_frames_of_both_kinds_in_one_film_stay_in_order(tmp_path: Path) -> None:
    """ffv1 says of each frame by itself whether it is interlaced."""
    seen, path = moments(), tmp_path / "mixed.mkv"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=FPS, options={"g": "1"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        plain = [av.VideoFrame.from_ndarray(one.astype(np.uint8), "rgb24") for one in seen[::2]]
        for number, both in enumerate(zip(plain, fields(seen), strict=True)):
            frame = both[number // 5 % 2]
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with av.open(str(path)) as container:
        said = [frame.interlaced_frame for frame in container.decode(video=0)]
    assert said == [bool(number // 5 % 2) for number in range(30)], "the test is of something else"
    for exact in (False, True):
        frames = frames_of(path, "pyav", exact=exact)
        assert [second for second, _ in frames] == pytest.approx(list(np.arange(30) / FPS), abs=1e-3)
        for number, (_, picture) in enumerate(frames):
            assert combs(picture) < 0.8
            assert int(np.argmin([apart(picture, one) for one in seen[::2]])) == number
