"""The sound, the subtitles and the tags of films; and searching across pictures, sounds and words within them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from conftest import MEDIA, PHOTOS, CommandLine
from made_films import cut, render, shot
from made_sounds import RATE, drums, silence, with_sound

SAID = """1
00:00:02,000 --> 00:00:04,000
The harbour lies quiet tonight.

2
00:00:13,000 --> 00:00:15,000
Look, the zeppelin has landed!
"""


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Beside the demo's sounds, two films of the same pictures and sounds in another order.

    The first: a cat, a tower, fish; silence, drums, a barking dog.
    The second: fish, a tower, a cat; drums, silence, the dog.
    """
    line = CommandLine(tmp_path_factory.mktemp("films"))
    folder = line.home / "films"
    folder.mkdir()
    bark = soundfile.read(MEDIA / "sounds" / "bark.ogg", dtype="float32")[0]
    dog = np.concatenate([np.tile(bark, 4), silence(6)])[: 6 * RATE]
    (line.home / "said.srt").write_text(SAID)
    first = render(line.home / "first.mp4", cut([shot("cat", 6), shot("eiffeltower", 6), shot("fish9", 6)]).frames)
    second = render(line.home / "second.mp4", cut([shot("fish9", 6), shot("eiffeltower", 6), shot("cat", 6)]).frames)
    heard = [silence(6), drums(6), dog]
    said = line.home / "said.srt"
    with_sound(first, folder / "0001.mkv", np.concatenate(heard), subtitles=said, title="Reel one", artist="Ada")
    with_sound(second, folder / "0002.mp4", np.concatenate([drums(6), silence(6), dog]))
    (folder / "0002.en.srt").write_text(SAID.replace("zeppelin", "steamer"))
    line("index", folder)
    line("index", MEDIA / "sounds.csv")
    return line


def hits(line: CommandLine, *arguments: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = line("search", *arguments, "--kind", "film", "--json").json["hits"]
    return found


def at(line: CommandLine, name: str, *arguments: object) -> tuple[float, float]:
    """The best moment in a film."""
    hit = next(hit for hit in hits(line, *arguments) if hit["path"].endswith(name))
    return hit["moments"][0]["start"], hit["moments"][0]["end"]


def test_facts_and_tags_are_known(films: CommandLine) -> None:
    shown = films("show", films.home / "films" / "0001.mkv", "--json").json
    assert (shown["title"], shown["author"]) == ("Reel one", "Ada")
    assert shown["facts"]["duration"] == pytest.approx(18, abs=0.3)
    assert shown["facts"]["silence"] == pytest.approx(6, abs=4.5)
    assert not films("failed", "--json").json


@pytest.mark.parametrize(("name", "begins"), [("0001.mkv", 6), ("0002.mp4", 0)])
def test_words_find_the_moment_by_its_sound(films: CommandLine, name: str, begins: float) -> None:
    start, end = at(films, name, "drums")
    assert begins - 4 <= start <= begins + 1 and begins + 5 <= end <= begins + 11


def test_a_sound_finds_the_moment_in_a_film(films: CommandLine) -> None:
    for name in ("0001.mkv", "0002.mp4"):
        start, end = at(films, name, "--sound", MEDIA / "sounds" / "bark.ogg")
        assert 8 <= start < 18 and end > 12


def test_what_is_said_is_found_at_its_moment(films: CommandLine) -> None:
    (found, *_) = hits(films, "zeppelin")
    assert found["path"].endswith("0001.mkv")
    said = found["segments"][0]
    assert (said["kind"], said["text"]) == ("subtitle", "Look, the zeppelin has landed!")
    assert found["moments"][0]["start"] == 13
    assert hits(films, "steamer")[0]["path"].endswith("0002.mp4")
    assert at(films, "0001.mkv", "an airship came down") == (13, 15)


def test_a_picture_followed_by_a_sound_is_found_in_the_right_film(films: CommandLine) -> None:
    found = hits(films, "--image", PHOTOS / "cat.jpg", "--then", "drums", "--within", "5s")
    assert found[0]["path"].endswith("0001.mkv")
    assert found[0]["moments"][0]["start"] <= 6 <= found[0]["moments"][0]["end"] <= 14


def test_a_film_finds_films_like_it(films: CommandLine) -> None:
    found = hits(films, "--clip", films.home / "films" / "0001.mkv")
    assert found[0]["path"].endswith("0001.mkv")
    assert found[0]["matched"][0]["part"] == "clip"


def test_a_moment_of_a_film_is_cut_out_with_its_sound(films: CommandLine, tmp_path: Path) -> None:
    import av

    films("search", "zeppelin", "--limit", 1, "--cut", tmp_path / "out", "--edl", tmp_path / "a.edl")
    (clip,) = [path for path in (tmp_path / "out").iterdir() if path.suffix != ".txt"]
    assert clip.suffix == ".mkv" and "Reel one 0.13-0.15" in clip.name
    with av.open(str(clip)) as made:
        seconds = [float(frame.time) for frame in made.decode(made.streams.video[0])]
        assert made.streams.audio
    assert 2 <= max(seconds) <= 10 and min(seconds) < 0.1
    assert "Reel one by Ada" in (tmp_path / "out" / "credits.txt").read_text()
    assert "REEL ONE" not in (tmp_path / "a.edl").read_text()
    assert "B     C        00:00:13:00 00:00:15:00 01:00:00:00 01:00:02:00" in (tmp_path / "a.edl").read_text()


def test_of_a_changed_subtitle_only_the_words_are_read_again(films: CommandLine, tmp_path: Path) -> None:
    """Another reader is named meanwhile: it would say that it had read the pictures."""
    line = CommandLine(tmp_path)
    folder = tmp_path / "films"
    folder.mkdir()
    path = folder / "a.mkv"
    path.write_bytes((films.home / "films" / "0001.mkv").read_bytes())
    line("index", folder)
    before, status = line("show", path, "--json").json, line("status", "--json").json["collections"]
    assert not line("search", "lighthouse", "--json").json["hits"][0]["probable"]
    (folder / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nThe lighthouse!\n")
    assert "1 changed" in line("index", folder, "--video-reader", "decord").out
    assert line("search", "lighthouse", "--json").json["hits"][0]["moments"][0]["start"] == 1
    shown = line("show", path, "--json").json
    assert shown["facts"] == before["facts"] and shown["facts"]["codec"] == "h264"
    assert line("search", "zeppelin", "--json").json["hits"][0]["moments"][0]["start"] == 13
    (folder / "a.srt").write_text("The lighthouse, at no time\n")
    ran = line("index", folder)
    assert "1 changed" in ran.out
    assert f"left out of {path}: a.srt: these are no subtitles: no line has a time with an arrow" in ran.err
    assert "left out" not in line("index", folder).err
    (folder / "a.srt").unlink()
    assert "1 changed" in line("index", folder, "--video-reader", "decord").out
    now = line("status", "--json").json["collections"]
    assert [one["spaces"] for one in now] == [one["spaces"] for one in status], (now, status)
    assert not line("search", "lighthouse", "--json").json["hits"][0]["probable"]
    assert line("show", path, "--json").json["facts"]["codec"] == "h264"
    assert "all is well" in line("check").out
