"""How long work is shown: a bar while it goes on, and the report at the end of an index run."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, TypeVar

from sightsound.amounts import plural
from sightsound.cli import interrupting
from sightsound.cli.common import clock_time, note

if TYPE_CHECKING:
    from rich.progress import Progress

    from sightsound.reports import Report
    from sightsound.sources import Source

SHOWN_FAILURES = 5
Thing = TypeVar("Thing")


class Bar:
    """A progress bar on stderr, where that is a terminal: how many, how fast, how long still."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._progress: Progress | None = None

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self._progress = _progress()
            self._progress.start()
            name = self._source.name.rpartition("/")[2]
            self._progress.add_task(name, total=self._source.count(), rate="", failed="")
        return self

    def show(self, report: Report) -> None:
        interrupting.check()
        if self._progress:
            task = self._progress.tasks[0]
            self._progress.update(
                task.id,
                completed=report.done,
                rate=f"{task.speed:.0f}/s" if task.speed else "",
                failed=f"{report.failed:,} failed" if report.failed else "",
            )

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()


def over(things: Sequence[Thing], name: str) -> Iterator[Thing]:
    """The things one by one, with a bar on stderr where that is a terminal."""
    yield from counted(things, len(things), name)


def counted(things: Iterable[Thing], total: int, name: str) -> Iterator[Thing]:
    """So many things one by one, as they come, with a bar on stderr where that is a terminal."""
    if not sys.stderr.isatty():
        yield from things
        return
    with _progress() as progress:
        task = progress.add_task(name, total=total, rate="", failed="")
        for thing in things:
            interrupting.check()
            yield thing
            progress.advance(task)


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """To be told what goes on, how many are done, and of how many: a bar on stderr, where that is a terminal."""
    with _progress() if sys.stderr.isatty() else nullcontext() as progress:
        task = progress.add_task("", rate="", failed="") if progress else None

        def show(what: str, done: int, total: int) -> None:
            interrupting.check()
            if progress and task is not None:
                progress.update(task, description=what, completed=done, total=total)

        yield show


class Bytes:
    """A bar of bytes on stderr, where that is a terminal; `show` is told what is done, so far and in all."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Bytes:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.start()
        return self

    def show(self, what: str, done: int, total: int) -> None:
        interrupting.check()
        if self._progress:
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(what, total=total)
            self._progress.update(self._tasks[what], completed=done)

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=Console(stderr=True),
        transient=True,
    )


def report_object(report: Report) -> dict[str, Any]:
    failures = [{"uri": uri, "reason": reason} for uri, reason in report.failures]
    unlisted = [{"source": source, "reason": reason} for source, reason in report.unlisted]
    counts = asdict(replace(report, skipped=Counter()))
    return counts | {"failures": failures, "skipped": dict(report.skipped), "unlisted": unlisted}


def print_report(report: Report, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    lines = [
        (report.added, f"{would}added"),
        (report.changed, "changed, would be read again" if dry_run else "changed, read again"),
        (report.described, f"{would}described anew"),
        (report.moved, "moved, recognised"),
        (report.copied, "copies of what was known"),
        (report.unchanged, "unchanged"),
        (report.pruned, "removed"),
        (sum(report.skipped.values()), "skipped"),
        (report.failed, "failed"),
    ]
    said = [f"{count:,} {what}" for count, what in lines if count]
    print(f"{plural(report.listed, 'item')}: {', '.join(said) or 'nothing to do'}")
    for reason, count in report.skipped.items():
        note(f"{count:,} skipped: {reason}")
    for warning in report.warnings:
        note(f"warning: {warning}")
    if report.more_warnings:
        note(f"and {plural(report.more_warnings, 'more warning')} like these")
    for uri, reason in report.failures[:SHOWN_FAILURES]:
        note(f"failed: {uri}: {reason}")
    for source, reason in report.unlisted:
        note(f"not listed: {source}: {reason}")
        note(f"    to let this source go: sightsound remove --where {shlex.quote(f'source={source}')}")
    for paused in report.paused:
        again = f"run it again after {clock_time(paused.until)} to go on where it stopped, or add --wait"
        note(f"stopped: {paused.reason}; {again}")
    if report.failed and not dry_run:
        note("All that failed, with reasons: sightsound failed")
    if report.gone:
        note(f"{plural(report.gone, 'item')} no longer in the source; to remove: add --prune")
    if not report.listed and not report.paused and not report.unlisted:
        note("The source holds nothing that sightsound reads.")
