"""Encoding a collection anew beside the old one, which serves searches until the new one is complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sightsound.encoders import EncoderSet
from sightsound.errors import UsageError
from sightsound.indexing import PRUNE_LIMIT
from sightsound.opening import OpenedSource
from sightsound.reports import Options, Report
from sightsound.stores.base import SUFFIX, Collection, Store

Run = Callable[[Collection, Sequence[OpenedSource], EncoderSet, Options], Report]


def rebuild(
    store: Store, name: str, sources: Sequence[OpenedSource], encoders: EncoderSet, options: Options, run: Run
) -> Report:
    """Index the collection's sources into a new collection, and let that take the name.

    run: indexes sources into a collection. Nothing else may index the old collection meanwhile; anyone may search it.
    Raises UsageError where much of the old collection would be lost, unless `options.confirm` agrees.
    """
    beside = f"{name}{SUFFIX}"
    old = store.open(name)
    try:
        with old.writing(options.wait):
            had = old.count()
            new = _begin(store, beside, encoders)
            try:
                report = run(new, sources, encoders, options)
                has = new.count()
            finally:
                new.close()
    finally:
        old.close()
    if had - has > PRUNE_LIMIT * had and not options.confirm(
        f"The collection '{name}' has {had} items, built anew it has {has}. Let the new one take its place?"
    ):
        raise UsageError(
            f"'{name}' was left as it is: it has {had} items, and built anew ('{beside}') {has}. Bring back its"
            " sources, or add --yes"
        )
    store.switch(beside, name)
    return report


def _begin(store: Store, beside: str, encoders: EncoderSet) -> Collection:
    """The collection to build; one that an earlier run began is used again if it has the same encoders."""
    new = store.open(beside, create=True)
    begun = [record.fingerprint for record in new.encoders()]
    if begun and begun != [record.fingerprint for record in encoders.records()]:
        new.close()
        store.drop(beside)
        new = store.open(beside, create=True)
    return new
