"""Reading processes that stay, the cache of previews, and what browsers play."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import MEDIA, PHOTOS
from made_films import colour, cut, render, tone

from sightsound.errors import Busy, MediaError, MediaGone
from sightsound.jobs import Job, read_item
from sightsound.plugins.audio.reader import SoundReader
from sightsound.plugins.video.reader import FilmReader
from sightsound.pool import Limits, Pool
from sightsound.previewcache import PARTIAL, STALE, PreviewCache
from sightsound.previews import WINDOW, Indexed, Picture, Remade, Waveform, peaks
from sightsound.registry import registry
from sightsound.sources import Source, file_revision
from sightsound.types import Item, ItemKind, file_uri

Doing = Callable[[Callable[[Callable[[], None]], Any]], Any]


@dataclass(frozen=True)
class Does:
    """What a process is told to do, for tests."""

    what: str

    def __call__(self, got_on: Callable[[], None]) -> int:
        if self.what == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "hang":
            while True:
                pass
        if self.what == "dawdle":
            while True:
                got_on()
        if self.what == "eat":
            return len(bytearray(8 << 30))
        if self.what == "gone":
            Path("/nowhere/at/all").read_bytes()
        if self.what == "bug":
            raise ZeroDivisionError("no bug")
        return os.getpid()


def doing(what: str) -> Doing:
    return lambda do: do(Does(what))


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1, 10, Limits(deadline=3, memory=1024, most=8))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("crash", "died (signal SIGKILL)"),
        ("hang", "took more than 3 seconds"),
        ("dawdle", "takes more than 0.133333 minutes"),
        ("eat", "takes more than 1024 MB of memory"),
        ("bug", "no bug"),
    ],
)
def test_what_goes_wrong_costs_that_job_and_no_other(what: str, said: str, pool: Pool) -> None:
    first = pool.submit("1", doing("well"))
    wrong = pool.submit("2", doing(what))
    after = pool.submit("3", doing("well"))
    assert first.result(60) > 0
    with pytest.raises(MediaError) as error:
        wrong.result(60)
    assert said in str(error.value)
    assert after.result(60) > 0


def test_a_process_stays_and_is_begun_anew_where_it_was_killed(pool: Pool) -> None:
    pid = pool.submit("1", doing("well")).result(60)
    assert pool.submit("2", doing("well")).result(60) == pid
    os.kill(pid, signal.SIGKILL)
    threads = Path(f"/proc/{pid}/task")
    while Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" or len(list(threads.iterdir())) > 1:
        pass  # until all of it has ended
    assert pool.submit("3", doing("well")).result(60) not in (pid, 0)


def test_what_is_gone_is_told_from_what_is_broken(pool: Pool) -> None:
    with pytest.raises(MediaGone, match="its file is gone"):
        pool.submit("1", doing("gone")).result(60)


def test_one_job_answers_all_who_ask_for_the_same_and_too_many_are_sent_away() -> None:
    pool, begun, go = Pool(1, 2, Limits(60, 1024)), threading.Event(), threading.Event()

    def slow(do: Any) -> str:
        begun.set()
        assert go.wait(60)
        return "done"

    first = pool.submit("slow", slow)
    assert begun.wait(60)
    assert pool.submit("slow", slow) is first
    others = [pool.submit(name, doing("well"), name) for name in "ab"]
    with pytest.raises(Busy) as error:
        pool.submit("c", doing("well"), "c")
    assert error.value.retry_after > 0
    go.set()
    assert first.result(60) == "done"
    assert all(other.result(60) for other in others)
    pool.close()
    with pytest.raises(Busy):
        pool.submit("d", doing("well"))


def test_closing_ends_the_processes_and_what_they_were_at() -> None:
    pool = Pool(1, 5, Limits(60, 1024))
    pid = pool.submit("1", doing("well")).result(60)
    at, waiting = pool.submit("2", doing("hang")), pool.submit("3", doing("well"))
    pool.close()
    for future in (at, waiting):
        with pytest.raises(Busy):
            future.result(60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# The cache


def test_a_file_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    cache = PreviewCache(tmp_path, 1e6)
    with pytest.raises(ZeroDivisionError), cache.writing("ab-1.jpg") as partial:
        partial.write_bytes(b"half")
        raise ZeroDivisionError
    assert cache.open("ab-1.jpg") is None
    assert not list(tmp_path.rglob("*.*"))
    cache.put("ab-1.jpg", b"whole")
    kept = cache.open("ab-1.jpg")
    assert kept and kept.read() == b"whole"


def test_a_process_that_is_killed_while_it_writes_leaves_nothing_to_be_seen(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from sightsound.previewcache import PreviewCache
with PreviewCache(Path({str(tmp_path)!r}), 1e6).writing("ab-1.jpg") as partial:
    partial.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == -signal.SIGKILL
    cache = PreviewCache(tmp_path, 1e6)
    assert cache.open("ab-1.jpg") is None
    [left] = tmp_path.rglob(f"*{PARTIAL}")
    cache.trim()
    assert left.exists(), "another process may be at it"
    os.utime(left, (time.time() - STALE - 1,) * 2)
    cache.put("ab-1.jpg", b"whole")
    cache.trim()
    assert not left.exists()
    assert cache.open("ab-1.jpg")


def test_the_longest_unused_go_where_the_bound_is_passed(tmp_path: Path) -> None:
    cache = PreviewCache(tmp_path, 10_000)
    for number in range(30):
        cache.put(f"{number:02}-a.jpg", bytes(1000))
        for path in tmp_path.rglob(f"{number:02}-a.jpg"):
            os.utime(path, (1_000_000 + number,) * 2)
        if number == 6:
            kept = cache.open("01-a.jpg")  # marks it as used now
            assert kept
    assert cache.size() <= 10_000
    assert cache.open("01-a.jpg") and cache.open("29-a.jpg")
    assert cache.open("02-a.jpg") is None
    assert len(kept.read()) == 1000, "what is open can be read to its end"


def test_a_file_larger_than_the_bound_is_kept_until_the_next(tmp_path: Path) -> None:
    cache = PreviewCache(tmp_path, 100)
    cache.put("aa-1", bytes(1000))
    assert cache.open("aa-1")
    os.utime(next(tmp_path.rglob("aa-1")), (1_000_000,) * 2)
    cache.put("bb-1", bytes(10))
    assert cache.open("aa-1") is None


def test_two_processes_may_write_and_trim_at_once(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from sightsound.previewcache import PreviewCache
cache = PreviewCache(Path({str(tmp_path)!r}), 20_000)
for number in range(300):
    cache.put(f"{{number % 50:02}}-a", bytes(1000))
    kept = cache.open(f"{{number % 50:02}}-a")
    assert kept is None or len(kept.read()) == 1000
"""
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait(120) for one in both] == [0, 0]
    PreviewCache(tmp_path, 20_000).trim()
    assert 0 < PreviewCache(tmp_path, 20_000).size() <= 20_000


@pytest.mark.parametrize("name", ["../a", "a/b", "", ".a", "a\0b", "..", "a\\b"])
def test_no_name_leads_out_of_the_cache(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="can't be the name"):
        PreviewCache(tmp_path, 1).open(name)


# What is made


def indexed(path: Path, kind: ItemKind) -> Indexed:
    """A file as it is in a collection."""
    import hashlib

    content = hashlib.sha256(path.read_bytes()).hexdigest()
    item = Item(file_uri(path), kind, file_revision(path.stat()), content=content)
    return Indexed(item, Source(), tuple(entry.thing for entry in registry().readers), 2048)


def quietly() -> None:
    pass


SHOTS = cut([colour((200, 30, 30), 1), colour((30, 30, 200), 1)]).frames


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "turned", "size"),
    [
        ("hevc.mkv", "libx265", "yuv420p", 0, (320, 180)),
        ("prores.mov", "prores_ks", "yuv422p10le", 0, (320, 180)),
        ("old.avi", "mpeg4", "yuv420p", 0, (320, 180)),
        ("upright.mp4", "libx264", "yuv444p", 90, (180, 320)),
        ("upside.mov", "prores_ks", "yuv422p10le", 180, (320, 180)),
    ],
)
def test_what_browsers_do_not_play_is_made_so(
    name: str, codec: str, pixels: str, turned: int, size: tuple[int, int], tmp_path: Path
) -> None:
    frames = SHOTS.copy()
    frames[:, :90, :160] = (240, 240, 240)  # its top left corner is white
    film = render(tmp_path / name, frames, codec=codec, pixels=pixels, turned=turned, sound=tone(2))
    of, made = indexed(film, "film"), tmp_path / "made.mp4"
    with film.open("rb") as file:
        assert not FilmReader().plays(file, of.item)
    Remade(of, made)(quietly)
    with made.open("rb") as file:
        assert FilmReader().plays(file, of.item)
    with av.open(str(made)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height) == size
        pictures = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video)]
        assert abs(float(audio.duration * audio.time_base) - 2) < 0.2
    assert len(pictures) == len(frames)
    assert abs(pictures[-1][0] - 49 / 25) < 0.1
    early = pictures[5][1].astype(int)
    with film.open("rb") as file:
        shown = next(p for p in FilmReader().read(file, of.item, _at(0.2)) if hasattr(p, "media")).media.astype(int)
    assert early.shape == shown.shape
    assert np.abs(early - shown).mean() < 8, "it is turned as the indexed frames are, in their colours"


def _at(second: float) -> Any:
    from sightsound.media import Wanted
    from sightsound.types import ImageInput

    return Wanted(ImageInput(720), at=second)


def test_a_large_film_is_made_smaller_and_a_small_one_is_left(tmp_path: Path) -> None:
    large = np.broadcast_to(np.float32(90), (10, 1080, 1920, 3))
    of, made = indexed(render(tmp_path / "large.avi", large, codec="mpeg4"), "film"), tmp_path / "made.mp4"
    Remade(of, made)(quietly)
    with av.open(str(made)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (1280, 720)
        assert not container.streams.audio


def test_sound_that_begins_later_stays_in_time_and_damage_is_passed_over(tmp_path: Path) -> None:
    film = render(tmp_path / "a.mkv", SHOTS, codec="libx265", sound=tone(2))
    data = bytearray(film.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    film.write_bytes(data)
    of, made = indexed(film, "film"), tmp_path / "made.mp4"
    Remade(of, made)(quietly)
    with av.open(str(made)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 10


def test_lossless_sound_in_mp4_is_made_so_that_browsers_play_it(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("alac", rate=16_000, layout="mono")
        wave = (tone(1) * 32_000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave[None], format="s16p", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (part := fifo.read(4096, partial=True)) is not None:
            out.mux(stream.encode(part))
        out.mux(stream.encode())
    of, made = indexed(path, "sound"), tmp_path / "made.mp4"
    with path.open("rb") as file:
        assert not SoundReader().plays(file, of.item)
    Remade(of, made)(quietly)
    with av.open(str(made)) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
        assert abs(container.duration / 1e6 - 1) < 0.1


@pytest.mark.parametrize("path", [*sorted((MEDIA / "films").glob("*.mp4"))[:2], MEDIA / "sounds" / "bark.ogg"])
def test_what_browsers_play_is_known(path: Path) -> None:
    reader: Any = FilmReader() if path.suffix == ".mp4" else SoundReader()
    with path.open("rb") as file:
        assert reader.plays(file, Item(file_uri(path), "film" if path.suffix == ".mp4" else "sound"))


def test_nothing_is_made_of_a_file_that_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes((PHOTOS / "cat.jpg").read_bytes())
    of = indexed(path, "photo")
    assert Picture(of, 320)(quietly)[:2] == b"\xff\xd8"
    path.write_bytes((PHOTOS / "horse.jpg").read_bytes())
    with pytest.raises(MediaGone, match="not what was indexed"):
        Picture(of, 320)(quietly)
    path.write_bytes((PHOTOS / "cat.jpg").read_bytes())  # another time, and the same content
    assert Picture(of, 320)(quietly)


def test_a_file_whose_content_is_sure_is_not_read_through_for_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes((PHOTOS / "cat.jpg").read_bytes())
    of = indexed(path, "photo")
    from sightsound.jobs import Equipment
    from sightsound.media import Wanted

    [read] = read_item(Job(of.item, content="c" * 64), Equipment(of.source, of.readers, (), Wanted(), 2048))
    assert read.content == "c" * 64
    assert read.facts["bytes"] == path.stat().st_size


def test_a_waveform_is_high_where_the_sound_is_loud(tmp_path: Path) -> None:
    import re

    import soundfile

    wave = np.concatenate([np.zeros(16_000, np.float32), tone(1), np.zeros(16_000, np.float32)])
    soundfile.write(tmp_path / "a.wav", wave, 16_000)
    of = indexed(tmp_path / "a.wav", "sound")
    svg = Waveform(replace(of, item=replace(of.item, facts={"duration": 3.0})))(quietly).decode()
    heights = [float(b) - float(a) for a, b in re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", svg)]
    third = len(heights) // 3
    assert max(heights[: third - 5]) < 2
    assert min(heights[third + 5 : 2 * third - 5]) > 30
    assert "<script" not in svg


def test_peaks_are_the_largest_of_each_step() -> None:
    wave = np.zeros(WINDOW.rate, np.float32)
    wave[850] = -0.5
    found = peaks(wave)
    assert len(found) == 100
    assert found[10] == 0.5
    assert found.sum() == 0.5
