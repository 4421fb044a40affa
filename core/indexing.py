"""Indexing: a source's items, through reading processes and encoders, into a collection.

    plan: skip what is unchanged ─► workers: open, read, prepare ─► encoders, in batches ─► one commit a batch

Each stage waits rather than piles up. A long item comes in parts, each one commit; it is found when the last is there.
Interrupted anywhere, the next run goes on: what was committed is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sightsound import calibration
from sightsound.batches import BatchVectors, with_vectors
from sightsound.beside import LEFT_OUT
from sightsound.brokenoff import broke_off, forget, reopen, so_far
from sightsound.config import cores, number, setting
from sightsound.encoders import EncoderSet, check_fingerprint, take_up
from sightsound.entries import Entries, Ready, pieces_of
from sightsound.errors import EncodingError, UsageError
from sightsound.jobs import Equipment, Failed, Job, Read
from sightsound.planning import Task, job, plan
from sightsound.registry import Registry
from sightsound.reports import Options, Report
from sightsound.resuming import Resuming
from sightsound.seen import Seen
from sightsound.signatures import signed, sources
from sightsound.skipping import Skips
from sightsound.sources import Source
from sightsound.stores.base import Collection, Entry
from sightsound.types import FILE_LAYER, Item, Medium, Metadata
from sightsound.workers import Workers

BATCH = 32
"""Items, or pieces of them, that are encoded and committed together: what an interruption may cost."""
READ_MEDIA: tuple[Medium, ...] = ("image", "audio", "shot")
"""Media that readers deliver and prepare for encoders; texts are prepared here."""
PRUNE_LIMIT = 0.2
"""The share of a collection that --prune may remove without asking."""


def index(
    registry: Registry, collection: Collection, source: Source, encoders: EncoderSet, options: Options | None = None
) -> Report:
    """Bring the collection up to date with the source. Raises SourceError, StoreError, FingerprintMismatch."""
    options = options or Options()
    if options.dry_run:
        return _dry_run(collection, source, Skips(registry, encoders, collection.name), options)
    with collection.writing(options.wait):
        take_up(collection, encoders)
        for encoder in encoders.chosen:
            check_fingerprint(collection, encoder)
        run = _Run(collection, source, encoders, options)
        run.read_all(registry, Skips(registry, encoders, collection.name))
        if run.listed_whole:
            run.let_go()
        elif options.prune and options.only is None:
            run.report.warnings.append(
                f"Nothing of {source.name} was pruned: this run did not list it from its beginning to its end, and only"
                " then what is gone can be told. Run the same command again"
            )
        if run.wrote or calibration.calibrated_items(collection) != collection.count():
            try:
                calibration.refresh(collection, encoders)
            except EncodingError as error:
                run.report.warn(f"the line between matches and chance was not drawn again: {error}")
        return run.report


def _listed(collection: Collection, source: Source, options: Options, cursor: str | None = None) -> Iterator[Item]:
    """The source's items, or those that are asked for. Where listing has its price, these are taken as known."""
    only = options.only
    if only is None:
        return source.items(cursor)
    if source.cursor is None:
        return (item for item in source.items() if item.uri in only)
    known = collection.states(only).values()
    return (replace(item, metadata=item.layers[source.name]) for item in known if source.name in item.layers)


def _dry_run(collection: Collection, source: Source, skips: Skips, options: Options) -> Report:
    report, seen = Report(), Seen()
    for task in plan(collection, source, _listed(collection, source, options), options.retry):
        report.listed += 1
        seen.add(task.item.uri)
        if task.need == "nothing":
            report.unchanged += 1
        elif task.need == "read" and (reason := skips.reason(task.item)):
            report.skip(reason)
        elif task.stored is None:
            report.added += 1
        elif task.need == "read":
            report.changed += 1
        else:
            report.described += 1
        options.progress(report)
    report.gone = sum(1 for _ in seen.others(collection.of_source(source.name)))
    return report


class _Run:
    """One index run over one source."""

    def __init__(self, collection: Collection, source: Source, encoders: EncoderSet, options: Options) -> None:
        self.collection = collection
        self.source = source
        self.encoders = encoders
        self.options = options
        self.report = Report()
        self.wrote = False
        self._seen = Seen()
        self._batch: list[Ready] = []
        self._contents: set[str] = set()
        self._in_part: dict[str, Read] = {}
        """What was learnt so far of long items of which parts were written, by URI."""
        self._given_up: set[str] = set()
        """URIs of long items of which the store refused a part."""
        self._entries = Entries(collection, source)
        self._resuming = Resuming(collection, source)
        self.listed_whole = False

    def read_all(self, registry: Registry, skips: Skips) -> None:
        wanted = self.encoders.wanted
        self.source.min_side = wanted.image.min_side if wanted.image else 0
        self.source.paused = None
        equipment = Equipment(
            self.source,
            tuple(entry.thing for entry in registry.readers),
            tuple(e.preparation for medium in READ_MEDIA for e in self.encoders.reading(medium, "document")),
            wanted,
            number("memory"),
        )
        with Workers(equipment, self.options.workers or default_workers(), number("deadline")) as workers:
            try:
                for task, result in workers.run(self._jobs(skips)):
                    self._take(task, result)
                    self.options.progress(self.report)
            finally:
                self._commit()
        self.options.progress(self.report)
        self.report.warnings += getattr(self.source, "warnings", [])

    def _jobs(self, skips: Skips) -> Iterator[tuple[Task, Job | None]]:
        for task in plan(self.collection, self.source, self._listing(), self.options.retry):
            self.report.listed += 1
            self._seen.add(task.item.uri)
            if task.need == "read" and (reason := skips.reason(task.item)):
                self.report.skip(reason)
                self._resuming.done(task.item.uri)
                continue
            if task.need == "read" and (reason := skips.in_part(task.item)):
                self.report.skip(reason)
            yield task, job(self.collection, task)

    def _listing(self) -> Iterator[Item]:
        """The source's items, from where an interrupted run left off."""
        every, start = self.options.only is None, self._resuming.start
        for item in _listed(self.collection, self.source, self.options, start):
            if every:
                self._resuming.listed(item.uri, self.source.cursor)
            yield item
        paused = self.source.paused
        if every:
            self._resuming.ended(self.source.cursor if paused else None)
        if paused:
            self.report.paused.append(paused)
        self.listed_whole = every and start is None and paused is None

    def _take(self, task: Task, result: Read | Failed | None) -> None:
        if task.item.uri in self._given_up:
            return
        begun = self._in_part.pop(task.item.uri, None)
        if isinstance(result, Failed):
            self._fail(task.item, task.stored, result.reason, begun)
        elif task.need == "nothing":
            failed = task.stored is not None and task.stored.state in ("failed", "stale")
            self.report.failed += failed
            self.report.unchanged += not failed
            self._resuming.done(task.item.uri)
        elif result and not result.last:
            self._put_part(task, so_far(begun, result), begun)
        else:
            if result and begun is None and not result.known:
                reopen(self.collection, task.stored, task.item)
            if result and result.content in self._contents:
                self._commit()
            self._batch.append(Ready(task.item, result, task.stored, begun))
            if result:
                self._contents.add(result.content)
            pieces = sum(len(ready.read.pieces) for ready in self._batch if ready.read)
            if max(len(self._batch), pieces) >= BATCH:
                self._commit()

    def _put_part(self, task: Task, part: Read, begun: Read | None) -> None:
        """Encode and write a part of a long item; search finds it when the last part is there. begun: those before."""
        uri, entry = task.item.uri, self._entries.part(task.item, task.stored, part)
        item = entry.item
        vectors = BatchVectors(self.encoders)
        _add_pieces(vectors, entry, part)
        vectors.add_texts(self.collection, [segment for segment in entry.segments if segment.text])
        made = vectors.encode()
        if item.id in vectors.failed:
            self._given_up.add(uri)
            self._fail(task.item, task.stored, vectors.failed[item.id], begun)
            return
        if begun is None:
            reopen(self.collection, task.stored, task.item)
        refused = self.collection.put([with_vectors(entry, made)], last=False)
        if item.id in refused:
            self._given_up.add(uri)
            self.report.fail(uri, refused[item.id])
            return
        self._in_part[uri] = replace(part, pieces=())

    def _fail(self, item: Item, stored: Item | None, reason: str, begun: Read | None) -> None:
        """Note that an item failed. Of a long one that was never read whole, what was read before is found."""
        if begun is None and stored and (stored.state, stored.revision) == ("partial", item.revision):
            begun = Read(stored.content, facts=stored.facts, metadata=stored.layers.get(FILE_LAYER, Metadata()))
        found = self._found(stored)
        if begun and (found is None or broke_off(found, item)):
            self._commit()
            self._write([Ready(item, replace(begun, damage=reason, last=True), stored, given_up=True)])
            self._resuming.done(item.uri)
            return
        if found and not broke_off(found, item):
            forget(self.collection, found)
        self._note_failure(self._entries.failed(item, stored), reason)
        self._resuming.done(item.uri)

    def _found(self, stored: Item | None) -> Item | None:
        """The item as search finds it, from an earlier reading; None where it does not."""
        now = self.collection.items([stored.id]).get(stored.id) if stored else None
        return now if now is not None and now.state in ("ok", "stale") else None

    def _note_failure(self, item: Item, reason: str) -> None:
        self.collection.fail(item, reason)
        self.report.fail(item.uri, reason)

    def _commit(self) -> None:
        """Encode and write the batch, one commit."""
        batch, self._batch, self._contents = self._batch, [], set()
        if batch:
            self._write(batch)
            for ready in batch:
                self._resuming.done(ready.item.uri)
        self._resuming.save()

    def _write(self, batch: list[Ready]) -> None:
        batch = self._entries.recognised(batch)
        wanted = self._entries.of(batch)
        vectors = BatchVectors(self.encoders)
        for ready, (entry, _) in zip(batch, wanted, strict=True):
            if ready.read:
                _add_pieces(vectors, entry, ready.read)
        vectors.add_texts(self.collection, [s for entry, _ in wanted for s in entry.segments if s.text])
        made = vectors.encode()
        # What an encoder failed at is not written, so that what was there before is kept. Of what moved, and of a film
        # that is given up, there is nothing new but the texts.
        held = {
            entry.item.id
            for ready, (entry, outcome) in zip(batch, wanted, strict=True)
            if entry.item.id in vectors.failed and outcome != "moved" and not ready.given_up
        }
        refused = self.collection.put(
            [
                self._signed(with_vectors(entry, made), ready)
                for ready, (entry, _) in zip(batch, wanted, strict=True)
                if entry.item.id not in held
            ]
        )
        self.wrote = True
        for ready, (entry, outcome) in zip(batch, wanted, strict=True):
            item, read = entry.item, ready.read
            fault = vectors.failed.get(item.id) or (read.damage if read else "")
            if item.id in held:
                self._fail(ready.item, ready.stored, fault, ready.begun)
            elif item.id in refused:
                self.report.fail(item.uri, refused[item.id])
            elif fault:
                self._note_failure(item, fault)
            else:
                self.report.count(outcome)
            for left_out in read.facts.get(LEFT_OUT, ()) if read else ():
                self.report.warn(f"left out of {item.path or item.uri}: {left_out}")

    def _signed(self, entry: Entry, ready: Ready) -> Entry:
        """A film that was read to its end, with its signatures."""
        if entry.item.kind != "film" or ready.read is None or ready.read.known:
            return entry
        axes = sources(self.encoders)
        earlier = self.collection.pieces(entry.item.id, [axis.space for axis in axes])
        if earlier and earlier.item.revision != entry.item.revision:
            earlier = None
        segments = [*(earlier.segments if earlier else ()), *entry.segments]
        before = earlier.vectors if earlier else {}
        spaces = [axis.space for axis in axes]
        vectors = {space: {**before.get(space, {}), **entry.vectors.get(space, {})} for space in spaces}
        made = signed(entry.item.id, axes, segments, vectors)
        own = {axis.signatures: {segment.id: vector} for axis, (segment, vector) in made.items()}
        return replace(
            entry,
            segments=[*entry.segments, *(segment for segment, _ in made.values())],
            vectors={**entry.vectors, **own},
        )

    def let_go(self) -> None:
        """Remove, or count, the items that the source no longer names."""
        gone = list(self._seen.others(self.collection.of_source(self.source.name)))
        self.report.gone = len(gone)
        if not gone or not self.options.prune:
            return
        total = self.collection.count()
        if len(gone) > PRUNE_LIMIT * total and not self.options.confirm(
            f"{len(gone)} of the {total} items in '{self.collection.name}' are no longer in {self.source.name}."
            " Remove them?"
        ):
            raise UsageError(f"Nothing was pruned: {len(gone)} of {total} items would go. If that is right, add --yes")
        self.collection.release(gone, self.source.name)
        self.report.pruned, self.report.gone = len(gone), 0
        self.wrote = True


def _add_pieces(vectors: BatchVectors, entry: Entry, read: Read) -> None:
    for segment, piece in zip(pieces_of(entry.item, read), read.pieces, strict=True):
        vectors.add(segment, piece.inputs)


def default_workers() -> int:
    """Reading processes: the setting, else one for each core."""
    return int(number("workers")) if setting("workers") else cores()
