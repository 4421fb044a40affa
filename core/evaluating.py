"""How well a collection answers queries whose right items are known.

    query file ─► each question as the collection understands it ─► search ─► ranks ─► measures of ir-measures

Every question is searched for with the same `search` as everything else.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightsound.encoders import EncoderSet
from sightsound.errors import ItemMissing, MediaError, PluginError
from sightsound.queryfiles import BadLine, LikePart, Question, Right, complain, words
from sightsound.registry import Registry
from sightsound.searching import DEPTH, FilePart, ItemPart, Part, Query, TextPart, search
from sightsound.stores.base import Collection
from sightsound.types import file_uri

VERSION = 1
"""Fields may be added within a version; none is removed or changes its meaning."""
MEASURES = {
    "recall_at_1": "R@1",
    "recall_at_5": "R@5",
    "recall_at_10": "R@10",
    "ndcg_at_10": "nDCG@10",
    "mrr": "RR",
}
"""Our names of what ir-measures computes for each query, and its own. The mean over all queries is given."""


@dataclass(frozen=True)
class Task:
    """A question as one collection understands it.

    right: item id -> grade, of the right items that it has. missing: those that it has not, or that failed.
    own_words: whether a text searched for is the title or the description of a right item, so that its words find it.
    """

    question: Question
    parts: tuple[Part, ...]
    right: Mapping[str, int]
    missing: tuple[Right, ...]
    own_words: bool


@dataclass(frozen=True)
class Outcome:
    """How a task went.

    rank: of the first right item, from 1; None where none is among the first 1,000. probable: whether that item is
    above the line, None where it can't be told. measures: 0..1 each, by the names of MEASURES.
    """

    task: Task
    rank: int | None
    probable: bool | None
    measures: Mapping[str, float]


def check_installed() -> None:
    """Raises PluginError where ir-measures is not installed."""
    try:
        import ir_measures  # noqa: F401
    except ImportError as error:
        raise PluginError("Evaluation needs ir-measures: pip install 'sightsound[eval]'") from error


def tasks_for(collection: Collection, questions: Sequence[Question], file: Path) -> list[Task]:
    """Each question as the collection understands it.

    Raises UsageError for lines that it can't understand, and ItemMissing where it has no right item of any question.
    """
    tasks: list[Task] = []
    wrong: list[tuple[int, str]] = []
    for question in questions:
        try:
            tasks.append(_task(collection, question))
        except BadLine as error:
            wrong.append((question.line, str(error)))
    complain(file, wrong)
    if not any(task.right for task in tasks):
        first = questions[0]
        raise ItemMissing(
            f"The collection '{collection.name}' has none of the right items of {file}, such as"
            f" {first.right[0].reference} in line {first.line}. Name items by id, path or URI; relative paths are taken"
            f" from the query file's folder. It has: sightsound search --kind photo --collection {collection.name}"
        )
    return tasks


def _task(collection: Collection, question: Question) -> Task:
    parts = tuple(_part(collection, part) for part in question.parts)
    right: dict[str, int] = {}
    missing: list[Right] = []
    for one in question.right:
        id = _find(collection, one.reference, one.path)
        if id is None:
            missing.append(one)
        elif any(isinstance(part, ItemPart) and part.item_id == id for part in parts):
            raise BadLine(f"{one.reference} can't be right: an item that is searched by is never among the hits")
        else:
            right[id] = max(one.grade, right.get(id, 0))
    return Task(question, parts, right, tuple(missing), _has_own_words(collection, question, right))


def _part(collection: Collection, part: TextPart | FilePart | LikePart) -> Part:
    """As on the command line: like an item if the collection has it, else like a picture."""
    if not isinstance(part, LikePart):
        return part
    id = _find(collection, part.reference, part.path)
    if id is not None:
        return ItemPart(id, part.weight)
    if part.path.is_file():
        return FilePart(part.path, part.weight)
    raise BadLine(f"'{collection.name}' has no item '{part.reference}' to find others like, and there is no such file")


def _find(collection: Collection, reference: str, path: Path) -> str | None:
    """The id of the item that search can find by this path, URI or id."""
    ids = [] if "://" in reference else collection.find(file_uri(path))
    ids = ids or collection.find(reference)
    if len(ids) > 1:
        raise BadLine(f"several items begin with '{reference}': write more of the id")
    return next((id for id, item in collection.items(ids).items() if item.state in ("ok", "stale")), None)


def _has_own_words(collection: Collection, question: Question, right: Iterable[str]) -> bool:
    asked = {words(text) for text in question.texts}
    if not asked:
        return False
    items = collection.items(right)
    known = {words(text) for item in items.values() for text in (item.metadata.title, item.metadata.description)}
    known |= {words(segment.text) for segments in collection.segments(items).values() for segment in segments}
    return bool(asked & known - {()})


def run(registry: Registry, collection: Collection, encoders: EncoderSet, task: Task, file: Path) -> Outcome:
    """Search for a task. Raises MediaError, with the line of the query file, for a picture that is none."""
    try:
        hits = search(registry, collection, encoders, Query(task.parts, limit=DEPTH)).hits
    except MediaError as error:
        raise MediaError(f"{file}, line {task.question.line}: {error}") from error
    ranks = [rank for rank, hit in enumerate(hits, 1) if hit.item.id in task.right]
    return Outcome(
        task,
        ranks[0] if ranks else None,
        hits[ranks[0] - 1].probable if ranks else False,
        _measured(task, [hit.item.id for hit in hits]),
    )


def _measured(task: Task, found: Sequence[str]) -> dict[str, float]:
    """Right items that the collection has not count as well: they are right, and not found."""
    import ir_measures

    absent = {one.reference: one.grade for one in task.missing}
    relevant = {"": {**absent, **task.right}}
    scores = {"": {id: float(-rank) for rank, id in enumerate(found)}}
    wanted = {name: ir_measures.parse_measure(written) for name, written in MEASURES.items()}
    values = {one.measure: one.value for one in ir_measures.iter_calc(wanted.values(), relevant, scores)}
    return {name: values[measure] for name, measure in wanted.items()}


@dataclass(frozen=True)
class Result:
    """What came of all questions in one collection. items: how many it has."""

    collection: str
    items: int
    outcomes: Sequence[Outcome]

    @property
    def measures(self) -> dict[str, float | None]:
        """Means of MEASURES; `median_rank` of the first right items, None where that was not found; and `probable`.

        probable: the share of queries whose first right item is above the line; None where that can't be told.
        """
        means = {name: statistics.fmean(outcome.measures[name] for outcome in self.outcomes) for name in MEASURES}
        middle = statistics.median(float("inf") if one.rank is None else one.rank for one in self.outcomes)
        known = [one.probable for one in self.outcomes if one.probable is not None]
        return {
            **means,
            "median_rank": None if middle == float("inf") else float(middle),
            "probable": sum(known) / len(known) if len(known) == len(self.outcomes) else None,
        }


def apart(one: Outcome, other: Outcome) -> float:
    """How far two outcomes of a question are apart: the greater rank over the smaller, so 1.0 for the same."""
    ranks = [outcome.rank or 2 * DEPTH for outcome in (one, other)]
    return max(ranks) / min(ranks)


def evaluation_object(results: Sequence[Result]) -> dict[str, Any]:
    """The evaluation as one JSON object. Documented in docs/evaluation.md."""
    return {
        "version": VERSION,
        "collections": [
            {"collection": result.collection, "items": result.items, "measures": _rounded(result.measures)}
            for result in results
        ],
        "queries": [
            {
                "id": outcomes[0].task.question.id,
                "query": outcomes[0].task.question.said,
                "results": [
                    {
                        "collection": result.collection,
                        "rank": outcome.rank,
                        "probable": outcome.probable,
                        "measures": _rounded(outcome.measures),
                        "missing": [one.reference for one in outcome.task.missing],
                        "own_words": outcome.task.own_words,
                    }
                    for result, outcome in zip(results, outcomes, strict=True)
                ],
            }
            for outcomes in zip(*(result.outcomes for result in results), strict=True)
        ],
    }


def _rounded(measures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in measures.items()}
