"""Films: shots at known times, frames by every library alike, hostile files, and moments that are found."""

from __future__ import annotations

import importlib
import random
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from conftest import MEDIA, PHOTOS, CommandLine
from made_films import FPS, HEIGHT, WIDTH, Edited, Frames, blocks, colour, cut, dissolved, f1, faded, render, shot, tone
from PIL import Image

from sightsound import Item, Learnt, Piece, ShotInput, Wanted, file_uri
from sightsound.colours import colours_of
from sightsound.magic import HEAD, mistaken_bytes
from sightsound.media import Begun
from sightsound.plugins.sources.files import kind_of
from sightsound.plugins.video import framing
from sightsound.plugins.video.containers import container_of
from sightsound.plugins.video.films import open_film, thumb_of
from sightsound.plugins.video.reader import FilmReader
from sightsound.testing import check_reader
from sightsound.types import ImageInput

ANIMALS = ["cat", "horse", "fish9", "owl", "panda", "giraffe", "bee", "cow"]
NAMES = ["colosseum", "petra", *ANIMALS, "tajmahal", "eiffeltower"]
MOTIONS = ("still", "pan", "zoom", "shake")
LENGTHS = (1.2, 2.0, 1.6, 2.8)


def shots(count: int = 12, first: int = 0, longer: float = 1.0) -> list[Frames]:
    """Photographs, each moved in its way and as long as it is."""
    numbers = range(first, first + count)
    return [shot(NAMES[n % 12], longer * LENGTHS[n % 4], MOTIONS[(first + 3 * (n - first)) % 4]) for n in numbers]


def read(path: Path, wanted: Wanted | None = None, library: str = "pyav") -> tuple[list[Piece], dict[str, Any], str]:
    """Pieces, facts and damage."""
    pieces, facts, damage = [], {}, ""
    with path.open("rb") as file:
        for made in FilmReader(library).read(file, Item(file_uri(path), "film"), wanted or Wanted(ImageInput(64))):
            if isinstance(made, Learnt):
                facts, damage = {**facts, **made.facts}, made.damage or damage
            else:
                pieces.append(made)
    return pieces, facts, damage


def starts(pieces: list[Piece], kind: str = "shot") -> list[float]:
    return [piece.start for piece in pieces if piece.kind == kind and piece.start is not None]


@pytest.mark.parametrize(
    ("edited", "wanted"),
    [
        pytest.param(cut(shots()), 0.95, id="hard cuts"),
        pytest.param(faded(shots(first=3), 0.5), 0.8, id="fades through black"),
        pytest.param(dissolved(shots(first=5, longer=1.6), 0.6), 0.8, id="dissolves"),
    ],
)
def test_shots_begin_where_they_were_cut(edited: Edited, wanted: float, tmp_path: Path) -> None:
    pieces, facts, _ = read(render(tmp_path / "film.mp4", edited.frames))
    assert f1(starts(pieces)[1:], edited.truth) >= wanted
    assert facts["shots"] == len(starts(pieces))


def test_flashes_and_changing_light_are_no_cuts(tmp_path: Path) -> None:
    frames = shot("colosseum", 6)
    frames[40] = (frames[40] + 130).clip(0, 255)
    frames[75:] *= np.linspace(1, 0.35, len(frames) - 75).reshape(-1, 1, 1, 1)
    pieces, _, _ = read(render(tmp_path / "film.mp4", frames))
    assert starts(pieces) == [0]


def test_every_shot_has_a_frame_and_a_long_one_as_many_as_it_shows(tmp_path: Path) -> None:
    still, moving = shot("cat", 16), shot("colosseum", 16, "pan")
    pieces, _, _ = read(render(tmp_path / "film.mp4", cut([still, moving, shot("owl", 0.6)]).frames))
    assert starts(pieces) == [0, 16, 32]
    frames = [(p.start, p.end) for p in pieces if p.kind == "frame"]
    assert frames[0] == (0, 16), "nothing changes for 16 seconds: one frame stands for them"
    assert frames[-1] == (32, pytest.approx(32.6))
    panned = frames[1:-1]
    assert len(panned) >= 3 and all(end - start <= 6.5 for start, end in panned)
    assert [end for _, end in frames[:-1]] == [start for start, _ in frames[1:]], "there is a gap"


def test_a_frame_shows_what_is_seen_in_its_time(tmp_path: Path) -> None:
    colours = [(200, 30, 30), (30, 180, 40), (30, 40, 200)]
    path = render(tmp_path / "film.mp4", cut([colour(one, 2) for one in colours]).frames)
    pieces, facts, damage = read(path, Wanted(ImageInput(90)))
    frames = [piece for piece in pieces if piece.kind == "frame"]
    for piece, expected in zip(frames, colours, strict=True):
        assert piece.media.shape == (90, 160, 3)
        assert np.abs(piece.media.reshape(-1, 3).mean(axis=0) - expected).max() < 6
    assert (facts["width"], facts["height"], facts["fps"], facts["codec"]) == (WIDTH, HEIGHT, FPS, "h264")
    assert facts["duration"] == pytest.approx(6) and damage == ""
    shot_pieces = [piece.media for piece in pieces if piece.kind == "shot"]
    assert all(len(one.frames) == len(one.seconds) >= 7 for one in shot_pieces)


def test_an_interrupted_reading_goes_on_at_the_shot(tmp_path: Path) -> None:
    path = render(tmp_path / "film.mp4", cut(shots(8)).frames)
    wanted = Wanted(ImageInput(64), shot=ShotInput(36, 4))
    whole, facts, _ = read(path, wanted)
    half = [piece for piece in whole if (piece.end or 0) <= starts(whole)[4]]
    begun = {}
    for kind in ("frame", "shot"):
        spans = [(p.start, p.end) for p in half if p.kind == kind]
        begun[kind] = Begun(len(spans), *spans[-1], frozenset(spans))
    rest, again, _ = read(path, Wanted(ImageInput(64), shot=ShotInput(36, 4), begun=begun))
    assert [(p.kind, p.start, p.end) for p in rest] == [(p.kind, p.start, p.end) for p in whole[len(half) :]]
    assert colours_of({"palette": again.pop("palette")}) == colours_of({"palette": facts.pop("palette")})
    assert again == facts


@pytest.mark.parametrize("begun", [False, True])
def test_a_films_palette_has_its_colours_by_how_long_they_are_seen(begun: bool, tmp_path: Path) -> None:
    blue, red, white = (20, 60, 200), (200, 30, 30), (250, 250, 250)
    path = render(tmp_path / "film.mp4", cut([colour(blue, 4), colour(red, 2), colour(white, 1)]).frames)
    seen = {"frame": Begun(1, 0, 4), "shot": Begun(1, 0, 4)} if begun else {}
    _, facts, _ = read(path, Wanted(ImageInput(64), begun=seen))
    assert colours_of(facts) == ["blue", "red", "white"]
    for (written, share), (wanted, seconds) in zip(facts["palette"], ((blue, 4), (red, 2), (white, 1)), strict=True):
        assert np.abs(np.array(list(bytes.fromhex(written[1:]))) - wanted).max() < 12
        assert share == pytest.approx(seconds / 7, abs=0.05)


HIDES_DECORD = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "decord" else found(name, *rest)
"""


def torchcodec_loads() -> bool:
    """It needs an FFmpeg on the system; where there is none, another test looks at what it says."""
    try:
        importlib.import_module("torchcodec.decoders").VideoDecoder(str(MEDIA / "films" / "bunny_stretch.mp4"))
    except Exception:
        return False
    return True


OTHERS = ("decord", "torchcodec") if torchcodec_loads() else ("decord",)


def frames_of(path: Path, library: str, after: float = 0.0, exact: bool = False) -> list[tuple[float, Any]]:
    with path.open("rb") as file:
        film = open_film(file, container_of(file).demuxer, library, exact)
        return [(frame.seconds, frame.rgb(10_000)) for frame in film.frames(after)]


@pytest.mark.parametrize("library", OTHERS)
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_every_library_gives_the_same_frames(turned: int, library: str, tmp_path: Path) -> None:
    path = render(tmp_path / "film.mp4", cut([shot("cat", 1), shot("petra", 1, "pan")]).frames, turned=turned)
    ours, others = frames_of(path, "pyav"), frames_of(path, library)
    assert len(ours) == len(others) == 50
    for (mine, picture), (second, other) in zip(ours, others, strict=True):
        assert mine == pytest.approx(second, abs=1e-3)
        assert picture.shape == other.shape
        assert np.abs(picture.astype(int) - other).mean() < 3


@pytest.mark.parametrize("space", [Colorspace.ITU601, Colorspace.ITU709])
@pytest.mark.parametrize("range_", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "rgb24"])
def test_the_detector_sees_what_is_shown(format: str, space: Colorspace, range_: ColorRange, tmp_path: Path) -> None:
    """Its thumbs, from a few points of the planes, beside the means of the pictures: of the same colours."""
    colours = [colour(one, 0.2) for one in ((180, 60, 50), (60, 150, 70), (60, 70, 180), (200, 190, 80))]
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0" if format == "rgb24" else format
        stream.codec_context.color_range, stream.codec_context.colorspace = range_, space
        for picture in np.concatenate([*colours, shot("petra", 0.2)]):
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), "rgb24")
            made = frame.reformat(format=stream.pix_fmt, dst_colorspace=space, dst_color_range=range_)
            out.mux(stream.encode(made))
        out.mux(stream.encode())
    with path.open("rb") as file:
        for frame in open_film(file, "matroska", "pyav").frames():
            far = np.abs(frame.thumb() - thumb_of(frame.rgb(HEIGHT))).mean()
            assert far < (3 if frame.seconds < 0.79 else 6)  # the photograph has textures
            assert frame.thumb().shape == (3, 18, 32)


def test_few_frames_are_held_however_large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With room for none the pictures are made at once, and are the same."""
    path = render(tmp_path / "film.mp4", cut([shot("cat", 3), shot("petra", 7, "pan"), shot("owl", 0.6)]).frames)
    held, _, _ = read(path)
    monkeypatch.setattr(framing, "HELD", 0)
    at_once, _, _ = read(path)
    assert [piece.start for piece in held] == [piece.start for piece in at_once] and len(held) >= 6
    for one, other in zip(held, at_once, strict=True):
        assert one.kind == "shot" or np.array_equal(one.media, other.media)


def test_a_picture_to_look_at_is_exact_and_one_to_index_all_but(tmp_path: Path) -> None:
    path = render(tmp_path / "film.mp4", shot("petra", 2, "pan"), options={"preset": "medium", "crf": "34"})
    indexed, exact = frames_of(path, "pyav"), frames_of(path, "pyav", exact=True)
    apart = [np.abs(one[1].astype(int) - other[1]).mean() for one, other in zip(indexed, exact, strict=True)]
    assert 0 < max(apart) < 2
    with path.open("rb") as file:
        wanted = Wanted(ImageInput(HEIGHT), at=exact[apart.index(max(apart))][0])
        (piece,) = FilmReader("decord").read(file, Item(file_uri(path), "film"), wanted)
    assert isinstance(piece, Piece) and np.array_equal(piece.media, exact[apart.index(max(apart))][1])


@pytest.mark.parametrize("library", ["pyav", *OTHERS])
def test_every_library_begins_where_it_is_told_to(library: str, tmp_path: Path) -> None:
    path = render(tmp_path / "film.mp4", cut([shot("cat", 1), shot("petra", 2, "pan")]).frames, options={"g": "40"})
    whole, rest = frames_of(path, library), frames_of(path, library, 1.52)
    assert [second for second, _ in rest] == [second for second, _ in whole[38:]]
    assert np.abs(rest[0][1].astype(int) - whole[38][1]).max() == 0


def test_torchcodec_without_an_ffmpeg_says_so(tmp_path: Path) -> None:
    """With an FFmpeg it reads the film; without one it says what to do."""
    path = render(tmp_path / "film.mp4", shot("cat", 1))
    if torchcodec_loads():
        assert read(path, library="torchcodec")[1]["shots"] == 1
    else:
        with pytest.raises(Exception, match="install FFmpeg, or index with --video-reader pyav"):
            read(path, library="torchcodec")


def test_a_turned_film_is_upright(tmp_path: Path) -> None:
    """What the file says is to be turned a quarter to the left was filmed a quarter to the right."""
    frames = colour((20, 20, 20), 1)
    frames[:, :, : WIDTH // 4] = (250, 250, 250)
    plain, turned = (render(tmp_path / f"{d}.mp4", frames, turned=d) for d in (0, 90))
    assert frames_of(plain, "pyav")[5][1][:, :20].mean() > 200
    picture = frames_of(turned, "pyav")[5][1]
    assert picture.shape[:2] == (WIDTH, HEIGHT)
    assert {"top": picture[:20].mean() > 200, "bottom": picture[-20:].mean() > 200} in (
        {"top": True, "bottom": False},
        {"top": False, "bottom": True},
    )
    assert read(turned)[1]["width"] == HEIGHT


def test_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    frames = cut([shot("cat", 2), shot("petra", 2)]).frames
    times = np.concatenate([np.arange(50) * 0.1, 5 + np.arange(50) * 0.02])
    path = render(tmp_path / "film.mkv", frames, times=list(times))
    assert [second for second, _ in frames_of(path, "pyav")] == pytest.approx(list(times), abs=2e-3)
    pieces, facts, _ = read(path)
    assert starts(pieces) == pytest.approx([0, 5], abs=0.01)
    assert facts["duration"] == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("av1.mp4", {"codec": "libsvtav1", "options": {"preset": "12"}}),
        ("ten.mkv", {"codec": "libx265", "pixels": "yuv420p10le"}),
        ("vp9.webm", {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}}),
        ("mpeg4.avi", {"codec": "mpeg4"}),
        ("mpeg2.mpg", {"codec": "mpeg2video"}),
        ("mpeg2.vob", {"codec": "mpeg2video"}),
        ("camera.mxf", {"codec": "mpeg2video"}),
        ("camera.dv", {"codec": "dvvideo"}),
        ("h264.ts", {}),
        ("h264.mov", {}),
        ("heard.mp4", {"sound": True}),
        ("live.mkv", {"container": {"live": "1"}}),
    ],
)
def test_kinds_of_film(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    frames = cut([colour((200, 40, 40), 1.2), shot("petra", 1.2)]).frames
    if name.endswith(".dv"):  # which has but one size at 25 frames a second
        frames = np.stack([np.asarray(Image.fromarray(frame.astype(np.uint8)).resize((720, 576))) for frame in frames])
    path = render(tmp_path / name, frames, **options)
    assert kind_of(path) == "film" and mistaken_bytes(path.read_bytes()[:HEAD], "film") == ""
    pieces, facts, damage = read(path)
    assert starts(pieces) == pytest.approx([0, 1.2], abs=0.1)
    assert facts["duration"] == pytest.approx(2.4, abs=0.15)
    assert facts["fps"] == pytest.approx(FPS, rel=0.02) or name in ("av1.mp4", "live.mkv")
    seen = [piece.media for piece in pieces if piece.kind == "frame"]
    assert np.abs(seen[0].reshape(-1, 3).mean(axis=0) - (200, 40, 40)).max() < 12
    assert damage == ""


@pytest.mark.parametrize("library", ["pyav", *OTHERS])
def test_a_film_without_pictures_is_no_failure(library: str, tmp_path: Path) -> None:
    path = tmp_path / "heard.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("aac", rate=16_000, layout="mono")
        for frame in blocks(tone(3)):
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    pieces, facts, _ = read(path, library=library)
    assert pieces == [] and facts["format"] == "MP4"


def test_the_reader_passes_the_kit(tmp_path: Path) -> None:
    path = render(tmp_path / "film.mp4", cut([shot("cat", 1), shot("petra", 1)]).frames)
    check_reader(FilmReader("pyav"), Item(file_uri(path), "film"), path.read_bytes())


# Hostile and broken files


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render(tmp_path_factory.mktemp("good") / "good.mp4", cut(shots(4)).frames, options={"g": "12"})


def boxes(data: bytes, path: tuple[bytes, ...], start: int = 0, end: int | None = None) -> int:
    """Where the box at the path begins, in an MP4."""
    end = len(data) if end is None else end
    while start < end:
        size, name = struct.unpack(">I4s", data[start : start + 8])
        if name == path[0]:
            return start if len(path) == 1 else boxes(data, path[1:], start + 8, start + size)
        start += size
    raise AssertionError(path)


def hostile(folder: Path, good: Path) -> dict[str, str]:
    """Files by name, each with a part of the reason that is to be given; "" where it can be read."""
    data = good.read_bytes()
    folder.mkdir()
    (folder / "canary.mp4").write_bytes(data)
    (folder / "playlist.mp4").write_text("ffconcat version 1.0\nfile canary.mp4\n")
    (folder / "m3u8.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ncanary.mp4\n#EXT-X-ENDLIST\n")
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mov").write_text("not a film at all\n" * 100)
    (folder / "head.mp4").write_bytes(data[: len(data) // 2])
    (folder / "noise.mkv").write_bytes(b"\x1a\x45\xdf\xa3" + random.Random(1).randbytes(50_000))
    chance = random.Random(2)
    media = boxes(data, (b"mdat",))
    flipped = bytearray(data)
    size = struct.unpack(">I", data[media : media + 4])[0]
    for _ in range(60):
        flipped[media + 8 + size // 3 + chance.randrange(size // 4)] ^= 1 << chance.randrange(8)
    (folder / "flips.mp4").write_bytes(flipped)
    hole = bytearray(data)
    hole[media + size // 3 : media + size // 3 + size // 6] = chance.randbytes(size // 6)
    (folder / "hole.mp4").write_bytes(hole)
    long = bytearray(data)
    header = boxes(data, (b"moov", b"mvhd")) + 8
    scale = struct.unpack(">I", data[header + 12 : header + 16])[0]
    long[header + 16 : header + 20] = struct.pack(">I", min(2**32 - 1, scale * 36_000))
    track = boxes(data, (b"moov", b"trak", b"mdia", b"mdhd")) + 8
    scale = struct.unpack(">I", data[track + 12 : track + 16])[0]
    long[track + 16 : track + 20] = struct.pack(">I", min(2**32 - 1, scale * 36_000))
    (folder / "ten hours.mp4").write_bytes(long)
    return {
        "canary.mp4": "",
        "playlist.mp4": "not a film of a kind that is read",
        "m3u8.mp4": "not a film of a kind that is read",
        "empty.mp4": "the file is empty",
        "text.mov": "not a film of a kind that is read",
        "head.mp4": "cut short or damaged",
        "noise.mkv": "cut short or damaged",
        "flips.mp4": "damaged in",
        "hole.mp4": "damaged in",
        "ten hours.mp4": "",
    }


def test_hostile_films_cost_themselves_alone(sightsound: CommandLine, good: Path, tmp_path: Path) -> None:
    reasons = hostile(tmp_path / "films", good)
    ran = sightsound("index", tmp_path / "films", "--encoders", "starter", "--json", code=3, SIGHTSOUND_DEADLINE="20")
    failed = {Path(one["uri"]).name.replace("%20", " "): one for one in sightsound("failed", "--json").json}
    assert {name for name, reason in reasons.items() if reason} == set(failed)
    for name, one in failed.items():
        assert reasons[name] in one["reason"], (name, one["reason"])
    assert {name for name, one in failed.items() if one["stale"]} == {"flips.mp4", "hole.mp4"}
    assert ran.json["added"] == 2
    found = sightsound("search", "--kind", "film", "--json").json["hits"]
    assert {Path(hit["path"]).name for hit in found} == {*("canary.mp4", "flips.mp4", "hole.mp4", "ten hours.mp4")}
    facts = {Path(hit["path"]).name: hit["facts"] for hit in found}
    assert facts["canary.mp4"]["shots"] == 4 and facts["hole.mp4"]["shots"] >= 3
    assert facts["ten hours.mp4"]["duration"] == pytest.approx(7.6)


def test_frames_that_are_too_large_are_refused(tmp_path: Path) -> None:
    huge = np.zeros((1, 8192, 8192, 3), np.uint8)
    path = tmp_path / "huge.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mjpeg", rate=1)
        stream.width = stream.height = 8192
        stream.pix_fmt = "yuvj420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(huge[0], format="rgb24")))
        out.mux(stream.encode())
    with pytest.raises(Exception, match="8,192 x 8,192 pixels are over the limit"):
        read(path)


def test_thousands_of_streams_are_refused(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    moov, trak = boxes(data, (b"moov",)), boxes(data, (b"moov", b"trak"))
    size = struct.unpack(">I", data[trak : trak + 4])[0]
    more = data[trak : trak + size] * 3000
    length = struct.unpack(">I", data[moov : moov + 4])[0] + len(more)
    path = tmp_path / "many.mp4"
    path.write_bytes(data[:moov] + struct.pack(">I", length) + data[moov + 4 : trak] + more + data[trak:])
    with pytest.raises(Exception, match=r"more than 100 streams|cut short or damaged"):
        read(path)


def test_a_film_that_changes_its_size_goes_on(tmp_path: Path) -> None:
    small, large = tmp_path / "small.ts", tmp_path / "large.ts"
    render(small, shot("cat", 2)[:, :120, :160])
    render(large, shot("petra", 2))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    pieces, _, _ = read(both)
    assert len(starts(pieces)) == 2


def test_a_film_without_a_key_frame_says_so_or_shows_what_it_can(tmp_path: Path) -> None:
    """A transport stream that begins between two key frames, as a recording does."""
    whole = render(tmp_path / "whole.ts", cut(shots(3)).frames, options={"g": "1000"}).read_bytes()
    (tmp_path / "late.ts").write_bytes(whole[188 * (len(whole) // 188 // 2) :])
    try:
        _, _, damage = read(tmp_path / "late.ts")
    except Exception as error:
        assert "no frame of it can be decoded" in str(error) or "damaged" in str(error)
    else:
        assert damage


# As a user sees it


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    folder = tmp_path_factory.mktemp("films")
    line = CommandLine(tmp_path_factory.mktemp("home"))
    animals = [shot("cat", 2), shot("horse", 2, "pan"), shot("owl", 2, "zoom")]
    render(folder / "animals.mp4", cut(animals).frames)
    render(folder / "buildings.mkv", cut([shot(n, 2) for n in ("colosseum", "eiffeltower", "tajmahal")]).frames)
    line("index", folder, "--encoders", "starter")
    return line


@pytest.mark.parametrize(("words", "second"), [("an owl", 4), ("a horse", 2), ("a cat", 0)])
def test_words_find_the_second(films: CommandLine, words: str, second: int) -> None:
    hit = films("search", words, "--kind", "film", "--json").json["hits"][0]
    assert Path(hit["path"]).name == "animals.mp4"
    best = hit["segments"][0]
    assert (best["kind"], best["start"], best["end"]) == ("frame", second, second + 2)


def test_a_picture_finds_the_second(films: CommandLine) -> None:
    hit = films("search", "--image", PHOTOS / "tajmahal.jpg", "--json").json["hits"][0]
    assert (Path(hit["path"]).name, hit["segments"][0]["start"]) == ("buildings.mkv", 4)
    assert len(films("search", "--image", PHOTOS / "tajmahal.jpg", "--json").json["hits"]) == 2, "a film is one hit"


def test_a_contact_sheet_shows_the_moment(films: CommandLine, tmp_path: Path) -> None:
    import base64
    import io
    import re

    films("search", "--image", PHOTOS / "eiffeltower.jpg", "--limit", 1, "--sheet", tmp_path / "sheet.html")
    data = re.search(r"data:image/jpeg;base64,([^\"]+)", (tmp_path / "sheet.html").read_text())
    assert data
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).resize((WIDTH, HEIGHT)), np.float32)
    differences = {n: np.abs(shot(n, 0.04)[0] - shown).mean() for n in ("colosseum", "eiffeltower", "tajmahal")}
    assert min(differences, key=lambda n: differences[n]) == "eiffeltower"


@pytest.mark.parametrize("library", OTHERS)
def test_another_library_reads_the_same_films(library: str, sightsound: CommandLine, good: Path) -> None:
    """Under the usual limit of memory, which torch's addresses alone would go over."""
    ran = sightsound("index", good, "--encoders", "starter", "--video-reader", library, "--json")
    assert ran.json["added"] == 1
    facts = sightsound("show", good, "--json").json["facts"]
    assert (facts["shots"], facts["codec"]) == (4, "decord" if library == "decord" else "h264")


def test_a_video_reader_that_is_not_there_is_refused_before_anything_is_read(
    sightsound: CommandLine, good: Path, tmp_path: Path
) -> None:
    wrong = sightsound("index", good, "--video-reader", "vhs", code=2)
    assert wrong.err == "error: The setting video_reader is 'vhs'; it can be pyav, decord or torchcodec\n"
    assert sightsound("index", good, code=2, SIGHTSOUND_VIDEO_READER="vhs").err == wrong.err
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(HIDES_DECORD)
    lacking = sightsound("index", good, "--video-reader", "decord", code=2, PYTHONPATH=str(hidden))
    assert lacking.err.strip().endswith("pip install decord, or index with --video-reader pyav")
