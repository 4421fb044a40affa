"""Any second of a film, in every container, with and without an index: its frame, and a clip from there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from made_films import FPS, HEIGHT, WIDTH, Frames, render, tone
from test_films import frames_of

from sightsound import Item, file_uri
from sightsound.cutlist import Cut
from sightsound.cutting import copy_packets, cut_out
from sightsound.opening import Sources
from sightsound.registry import registry


def numbered(count: int) -> Frames:
    """Frames of eight bars each, light for the ones of its number."""
    frames = np.full((count, HEIGHT, WIDTH, 3), 20, np.float32)
    for number, bit in np.argwhere(np.arange(count)[:, None] >> np.arange(8) & 1):
        frames[number, :, bit * WIDTH // 8 : (bit + 1) * WIDTH // 8] = 230
    return frames


def number_of(picture: Any) -> int:
    edges = np.linspace(0, picture.shape[1], 9).astype(int)
    return sum(1 << bit for bit in range(8) if picture[:, edges[bit] + 2 : edges[bit + 1] - 2].mean() > 120)


@pytest.mark.parametrize(
    ("name", "codec", "apart"),
    [
        ("a.ts", "libx264", 0),
        ("a.m2ts", "libx264", 0),
        ("mpeg2.ts", "mpeg2video", 0),
        ("a.mpg", "mpeg1video", 1),  # of small frames, of which several come under one time, FFmpeg guesses it
        ("a.vob", "mpeg2video", 1),
        ("a.mkv", "libx264", 0),
        ("a.avi", "mpeg4", 0),
        ("a.mxf", "mpeg2video", 0),
        ("a.wmv", "wmv2", 0),
    ],
)
def test_the_frame_of_any_second_is_found_with_and_without_an_index(
    name: str, codec: str, apart: int, tmp_path: Path
) -> None:
    path = render(tmp_path / name, numbered(200), codec=codec)
    whole = [(seconds, number_of(picture)) for seconds, picture in frames_of(path, "pyav")]
    assert [number for _, number in whole] == list(range(200))
    for seconds, number in [*whole[::23], *whole[-2:]]:
        first, picture = frames_of(path, "pyav", seconds, exact=True)[0]
        assert first == pytest.approx(seconds, abs=apart / FPS + 1e-3)
        assert abs(number_of(picture) - number) <= apart


@pytest.mark.parametrize("offset", ["0", "12345"])
@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "libx264"), ("a.vob", "mpeg2video"), ("a.mpg", "mpeg1video"), ("a.mkv", "libx264"), ("a.mp4", "libx264")],
)
def test_a_clip_holds_what_it_was_cut_for_wherever_the_times_of_the_file_begin(
    name: str, codec: str, offset: str, tmp_path: Path
) -> None:
    """Those of a broadcast that was recorded begin anywhere. A clip begins at the key frame before."""
    path = render(
        tmp_path / name, numbered(200), codec=codec, options={"g": "25"}, container={"output_ts_offset": offset}
    )
    clip = tmp_path / f"clip{path.suffix}"
    begins = copy_packets(str(path), 3.0, 4.0, str(clip))
    numbers = [number_of(picture) for _, picture in frames_of(clip, "pyav")]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert 45 <= numbers[0] <= 75 and 98 <= numbers[-1] <= 104
    assert begins == pytest.approx(numbers[0] / FPS, abs=1.1 / FPS)


@pytest.mark.parametrize(
    ("name", "codec", "ending"),
    [("a.wmv", "wmv2", ".wmv"), ("a.mxf", "mpeg2video", ".mkv"), ("a.dv", "dvvideo", ".mov")],
)
def test_films_of_every_container_can_be_cut(name: str, codec: str, ending: str, tmp_path: Path) -> None:
    frames = np.stack([np.full((576, 720, 3), 8 * number, np.float32) for number in range(30)])
    path = render(tmp_path / name, frames, codec=codec)
    none: Any = SimpleNamespace(state=lambda key: None)
    ((_, clip, reason),) = cut_out(
        [Cut(Item(file_uri(path), "film"), 0.5, 1.0, "", None)], tmp_path / "out", Sources(registry(), none)
    )
    assert clip is not None and clip.suffix == ending, reason
    last = frames_of(clip, "pyav")[-1][1].mean()
    assert last == pytest.approx(8 * 24, abs=10)


def test_a_clip_of_a_film_whose_sound_runs_ahead_begins_once(tmp_path: Path) -> None:
    """Packets of sound that are past the start come before the key frame that the clip begins with."""
    path, clip = tmp_path / "ahead.ts", tmp_path / "clip.ts"
    film = render(tmp_path / "film.ts", numbered(250), options={"g": "25", "bf": "0"}, sound=tone(10))
    with av.open(str(film)) as source, av.open(str(path), "w") as out:
        to = {stream.index: out.add_stream_from_template(stream) for stream in source.streams}
        waiting = sorted(
            (packet for packet in source.demux() if packet.dts is not None),
            key=lambda packet: float(packet.dts * packet.time_base) - 0.6 * (packet.stream.type == "audio"),
        )
        for packet in waiting:
            packet.stream = to[packet.stream.index]
            out.mux_one(packet)
    for start in (4.0, 4.9, 5.0, 5.1):
        begins = copy_packets(str(path), start, 8.0, str(clip))
        assert start - 1.1 < begins <= start + 1e-3
        numbers = [number_of(picture) for _, picture in frames_of(clip, "pyav")]
        assert numbers[0] == pytest.approx(begins * FPS, abs=2.1) and numbers[-1] >= 196
