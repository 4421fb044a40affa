"""Searching: the parts of a query, through the encoders of every space the collection holds, to hits.

    parts ─► encoders ─► store: kNN and text for candidates, exact scores of each on every part ─► fuse ─► hits

The command line, the JSON API and the site all call `search`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import Literal, TypeVar

from sightsound import calibration
from sightsound.chance import PROBABLE
from sightsound.config import number
from sightsound.encoders import ChosenEncoder, EncoderSet, check_fingerprint
from sightsound.errors import ItemMissing, MediaError, UsageError
from sightsound.filters import Filters
from sightsound.fusing import MEDIUM_OF, Candidate, Match, fuse, matches
from sightsound.jobs import Equipment, Job
from sightsound.media import missing
from sightsound.moments import Followed, Moment, followed, moments
from sightsound.opening import open_source
from sightsound.registry import Registry
from sightsound.skipping import Skips
from sightsound.sources import Source
from sightsound.stores.base import Collection, Scored
from sightsound.types import Item, ItemKind, Medium, Segment, SegmentKind, Vectors, file_uri

DEPTH = 1000
"""Candidates taken from each space for each part: as deep as a search can be paged, unless it is paged deeper."""
SEGMENTS_SHOWN = 5
Sort = Literal["score", "date"]


@dataclass(frozen=True)
class Probe:
    """One vector of a part: into which space, from which medium."""

    space: str
    medium: Medium
    vector: Vectors


@dataclass(frozen=True)
class TextPart:
    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class FilePart:
    """A picture, sound or film to search by; it need not be in the collection. kind: None where the file tells.

    patience: seconds that reading it may take in all.
    """

    path: Path
    weight: float = 1.0
    kind: ItemKind | None = "photo"
    patience: float = math.inf


@dataclass(frozen=True)
class ReadPart(FilePart):
    """A file whose vectors are there already: `read_part` reads one for several searches."""

    probes: tuple[Probe, ...] = ()


@dataclass(frozen=True)
class ItemPart:
    """An item of the collection, to find others like it."""

    item_id: str
    weight: float = 1.0


Part = TextPart | FilePart | ItemPart


@dataclass(frozen=True)
class Query:
    """then: what must follow the parts in the same film or sound, at most `within` seconds later.

    only: the id of the one item to answer for, however many others match better; "" for all.
    depth: candidates taken from each space for each part, and the most that are told as likely.
    """

    parts: tuple[Part, ...] = ()
    filters: Filters = ()
    sort: Sort = "score"
    offset: int = 0
    limit: int = 20
    then: TextPart | None = None
    within: float = 30.0
    only: str = ""
    depth: int = DEPTH


@dataclass(frozen=True)
class Hit:
    """A found item. score: orders within its answer only. confidence: 0..1, or None where it can't be told.

    segments: (segment, its match), best first. matched: the best match of each part, None where there is none.
    moments: of films and sounds, the stretches of time that match, best first.
    """

    item: Item
    score: float | None
    confidence: float | None
    segments: Sequence[tuple[Segment, Match]] = ()
    matched: Sequence[Match | None] = ()
    moments: Sequence[Moment] = ()

    @property
    def probable(self) -> bool | None:
        return None if self.confidence is None else self.confidence >= PROBABLE


@dataclass(frozen=True)
class Answer:
    """total: items that can be paged; it may grow where a large collection is paged deeper.

    likely: ids of the probable hits, whichever are on this page, best first, at most `depth`: those above the
    line, where that can be told. A filter alone has none: all that it lists is meant.
    """

    hits: Sequence[Hit]
    total: int
    next: int | None
    parts: Sequence[Part] = ()
    likely: Sequence[str] = ()


@dataclass
class _Asked:
    part: Part
    probes: list[Probe] = field(default_factory=list)
    words: str = ""


def search(registry: Registry, collection: Collection, encoders: EncoderSet, query: Query) -> Answer:
    """Answer a query. Raises UsageError, MediaError for a query file that can't be read, FingerprintMismatch."""
    if query.limit < 1 or query.offset < 0:
        raise UsageError("--limit must be at least 1 and --offset at least 0")
    if not query.parts and not query.filters:
        raise UsageError("Say what to search for: words, a file, an item to find others like, or a filter")
    if not query.parts:
        return _listed(collection, query)
    asked = [_ask(registry, collection, encoders, part) for part in query.parts]
    depth = max(query.depth, 2 * (query.offset + query.limit))
    without = [part.item_id for part in query.parts if isinstance(part, ItemPart)]
    searcher = _Searcher(collection, query.filters, depth, without, query.only)
    positive = [one for one in asked if one.part.weight > 0]
    if query.only:
        among = {query.only}
    elif positive:
        among = {item_id for one in positive for item_id in searcher.candidates(one)}
    elif query.filters:
        among = set(collection.list(query.filters, "date", 0, depth))
    else:
        raise UsageError("A search needs something to look for, not only what to leave out: add words or a filter")
    among -= set(searcher.without)
    if query.then is not None:
        return _followed(registry, collection, encoders, query, asked, searcher, among)
    ranked = fuse([(one.part.weight, searcher.scored(one, among)) for one in asked], among)
    return _paged(collection, query, ranked)


def _followed(
    registry: Registry,
    collection: Collection,
    encoders: EncoderSet,
    query: Query,
    asked: list[_Asked],
    searcher: _Searcher,
    among: set[str],
) -> Answer:
    """The films and sounds in which something is followed by something else."""
    assert query.then is not None
    if query.within <= 0:
        raise UsageError("--within needs a time above zero, such as 30s")
    then = _ask(registry, collection, encoders, query.then)
    among &= {query.only} if query.only else searcher.candidates(then)
    first = fuse([(one.part.weight, searcher.scored(one, among)) for one in asked], among)
    second = fuse([(1.0, searcher.scored(then, among))], among)
    segments = collection.segments(among)
    found = followed(first, second, segments, query.within)
    page = found[query.offset : query.offset + query.limit]
    items = collection.items(one.item_id for one in page)
    hits = [
        Hit(
            items[one.item_id],
            one.score,
            one.confidence,
            [*one.segments],
            [*(one.first.best.get(part) for part in range(len(asked))), one.segments[1][1]],
            one.moments,
        )
        for one in page
        if one.item_id in items
    ]
    end = query.offset + len(page)
    return Answer(
        hits, len(found), end if end < len(found) else None, (*query.parts, query.then), _likely(found, query.depth)
    )


def _listed(collection: Collection, query: Query) -> Answer:
    ids = collection.list(query.filters, "date", query.offset, query.limit)
    items = collection.items(ids)
    total = collection.count(query.filters)
    end = query.offset + len(ids)
    return Answer([Hit(items[id], None, None) for id in ids if id in items], total, end if end < total else None)


def _paged(collection: Collection, query: Query, ranked: list[Candidate]) -> Answer:
    if query.sort == "date":
        known = [c for c in ranked if c.confidence is None or c.confidence >= PROBABLE]
        dated = collection.items(c.item_id for c in known)
        ranked = sorted(known, key=lambda c: dated[c.item_id].metadata.date if c.item_id in dated else "", reverse=True)
    page = ranked[query.offset : query.offset + query.limit]
    items = collection.items(candidate.item_id for candidate in page)
    segments = collection.segments(items)
    hits = []
    for candidate in page:
        if candidate.item_id not in items:  # removed meanwhile
            continue
        by_id = {segment.id: segment for segment in segments.get(candidate.item_id, [])}
        best = sorted(candidate.segments.values(), key=lambda match: -match.standardised)
        placed = [(by_id[m.segment_id], m) for m in best if m.segment_id in by_id]
        matched = [candidate.best.get(part) for part in range(len(query.parts))]
        shown = placed[:SEGMENTS_SHOWN]
        item = items[candidate.item_id]
        hits.append(Hit(item, candidate.total, candidate.confidence, shown, matched, moments(placed)))
    end = query.offset + len(page)
    return Answer(hits, len(ranked), end if end < len(ranked) else None, query.parts, _likely(ranked, query.depth))


def _likely(ranked: Sequence[Candidate | Followed], most: int) -> list[str]:
    above = takewhile(lambda one: one.confidence is None or one.confidence >= PROBABLE, ranked)
    return [one.item_id for one in islice(above, most)]


class _Searcher:
    """Candidates and scores of one query, within its filters."""

    def __init__(
        self, collection: Collection, filters: Filters, depth: int, without: list[str], only: str = ""
    ) -> None:
        self.collection = collection
        self.filters = filters
        self.depth = depth
        self.without = without
        self.among = [only] if only else None
        self._worded: dict[str, list[Scored]] = {}
        self._counts = collection.counts()
        self._calibrations = calibration.stored(collection)
        items = collection.count()
        self._sizes: dict[tuple[str, str], int] = {(space, kind): n for (space, kind), n in self._counts.items()}
        self._sizes[calibration.WORDS, calibration.WORDS] = items

    def candidates(self, asked: _Asked) -> set[str]:
        found: set[str] = set()
        for probe in asked.probes:
            for kind in self._kinds(probe.space):
                found |= self._nearest(probe, kind)
        if asked.words:
            found |= {scored.item_id for scored in self._with_words(asked)}
        return found

    def _with_words(self, asked: _Asked) -> list[Scored]:
        if asked.words not in self._worded:
            self._worded[asked.words] = self.collection.text(asked.words, self.depth, self.filters, self.among)
        return self._worded[asked.words]

    def _kinds(self, space: str) -> list[SegmentKind]:
        return [kind for name, kind in self._counts if name == space]

    def _nearest(self, probe: Probe, kind: SegmentKind) -> set[str]:
        """Items of the nearest segments; asks again without an item that owns too many of them."""
        items: set[str] = set()
        while True:
            found = self.collection.knn(
                probe.space, kind, probe.vector, self.depth, self.filters, [*self.without, *items]
            )
            items |= {scored.item_id for scored in found}
            if len(found) < self.depth or len(items) >= self.depth // 2:
                return items

    def scored(self, asked: _Asked, among: set[str]) -> Iterator[tuple[str, Match]]:
        worded = self._with_words(asked) if asked.words else []
        fields = sum(len(self._kinds(probe.space)) for probe in asked.probes) + bool(worded)
        for probe in asked.probes:
            found = self.collection.score(probe.space, probe.vector, among)
            yield from matches(found, probe.space, probe.medium, self._calibrations, self._sizes, fields)
        yield from matches(
            worded, calibration.WORDS, "text", self._calibrations, self._sizes, fields, kind=calibration.WORDS
        )


def _ask(registry: Registry, collection: Collection, encoders: EncoderSet, part: Part) -> _Asked:
    """The part's vectors in every space that can answer it."""
    if isinstance(part, TextPart):
        probes = [
            Probe(space, "text", vector)
            for encoder in _checked(collection, encoders, "text")
            for space, vectors in encoder.encode(encoder.prepared([part.text]), "query").items()
            for vector in vectors
            if vector is not None
        ]
        return _Asked(part, probes, part.text)
    if isinstance(part, ReadPart):
        return _Asked(part, [*part.probes])
    if isinstance(part, FilePart):
        return _Asked(part, _file_probes(registry, collection, encoders, part))
    return _Asked(part, _item_probes(collection, part.item_id))


def read_part(registry: Registry, collection: Collection, encoders: EncoderSet, part: FilePart) -> ReadPart:
    """The part with its file read, for searches of this collection as it is now. Raises MediaError, UsageError."""
    probes = tuple(_file_probes(registry, collection, encoders, part))
    return ReadPart(part.path, part.weight, part.kind, part.patience, probes)


def _checked(collection: Collection, encoders: EncoderSet, medium: Medium) -> Iterator[ChosenEncoder]:
    """The encoders of such queries into spaces that hold something; the others need not even be loaded."""
    held = {space for space, _ in collection.counts()}
    recorded = {(record.set, record.name): record.spaces for record in collection.encoders()}
    for encoder in encoders.reading(medium, "query"):
        spaces = (*encoder.spec.spaces, *recorded.get((encoder.set, encoder.spec.name), ()))
        if held & {space.name for space in spaces}:
            check_fingerprint(collection, encoder)
            yield encoder


def _file_probes(registry: Registry, collection: Collection, encoders: EncoderSet, part: FilePart) -> list[Probe]:
    """Read a query file as hostile, in a child process, and encode it."""
    from sightsound.workers import read_alone  # multiprocessing is not for searches in words

    source, item = _as_item(registry, part)
    media: tuple[Medium, ...] = MEDIA_OF[item.kind]
    if not any(encoders.reading(medium, "query") for medium in media):
        what = {"photo": "pictures", "sound": "sounds", "film": "films"}[item.kind]
        reason = Skips(registry, encoders, collection.name).reason(item) or f"the collection has no encoder of {what}"
        raise UsageError(f"{part.path} can't be searched by: {reason}")
    reader = next((one.thing for one in registry.readers if one.thing.reads(item)), None)
    if reader and missing(reader, item):
        raise UsageError(f"{part.path} can't be searched by: {missing(reader, item)}")
    chosen = [encoder for medium in media for encoder in _checked(collection, encoders, medium)]
    equipment = Equipment(
        source,
        tuple(e.thing for e in registry.readers),
        tuple(e.preparation for e in chosen),
        encoders.wanted,
        number("memory"),
    )
    made: dict[tuple[str, Medium], list[Vectors]] = {}
    end = time.monotonic() + part.patience
    try:
        for read in read_alone(equipment, Job(item)):
            if time.monotonic() > end:
                raise MediaError(f"reading it takes more than {part.patience:.0f} seconds")
            for encoder in chosen:
                inputs = [piece.inputs[encoder.key] for piece in read.pieces if encoder.key in piece.inputs]
                for space, vectors in encoder.encode(inputs, "query").items():
                    made.setdefault((space, encoder.spec.reads), []).extend(v for v in vectors if v is not None)
    except MediaError as error:
        raise MediaError(f"{part.path} can't be searched by: {error}") from error
    found = [Probe(space, medium, vector) for (space, medium), all_ in made.items() for vector in _spread(all_)]
    if not found:
        raise MediaError(f"{part.path} can't be searched by: nothing is seen or heard in it")
    return found


def _as_item(registry: Registry, part: FilePart) -> tuple[Source, Item]:
    """The file as an item, of the kind that is said, or that a source gives it."""
    if part.kind is not None:
        return Source(), Item(file_uri(part.path), part.kind)
    source = open_source(registry, str(part.path), {}).source
    item = next(iter(source.items()), None)
    if item is None or item.kind == "text":
        raise MediaError(f"{part.path} can't be searched by: it is no picture, sound or film")
    return source, item


MEDIA_OF: dict[ItemKind, tuple[Medium, ...]] = {"photo": ("image",), "sound": ("audio",), "film": ("image", "audio")}
MOST_PROBES = 12
"""Frames, and windows of sound, that stand for a whole film or sound in each space: each is a search of its own."""
Some = TypeVar("Some")


def _spread(things: Sequence[Some]) -> list[Some]:
    """At most MOST_PROBES of them, evenly spread."""
    count = min(len(things), MOST_PROBES)
    return [things[(2 * number + 1) * len(things) // (2 * count)] for number in range(count)]


def _item_probes(collection: Collection, item_id: str) -> list[Probe]:
    """An indexed item's own vectors; its texts serve where it has nothing else."""
    segments = collection.segments([item_id]).get(item_id, [])
    media = [segment for segment in segments if segment.kind in MEDIUM_OF] or segments
    found: list[Probe] = []
    for space in dict.fromkeys(space for space, _ in collection.counts()):
        for kind in dict.fromkeys(segment.kind for segment in media):
            vectors = collection.vectors(space, [segment.id for segment in media if segment.kind == kind])
            found += [Probe(space, MEDIUM_OF.get(kind, "text"), vector) for vector in _spread(list(vectors.values()))]
    if not found:
        raise ItemMissing(f"The item {item_id} has no vectors to search by; it may have failed: sightsound failed")
    return found
