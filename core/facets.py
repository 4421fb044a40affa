"""Facets: how many items have each kind, tag, author… so that people see what they can narrow a search to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from sightsound.filters import AllButOne, Condition, Filters
from sightsound.stores.fields import FACETS, WORDS, holds, number, word_values, year
from sightsound.types import Item

if TYPE_CHECKING:
    from sightsound.searching import Answer, Query
    from sightsound.stores.base import Collection

DURATIONS: dict[str, tuple[float, float]] = {
    "0-10": (0, 10),
    "10-60": (10, 60),
    "60-300": (60, 300),
    "300-1200": (300, 1200),
    "1200-3600": (1200, 3600),
    "3600-": (3600, math.inf),
}
"""Lengths in seconds, from and to; both ends belong, as in the condition `duration=10-60`."""
LIMIT = 20
DEEPER = 4
"""How many times as deep a search goes, at the most, to count for several filtered fields at once."""
Counts = dict[str, list[tuple[str, int]]]
"""Field -> (value as it is written, how many items have it), the commonest first."""


def facets(
    collection: Collection, query: Query, answer: Answer, search: Callable[[Query], Answer], limit: int = LIMIT
) -> Counts:
    """What the query's hits can be narrowed to: over the probable ones, or over all items where nothing is asked.

    Of a field that is filtered already, the counts are those without its own filter: what else could be chosen too.
    search: answers a query, for that: once, however many fields are filtered.
    """
    groups: dict[str, tuple[Condition, ...]] = {}
    for one in query.filters:
        if isinstance(one, Condition) and one.field in FACETS:
            groups[one.field] = (*groups.get(one.field, ()), one)
    others = tuple(one for one in query.filters if not (isinstance(one, Condition) and one.field in groups))
    # What is only pushed away needs a filter to say what from.
    if answer.parts and any(part.weight > 0 for part in query.parts):
        return _of_hits(collection, query, answer, search, groups, others, limit)
    counts = _counts(collection, query, answer, limit)
    for field in groups:
        rest = tuple(condition for name, group in groups.items() if name != field for condition in group)
        counts[field] = collection.facets((*others, *rest), limit, (field,))[field]
    return counts


def _counts(collection: Collection, query: Query, answer: Answer, limit: int) -> Counts:
    if not answer.parts:
        return collection.facets(query.filters, limit)
    return counted(collection.items(answer.likely).values(), limit)


def _of_hits(
    collection: Collection,
    query: Query,
    answer: Answer,
    search: Callable[[Query], Answer],
    groups: Mapping[str, tuple[Condition, ...]],
    others: Filters,
    limit: int,
) -> Counts:
    """The counts over probable hits. One search gives those for which all filters hold but one at the most."""
    hits = [_Values.of(item) for item in collection.items(answer.likely).values()]
    counts = _counted(hits, limit)
    if not groups:
        return counts
    filters = others if len(groups) == 1 else (*others, AllButOne(tuple(groups.values())))
    depth = query.depth * min(len(groups), DEEPER)
    wider = search(replace(query, filters=filters, offset=0, limit=1, depth=depth))
    besides: dict[str, list[_Values]] = {field: [] for field in groups}
    known = set(answer.likely)
    for item in collection.items(id for id in wider.likely if id not in known).values():
        missed = [field for field, group in groups.items() if not all(holds(one, item) for one in group)]
        if len(missed) == 1:
            besides[missed[0]].append(_Values.of(item))
    for field, more in besides.items():
        counts[field] = _counted([*hits, *more], limit)[field]
    return counts


@dataclass(frozen=True)
class _Values:
    """What is counted of an item. words: (field, folded, as written), each once however it is written."""

    kind: str
    words: tuple[tuple[str, str, str], ...]
    year: str
    length: float | None

    @classmethod
    def of(cls, item: Item) -> _Values:
        words = {(field, folded): (field, folded, word) for field, folded, word in sorted(word_values(item))[::-1]}
        return cls(item.kind, tuple(words.values()), year(item), number(item.facts.get("duration")))


def counted(items: Iterable[Item], limit: int = LIMIT) -> Counts:
    """The counts of these items, as a store gives them of its own."""
    return _counted([_Values.of(item) for item in items], limit)


def _counted(items: Sequence[_Values], limit: int) -> Counts:
    found: Counts = {field: [] for field in FACETS}
    found["kind"] = commonest(Counter(item.kind for item in items).items(), limit)
    written = sorted(word for item in items for word in item.words)
    for (field, _), same in groupby(written, key=lambda one: one[:2]):
        words = [word for _, _, word in same]
        if field in found:
            found[field].append((words[0], len(words)))
    for field in WORDS:
        found[field] = commonest(found[field], limit)
    found["date"] = sorted(Counter(item.year for item in items if item.year).items(), reverse=True)[:limit]
    lengths = [item.length for item in items if item.length is not None]
    spans = {key: sum(low <= length <= high for length in lengths) for key, (low, high) in DURATIONS.items()}
    found["duration"] = in_order(spans)
    return found


def commonest(counts: Iterable[tuple[str, int]], limit: int) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:limit]


def in_order(durations: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts of durations in the order of DURATIONS, without those that none has."""
    return [(key, durations[key]) for key in DURATIONS if durations.get(key)]
