"""sightsound search, sightsound similar"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, print_json, say
from sightsound.errors import ItemMissing, UsageError
from sightsound.filters import Filters, any_of, parse_condition, parse_date, parse_time

if TYPE_CHECKING:
    from sightsound.opening import Sources
    from sightsound.registry import Registry
    from sightsound.searching import Answer, Part, Sort
    from sightsound.stores.base import Collection
    from sightsound.types import ItemKind

TagOption = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="Only items with any of these tags.")]
KindOption = Annotated[
    list[str] | None, typer.Option("--kind", metavar="KIND", help="Only photo, film, sound or text.")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="CONDITION", help="A condition: author='Jane Doe', 'width>=2000', 'date<=2024-05'."
    ),
]
AfterOption = Annotated[
    str, typer.Option("--after", metavar="DATE", help="Only items of this date or later: 2024, 2024-05-31.")
]
BeforeOption = Annotated[str, typer.Option("--before", metavar="DATE", help="Only items of this date or earlier.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", metavar="N", help="How many hits.")]
OffsetOption = Annotated[int, typer.Option("--offset", metavar="N", help="How many hits to pass over.")]
SortOption = Annotated[
    str, typer.Option("--sort", metavar="ORDER", help="score, or date: the probable hits, newest first.")
]
PathsOption = Annotated[bool, typer.Option("--paths", help="Print paths only, a line each, for pipes.")]
SheetOption = Annotated[
    Path | None, typer.Option("--sheet", metavar="FILE", help="Write a contact sheet, one HTML file.")
]
CutOption = Annotated[
    Path | None,
    typer.Option("--cut", metavar="FOLDER", help="Write the found moments of films and sounds as clips, with credits."),
]
EdlOption = Annotated[
    Path | None, typer.Option("--edl", metavar="FILE", help="Write the found moments as a cut list (CMX 3600).")
]
CsvOption = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write the found moments as a table, with credits.")
]

LookOption = Annotated[
    float | None, typer.Option("--look", metavar="WEIGHT", help="Of films: what the look counts.", show_default="1")
]
SoundOption = Annotated[
    float | None, typer.Option("--sound", metavar="WEIGHT", help="Of films: what the sound counts.", show_default="0.5")
]
MeaningOption = Annotated[
    float | None,
    typer.Option("--meaning", metavar="WEIGHT", help="Of films: what the meaning counts.", show_default="1"),
]

KINDS = ("photo", "film", "sound", "text")
FILE_KINDS: dict[str, ItemKind] = {"--image": "photo", "--sound": "sound", "--clip": "film"}


def register(app: typer.Typer) -> None:
    app.command("search", epilog='Example: `sightsound search "a boat at dusk" --not people --sheet boats.html`')(
        search_command
    )
    app.command("similar", epilog="Example: `sightsound similar ~/Photos/boat.jpg`")(similar_command)


@dataclass(frozen=True)
class Output:
    as_json: bool
    paths: bool
    sheet: Path | None
    cut: Path | None = None
    edl: Path | None = None
    table: Path | None = None


@dataclass(frozen=True)
class Asked:
    parts: tuple[Part, ...]
    filters: Filters
    sort: str
    offset: int
    limit: int
    then: str = ""
    within: float = 30.0


def search_command(
    words: Annotated[str, typer.Argument(metavar="WORDS", help="What to look for, in words.")] = "",
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="WORDS[:WEIGHT]", help="More words, with a weight: sunset:0.5")
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="FILE[:WEIGHT]", help="A picture to search by, with a weight: ref.jpg:0.5"),
    ] = None,
    sound: Annotated[
        list[str] | None,
        typer.Option("--sound", metavar="FILE[:WEIGHT]", help="A sound to search by, with a weight."),
    ] = None,
    clip: Annotated[
        list[str] | None,
        typer.Option("--clip", metavar="FILE[:WEIGHT]", help="A film to search by, its pictures and its sound."),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option("--like", metavar="ITEM[:WEIGHT]", help="An item, or a file, to find others like."),
    ] = None,
    then: Annotated[
        str, typer.Option("--then", metavar="WORDS", help="What must follow in the same film or sound, in words.")
    ] = "",
    within: Annotated[
        str, typer.Option("--within", metavar="TIME", help="How soon it must follow: 30s, 2m, 1:30.")
    ] = "30s",
    without: Annotated[list[str] | None, typer.Option("--not", metavar="WORDS", help="Words to push away.")] = None,
    kind: KindOption = None,
    tag: TagOption = None,
    where: WhereOption = None,
    after: AfterOption = "",
    before: BeforeOption = "",
    sort: SortOption = "score",
    limit: LimitOption = 20,
    offset: OffsetOption = 0,
    paths: PathsOption = False,
    sheet: SheetOption = None,
    cut: CutOption = None,
    edl: EdlOption = None,
    table: CsvOption = None,
    store: StoreOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find photographs, films and sounds by words, by a picture, a sound, a film, or by any mix of these.

    A weight after a colon says how much a part counts; below zero it pushes away. Matches below the line are
    probably chance.
    """
    filters = _filters(kind, tag, where, after, before)
    with opened(store, collection) as (plugins, found):
        files = [(FILE_KINDS[option], name) for option, names in
                 {"--image": image, "--sound": sound, "--clip": clip}.items() for name in names or []]  # fmt: skip
        parts = _parts(found, words, text or [], files, like or [], without or [])
        query = Asked(parts, filters, sort, offset, limit, then.strip(), parse_time(within))
        _answer(plugins, found, query, Output(as_json, paths, sheet, cut, edl, table))


def similar_command(
    item: Annotated[
        str, typer.Argument(metavar="ITEM-or-FILE", help="An item of the collection, or any picture, sound or film.")
    ],
    look: LookOption = None,
    sound: SoundOption = None,
    meaning: MeaningOption = None,
    kind: KindOption = None,
    tag: TagOption = None,
    where: WhereOption = None,
    after: AfterOption = "",
    before: BeforeOption = "",
    sort: SortOption = "score",
    limit: LimitOption = 20,
    offset: OffsetOption = 0,
    paths: PathsOption = False,
    sheet: SheetOption = None,
    store: StoreOption = None,
    collection: CollectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find items like one of the collection, or like a file.

    Films are found that are like a film in look, sound and meaning, each with its reasons. With --kind, --sort or
    --sheet, a film is compared as any other item is, by its pictures and sounds.
    """
    from sightsound.cli import similar

    filters = _filters(kind, tag, where, after, before)
    weights = {"look": look, "sound": sound, "meaning": meaning}
    with opened(store, collection) as (plugins, found):
        parts = _parts(found, "", [], [], [item], [])
        if not kind and not sheet and sort == "score" and similar.is_film(plugins, found, parts[0]):
            if offset:
                raise UsageError("--offset is not for films that are like a film: ask for more with --limit")
            similar.answer(plugins, found, parts[0], weights, filters, limit, paths, as_json)
            return
        given = [f"--{axis}" for axis, weight in weights.items() if weight is not None]
        if given:
            raise UsageError(f"{given[0]} is for films: name a film, without --kind, --sort and --sheet")
        _answer(plugins, found, Asked(parts, filters, sort, offset, limit), Output(as_json, paths, sheet))


def _filters(
    kinds: list[str] | None, tags: list[str] | None, where: list[str] | None, after: str, before: str
) -> Filters:
    for kind in kinds or []:
        if kind not in KINDS:
            raise UsageError(f"There is no kind '{kind}'; there are: {', '.join(KINDS)}")
    dates = [f"date>={parse_date(after)}"] if after else []
    dates += [f"date<={parse_date(before)}"] if before else []
    conditions = tuple(parse_condition(written) for written in [*(where or []), *dates])
    return (*any_of("kind", kinds or []), *any_of("tag", tags or []), *conditions)


def _parts(
    collection: Collection,
    words: str,
    texts: list[str],
    files: list[tuple[ItemKind, str]],
    likes: list[str],
    withouts: list[str],
) -> tuple[Part, ...]:
    from sightsound.searching import FilePart, TextPart

    parts: list[Part] = [TextPart(words)] if words.strip() else []
    parts += [TextPart(*_weighed(written)) for written in texts]
    parts += [TextPart(written, -1.0) for written in withouts]
    for kind, written in files:
        path, weight = _weighed_file(written)
        parts.append(FilePart(path, weight, kind))
    parts += [_like(collection, written) for written in likes]
    return tuple(parts)


def _weighed(written: str) -> tuple[str, float]:
    """Words and their weight: `sunset:0.5` is (sunset, 0.5)."""
    rest, colon, last = written.rpartition(":")
    try:
        return (rest, float(last)) if colon and rest else (written, 1.0)
    except ValueError:
        return written, 1.0


def _weighed_file(written: str) -> tuple[Path, float]:
    """A file and its weight; what follows a colon is a weight only if the rest names a file."""
    rest, weight = _weighed(written)
    path = Path(rest).expanduser()
    if rest != written and path.exists():
        return path, weight
    path = Path(written).expanduser()
    if not path.exists():
        raise UsageError(f"There is no file '{written}' to search by")
    return path, 1.0


def _like(collection: Collection, written: str) -> Part:
    """An item if the collection has it, else a file to be read. A weight may follow a colon."""
    from sightsound.opening import find_item
    from sightsound.searching import FilePart, ItemPart

    missing: ItemMissing | None = None
    rest, weight = _weighed(written)
    for reference, counts in {written: 1.0, rest: weight}.items():
        try:
            return ItemPart(find_item(collection, reference).id, counts)
        except ItemMissing as error:
            missing = missing or error
        path = Path(reference).expanduser()
        if path.is_file():
            return FilePart(path, counts, None)
    assert missing
    raise missing


def _answer(plugins: Registry, collection: Collection, asked: Asked, output: Output) -> None:
    from sightsound.encoders import of_collection
    from sightsound.opening import Sources
    from sightsound.searching import Query, TextPart, search

    if asked.sort not in ("score", "date"):
        raise UsageError(f"--sort is score or date, not '{asked.sort}'")
    then = TextPart(asked.then) if asked.then else None
    order: Sort = "date" if asked.sort == "date" else "score"
    query = Query(asked.parts, asked.filters, order, asked.offset, asked.limit, then, asked.within)
    answer = search(plugins, collection, of_collection(plugins, collection), query)
    sources = Sources(plugins, collection)
    if output.sheet:
        from sightsound.dead import mark
        from sightsound.sheet import write_sheet

        dead = write_sheet(output.sheet, answer, sources, _title(asked))
        marked = [mark(collection, item, error) for item, error in dead]
        if dead:
            note(f"{plural(len(dead), 'link is', 'links are')} dead{'; see: sightsound failed' if any(marked) else ''}")
        note(f"Contact sheet: {output.sheet}")
    if output.cut or output.edl or output.table:
        _write_cuts(answer, sources, output, _title(asked))
    if output.as_json:
        from sightsound.answers import answer_object

        print_json(answer_object(answer, sources))
    elif output.paths:
        for hit in answer.hits:
            print(hit.item.path or hit.item.uri)
    else:
        _print(answer, sources)


def _write_cuts(answer: Answer, sources: Sources, output: Output, title: str) -> None:
    from sightsound.cutlist import cuts_of, write_csv, write_edl

    cuts = cuts_of(answer, sources)
    if not cuts:
        note("No moments of films or sounds were found: nothing to cut")
        return
    if output.edl:
        write_edl(output.edl, cuts, title)
        note(f"Cut list: {output.edl}")
    if output.table:
        write_csv(output.table, cuts)
        note(f"Table of moments: {output.table}")
    if output.cut:
        from sightsound.cutting import CREDITS, cut_out

        written = 0
        for cut, made, reason in cut_out(cuts, output.cut, sources):
            written += made is not None
            if reason:
                note(f"not cut: {cut.item.display_title}: {reason}")
        note(f"{plural(written, 'clip')} in {output.cut}, with {CREDITS}" if written else "No clip was written")


def _title(asked: Asked) -> str:
    from sightsound.searching import FilePart, TextPart

    said = []
    for part in asked.parts:
        name = (
            part.text
            if isinstance(part, TextPart)
            else part.path.name
            if isinstance(part, FilePart)
            else part.item_id[:8]
        )
        said.append(f"not {name}" if part.weight < 0 else name)
    title = " + ".join(said).replace("+ not", "− ") or "All items"
    return f"{title}, then {asked.then}" if asked.then else title


def _print(answer: Answer, sources: Sources) -> None:
    """A line a hit, the probable ones first, and a line where the rest begins."""
    from sightsound.moments import times

    if not answer.hits:
        say("Nothing found.")
        return
    drawn = False
    if answer.hits[0].probable is False:
        say("Nothing is probably a match; the nearest are:")
        drawn = True
    for hit in answer.hits:
        if not drawn and hit.probable is False:
            say("── below this line, matches are probably chance ──")
            drawn = True
        sure = "    " if hit.confidence is None else f"{hit.confidence:4.0%}"
        where = hit.item.path or hit.item.uri
        say(f"{sure}  {hit.item.id[:8]}  {hit.item.display_title}  {where}")
        if hit.moments:
            say(f"                {times(hit.moments)}")
        credit = sources.of(hit.item).credit(hit.item)
        if credit:
            say(f"                {credit}")
    for provider in dict.fromkeys(sources.of(hit.item).provider for hit in answer.hits):
        if provider:
            say(": ".join(provider))
    if answer.next is not None:
        note(f"{answer.total:,} in all; more with --offset {answer.next}")
