"""sightsound eval"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, print_json, say
from sightsound.cli.progress import over
from sightsound.errors import UsageError

if TYPE_CHECKING:
    from sightsound.evaluating import Result, Task
    from sightsound.registry import Registry
    from sightsound.stores.base import Collection

LABELS = {
    "recall_at_1": "recall@1",
    "recall_at_5": "recall@5",
    "recall_at_10": "recall@10",
    "ndcg_at_10": "nDCG@10",
    "mrr": "MRR",
    "median_rank": "median rank",
    "probable": "probable",
}
UNKNOWN = "—"
BARE = (
    "To measure how well pictures are found, index the files without the texts (sightsound index FOLDER"
    " --collection bare) and evaluate that (--collection bare)."
)
SHOWN_MISSING = 3
SHOWN_DIFFERENT = 10
LONGEST = 80


def register(app: typer.Typer) -> None:
    app.command("eval", epilog="Example: `sightsound eval queries.jsonl --against other`")(eval_command)


def eval_command(
    file: Annotated[Path, typer.Argument(metavar="QUERIES.jsonl", help="Queries and their right items, one a line.")],
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="A second collection, to see side by side.")
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions", help="Write the file instead: a query for each item's description.")
    ] = False,
    store: StoreOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well a collection finds what is right for your queries.

    A line of the file is a query: {"text": "a boat at dusk", "right": ["photos/boat.jpg"]}
    """
    if captions and (against or as_json):
        raise UsageError("--captions only writes the file; evaluate in a second step, without --captions")
    with ExitStack() as stack:
        plugins, first = stack.enter_context(opened(store, collection))
        if captions:
            _write_captions(first, file)
            return
        if against == first.name:
            raise UsageError(f"'{against}' can't be compared with itself; name another collection after --against")
        compared = [first, stack.enter_context(opened(store, against))[1]] if against else [first]
        results = _evaluate(plugins, compared, file)
    _warn_of_missing(results)
    _warn_of_own_words(results)
    if as_json:
        from sightsound.evaluating import evaluation_object

        print_json(evaluation_object(results))
        return
    say(plural(len(results[0].outcomes), "query", "queries"))
    _print_measures(results)
    if against:
        _print_different(*results)


def _write_captions(collection: Collection, file: Path) -> None:
    from sightsound.queryfiles import write_captions

    print(f"Wrote {plural(write_captions(collection, file), 'query', 'queries')} to {file}")
    note(f"'{collection.name}' holds these texts and finds them by their own words. {BARE}")


def _evaluate(plugins: Registry, compared: Sequence[Collection], file: Path) -> list[Result]:
    """Every collection is asked only when the file is right for all of them."""
    from sightsound.encoders import of_collection
    from sightsound.evaluating import Result, check_installed, run, tasks_for
    from sightsound.queryfiles import read_questions

    check_installed()
    questions = read_questions(file)
    tasks: list[list[Task]] = [tasks_for(collection, questions, file) for collection in compared]
    results = []
    for collection, its in zip(compared, tasks, strict=True):
        encoders = of_collection(plugins, collection)
        outcomes = [run(plugins, collection, encoders, task, file) for task in over(its, collection.name)]
        results.append(Result(collection.name, collection.count(), outcomes))
    return results


def _warn_of_missing(results: Sequence[Result]) -> None:
    for result in results:
        missing = [f"{one.reference} (line {o.task.question.line})" for o in result.outcomes for one in o.task.missing]
        if missing:
            more = f" and {len(missing) - SHOWN_MISSING:,} more" if len(missing) > SHOWN_MISSING else ""
            note(
                f"warning: {plural(len(missing), 'right item')} not in '{result.collection}' (counted as not found):"
                f" {', '.join(missing[:SHOWN_MISSING])}{more}"
            )


def _warn_of_own_words(results: Sequence[Result]) -> None:
    flattered = [(result, sum(outcome.task.own_words for outcome in result.outcomes)) for result in results]
    for result, count in flattered:
        if count:
            note(
                f"warning: the figures flatter '{result.collection}': it holds the words of {count:,} of"
                f" {plural(len(result.outcomes), 'query', 'queries')} as a title or description of the right item"
            )
    if any(count for _, count in flattered):
        note(BARE)


def _print_measures(results: Sequence[Result]) -> None:
    """Measures down, collections across; of two also the difference."""
    rows = [["", *(result.collection for result in results)], ["items", *(f"{result.items:,}" for result in results)]]
    measured = [result.measures for result in results]
    for name, label in LABELS.items():
        form = "{:g}" if name == "median_rank" else "{:.3f}"
        values = [measures[name] for measures in measured]
        rows.append([label, *(UNKNOWN if value is None else form.format(value) for value in values)])
        if len(values) == 2:
            rows[-1].append(_difference(values[0], values[1], form))
    if len(results) == 2:
        rows[0].append("difference")
        rows[1].append("")
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for label, *cells in rows:
        shown = [f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        say("  ".join([label.ljust(widths[0]), *shown]).rstrip())


def _difference(one: float | None, two: float | None, form: str) -> str:
    if one is None or two is None:
        return UNKNOWN
    return "0" if one == two else form.replace(":", ":+").format(two - one)


def _print_different(one: Result, two: Result) -> None:
    """The queries whose ranks are furthest apart."""
    from sightsound.evaluating import apart

    pairs = list(zip(one.outcomes, two.outcomes, strict=True))
    different = sorted((pair for pair in pairs if pair[0].rank != pair[1].rank), key=lambda pair: -apart(*pair))
    print()
    if not different:
        say("Every query finds its first right item at the same rank in both.")
        return
    say(
        f"{plural(len(different), 'query', 'queries')} with the first right item at another rank, furthest apart first:"
    )
    widths = [max(len(result.collection), 5) for result in (one, two)]
    say(f"{one.collection:>{widths[0]}}  {two.collection:>{widths[1]}}")
    for pair in different[:SHOWN_DIFFERENT]:
        ranks = [f"{o.rank or UNKNOWN:>{width}}" for o, width in zip(pair, widths, strict=True)]
        say("  ".join([*ranks, shorten(pair[0].task.question.said, LONGEST, placeholder=" …")]))
    if len(different) > SHOWN_DIFFERENT:
        note(f"{len(different) - SHOWN_DIFFERENT:,} more; all with --json")
