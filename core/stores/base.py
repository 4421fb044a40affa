"""What a store provides. `tests/store_contract.py` holds every store to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection as Many
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from sightsound.filters import Filters
from sightsound.types import Item, Segment, SegmentKind, Space, Vectors

Order = Literal["date", "added"]
SPOKEN = 10
"""Passages of subtitles that a text search gives of one item."""
SUFFIX = ".rebuilt"
"""Ends the name of a collection that is built to take another's place; an interrupted rebuild goes on with it."""


@dataclass(frozen=True)
class Entry:
    """One item to be written, whole or in part.

    segments: those to write. Segments of the same kinds that the item had before go.
    vectors: space name -> segment id -> float32 (dims,), unit length. A segment may lack a vector. What a store gave
        out is stored again as the same.
    replaces: the kinds of segment that this entry is the whole truth about; None for all. Segments of other
    kinds stay as they are.
    """

    item: Item
    segments: Sequence[Segment] = ()
    vectors: Mapping[str, Mapping[str, Vectors]] = field(default_factory=dict)
    replaces: frozenset[SegmentKind] | None = None


def each_item_once(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries in batches, in their order, in none of which an item comes twice."""
    batch: dict[str, Entry] = {}
    for entry in entries:
        if entry.item.id in batch:
            yield list(batch.values())
            batch = {}
        batch[entry.item.id] = entry
    if batch:
        yield list(batch.values())


@dataclass(frozen=True)
class EncoderRecord:
    """An encoder that a collection was built with: the user's set, the spec's name, what it fills."""

    set: str
    name: str
    reads: str
    spaces: tuple[Space, ...]
    fingerprint: str


@dataclass(frozen=True)
class Scored:
    """A segment and its score: cosine in -1..1 from kNN, 0..1 from a text search."""

    segment_id: str
    item_id: str
    kind: SegmentKind
    score: float


@dataclass(frozen=True)
class Failure:
    """An item that failed: `stale` where its last good vectors are kept and still found."""

    uri: str
    reason: str
    source: str
    when: str
    stale: bool


@dataclass(frozen=True)
class Status:
    """Counts of a collection. `segments`: (space, kind) -> vectors. bytes: on disk, in all."""

    name: str
    items: Mapping[str, int]
    failed: int
    segments: Mapping[tuple[str, str], int]
    bytes: int


class Collection(ABC):
    """A named set of items in a store, with the spaces it holds.

    Any number of processes may read while one writes. Methods raise StoreError; it says what to do.
    """

    name: str

    # Writing

    @abstractmethod
    def writing(self, wait: bool = False) -> AbstractContextManager[None]:
        """Hold the collection for one writer. Raises CollectionBusy, with the owner's pid, host and start."""

    @abstractmethod
    def put(self, entries: Sequence[Entry], last: bool = True) -> Mapping[str, str]:
        """Write entries in one commit; writing the same again changes nothing. Of an item, all or nothing is visible.

        Returns why the store could not take some items, by id; they are noted as failed, with that as the reason.
        last: False for a piece of a long item: its segments add up, unseen by search until the last piece.
        """

    @abstractmethod
    def fail(self, item: Item, reason: str) -> None:
        """Note that the item failed. Where it has vectors, they are kept and it becomes `stale`."""

    @abstractmethod
    def release(self, ids: Iterable[str], source: str) -> int:
        """Take the items from a source; those that no other names are removed. Returns how many were."""

    @abstractmethod
    def remove(self, ids: Iterable[str]) -> int:
        """Remove items with everything that hangs on them. Returns how many there were."""

    @abstractmethod
    def set_encoders(self, records: Sequence[EncoderRecord]) -> None: ...

    @abstractmethod
    def set_state(self, key: str, value: Any) -> None:
        """Keep a JSON value with the collection: calibration, a source's cursor."""

    # For the planner

    @abstractmethod
    def states(self, uris: Iterable[str]) -> dict[str, Item]:
        """The items at these URIs, by URI, failed ones included; absent URIs are left out."""

    @abstractmethod
    def with_content(self, contents: Iterable[str]) -> dict[str, list[Item]]:
        """The items that have these contents (SHA-256) and vectors, by content; none that failed, also in part."""

    @abstractmethod
    def contents_of_sizes(self, sizes: Iterable[int]) -> dict[int, list[str]]:
        """Contents of the indexed items whose fact `bytes` is one of these, by size; of none that failed in part."""

    @abstractmethod
    def of_source(self, source: str) -> Iterator[tuple[str, str]]:
        """(id, uri) of every item that the source named."""

    @abstractmethod
    def pieces(self, item_id: str, spaces: Iterable[str] = ()) -> Entry | None:
        """What was put of a long item whose last piece is still to come: its segments, by kind and number, with
        their vectors in these spaces. None where no such item is being written.

        The entry's item has the revision under way; whoever goes on compares it with the file's.
        """

    # Reading

    @abstractmethod
    def encoders(self) -> list[EncoderRecord]: ...

    @abstractmethod
    def state(self, key: str) -> Any:
        """The value kept under `key`, or None."""

    @abstractmethod
    def kept(self) -> dict[str, Any]:
        """All that `set_state` keeps, by key."""

    @abstractmethod
    def items(self, ids: Iterable[str]) -> dict[str, Item]: ...

    @abstractmethod
    def find(self, reference: str) -> list[str]:
        """Ids of at most two items that an id, its beginning (4 hex digits or more) or a URI names."""

    @abstractmethod
    def scan(self, filters: Filters = (), failed: bool = False) -> Iterator[Item]:
        """Every item that search can find, by id.

        failed: also those that failed and that search can't find.
        """

    @abstractmethod
    def count(self, filters: Filters = ()) -> int: ...

    @abstractmethod
    def segments(self, item_ids: Iterable[str]) -> dict[str, list[Segment]]: ...

    @abstractmethod
    def vectors(self, space: str, segment_ids: Iterable[str]) -> dict[str, Vectors]:
        """Stored vectors, float32 (dims,), by segment id; segments without one are left out.

        Of unit length to within float16, the precision that vectors are kept with.
        """

    @abstractmethod
    def sample(self, space: str, kind: SegmentKind, n: int) -> tuple[list[str], Vectors]:
        """Segment ids and vectors, float32 (m, dims), of the n lowest item ids: the same in any store."""

    @abstractmethod
    def knn(
        self,
        space: str,
        kind: SegmentKind,
        vector: Vectors,
        k: int,
        filters: Filters = (),
        without: Many[str] = (),
    ) -> list[Scored]:
        """The k segments of a kind nearest by cosine, best first. Filters are applied before, not after.

        without: ids of items to leave out.
        """

    @abstractmethod
    def text(self, words: str, k: int, filters: Filters = (), among: Many[str] | None = None) -> list[Scored]:
        """The k items whose title, description, tags, name or subtitles hold the words (stemmed), best first.

        An item comes once for what is said of it, its `kind` the field in which the match is best; and once for each
        passage of its subtitles that holds a word, with that segment's id, the SPOKEN best of them.
        The score is the share of the query's words found, each weighed by its rarity (the share of items that hold
        it): 1.0 for all of them; a passage of subtitles counts by itself. Of equal scores, the better BM25 comes first.
        among: ids of the items to search, None for all; words are as rare as they are among all.
        """

    @abstractmethod
    def score(self, space: str, vector: Vectors, item_ids: Iterable[str]) -> list[Scored]:
        """Exact cosine of the vector with every segment of these items in the space."""

    @abstractmethod
    def facets(self, filters: Filters = (), limit: int = 20) -> dict[str, list[tuple[str, int]]]:
        """The commonest values with counts, for each of `facets.FACETS`."""

    @abstractmethod
    def failures(self) -> list[Failure]: ...

    @abstractmethod
    def counts(self) -> dict[tuple[str, SegmentKind], int]:
        """How many vectors each space holds of each kind of segment."""

    @abstractmethod
    def status(self) -> Status: ...

    @abstractmethod
    def check(self) -> list[str]:
        """Verify everything, mend what can be made again (caches), and say what was found, a line each."""

    @abstractmethod
    def close(self) -> None: ...

    # Last in the class: annotations below it would take `list` for this method.
    @abstractmethod
    def list(self, filters: Filters, order: Order, offset: int, limit: int) -> list[str]:
        """Ids, newest first: by the item's own date (undated last), or by when it was added."""


class Store(ABC):
    """Keeps collections. location: where, as it may be shown: without passwords."""

    location: str

    def diagnose(self) -> tuple[Mapping[str, str], Sequence[str]]:
        """For `sightsound doctor`: facts by name, and what could go wrong, a line each, with what to do."""
        return {}, []

    @abstractmethod
    def collections(self) -> list[str]: ...

    @abstractmethod
    def open(self, name: str, create: bool = False) -> Collection:
        """Open a collection. Raises CollectionMissing, NewerSchema, StoreError."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Remove a collection with everything in it. Raises CollectionBusy while one indexes it."""

    @abstractmethod
    def switch(self, built: str, name: str) -> None:
        """Let the collection `built` take the name `name`; what had it goes. No search fails meanwhile."""
