"""Many operations in few requests: by bytes, by a few threads, tried again while it may help."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError

from sightsound.errors import StoreError
from sightsound.stores.elastic.connection import Connection, pause_after
from sightsound.stores.elastic.errors import PASSING, blocked, cause, is_block, is_passing, is_unfit, unfit

CHUNK_BYTES = 5_000_000
THREADS = 3
_FEWEST = 64
"""Operations; where the cluster has too much to do, a bulk is not split into smaller ones."""
_SMALL_BYTES = 1_000_000
"""Whoever refuses a document of this size has the wrong limit, and it is not the document that is at fault."""
_TOO_LARGE = 413
_TOO_MANY = 429
_MOST_REASONS = 300


@dataclass(frozen=True)
class Operation:
    """One line or two of a bulk. owner: the item whom it costs when it is refused."""

    index: str
    id: str
    owner: str = ""
    body: bytes | None = None
    update: bool = False

    def lines(self) -> list[bytes]:
        action: dict[str, Any] = {"_index": self.index, "_id": self.id}
        if self.body is None:
            return [orjson.dumps({"delete": action})]
        if self.update:
            return [orjson.dumps({"update": {**action, "retry_on_conflict": 5}}), b'{"doc":' + self.body + b"}"]
        return [orjson.dumps({"index": action}), self.body]


@dataclass
class _Chunk:
    operations: list[Operation] = field(default_factory=list)
    lines: list[list[bytes]] = field(default_factory=list)
    size: int = 0

    def add(self, operation: Operation, lines: list[bytes]) -> None:
        self.operations.append(operation)
        self.lines.append(lines)
        self.size += sum(map(len, lines)) + len(lines)

    def part(self, places: Iterable[int]) -> _Chunk:
        made = _Chunk()
        for place in places:
            made.add(self.operations[place], self.lines[place])
        return made


def run(connection: Connection, operations: Iterable[Operation], refresh: bool = False) -> dict[str, str]:
    """Do the operations, in any order. Returns why Elasticsearch refused some, by owner.

    What is not there to be deleted or updated is no error. refresh: return when searches see it all. Raises StoreError.
    """
    refused: dict[str, str] = {}
    chunks = _chunks(operations)
    first, second = next(chunks, None), next(chunks, None)
    if first is None:
        return refused
    if second is None:
        return _send(connection, first, refresh, threading.Event())
    stop = threading.Event()
    with ThreadPoolExecutor(THREADS, "bulk") as pool:
        under_way: set[Future[dict[str, str]]] = set()
        try:
            for chunk in _chained(first, second, chunks):
                under_way.add(pool.submit(_send, connection, chunk, refresh, stop))
                if len(under_way) > THREADS:
                    done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        refused |= future.result()
            for future in under_way:
                refused |= future.result()
        except BaseException:
            stop.set()
            raise
    return refused


def _chained(first: _Chunk, second: _Chunk, others: Iterator[_Chunk]) -> Iterator[_Chunk]:
    yield first
    yield second
    yield from others


def _chunks(operations: Iterable[Operation]) -> Iterator[_Chunk]:
    chunk = _Chunk()
    for operation in operations:
        lines = operation.lines()
        if chunk.operations and chunk.size + sum(map(len, lines)) > CHUNK_BYTES:
            yield chunk
            chunk = _Chunk()
        chunk.add(operation, lines)
    if chunk.operations:
        yield chunk


def _send(connection: Connection, chunk: _Chunk, refresh: bool, stop: threading.Event) -> dict[str, str]:
    """Send until nothing is left that may still go through. Raises StoreError when patience ends."""
    refused: dict[str, str] = {}
    waiting, tries, started = [chunk], 0, time.monotonic()
    while waiting and not stop.is_set():
        now = waiting.pop(0)
        tries += 1
        try:
            answer = _bulk(connection, now, refresh)
        except (ApiError, TransportError) as error:
            status = error.meta.status if isinstance(error, ApiError) else 0
            if status == _TOO_LARGE and len(now.operations) == 1 and now.size > _SMALL_BYTES:
                refused[now.operations[0].owner] = "it is larger than the cluster takes in one request"
                continue
            if status == _TOO_LARGE and len(now.operations) > 1:
                waiting[:0] = _halves(now)
                continue
            if not is_passing(error):
                raise connection.explained(error, tries) from None
            _pause(connection, started, tries, error)
            waiting[:0] = _halves(now) if status == _TOO_MANY and len(now.operations) > _FEWEST else [now]
            continue
        again, last = _sorted_out(connection, now, answer, refused)
        if again:
            _pause(connection, started, tries, last)
            waiting.insert(0, now.part(again))
        else:
            started, tries = time.monotonic(), 0
    return refused


def _bulk(connection: Connection, chunk: _Chunk, refresh: bool) -> Any:
    lines: Any = [line for pair in chunk.lines for line in pair]
    return connection.client.bulk(
        operations=lines,
        refresh=refresh or None,
        require_alias=True,
        filter_path="errors,items.*.status,items.*.error",
    ).body


def _sorted_out(
    connection: Connection, chunk: _Chunk, answer: Any, refused: dict[str, str]
) -> tuple[list[int], StoreError | None]:
    """The places of operations to send again, and the last reason why; what is refused for good goes to `refused`."""
    again: list[int] = []
    last: StoreError | None = None
    if not answer.get("errors"):
        return again, last
    for place, item in enumerate(answer["items"]):
        ((action, result),) = item.items()
        status = result["status"]
        if "error" not in result or (status == 404 and action in ("delete", "update") and _document_missing(result)):
            continue
        type, reason = cause(result["error"])
        if is_block(type, reason):
            raise blocked(connection.place, reason)
        if is_unfit(type):
            raise unfit(connection.place, chunk.operations[place].index, reason)
        if status in PASSING or status == 409:
            again.append(place)
            last = StoreError(
                f"{connection.place} is overloaded (status {status}: {reason[:_MOST_REASONS]}). Run the same command "
                "again later; what was acknowledged is kept."
            )
        elif status == 404:
            raise StoreError(f"The collection is gone from {connection.place} ({reason}). See: sightsound status")
        else:
            refused[chunk.operations[place].owner] = f"Elasticsearch refused it: {reason[:_MOST_REASONS] or type}"
    return again, last


def _document_missing(result: Any) -> bool:
    return str(result["error"].get("type")) == "document_missing_exception"


def _halves(chunk: _Chunk) -> list[_Chunk]:
    middle = len(chunk.operations) // 2
    return [chunk.part(range(middle)), chunk.part(range(middle, len(chunk.operations)))]


def _pause(connection: Connection, started: float, tries: int, error: Exception | None) -> None:
    """Wait before the next try. Raises StoreError when patience ends."""
    pause = pause_after(tries)
    if time.monotonic() - started + pause > connection.patience:
        if isinstance(error, StoreError):
            raise error
        assert error is not None
        raise connection.explained(error, tries) from None
    time.sleep(pause)
