"""What `sightsound index` does: a new collection, one that is brought up to date, or one that is built anew."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from sightsound.cli import interrupting
from sightsound.cli.common import clock_time, note
from sightsound.cli.progress import Bar
from sightsound.encoders import EncoderSet, choose, for_indexing
from sightsound.errors import ModelError, SourceError, UsageError
from sightsound.indexing import index
from sightsound.opening import OpenedSource, Sources, set_names
from sightsound.rebuilding import rebuild
from sightsound.registry import registry
from sightsound.reports import Options, Report
from sightsound.skipping import Skips
from sightsound.sources import Paused
from sightsound.stores.base import Collection, Store


def make(store: Store, name: str, encoders: str | None, wanted: list[OpenedSource], options: Options) -> Report:
    """Index into a collection that does not exist yet. Where the source can't be listed or the model can't be loaded,
    none is left behind."""
    chosen = choose(registry(), set_names(registry(), encoders))
    if options.dry_run:
        return _counted(wanted, chosen, name)
    chosen.records()  # a model that is missing or refused says so before there is a collection
    collection = store.open(name, create=True)
    try:
        return _run(collection, wanted, chosen, options)
    except (SourceError, ModelError):
        if not collection.count():
            collection.close()
            store.drop(name)
        raise
    finally:
        collection.close()


def bring_up_to_date(
    store: Store, name: str, encoders: str | None, wanted: list[OpenedSource], options: Options
) -> Report:
    """Index these sources, or all that the collection knows, into a collection that exists."""
    collection = store.open(name)
    try:
        chosen = for_indexing(registry(), collection)
        if not chosen.chosen:
            chosen = choose(registry(), set_names(registry(), encoders))
        elif encoders and choose(registry(), set_names(registry(), encoders)).sets != chosen.sets:
            raise UsageError(
                f"The collection '{name}' was made with the encoders {', '.join(chosen.sets)}. To change them:"
                f" sightsound index --rebuild --encoders {encoders} --collection {name}"
            )
        if wanted:
            return _run(collection, wanted, chosen, options)
        known = Sources(registry(), collection).all()
        if not known:
            raise UsageError("Say what to index: sightsound index FOLDER")
        return _run_each(collection, known, chosen, options)
    finally:
        collection.close()


def make_anew(store: Store, name: str, encoders: str | None, wanted: list[OpenedSource], options: Options) -> Report:
    """Build the collection anew, from the sources that it knows and these."""
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
    chosen = choose(registry(), set_names(registry(), encoders) if encoders or not have else have)
    return _counted(sources, chosen, name) if options.dry_run else rebuild(store, name, sources, chosen, options, _run)


def _counted(wanted: Sequence[OpenedSource], encoders: EncoderSet, name: str) -> Report:
    """The report of a dry run in which everything is new."""
    report, skips = Report(), Skips(registry(), encoders, name)
    for item in (item for one in wanted for item in one.source.items()):
        report.listed += 1
        if reason := skips.reason(item):
            report.skip(reason)
        else:
            report.added += 1
    return report


def _run_each(collection: Collection, known: Sequence[OpenedSource], encoders: EncoderSet, options: Options) -> Report:
    """Go over every source, also where one can't be listed, as with a disk that is not mounted. Raises SourceError
    where none can."""
    total, listed = Report(), 0
    for number, one in enumerate(known, 1):
        try:
            total += _run(collection, [one], encoders, options)
            listed += 1
        except SourceError as error:
            if number == len(known) and not listed:
                raise
            total.unlisted.append((one.source.name, str(error)))
    return total


def _run(collection: Collection, wanted: Sequence[OpenedSource], encoders: EncoderSet, options: Options) -> Report:
    total = Report()
    for one in wanted:
        while True:
            try:
                with Bar(one.source) as bar:
                    report = index(registry(), collection, one.source, encoders, replace(options, progress=bar.show))
            except BaseException:
                if not options.dry_run and any(True for _ in collection.of_source(one.source.name)):
                    one.remember(collection)  # and not a name that was only mistyped
                raise
            if not options.dry_run and collection.count():
                one.remember(collection)
            if not report.paused or not options.wait or options.dry_run:
                break
            total += replace(report, paused=[])
            _wait_for(report.paused[0])
        total += report
    return total


def _wait_for(paused: Paused) -> None:
    note(f"{paused.reason}; waiting until {clock_time(paused.until)}")
    while (left := paused.until - time.time()) > 0:
        interrupting.check()
        time.sleep(min(left, 0.5))
