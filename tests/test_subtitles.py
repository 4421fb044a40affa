"""Subtitles: SRT and VTT, and the tracks of films, as passages with their times; hostile ones too."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightsound import Item, Piece, Wanted, file_uri
from sightsound.beside import LARGEST as LARGEST_BESIDE
from sightsound.beside import content_with, read_beside
from sightsound.errors import MediaError
from sightsound.plugins.sources.files import beside, file_item
from sightsound.plugins.sources.folder import FolderSource
from sightsound.plugins.text import subtitles
from sightsound.plugins.text.subtitles import Cue, SubtitleReader, SubtitleTrack, parse, passages
from sightsound.testing import check_reader

SRT = """1
00:00:01,000 --> 00:00:02,000
The <i>steamer</i>,

2
00:00:02,200 --> 00:00:04,000
leaves &amp; never returns.

3
00:00:08,000 --> 00:00:09,500
{\\an8}Größe!
"""
WANTED = [Cue(1.0, 4.0, "The steamer, leaves & never returns."), Cue(8.0, 9.5, "Größe!")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_subtitles_are_read_in_the_encodings_they_come_in(encoding: str) -> None:
    assert passages(parse(SRT.encode(encoding), ".srt")) == WANTED


def test_line_ends_of_every_system_are_read() -> None:
    assert passages(parse(SRT.replace("\n", "\r\n").encode(), ".srt")) == WANTED


def test_vtt_is_read_without_its_settings_and_voices() -> None:
    text = "WEBVTT\nKind: captions\n\nNOTE not said\n\n1\n00:01.000 --> 00:02.000 line:0\n<v Bob>Hi <b>you</b>.\n"
    assert parse(text.encode(), ".vtt") == [Cue(1.0, 2.0, "Hi you.")]


def test_cues_join_within_a_sentence_and_not_over_a_pause() -> None:
    cues = [Cue(0, 1, "We go"), Cue(1.1, 2, "to sea."), Cue(2.1, 3, "Then home"), Cue(9, 10, "again")]
    assert passages(cues) == [Cue(0, 2, "We go to sea."), Cue(2.1, 3, "Then home"), Cue(9, 10, "again")]
    long = passages([Cue(n, n + 1, f"and so on and {n}") for n in range(100)])
    assert max(cue.end - cue.start for cue in long) <= subtitles.PASSAGE_SECONDS


def test_what_is_repeated_while_it_rolls_counts_once() -> None:
    assert passages([Cue(0, 1, "Stop!"), Cue(1, 2, "Stop!")]) == [Cue(0, 2, "Stop!")]


def test_times_that_can_not_be_are_mended_or_left_out() -> None:
    times = ["00:00:05,000 --> 00:00:03,000", "99:00:00,000 --> 99:00:01,000", "00:00:01,000 --> 00:00:09,000"]
    text = "\n\n".join(f"{n}\n{time}\nline {n}" for n, time in enumerate(times))
    assert [(cue.start, cue.end, cue.text) for cue in parse(text.encode(), ".srt")] == [
        (1.0, 9.0, "line 2"),
        (5.0, 6.0, "line 0"),
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "no subtitles"), (b"\x89PNG" * 100, "no subtitles"), (b"-->" + b"x" * 10_000_001, "more than 10 MB")],
    ids=["empty", "a picture", "huge"],
)
def test_what_is_no_subtitles_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(MediaError, match=said):
        parse(data, ".srt")


def test_many_cues_and_long_lines_take_no_long_time() -> None:
    many = "\n\n".join(f"{n}\n00:00:01,000 --> 00:00:02,000\n{'<' * 50}{n}" for n in range(60_000))
    assert len(parse(many.encode(), ".srt")) <= subtitles.MOST
    (one,) = parse(b"1\n00:00:01,000 --> 00:00:02,000\n" + b"a<" * 1_000_000, ".srt")
    assert len(one.text) <= subtitles.LONGEST_CUE


def test_a_track_of_a_film_is_read_by_its_packets(tmp_path: Path) -> None:
    import av

    (tmp_path / "a.srt").write_text(SRT)
    with av.open(str(tmp_path / "a.srt")) as source, av.open(str(tmp_path / "a.mkv"), "w") as made:
        stream = made.add_stream_from_template(source.streams.subtitles[0])
        for packet in source.demux(source.streams.subtitles[0]):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    track = SubtitleTrack()
    with av.open(str(tmp_path / "a.mkv")) as film:
        for packet in film.demux(film.streams.subtitles[0]):
            track.add(packet)
    assert track.passages() == WANTED


def test_the_reader_passes_the_kit() -> None:
    pieces = check_reader(SubtitleReader(), Item("file:///reel.en.srt", "text"), SRT.encode())
    assert [(p.kind, p.start, p.media) for p in pieces] == [("subtitle", c.start, c.text) for c in WANTED]


# Beside a film


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "reel.mp4"
    path.write_bytes(b"film")
    return path


def test_files_of_the_films_name_and_a_language_belong_to_it(film: Path) -> None:
    others = ("REEL.srt", "reel2.srt", "reel.director.srt", "other.srt")
    for name in ("reel.srt", "reel.en.vtt", "reel.pt-BR.srt", *others):
        (film.parent / name).write_text(SRT)
    found = [item.path.name for item in beside(file_item(film, "film")) if item.path]
    assert found == ["reel.en.vtt", "reel.pt-BR.srt", "reel.srt"]
    assert beside(file_item(film, "photo")) == []


def test_a_changed_subtitle_changes_revision_and_content(film: Path) -> None:
    source = FolderSource(film.parent)
    bare = file_item(film, "film")
    assert content_with("abc", source, bare) == "abc"
    (film.parent / "reel.srt").write_text(SRT)
    first = file_item(film, "film")
    content = content_with("abc", source, first)
    (film.parent / "reel.srt").write_text(SRT + "\n4\n00:01:00,000 --> 00:01:01,000\nThe end.\n")
    second = file_item(film, "film")
    assert len({bare.revision, first.revision, second.revision}) == 3
    assert content_with("abc", source, second) not in (content, "abc")


def test_a_broken_subtitle_costs_only_itself(film: Path) -> None:
    (film.parent / "reel.de.srt").write_bytes(b"\0" * 100)
    (film.parent / "reel.srt").write_text(SRT)
    made = list(read_beside(FolderSource(film.parent), file_item(film, "film"), [SubtitleReader()], Wanted()))
    assert [p.media for p in made if isinstance(p, Piece)] == [cue.text for cue in WANTED]
    facts = dict(made[-1].facts) if not isinstance(made[-1], Piece) else {}
    assert facts["left_out"] == ["reel.de.srt: these are no subtitles: no line has a time with an arrow"]
    assert LARGEST_BESIDE > subtitles.LARGEST


def test_a_fifo_beside_a_film_is_not_waited_for(film: Path) -> None:
    import os

    os.mkfifo(film.parent / "reel.srt")
    made = list(read_beside(FolderSource(film.parent), file_item(film, "film"), [SubtitleReader()], Wanted()))
    assert not [one for one in made if isinstance(one, Piece)]


def test_a_source_of_ones_own_may_have_none() -> None:
    from sightsound import Source

    assert list(read_beside(Source(), Item(file_uri(Path("/a.mp4")), "film"), [SubtitleReader()], Wanted())) == []
