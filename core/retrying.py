"""Trying again what failed: items of a collection that could not be read.

As a module it does so in a process of its own, for a server, which goes on answering meanwhile:
`python -m sightsound.retrying`, with what to do as JSON on stdin, and how far it came as JSON lines on stdout.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sightsound.encoders import of_collection
from sightsound.errors import CollectionBusy, SightsoundError
from sightsound.indexing import index
from sightsound.opening import Sources, open_store
from sightsound.registry import Registry, registry
from sightsound.reports import Options, Report
from sightsound.sources import Source
from sightsound.stores.base import Collection

Show = Callable[[Report], None]


def retry(
    plugins: Registry, collection: Collection, watched: Callable[[Source], AbstractContextManager[Show]]
) -> Report:
    """Read again what failed, source by source. Raises CollectionBusy, FingerprintMismatch and what indexing raises.

    watched: gives, for a source's run, what is called after every item.
    """
    failures = collection.failures()
    only = frozenset(failure.uri for failure in failures)
    affected = {failure.source for failure in failures}
    encoders = of_collection(plugins, collection)
    whole = Report()
    for one in Sources(plugins, collection).all():
        if one.source.name in affected:
            with watched(one.source) as show:
                whole += index(plugins, collection, one.source, encoders, Options(retry=True, only=only, progress=show))
    return whole


def main() -> None:
    """What stdin says: {"store", "collection"}. Lines: {"done", "failed"}…, then {"end", "message"}."""
    say = _telling()
    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    plugins, before = registry(), Report()

    @contextmanager
    def watched(source: Source) -> Iterator[Show]:
        nonlocal before
        last = Report()

        def show(report: Report) -> None:
            nonlocal last
            last = report
            say(done=before.done + report.done, failed=before.failed + report.failed)

        yield show
        before = before + last

    try:
        collection = open_store(plugins, asked["store"]).open(asked["collection"])
        try:
            whole = retry(plugins, collection, watched)
        finally:
            collection.close()
    except CollectionBusy as error:
        say(end="refused", message=str(error))
    except SightsoundError as error:
        say(end="failed", message=str(error))
    else:
        say(end="done", message="", done=whole.done, failed=whole.failed)


def _telling() -> Callable[..., None]:
    """Writes a line on stdout. What libraries print goes to stderr from here on, so that it is no line among these."""
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**what: Any) -> None:
        print(json.dumps(what), file=lines, flush=True)

    return say


def _end_with_parent() -> None:
    """The pipe closes when the server is gone. What was committed stays."""
    sys.stdin.read()
    os._exit(130)


if __name__ == "__main__":
    main()
