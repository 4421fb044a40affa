"""sightsound index"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, YesOption, ask, opened, print_json
from sightsound.cli.progress import Bar, print_report, report_object
from sightsound.config import setting
from sightsound.encoders import EncoderSet, choose, of_collection
from sightsound.errors import SourceError, UsageError
from sightsound.indexing import Options, Report, index
from sightsound.opening import OpenedSource, Sources, open_source, open_store, set_names
from sightsound.rebuilding import rebuild
from sightsound.registry import registry
from sightsound.stores.base import Collection, Store

SOME_FAILED = 3


def register(app: typer.Typer) -> None:
    app.command("index", epilog="Example: `sightsound index ~/Photos --prune`")(index_command)


def index_command(
    source: Annotated[
        list[str] | None,
        typer.Argument(help="Folders, files, CSV or JSONL tables. None: all that the collection knows already."),
    ] = None,
    plugin: Annotated[str, typer.Option("--source", help="Which source plug-in, where several would do.")] = "",
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="The source's own options, KEY=VALUE.")
    ] = None,
    encoders: Annotated[
        str | None, typer.Option(help="Encoder sets of a new collection, separated by commas.", show_default="starter")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove items that are gone from the source.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    anew: Annotated[
        bool, typer.Option("--rebuild", help="Encode everything anew beside the old, and switch when complete.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another index run to end.")] = False,
    workers: Annotated[int, typer.Option(help="Reading processes.", min=0, show_default="one a core")] = 0,
    store: StoreOption = None,
    collection: CollectionOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Index a source: read what is new or changed, and make it searchable.

    What is unchanged is skipped; interrupted, the next run goes on. Files that can't be read are noted
    (`sightsound failed`) and stop nothing.
    """
    options = Options(
        retry=retry,
        prune=prune,
        dry_run=dry_run,
        wait=wait,
        workers=workers,
        confirm=(lambda question: True) if yes else ask,
    )
    wanted = [open_source(registry(), argument, _pairs(option), plugin) for argument in source or []]
    if option and not wanted:
        raise UsageError("--option needs a source to go with")
    found, name = open_store(registry(), store, create=bool(wanted) and not dry_run), setting("collection", collection)
    if anew:
        report = _rebuild(found, name, encoders, wanted, options)
    elif wanted and name not in found.collections():
        report = _new(found, name, encoders, wanted, options)
    else:
        report = _update(store, collection, encoders, wanted, options)
    if as_json:
        print_json(report_object(report))
    else:
        print_report(report, dry_run)
    if report.failed and not dry_run:
        raise typer.Exit(SOME_FAILED)


def _pairs(options: list[str] | None) -> dict[str, str]:
    pairs = {}
    for written in options or []:
        key, equals, value = written.partition("=")
        if not equals or not key:
            raise UsageError(f"'{written}' is not KEY=VALUE, as --option needs it")
        pairs[key] = value
    return pairs


def _new(store: Store, name: str, encoders: str | None, wanted: list[OpenedSource], options: Options) -> Report:
    """Index into a collection that does not exist yet. A source that can't be listed leaves none behind."""
    chosen = choose(registry(), set_names(encoders))
    if options.dry_run:
        return _counted(wanted)
    collection = store.open(name, create=True)
    try:
        return _run(collection, wanted, chosen, options)
    except SourceError:
        if not collection.count():
            collection.close()
            store.drop(name)
        raise
    finally:
        collection.close()


def _update(
    store: str | None, name: str | None, encoders: str | None, wanted: list[OpenedSource], options: Options
) -> Report:
    with opened(store, name) as (plugins, collection):
        chosen = of_collection(plugins, collection)
        if not chosen.chosen:
            chosen = choose(plugins, set_names(encoders))
        elif encoders and choose(plugins, set_names(encoders)).sets != chosen.sets:
            raise UsageError(
                f"The collection '{collection.name}' was made with the encoders {', '.join(chosen.sets)}. To change"
                f" them: sightsound index --rebuild --encoders {encoders} --collection {collection.name}"
            )
        wanted = wanted or Sources(plugins, collection).all()
        if not wanted:
            raise UsageError("Say what to index: sightsound index FOLDER")
        return _run(collection, wanted, chosen, options)


def _rebuild(store: Store, name: str, encoders: str | None, wanted: list[OpenedSource], options: Options) -> Report:
    old = store.open(name)
    try:
        known = Sources(registry(), old).all()
        have = list(dict.fromkeys(record.set for record in old.encoders()))
    finally:
        old.close()
    given = {one.source.name for one in wanted}
    sources = [*wanted, *(one for one in known if one.source.name not in given)]
    if not sources:
        raise UsageError(f"'{name}' remembers no source to rebuild from; name it: sightsound index SOURCE --rebuild")
    chosen = choose(registry(), set_names(encoders) if encoders or not have else have)
    return _counted(sources) if options.dry_run else rebuild(store, name, sources, chosen, options, _run)


def _counted(wanted: Sequence[OpenedSource]) -> Report:
    """The report of a dry run in which everything is new."""
    count = sum(1 for one in wanted for _ in one.source.items())
    return Report(listed=count, added=count)


def _run(collection: Collection, wanted: Sequence[OpenedSource], encoders: EncoderSet, options: Options) -> Report:
    total = Report()
    for one in wanted:
        with Bar(one.source) as bar:
            total += index(registry(), collection, one.source, encoders, replace(options, progress=bar.show))
        if not options.dry_run:
            one.remember(collection)
    return total
