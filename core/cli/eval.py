"""sightsound eval"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, plural, print_json, say
from sightsound.errors import UsageError

if TYPE_CHECKING:
    from sightsound.evaluating import Evaluation, Outcome
    from sightsound.queryfile import WrittenQuery

SHOWN = 10
COUNTED = ("median rank",)


def register(app: typer.Typer) -> None:
    app.command("eval", epilog="Example: `sightsound eval queries.jsonl --against other`")(eval_command)


def eval_command(
    queries: Annotated[
        Path, typer.Argument(metavar="QUERIES.jsonl", help="Queries with their right items, a line each.")
    ],
    against: Annotated[
        str | None, typer.Option("--against", metavar="NAME", help="A second collection, side by side.")
    ] = None,
    captions: Annotated[
        bool, typer.Option("--captions", help="Write the file, of the collection's own descriptions and titles.")
    ] = False,
    store: StoreOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how well searches find what they should: recall, nDCG, MRR, median rank.

    A line of the file is {"text": "a boat at dusk", "right": ["photos/boat.jpg"]}; instead of text, or beside it,
    "image": a path, "like": an item, or "parts": a list of these with weights. Paths count from the file's folder.
    """
    from sightsound.cli.progress import steps
    from sightsound.evaluating import evaluate
    from sightsound.queryfile import read_queries

    if captions:
        _write_captions(queries, store, collection)
        return
    asked = read_queries(queries)
    with ExitStack() as stack:
        found: list[Evaluation] = []
        for name in (collection, *([against] if against else [])):
            plugins, one = stack.enter_context(opened(store, name))
            with steps(f"searching {one.name}", len(asked)) as step:
                found.append(evaluate(plugins, one, asked, step))
    if as_json:
        print_json(_object(found, asked))
    else:
        _print(found, asked)


def _write_captions(path: Path, store: str | None, collection: str | None) -> None:
    import json

    from sightsound.queryfile import captions

    if path.exists():
        raise UsageError(f"{path} is there already, and may hold queries of yours: name another file")
    with opened(store, collection) as (_, found), path.open("w", encoding="utf-8") as out:
        count = 0
        for line in captions(found):
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    print(f"Wrote {plural(count, 'query', 'queries')} to {path}")
    if count:
        note("A collection that holds these texts finds them by their words: evaluate one without (docs/evaluation.md)")


def _print(found: list[Evaluation], asked: list[WrittenQuery]) -> None:
    from sightsound.evaluating import differences

    names = [f"{one.collection} ({one.items:,})" for one in found]
    width = max(12, *(len(name) for name in names))
    say(f"{plural(len(asked), 'query', 'queries'):24}" + "".join(f"{name:>{width + 2}}" for name in names))
    for name in found[0].measures:
        values = [one.measures[name] for one in found]
        line = f"{name:24}" + "".join(f"{_shown(name, value):>{width + 2}}" for value in values)
        if len(values) == 2 and values[0] is not None and values[1] is not None:
            line += f"{_shown(name, values[1] - values[0], '+').removesuffix(' %'):>10}"
        say(line)
    for one in found:
        _remarks(one)
    if len(found) == 2:
        apart = differences(*found)
        say("")
        say(
            f"The first right item has another rank in {plural(len(apart), 'query', 'queries')}"
            + (":" if apart else ".")
        )
        for mine, theirs in apart[:SHOWN]:
            say(f"{_rank(mine):>8} → {_rank(theirs):<8} {mine.query.shown}")
        if len(apart) > SHOWN:
            say("All of them: --json")


def _shown(name: str, value: float | None, sign: str = "") -> str:
    if value is None:
        return "not found"
    return f"{value:{sign}.1f}" if name in COUNTED else f"{100 * value:{sign}.1f} %"


def _rank(outcome: Outcome) -> str:
    return "–" if outcome.rank is None else str(outcome.rank)


def _remarks(one: Evaluation) -> None:
    if one.missing:
        say("")
        note(
            f"warning: '{one.collection}' lacks {plural(len(one.missing), 'right item')}, which count as not found,"
            f" such as {one.missing[0]}"
        )
    own = sum(outcome.own for outcome in one.outcomes)
    if own:
        note(
            f"warning: {plural(own, 'query is a text', 'queries are texts')} that '{one.collection}' holds for the"
            " right item, so its words find it, and these figures flatter. Index the files without their table into"
            " another collection and evaluate that: sightsound index FOLDER --collection bare"
        )


def _object(found: list[Evaluation], asked: list[WrittenQuery]) -> dict[str, Any]:
    return {
        "collections": [
            {
                "collection": one.collection,
                "items": one.items,
                "measures": one.measures,
                "missing": list(one.missing),
                "own texts": sum(outcome.own for outcome in one.outcomes),
            }
            for one in found
        ],
        "queries": [
            {
                "id": query.id,
                "query": query.shown,
                "ranks": [one.outcomes[number].rank for one in found],
                "probable": [one.outcomes[number].probable for one in found],
            }
            for number, query in enumerate(asked)
        ],
    }
