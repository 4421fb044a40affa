"""Facets: how many items have each kind, tag, author… so that people see what they can narrow a search to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from sightsound.stores.fields import number, word_values, year
from sightsound.types import Item

if TYPE_CHECKING:
    from sightsound.searching import Answer, Query
    from sightsound.stores.base import Collection

WORDS = ("kind", "source", "tag", "author", "licence", "colour", "orientation")
FACETS = (*WORDS, "date", "duration")
"""Values of `date` are years, the newest first; those of `duration` are keys of DURATIONS, in their order."""
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
Counts = dict[str, list[tuple[str, int]]]
"""Field -> (value as it is written, how many items have it), the commonest first."""


def facets(
    collection: Collection, query: Query, answer: Answer, search: Callable[[Query], Answer], limit: int = LIMIT
) -> Counts:
    """What the query's hits can be narrowed to: over the probable ones, or over all items where nothing is asked.

    Of a field that is filtered already, the counts are those without its own filter: what else could be chosen too.
    search: answers a query, for that.
    """
    counts = _counts(collection, query, answer, limit)
    for field in dict.fromkeys(condition.field for condition in query.filters if condition.field in FACETS):
        others = tuple(condition for condition in query.filters if condition.field != field)
        wider = replace(query, filters=others, offset=0, limit=1)
        # What is only pushed away needs a filter to say what from.
        asked = search(wider) if any(part.weight > 0 for part in query.parts) else replace(answer, parts=())
        counts[field] = _counts(collection, wider, asked, limit)[field]
    return counts


def _counts(collection: Collection, query: Query, answer: Answer, limit: int) -> Counts:
    if not answer.parts:
        return collection.facets(query.filters, limit)
    return counted(collection.items(answer.likely).values(), limit)


def counted(items: Iterable[Item], limit: int = LIMIT) -> Counts:
    """The counts of these items, as a store gives them of its own."""
    items = list(items)
    found: Counts = {field: [] for field in FACETS}
    found["kind"] = commonest(Counter(item.kind for item in items).items(), limit)
    written = sorted((field, folded, word) for item in items for field, folded, word in _words_once(item))
    for (field, _), same in groupby(written, key=lambda one: one[:2]):
        words = [word for _, _, word in same]
        if field in found:
            found[field].append((words[0], len(words)))
    for field in WORDS:
        found[field] = commonest(found[field], limit)
    found["date"] = sorted(Counter(filter(None, map(year, items))).items(), reverse=True)[:limit]
    lengths = [length for item in items if (length := number(item.facts.get("duration"))) is not None]
    spans = {key: sum(low <= length <= high for length in lengths) for key, (low, high) in DURATIONS.items()}
    found["duration"] = in_order(spans)
    return found


def commonest(counts: Iterable[tuple[str, int]], limit: int) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda pair: (-pair[1], pair[0]))[:limit]


def in_order(durations: Mapping[str, int]) -> list[tuple[str, int]]:
    """Counts of durations in the order of DURATIONS, without those that none has."""
    return [(key, durations[key]) for key in DURATIONS if durations.get(key)]


def _words_once(item: Item) -> Iterable[tuple[str, str, str]]:
    """A word that the item writes in several ways counts once."""
    return {(field, folded): (field, folded, word) for field, folded, word in sorted(word_values(item))[::-1]}.values()
