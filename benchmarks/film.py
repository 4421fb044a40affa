"""Films: indexing as multiples of real time, the libraries beside each other, memory, and `similar`.

python benchmarks/film.py --minutes 5 --films 1000
python benchmarks/film.py --only memory
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from memory import peak
from PIL import Image
from report import Row, table

from sightsound.config import cores
from sightsound.encoders import EncoderSet, choose
from sightsound.indexing import BATCH, READ_MEDIA, index
from sightsound.jobs import Equipment, Job, PreparedPiece, read_item
from sightsound.opening import open_source
from sightsound.registry import registry
from sightsound.signatures import KIND, sources
from sightsound.similar import Film, candidates, compare, of_item, similar_films
from sightsound.sources import Source
from sightsound.stores.base import Collection, Entry
from sightsound.stores.local import LocalStore
from sightsound.types import Item, Segment, item_id

ROUNDS = 3
LONG_ROUNDS = 2
"""Of what takes minutes."""
PHOTOS = Path(__file__).parent.parent / "examples" / "media" / "photos"
SIZES = {720: 1280, 1080: 1920}
FPS, SHOT = 25, 4
PARTS = 20
"""Shots, frames and windows of sound of each film that `similar` is measured with."""


def make_film(path: Path, height: int = 720) -> Path:
    """A minute of H.264, encoded as x264 does unless told otherwise: photographs that the camera moves over, a cut
    every four seconds. Made once, and kept."""
    if path.exists():
        return path
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.mp4")
    photos, width = sorted(PHOTOS.iterdir()), SIZES[height]
    with av.open(str(part), "w") as out:
        stream: Any = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "medium", "g": str(FPS * SHOT)}
        for number in range(60 * FPS):
            shot, place = divmod(number, FPS * SHOT)
            if place == 0:
                with Image.open(photos[shot % len(photos)]) as picture:
                    large = np.asarray(picture.convert("RGB").resize((width + 2 * FPS * SHOT, height)))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(large[:, 2 * place : 2 * place + width]), "rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    part.rename(path)
    return path


def repeated(film: Path, path: Path, times: int) -> Path:
    """The film so many times one after the other, without encoding it again."""
    if path.exists():
        return path
    import av

    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w") as out, av.open(str(film)) as first:
        stream: Any = out.add_stream_from_template(first.streams.video[0])
        for number in range(times):
            with av.open(str(film)) as source:
                theirs = source.streams.video[0]
                length = int(theirs.duration or 0) * number
                for packet in source.demux(theirs):
                    if packet.dts is not None and packet.pts is not None:
                        packet.pts, packet.dts = packet.pts + length, packet.dts + length
                        packet.stream = stream
                        out.mux(packet)
    part.rename(path)
    return path


def bound(source: Source, encoders: EncoderSet) -> tuple[float, float]:
    """CPU seconds of reading the films, as a reading process does it, and of making vectors of what is chosen to be
    encoded, its preparation included."""
    readers = tuple(entry.thing for entry in registry().readers)
    chosen = [encoder for medium in READ_MEDIA for encoder in encoders.reading(medium, "document")]
    preparing = 0.0

    def timed(prepare: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def prepared(media: Any) -> Any:
            nonlocal preparing
            began = time.process_time()
            made = prepare(media)
            preparing += time.process_time() - began
            return made

        return prepared

    preparations = tuple(replace(e.preparation, prepare=timed(e.preparation.prepare)) for e in chosen)
    equipment = Equipment(source, readers, preparations, encoders.wanted, 2048)
    began, pieces = time.process_time(), list[PreparedPiece]()
    for item in source.items():
        pieces += [piece for part in read_item(Job(item), equipment) for piece in part.pieces]
    reading = time.process_time() - began - preparing
    inputs = {e.key: [piece.inputs[e.key] for piece in pieces if e.key in piece.inputs] for e in chosen}
    for encoder in chosen:
        encoder.encode(inputs[encoder.key][:1], "document")
    began = time.process_time()
    for encoder in chosen:
        for start in range(0, len(inputs[encoder.key]), BATCH):
            encoder.encode(inputs[encoder.key][start : start + BATCH], "document")
    return reading, preparing + time.process_time() - began


def indexed(source: Source, encoders: EncoderSet) -> float:
    with tempfile.TemporaryDirectory() as folder:
        collection = LocalStore(folder).open("default", create=True)
        began = time.perf_counter()
        report = index(registry(), collection, source, encoders)
        took = time.perf_counter() - began
        collection.close()
    assert report.added == report.listed, report
    return took


def speed(work: Path, height: int, minutes: int) -> list[Row]:
    """As many films as there are cores, so that each has its reading process; a whole run, with the start of these."""
    minute = make_film(work / "film" / f"minute-{height}.mp4", height)
    folder = minute.parent / f"{minutes}-each-{height}"
    folder.mkdir(exist_ok=True)
    long = repeated(minute, folder / "0.mp4", minutes)
    for number in range(1, cores()):
        copy = folder / f"{number}.mp4"
        if not copy.exists():
            copy.write_bytes(long.read_bytes() + number.to_bytes(8, "big"))
    source, encoders = open_source(registry(), str(folder), {}).source, choose(registry(), ["starter"])
    films, seconds = cores(), 60 * minutes * cores()
    took, ours, bare = [], [], []
    for _ in range(LONG_ROUNDS):
        took.append(indexed(source, encoders))
        reading, encoding = bound(source, encoders)
        began = time.process_time()
        _pyav(minute, threads=1)
        decoding = (time.process_time() - began) * minutes * films
        ours.append((reading + encoding) / cores())
        bare.append((decoding + encoding) / cores())
    what = f"indexing {films} films of {minutes} minutes, {height}p, multiples of real time"
    rows = []
    for name, said, limits in ((what, "decoding and encoding", bare), ("the same", "reading and encoding", ours)):
        ratios = [limit / one for limit, one in zip(limits, took, strict=True)]
        rate, most = (seconds * LONG_ROUNDS / sum(times) for times in (took, limits))
        rows.append(Row(name, f"{rate:.0f} x", f"{said} {most:.0f} x", ratios, "to see" if rows else "at least 0.85"))
    return rows


def _pyav(film: Path, threads: int = 0) -> int:
    import av

    with av.open(str(film)) as container:
        context = container.streams.video[0].codec_context
        context.thread_type, context.thread_count = "AUTO", threads
        return sum(1 for _ in container.decode(video=0))


def _pyav_alone(film: Path) -> int:
    return _pyav(film, threads=1)


def _decord(film: Path) -> int:
    import decord

    reader = decord.VideoReader(str(film))
    return sum(1 for _ in iter(lambda: _next(reader), None))


def _next(reader: Any) -> Any:
    try:
        return reader.next()
    except StopIteration:
        return None


def _torchcodec(film: Path) -> int:
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(film), num_ffmpeg_threads=0)
    return sum(1 for number in range(len(decoder)) if decoder.get_frame_at(number) is not None)


def _ours(film: Path) -> int:
    from sightsound import Wanted
    from sightsound.plugins.video.reader import FilmReader
    from sightsound.types import ImageInput, ShotInput

    with film.open("rb") as file:
        wanted = Wanted(ImageInput(256), shot=ShotInput(36, 4))
        pieces = list(FilmReader("pyav").read(file, Item(film.as_uri(), "film"), wanted))
    assert pieces
    return 0


def libraries(film: Path) -> list[Row]:
    """Frames a second of a bare loop over each library, and of the reader, which finds shots and frames beside."""
    frames, taken = 60 * FPS, dict[str, list[float]]()
    ways: dict[str, Callable[[Path], int]] = {
        "a bare PyAV loop": _pyav,
        "a bare PyAV loop on one thread": _pyav_alone,
        "a bare decord loop": _decord,
        "a bare torchcodec loop": _torchcodec,
        "the reader": _ours,
    }
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            try:
                way(film)
            except (ImportError, RuntimeError, OSError):  # torchcodec without an FFmpeg
                continue
            taken.setdefault(name, []).append(time.perf_counter() - began)
    bare = taken["a bare PyAV loop"]
    rates = {name: frames / (sum(times) / len(times)) for name, times in taken.items()}
    return [
        Row(
            f"frames a second: {name}",
            f"{rates[name]:.0f} /s",
            f"{rates['a bare PyAV loop']:.0f} /s",
            [one / other for one, other in zip(bare, times, strict=True)],
            "",
        )
        for name, times in taken.items()
    ]


def memory(minute: Path) -> list[Row]:
    """A film of a minute has too few frames for one full batch, one of three minutes has enough: hence both."""
    peaks = {}
    for minutes in (1, 3, 60):
        folder = minute.parent / f"memory-{minutes}"
        folder.mkdir(exist_ok=True)
        repeated(minute, folder / f"{minutes}.mp4", minutes)
        peaks[minutes] = peak(folder)
    rows = []
    for minutes, wanted in ((3, "about 1"), (1, "to see")):
        for n, who in enumerate(("the indexer", "with its reading processes")):
            few, many = peaks[minutes][n], peaks[60][n]
            what = f"peak memory of indexing a film of sixty minutes: {who}"
            rows.append(Row(what, f"{many:.0f} MB", f"{few:.0f} MB of {minutes} min", [many / few], wanted))
    return rows


def make_collection(folder: Path, films: int, encoders: EncoderSet) -> Collection:
    """Films of 20 shots, frames and windows of sound each, about one of 200 directions; written once, and kept."""
    store = LocalStore(str(folder), create=True)
    name = f"films-{films}-of-{PARTS}"
    if name in store.collections():
        return store.open(name)
    collection = store.open(name, create=True)
    collection.set_encoders(encoders.records())
    chance, dims = np.random.default_rng(1), {s.name: s.dims for e in encoders.chosen for s in e.spec.spaces}
    from sightsound.signatures import signed

    axes = sources(encoders)
    centres = {axis: chance.standard_normal((200, dims[axis.space])).astype(np.float32) for axis in axes}
    for start in range(0, films, 50):
        entries = []
        for number in range(start, min(start + 50, films)):
            uri = f"file:///films/{number}.mp4"
            item = Item(uri, "film", "1", id=item_id(uri), content=f"{number:064x}", facts={"duration": 5.0 * PARTS})
            segments, vectors = list[Segment](), dict[str, dict[str, Any]]()
            for axis in axes:
                mine = [Segment(item.id, axis.kind, n, 5.0 * n, 5.0 * n + 5) for n in range(PARTS)]
                raw = centres[axis][chance.integers(200)] + chance.standard_normal((PARTS, dims[axis.space]))
                unit = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
                segments += mine
                vectors[axis.space] = {s.id: v for s, v in zip(mine, unit, strict=True)}
            for axis, (segment, vector) in signed(item.id, axes, segments, vectors).items():
                segments.append(segment)
                vectors[axis.signatures] = {segment.id: vector}
            entries.append(Entry(item, segments, vectors))
        collection.put(entries)
    return collection


def alike(films: int, work: Path) -> list[Row]:
    """Both stages of `similar`, beside a bare scan of the signatures in float32."""
    encoders = choose(registry(), ["starter"])
    collection = make_collection(work / "films", films, encoders)
    ids = collection.list((), "added", 0, 20)
    axes = sources(encoders)
    matrices = {}
    for axis in axes:
        all_ids = [f"{id}:{KIND}:{axis.number}" for id in collection.list((), "added", 0, films)]
        matrices[axis] = np.stack(list(collection.vectors(axis.signatures, all_ids).values()))
    taken: dict[str, list[float]] = {"scan": [], "first": [], "second": [], "both": []}
    for id in ids:
        film: Film = of_item(collection, encoders, collection.items([id])[id])
        began = time.perf_counter()
        for axis in axes:
            np.argpartition(-(matrices[axis] @ film.signatures[axis]), 100)
        taken["scan"].append(time.perf_counter() - began)
        began = time.perf_counter()
        found = candidates(collection, film, axes, (), 100)
        taken["first"].append(time.perf_counter() - began)
        began = time.perf_counter()
        segments = collection.segments(found)
        for axis in axes:
            compare(collection, axis, film, segments)
        taken["second"].append(time.perf_counter() - began)
        began = time.perf_counter()
        similar_films(collection, film, {"look": 1, "sound": 1, "meaning": 1})
        taken["both"].append(time.perf_counter() - began)
    collection.close()
    middle = {name: float(np.median(times)) for name, times in taken.items()}
    scan = f"{1e3 * middle['scan']:.0f} ms"
    said = {"first": "candidates by kNN", "second": "candidates compared", "both": "whole"}
    rows = []
    for name, what in said.items():
        ratios = [middle[name] / middle["scan"]]
        rows.append(Row(f"`similar` over {films:,} films: {what}", f"{1e3 * middle[name]:.0f} ms", scan, ratios, ""))
    return rows


def measure(minutes: int, films: int, work: Path, only: str = "") -> list[Row]:
    """All of it, or one part."""
    film = make_film(work / "film" / "minute-720.mp4")
    parts: dict[str, Callable[[], list[Row]]] = {
        "libraries": lambda: libraries(film),
        "speed": lambda: [row for height in SIZES for row in speed(work, height, minutes)],
        "alike": lambda: alike(films, work),
        "memory": lambda: memory(film),
    }
    return [row for name, part in parts.items() if only in ("", name) for row in part()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=15)
    parser.add_argument("--films", type=int, default=10_000)
    parser.add_argument("--only", choices=("libraries", "speed", "alike", "memory"), default="")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "sightsound-benchmarks")
    arguments = parser.parse_args()
    print(table(measure(arguments.minutes, arguments.films, arguments.work, arguments.only)))
