"""Indexing: a source's items, through reading processes and encoders, into a collection.

    plan: skip what is unchanged ─► workers: open, read, prepare ─► encoders, in batches ─► one commit a batch

Each stage waits rather than piles up. A long item comes in parts, each one commit; it is found when the last is there.
Interrupted anywhere, the next run goes on: what was committed is skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sightsound import calibration
from sightsound.batches import BatchVectors, with_vectors
from sightsound.beside import LEFT_OUT
from sightsound.brokenoff import broke_off, forget, reopen, so_far
from sightsound.config import cores, number, setting
from sightsound.encoders import EncoderSet, check_fingerprint, take_up
from sightsound.errors import EncodingError, UsageError
from sightsound.jobs import Equipment, Failed, Job, Read
from sightsound.planning import Task, job, plan
from sightsound.registry import Registry
from sightsound.reports import Options, Outcome, Report
from sightsound.resuming import Resuming
from sightsound.seen import Seen
from sightsound.signatures import signed, sources
from sightsound.skipping import Skips
from sightsound.sources import Source
from sightsound.stores.base import Collection, Entry
from sightsound.texts import text_segments
from sightsound.types import FILE_LAYER, Item, Medium, Metadata, Segment, SegmentKind, Vectors, item_id
from sightsound.workers import Workers

BATCH = 32
"""Items, or pieces of them, that are encoded and committed together: what an interruption may cost."""
READ_MEDIA: tuple[Medium, ...] = ("image", "audio", "shot")
"""Media that readers deliver and prepare for encoders; texts are prepared here."""
TEXT_KINDS: frozenset[SegmentKind] = frozenset({"title", "description", "tag"})
WORDS: frozenset[SegmentKind] = frozenset({*TEXT_KINDS, "subtitle"})
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


@dataclass(frozen=True)
class _Ready:
    """An item read, waiting for its batch to be encoded.

    begun: of a long one, what was learnt of the parts that are written. given_up: whether that is all there will be.
    """

    item: Item
    read: Read | None
    stored: Item | None
    begun: Read | None = None
    given_up: bool = False


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
        self._batch: list[_Ready] = []
        self._contents: set[str] = set()
        self._in_part: dict[str, Read] = {}
        """What was learnt so far of long items of which parts were written, by URI."""
        self._given_up: set[str] = set()
        """URIs of long items of which the store refused a part."""
        self._owners: dict[str, Item | None] = {}
        """Who has the ids that new items would get, as far as it was asked for."""
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
            self._batch.append(_Ready(task.item, result, task.stored, begun))
            if result:
                self._contents.add(result.content)
            pieces = sum(len(ready.read.pieces) for ready in self._batch if ready.read)
            if max(len(self._batch), pieces) >= BATCH:
                self._commit()

    def _put_part(self, task: Task, part: Read, begun: Read | None) -> None:
        """Encode and write a part of a long item; search finds it when the last part is there. begun: those before."""
        uri, item = task.item.uri, self._item(task.item, task.stored, part)
        entry = Entry(item, _segments(item, part))
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
            begun = Read(stored.content, facts=stored.facts)
        found = self._found(stored)
        if begun and (found is None or broke_off(found, item)):
            self._commit()
            self._write([_Ready(item, replace(begun, damage=reason, last=True), stored, given_up=True)])
            self._resuming.done(item.uri)
            return
        if found and not broke_off(found, item):
            forget(self.collection, found)
        failed = stored or replace(item, id=self._new_id(item.uri, ""))
        layers = {**failed.layers, self.source.name: item.metadata}
        self._note_failure(replace(failed.with_layers(layers), revision=item.revision), reason)
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

    def _write(self, batch: list[_Ready]) -> None:
        batch = self._recognised(batch)
        plain = [item_id(ready.item.uri) for ready in batch if ready.stored is None]
        self._owners = {**dict.fromkeys(plain), **self.collection.items(plain)}
        wanted = [self._entry(ready) for ready in batch]
        self._owners = {}
        vectors = BatchVectors(self.encoders)
        for ready, (entry, _) in zip(batch, wanted, strict=True):
            if ready.read:
                _add_pieces(vectors, entry, ready.read)
        vectors.add_texts(self.collection, [s for entry, _ in wanted for s in entry.segments if s.text])
        made, failed = vectors.encode(), vectors.failed
        refused = self.collection.put(
            [
                self._signed(with_vectors(entry, made), ready)
                for ready, (entry, _) in zip(batch, wanted, strict=True)
                if entry.item.id not in failed
            ]
        )
        self.wrote = True
        for ready, (entry, outcome) in zip(batch, wanted, strict=True):
            self._note(ready, entry.item, outcome, refused, failed)

    def _note(
        self, ready: _Ready, item: Item, outcome: Outcome, refused: Mapping[str, str], failed: Mapping[str, str]
    ) -> None:
        """What became of an item: not written where an encoder failed at it, so that what there was before is kept."""
        read = ready.read
        if item.id in refused:
            self.report.fail(item.uri, refused[item.id])
        elif item.id in failed and not ready.given_up:
            self._fail(ready.item, ready.stored, failed[item.id], ready.begun)
        elif item.id in failed:
            self._note_failure(item, failed[item.id])
        elif read and read.damage:
            self._note_failure(item, read.damage)
        else:
            self.report.count(outcome)
        for fault in read.facts.get(LEFT_OUT, ()) if read else ():
            self.report.warn(f"left out of {item.path or item.uri}: {fault}")

    def _recognised(self, batch: list[_Ready]) -> list[_Ready]:
        """The batch, with contents that the collection has already marked as known."""
        contents = [ready.read.content for ready in batch if ready.read and not ready.read.known]
        here = self.collection.with_content(contents) if contents else {}
        return [
            replace(ready, read=Read(ready.read.content, known=True))
            if ready.read and ready.read.content in here
            else ready
            for ready in batch
        ]

    def _signed(self, entry: Entry, ready: _Ready) -> Entry:
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

    def _entry(self, ready: _Ready) -> tuple[Entry, Outcome]:
        """What is to be written of an item, and what that makes of it."""
        read, stored = ready.read, ready.stored
        if read is None:
            return self._described(ready), "described" if stored else "added"
        if read.known:
            return self._same_content(ready, read)
        item = self._item(ready.item, stored, read)
        if read.words and stored is not None:
            facts = {name: fact for name, fact in stored.facts.items() if name != LEFT_OUT}
            item = replace(item, facts={**facts, **read.facts}).with_layers({**stored.layers, **item.layers})
            return Entry(item, [*_segments(item, read), *text_segments(item)], replaces=WORDS), "changed"
        was_there = stored is not None and stored.state != "partial"
        return Entry(item, [*_segments(item, read), *text_segments(item)]), "changed" if was_there else "added"

    def _item(self, item: Item, stored: Item | None, read: Read) -> Item:
        """The item as it was read, with what is known of it from elsewhere."""
        own = {FILE_LAYER: read.metadata} if read.metadata != Metadata() else {}
        others = {name: layer for name, layer in (stored.layers if stored else {}).items() if name != FILE_LAYER}
        return replace(
            item,
            id=stored.id if stored else self._new_id(item.uri, read.content),
            content=read.content,
            facts=read.facts,
        ).with_layers({**own, **others, self.source.name: item.metadata})

    def _described(self, ready: _Ready) -> Entry:
        """An item of which only the metadata changed, or that has no file."""
        stored = ready.stored
        item = stored or replace(ready.item, id=self._new_id(ready.item.uri, ""))
        item = replace(item, revision=ready.item.revision, state="ok", reason="").with_layers(
            {**item.layers, self.source.name: ready.item.metadata}
        )
        return Entry(item, text_segments(item), replaces=TEXT_KINDS)

    def _same_content(self, ready: _Ready, read: Read) -> tuple[Entry, Outcome]:
        """An item whose content is in the collection already: touched, moved, or a copy."""
        twins = self.collection.with_content([read.content]).get(read.content, [])
        own = next((twin for twin in twins if ready.stored and twin.id == ready.stored.id), None)
        gone = next((twin for twin in twins if _is_gone(twin)), None) if ready.stored is None else None
        twin = own or gone
        if twin is None:
            return self._copy(ready, read, twins[0]), "copied"
        item = replace(twin, uri=ready.item.uri, revision=ready.item.revision, state="ok", reason="").with_layers(
            {**twin.layers, self.source.name: ready.item.metadata}
        )
        return Entry(item, text_segments(item), replaces=TEXT_KINDS), "changed" if own else "moved"

    def _copy(self, ready: _Ready, read: Read, twin: Item) -> Entry:
        own = {FILE_LAYER: twin.layers[FILE_LAYER]} if FILE_LAYER in twin.layers else {}
        others = {n: layer for n, layer in (ready.stored.layers if ready.stored else {}).items() if n != FILE_LAYER}
        item = replace(
            ready.item,
            id=ready.stored.id if ready.stored else self._new_id(ready.item.uri, read.content),
            content=read.content,
            facts=twin.facts,
        ).with_layers({**own, **others, self.source.name: ready.item.metadata})
        theirs = [s for s in self.collection.segments([twin.id]).get(twin.id, []) if s.kind not in TEXT_KINDS]
        vectors: dict[str, dict[str, Vectors]] = {}
        for space in {space for space, _ in self.collection.counts()}:
            found = self.collection.vectors(space, [segment.id for segment in theirs])
            vectors[space] = {replace(s, item_id=item.id).id: found[s.id] for s in theirs if s.id in found}
        return Entry(item, [*(replace(s, item_id=item.id) for s in theirs), *text_segments(item)], vectors)

    def _new_id(self, uri: str, content: str) -> str:
        """The id of an item first seen now; not that of an item that was first seen here and moved away."""
        plain = item_id(uri)
        owner = self._owners[plain] if plain in self._owners else self.collection.items([plain]).get(plain)
        return plain if owner is None or owner.uri == uri else item_id(uri, content or uri)

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


def _segments(item: Item, read: Read) -> list[Segment]:
    return [Segment(item.id, piece.kind, piece.number, piece.start, piece.end, piece.text) for piece in read.pieces]


def _add_pieces(vectors: BatchVectors, entry: Entry, read: Read) -> None:
    for segment, piece in zip(_segments(entry.item, read), read.pieces, strict=True):
        vectors.add(segment, piece.inputs)


def _is_gone(item: Item) -> bool:
    path = item.path
    return path is not None and not os.path.lexists(path)


def default_workers() -> int:
    """Reading processes: the setting, else one for each core."""
    return int(number("workers")) if setting("workers") else cores()
