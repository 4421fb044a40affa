"""sightsound index"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, YesOption, ask, note, opened, plural, print_json
from sightsound.config import setting
from sightsound.encoders import choose, of_collection
from sightsound.errors import SightsoundError, UsageError
from sightsound.indexing import Options, Report, index
from sightsound.opening import OpenedSource, Sources, open_source, open_store, set_names
from sightsound.registry import Registry, registry
from sightsound.stores.base import Collection

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
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Encode everything anew beside the old, and switch when complete.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for another index run to end.")] = False,
    workers: Annotated[int, typer.Option(help="Reading processes.", show_default="one a core")] = 0,
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
        retry=retry, prune=prune, dry_run=dry_run, wait=wait, workers=workers,
        confirm=(lambda question: True) if yes else ask,
    )
    if rebuild:
        report = _rebuild(store, collection, encoders, options)
    else:
        wanted = [open_source(registry(), argument, _pairs(option), plugin) for argument in source or []]
        if not wanted and option:
            raise UsageError("--option needs a source to go with")
        report = _index(store, collection, encoders, wanted, options)
    if as_json:
        print_json(asdict(report))
    else:
        _print(report, dry_run)
    if report.failed:
        raise typer.Exit(SOME_FAILED)


def _pairs(options: list[str] | None) -> dict[str, str]:
    pairs = {}
    for written in options or []:
        key, equals, value = written.partition("=")
        if not equals or not key:
            raise UsageError(f"'{written}' is not KEY=VALUE, as --option needs it")
        pairs[key] = value
    return pairs


def _index(
    store: str | None, name: str | None, encoders: str | None, wanted: list[OpenedSource], options: Options
) -> Report:
    if options.dry_run:
        create = not _exists(store, name)
        if create:
            return _dry_run_of_new(wanted)
    with opened(store, name, create=bool(wanted)) as (plugins, collection):
        chosen = _encoders(plugins, collection, encoders)
        wanted = wanted or Sources(plugins, collection).all()
        if not wanted:
            raise UsageError("Say what to index: sightsound index FOLDER")
        return _run(plugins, collection, wanted, encoders=chosen, options=options)


def _exists(store: str | None, name: str | None) -> bool:
    try:
        return setting("collection", name) in open_store(registry(), store).collections()
    except SightsoundError:
        return False


def _dry_run_of_new(wanted: list[OpenedSource]) -> Report:
    report = Report()
    for one in wanted:
        report.added += sum(1 for _ in one.source.items())
    report.listed = report.added
    return report


def _encoders(plugins: Registry, collection: Collection, flag: str | None):  # type: ignore[no-untyped-def]
    records = collection.encoders()
    if not records:
        return choose(plugins, set_names(flag))
    have = list(dict.fromkeys(record.set for record in records))
    if flag and set_names(flag) != have:
        raise UsageError(
            f"The collection '{collection.name}' was made with the encoders {','.join(have)}. To change them:"
            f" sightsound index --rebuild --encoders {flag} --collection {collection.name}"
        )
    return of_collection(plugins, collection)


def _run(plugins: Registry, collection: Collection, wanted: list[OpenedSource], encoders, options: Options) -> Report:  # type: ignore[no-untyped-def]
    total = Report()
    for one in wanted:
        with _Bar(one) as bar:
            report = index(plugins, collection, one.source, encoders, _with_progress(options, bar.show))
        if not options.dry_run:
            one.remember(collection)
        for key, value in vars(report).items():
            setattr(total, key, getattr(total, key) + value)
    return total


def _with_progress(options: Options, show) -> Options:  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(options, progress=show)


def _rebuild(store: str | None, name: str | None, encoders: str | None, options: Options) -> Report:
    plugins = registry()
    found = open_store(plugins, store)
    wanted_name = setting("collection", name)
    old = found.open(wanted_name)
    try:
        sources = Sources(plugins, old).all()
        chosen = choose(plugins, set_names(encoders) if encoders else list(dict.fromkeys(r.set for r in old.encoders())))
    finally:
        old.close()
    beside = f"{wanted_name}.rebuilt"
    new = found.open(beside, create=True)
    try:
        if new.encoders() and [r.fingerprint for r in new.encoders()] != [r.fingerprint for r in chosen.records()]:
            new.close()
            found.drop(beside)
            new = found.open(beside, create=True)
        report = _run(plugins, new, sources, chosen, options)
    finally:
        new.close()
    if not options.dry_run:
        found.switch(beside, wanted_name)
    return report


class _Bar:
    """A progress bar on stderr, where that is a terminal: how many, how fast, how long still."""

    def __init__(self, opened: OpenedSource) -> None:
        self._opened = opened
        self._progress = None

    def __enter__(self) -> _Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task(
                self._opened.source.name.rpartition("/")[2], total=self._opened.source.count(), rate=""
            )
        return self

    def show(self, report: Report) -> None:
        if self._progress:
            task = self._progress.tasks[0]
            speed = f"{task.speed:.0f}/s" if task.speed else ""
            self._progress.update(self._task, completed=report.done, rate=speed)

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()


def _print(report: Report, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    lines = [
        (report.added, f"{would}added"),
        (report.changed, f"changed, {would}read again" if dry_run else "changed, read again"),
        (report.described, f"{would}described anew"),
        (report.moved, "moved, recognised"),
        (report.copied, "copies of what was known"),
        (report.unchanged, "unchanged"),
        (report.pruned, "removed"),
        (report.failed, "failed"),
    ]
    said = [f"{count:,} {what}" for count, what in lines if count]
    print(f"{plural(report.listed, 'item')}: {', '.join(said) or 'nothing to do'}")
    for warning in report.warnings:
        note(f"warning: {warning}")
    for uri, reason in report.failures[:5]:
        note(f"failed: {uri}: {reason}")
    if report.failed:
        note("All that failed, with reasons: sightsound failed")
    if report.gone:
        note(f"{plural(report.gone, 'item')} no longer in the source; to remove: add --prune")
    if not report.listed:
        note("The source holds nothing that sightsound reads.")
