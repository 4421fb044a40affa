"""Films that are alike in look, sound and meaning.

signatures: kNN finds candidates ─► their shots and sounds are compared as sets ─► hits, each with its reasons
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sightsound.config import number
from sightsound.encoders import EncoderSet, check_fingerprint
from sightsound.errors import ItemMissing, MediaError, UsageError
from sightsound.filters import Filters, any_of
from sightsound.jobs import Equipment, Job
from sightsound.registry import Registry
from sightsound.signatures import KIND, Axis, Source, signed, sources
from sightsound.skipping import Skips
from sightsound.sources import Source as ItemSource
from sightsound.stores.base import Collection
from sightsound.types import Item, Segment, Vectors

WEIGHTS: Mapping[Axis, float] = {"look": 1.0, "sound": 0.5, "meaning": 1.0}
CANDIDATES = 100
"""Films that are compared in full, for each axis, or twice what is asked for."""
COMPARED = 200
"""Segments of a film that are compared, evenly spread over it."""
PAIRS = 3
"""Pairs that are told for each axis."""
SPREAD = 0.02
"""The least spread of an axis's scores, so that films that are all alike in it do not decide by a hair."""


@dataclass(frozen=True)
class Film:
    """A film to compare with: what there is of it on each axis.

    segments: of each axis, with vectors float32 (n, dims), unit length. signatures: float32 (dims,).
    """

    segments: Mapping[Source, tuple[Sequence[Segment], Vectors]]
    signatures: Mapping[Source, Vectors]
    item_id: str = ""


@dataclass(frozen=True)
class Pair:
    """Two parts that agree: of the film asked about, and of the one that was found. score: a cosine."""

    axis: Axis
    mine: Segment
    theirs: Segment
    score: float


@dataclass(frozen=True)
class Likeness:
    """A film that is alike. score: orders within its answer only. axes: how alike on each, -1..1."""

    item: Item
    score: float
    axes: Mapping[Axis, float]
    pairs: Sequence[Pair] = field(default_factory=list)


def of_item(collection: Collection, encoders: EncoderSet, item: Item) -> Film:
    """A film of the collection. Raises ItemMissing where it has no signatures."""
    segments = collection.segments([item.id]).get(item.id, [])
    vectors = {
        source.space: collection.vectors(source.space, [s.id for s in segments if s.kind == source.kind])
        for source in sources(encoders)
    }
    return _film(encoders, item.id, segments, vectors)


def of_file(registry: Registry, collection: Collection, encoders: EncoderSet, source: ItemSource, item: Item) -> Film:
    """A film that need not be in the collection, read as hostile in a child process. Raises MediaError, UsageError."""
    from sightsound.workers import read_alone

    if reason := Skips(registry, encoders, collection.name).reason(item):
        raise UsageError(f"{item.path or item.uri} can't be compared: {reason}")
    axes = sources(encoders)
    chosen = [e for e in encoders.chosen if e.spec.reads in ("shot", "image", "audio") and "document" in e.spec.roles]
    chosen = [e for e in chosen if {s.name for s in e.spec.spaces} & {axis.space for axis in axes}]
    for encoder in chosen:
        check_fingerprint(collection, encoder)
    readers = tuple(entry.thing for entry in registry.readers)
    equipment = Equipment(source, readers, tuple(e.preparation for e in chosen), encoders.wanted, number("memory"))
    segments: list[Segment] = []
    vectors: dict[str, dict[str, Vectors]] = {}
    try:
        for read in read_alone(equipment, Job(item)):
            segments += [Segment("", p.kind, p.number, p.start, p.end) for p in read.pieces]
            for encoder in chosen:
                taken = [piece for piece in read.pieces if encoder.key in piece.inputs]
                for space, made in encoder.encode([p.inputs[encoder.key] for p in taken], "document").items():
                    found = vectors.setdefault(space, {})
                    found |= {f":{p.kind}:{p.number}": v for p, v in zip(taken, made, strict=True) if v is not None}
    except MediaError as error:
        raise MediaError(f"{item.path or item.uri} can't be compared: {error}") from error
    return _film(encoders, "", segments, vectors)


def _film(
    encoders: EncoderSet, id: str, segments: Sequence[Segment], vectors: Mapping[str, Mapping[str, Vectors]]
) -> Film:
    signatures = {source: vector for source, (_, vector) in signed(id, sources(encoders), segments, vectors).items()}
    if not signatures:
        raise ItemMissing("There is nothing of the film to compare: the collection's encoders made nothing of it")
    return Film({source: _parts(source, segments, vectors[source.space]) for source in signatures}, signatures, id)


def _parts(
    source: Source, segments: Sequence[Segment], vectors: Mapping[str, Vectors]
) -> tuple[Sequence[Segment], Vectors]:
    mine = [segment for segment in segments if segment.kind == source.kind and segment.id in vectors]
    mine = _spread_over(mine)
    return mine, np.stack([vectors[segment.id] for segment in mine])


def similar_films(
    collection: Collection, film: Film, weights: Mapping[Axis, float], filters: Filters = (), limit: int = 20
) -> list[Likeness]:
    """Films like this one, the most alike first. Raises UsageError where nothing of it can be compared."""
    asked = {source: weights.get(source.axis, 0.0) for source in film.signatures}
    asked = {source: weight for source, weight in asked.items() if weight > 0}
    if not asked:
        has = ", ".join(source.axis for source in film.signatures)
        raise UsageError(f"Give a weight above 0 to something that the film has here: {has}")
    found = candidates(collection, film, list(asked), filters, max(CANDIDATES, 2 * limit))
    segments = collection.segments(found)
    compared = {source: compare(collection, source, film, segments) for source in asked}
    totals = dict.fromkeys(found, 0.0)
    for source, weight in asked.items():
        scores = {id: score for id, (score, _) in compared[source].items()}
        for id, standardised in _standardised(scores, found).items():
            totals[id] += weight * standardised / sum(asked.values())
    best = sorted(found, key=lambda id: (-totals[id], id))[:limit]
    items = collection.items(best)
    return [
        Likeness(
            items[id],
            totals[id],
            {source.axis: compared[source][id][0] for source in asked if id in compared[source]},
            [pair for source in asked if id in compared[source] for pair in compared[source][id][1]],
        )
        for id in best
        if id in items
    ]


def candidates(collection: Collection, film: Film, axes: Sequence[Source], filters: Filters, depth: int) -> list[str]:
    """Ids of films whose signatures are nearest, on any of the axes."""
    within = (*filters, *any_of("kind", ["film"]))
    without = [film.item_id] if film.item_id else []
    found: dict[str, None] = {}
    for source in axes:
        near = collection.knn(source.signatures, KIND, film.signatures[source], depth, within, without)
        found |= dict.fromkeys(scored.item_id for scored in near)
    return list(found)


def compare(
    collection: Collection, source: Source, film: Film, films: Mapping[str, Sequence[Segment]]
) -> dict[str, tuple[float, list[Pair]]]:
    """How alike each film is on one axis, and the pairs that agree most; films that have nothing there are left out.

    films: segments by item.
    """
    mine, ours = film.segments[source]
    taken: dict[str, list[Segment]] = {}
    for id, segments in films.items():
        theirs = [segment for segment in segments if segment.kind == source.kind]
        taken[id] = _spread_over(theirs)
    vectors = collection.vectors(source.space, [segment.id for segments in taken.values() for segment in segments])
    found = {}
    for id, segments in taken.items():
        theirs = [segment for segment in segments if segment.id in vectors]
        if theirs:
            cosines = ours @ np.stack([vectors[segment.id] for segment in theirs]).T
            pairs = [Pair(source.axis, mine[i], theirs[j], float(cosines[i, j])) for i, j in _best_pairs(cosines)]
            found[id] = set_likeness(cosines, _lengths(mine), _lengths(theirs)), pairs
    return found


def _spread_over(segments: list[Segment]) -> list[Segment]:
    """As many as are compared, evenly spread."""
    if len(segments) <= COMPARED:
        return segments
    return [segments[int(place)] for place in np.linspace(0, len(segments) - 1, COMPARED)]


def set_likeness(
    cosines: npt.NDArray[np.float32], mine: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64]
) -> float:
    """How alike two sets of segments are: each one's best match in the other set, averaged by time, both ways.

    The symmetric mean of best matches (modified Hausdorff distance, Dubuisson and Jain 1994). cosines: (n, m).
    mine (n,), theirs (m,): seconds.
    """
    there = float(np.average(cosines.max(axis=1), weights=mine))
    back = float(np.average(cosines.max(axis=0), weights=theirs))
    return (there + back) / 2


def _lengths(segments: Sequence[Segment]) -> npt.NDArray[np.float64]:
    return np.array([max((s.end or 0.0) - (s.start or 0.0), 1e-3) for s in segments])


def _best_pairs(cosines: npt.NDArray[np.float32]) -> list[tuple[int, int]]:
    """The pairs that agree most, each segment in one of them."""
    left, pairs = cosines.copy(), []
    for _ in range(min(PAIRS, *cosines.shape)):
        i, j = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(i), int(j)))
        left[i, :] = left[:, j] = -2
    return pairs


def _standardised(scores: Mapping[str, float], ids: Sequence[str]) -> dict[str, float]:
    """Scores of one axis on a scale on which axes can be added; a film without one is as the least alike."""
    if not scores:
        return dict.fromkeys(ids, 0.0)
    values = np.array(list(scores.values()))
    middle, spread = float(values.mean()), max(float(values.std()), SPREAD)
    lowest = (float(values.min()) - middle) / spread
    return {id: (scores[id] - middle) / spread if id in scores else lowest for id in ids}


def likeness_object(found: Likeness) -> dict[str, object]:
    """Score, axes and pairs of a hit as JSON; the item comes beside."""
    return {
        "score": round(found.score, 4),
        "axes": {axis: round(score, 4) for axis, score in found.axes.items()},
        "pairs": [
            {
                "axis": pair.axis,
                "start": pair.mine.start,
                "end": pair.mine.end,
                "their_start": pair.theirs.start,
                "their_end": pair.theirs.end,
                "score": round(pair.score, 4),
            }
            for pair in found.pairs
        ],
    }
