"""How good a collection's searches are: by queries whose right items are known. Figures are those of ir-measures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightsound.encoders import of_collection
from sightsound.errors import ItemMissing, PluginError, UsageError
from sightsound.opening import find_item
from sightsound.queryfile import WrittenPart, WrittenQuery
from sightsound.registry import Registry
from sightsound.searching import Answer, FilePart, ItemPart, Part, Query, TextPart, search
from sightsound.stores.base import Collection

DEPTH = 1000
"""Hits in which right items are looked for."""


@dataclass(frozen=True)
class Outcome:
    """One query's result. rank: of the first right item, from 1; None where it is not among the first DEPTH.

    probable: whether that item is above the line. own: whether the query is a text of a right item that the collection
    holds: it then finds itself by its words.
    """

    query: WrittenQuery
    rank: int | None
    probable: bool
    own: bool


@dataclass(frozen=True)
class Evaluation:
    """measures: by name, means over the queries. missing: right items that the collection does not hold."""

    collection: str
    items: int
    measures: dict[str, float | None]
    outcomes: Sequence[Outcome]
    missing: Sequence[str]


def evaluate(
    registry: Registry, collection: Collection, queries: Sequence[WrittenQuery], progress: Callable[[], None]
) -> Evaluation:
    """Search for every query. A right item that the collection lacks counts as not found.

    progress: called after each query. Raises UsageError where it holds none of the right items, PluginError without
    the extra `eval`.
    """
    measures = _library()
    encoders = of_collection(registry, collection)
    outcomes: list[Outcome] = []
    missing: list[str] = []
    qrels, run = [], []
    for query in queries:
        right = _right(collection, query, missing)
        answer = search(registry, collection, encoders, Query(tuple(map(_part(collection), query.parts)), limit=DEPTH))
        outcomes.append(_outcome(collection, query, right, answer))
        qrels += [measures.Qrel(query.id, item, grade) for item, grade in right.items()]
        run += [
            measures.ScoredDoc(query.id, hit.item.id, float(len(answer.hits) - rank))
            for rank, hit in enumerate(answer.hits)
        ]
        progress()
    held = sum(len(query.right) for query in queries) - len(missing)
    if not held:
        raise UsageError(
            f"The collection '{collection.name}' holds none of the right items, such as {missing[0]}. They are named by"
            " path (from the file's folder), URI or id"
        )
    found = _measured(measures, qrels, run, outcomes)
    return Evaluation(collection.name, collection.count(), found, outcomes, missing)


def _library() -> Any:
    try:
        import ir_measures
    except ImportError as error:
        raise PluginError("Evaluation needs a further package: pip install 'sightsound[eval]'") from error
    return ir_measures


def _right(collection: Collection, query: WrittenQuery, missing: list[str]) -> dict[str, int]:
    """Grades by item id. What is missing keeps a place, so that it counts as not found."""
    found: dict[str, int] = {}
    for reference, grade in query.right.items():
        try:
            found[find_item(collection, reference).id] = grade
        except ItemMissing:
            missing.append(reference)
            found[f"missing {reference}"] = grade
    return found


def _part(collection: Collection) -> Callable[[WrittenPart], Part]:
    def made(part: WrittenPart) -> Part:
        if part.what == "text":
            return TextPart(part.value, part.weight)
        if part.what == "image":
            return FilePart(Path(part.value), part.weight)
        return ItemPart(find_item(collection, part.value).id, part.weight)

    return made


def _outcome(collection: Collection, query: WrittenQuery, right: dict[str, int], answer: Answer) -> Outcome:
    first = next(((rank, hit) for rank, hit in enumerate(answer.hits, 1) if hit.item.id in right), None)
    asked = {part.value.casefold() for part in query.parts if part.what == "text"}
    held = {
        " ".join(s.text.split()).casefold() for found in collection.segments(right).values() for s in found if s.text
    }
    return Outcome(query, first[0] if first else None, bool(first and first[1].probable), bool(asked & held))


def _measured(measures: Any, qrels: list[Any], run: list[Any], outcomes: list[Outcome]) -> dict[str, float | None]:
    wanted = {f"recall@{k}": measures.R @ k for k in (1, 5, 10)}
    wanted |= {"nDCG@10": measures.nDCG @ 10, "MRR": measures.RR}
    made = measures.calc_aggregate(list(wanted.values()), qrels, run)
    median = statistics.median(outcome.rank or math.inf for outcome in outcomes)
    return {name: float(made[measure]) for name, measure in wanted.items()} | {
        "median rank": None if math.isinf(median) else float(median),
        "found above the line": sum(outcome.probable for outcome in outcomes) / len(outcomes),
    }


def differences(one: Evaluation, other: Evaluation) -> list[tuple[Outcome, Outcome]]:
    """The queries whose first right item has another rank, the greatest difference first: that from 1 to 10 counts as
    much as that from 10 to 100."""

    def apart(pair: tuple[Outcome, Outcome]) -> float:
        return abs(math.log(pair[0].rank or 2 * DEPTH) - math.log(pair[1].rank or 2 * DEPTH))

    pairs = zip(one.outcomes, other.outcomes, strict=True)
    return sorted((pair for pair in pairs if pair[0].rank != pair[1].rank), key=apart, reverse=True)
