"""Copying a collection, into another store or under another name, with nothing encoded again.

    every item, its segments and vectors ─► NAME.copied ─► both are read and compared ─► it takes the name

Interrupted anywhere, the same copy goes on; nobody sees it under its name before it is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sightsound.checksums import checksums, pages, parts, written
from sightsound.errors import StoreError
from sightsound.stores.base import Collection, Entry, Store
from sightsound.types import Item

SUFFIX = ".copied"
"""Ends the name of the collection that is being filled; an interrupted copy goes on with it."""

Progress = Callable[[str, int, int], None]
"""Told what goes on (`copying` or `comparing`), how many items are done, and of how many."""


@dataclass
class Copied:
    """What a copy did, or with a dry run would do. Counts of items, but for `vectors`.

    items: in the collection, those that failed included. written: copied now. skipped: were there already. removed:
    were there from an earlier attempt, and have gone since. existing: the same collection has the name already.
    checksum: over all items, the same in both.
    """

    items: int = 0
    failed: int = 0
    vectors: int = 0
    written: int = 0
    skipped: int = 0
    removed: int = 0
    existing: bool = False
    checksum: str = ""


def copy(source: Collection, store: Store, name: str, progress: Progress = lambda *told: None) -> Copied:
    """Copy the collection into the store, under this name, and compare both.

    Raises StoreError where another collection has the name, or where the source is written to all the while.
    """
    if name in store.collections():
        return _same(source, store, name, progress)
    beside = f"{name}{SUFFIX}"
    target = _begin(store, beside, source)
    try:
        with target.writing():
            report = _write_all(source, target, progress)
            for key, value in source.kept().items():
                target.set_state(key, value)
            _compare_all(source, target, report, progress)
    finally:
        target.close()
    store.switch(beside, name)
    return report


def plan(source: Collection, store: Store, name: str, progress: Progress = lambda *told: None) -> Copied:
    """What `copy` would do. Raises StoreError where another collection has the name."""
    there = store.collections()
    if name in there:
        return _same(source, store, name, progress)
    beside = f"{name}{SUFFIX}"
    target = store.open(beside) if beside in there else None
    try:
        report = _counted(source)
        for page in pages(source.scan(failed=True)):
            lacking = _lacking(target, page) if target else page
            report.written += len(lacking)
            report.skipped += len(page) - len(lacking)
            progress("comparing", report.written + report.skipped, report.items)
        return report
    finally:
        if target:
            target.close()


def _begin(store: Store, beside: str, source: Collection) -> Collection:
    """The collection to fill; one that an earlier copy began is used again if it has the same encoders."""
    records = source.encoders()
    target = store.open(beside, create=True)
    if target.encoders() not in ([], records):
        target.close()
        store.drop(beside)
        target = store.open(beside, create=True)
    if target.encoders() != records:
        target.set_encoders(records)
    return target


def _write_all(source: Collection, target: Collection, progress: Progress) -> Copied:
    report = _counted(source)
    fresh = not any(True for _ in target.scan(failed=True))
    for page in pages(source.scan(failed=True)):
        lacking = page if fresh else _lacking(target, page)
        _write(source, target, lacking)
        report.written += len(lacking)
        report.skipped += len(page) - len(lacking)
        progress("copying", report.written + report.skipped, report.items)
    return report


def _lacking(target: Collection, page: Sequence[Item]) -> list[Item]:
    """The items that the target does not have, or has otherwise."""
    has = target.items([item.id for item in page])
    return [item for item in page if has.get(item.id) != item]


def _write(source: Collection, target: Collection, items: Sequence[Item]) -> None:
    failed = [item for item in items if item.state == "failed"]
    if failed:
        # What fails keeps the vectors that it has: those of an earlier attempt would make it stale.
        target.remove([item.id for item in failed])
    for item in failed:
        target.fail(item, item.reason)
    for group in parts(source, [item for item in items if item.state != "failed"]):
        entries = [Entry(replace(part.item, state="ok", reason=""), part.segments, part.vectors) for part in group]
        target.put(entries, last=group[-1].last)
        for part in group:
            if part.last and part.item.state == "stale":
                target.fail(part.item, part.item.reason)


def _compare_all(source: Collection, target: Collection, report: Copied, progress: Progress) -> None:
    """Read both collections whole. What differs is copied again; what the source has no longer is removed."""
    for page in pages(target.scan(failed=True)):
        report.removed += _remove_gone(source, target, [item.id for item in page])
    total, done = 0, 0
    for page in pages(source.scan(failed=True)):
        ours, theirs = _both(source, target, page)
        if ours != theirs:
            ours = _mend(source, target, [id for id in ours if ours[id] != theirs.get(id)], ours)
        total += sum(ours.values())
        done += len(page)
        progress("comparing", done, report.items)
    if source.encoders() != target.encoders() or source.kept() != target.kept() or source.counts() != target.counts():
        raise _changing(source)
    report.checksum = written(total)


def _both(source: Collection, target: Collection, items: Sequence[Item]) -> tuple[dict[str, int], dict[str, int]]:
    """Checksums of these items in both collections, by id."""
    theirs = target.items([item.id for item in items])
    return checksums(source, items), checksums(target, [theirs[item.id] for item in items if item.id in theirs])


def _mend(source: Collection, target: Collection, ids: Sequence[str], sums: dict[str, int]) -> dict[str, int]:
    """Copy these items once more, as they are now. Returns the checksums of the page with theirs."""
    now = source.items(ids)
    _remove_gone(source, target, ids)
    _write(source, target, list(now.values()))
    ours, theirs = _both(source, target, list(now.values()))
    if ours != theirs:
        raise _changing(source)
    return {id: value for id, value in sums.items() if id not in ids} | ours


def _remove_gone(source: Collection, target: Collection, ids: Iterable[str]) -> int:
    has = source.items(ids := list(ids))
    gone = [id for id in ids if id not in has]
    return target.remove(gone) if gone else 0


def _same(source: Collection, store: Store, name: str, progress: Progress) -> Copied:
    """The report on a collection that is there already. Raises StoreError unless it is the same."""
    there = store.open(name)
    try:
        report = _counted(source)
        total = 0
        alike = (_counted(there), there.encoders(), there.counts()) == (report, source.encoders(), source.counts())
        for page in pages(source.scan(failed=True)) if alike else ():
            ours, theirs = _both(source, there, page)
            if ours != theirs:
                alike = False
                break
            total += sum(ours.values())
            report.skipped += len(page)
            progress("comparing", report.skipped, report.items)
    finally:
        there.close()
    if not alike:
        raise StoreError(
            f"There is another collection '{name}' in {store.location}, and it was left as it is. Copy under another"
            f" name with --as NAME, or remove it: sightsound remove --all --collection {name} --store {store.location}"
        )
    report.existing, report.checksum = True, written(total)
    return report


def _counted(collection: Collection) -> Copied:
    failed = sum(1 for failure in collection.failures() if not failure.stale)
    return Copied(collection.count() + failed, failed, sum(collection.counts().values()))


def _changing(source: Collection) -> StoreError:
    return StoreError(
        f"The collection '{source.name}' changed while it was copied. Run the same command again when nothing indexes"
        " it; what is copied already is not copied again."
    )
