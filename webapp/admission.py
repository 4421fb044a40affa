"""What the server itself sees to, before the application has a request: whose body is read, and whose turn it is.

headers ─► Admission (would the application refuse it? then no body is read) ─► body ─► Lanes (by client) ─► a thread
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ThreadedTaskDispatcher, WSGITask
from waitress.utilities import Error, RequestEntityTooLarge

from sightsound.webapp.clients import client_of, is_remote
from sightsound.webapp.queue import AGAIN_AFTER

MOST_OF_A_CLIENT = 128
"""Requests of one client that may be under way or wait: what browsers ask for at once through a proxy of HTTP/2."""
CONNECTIONS_OF_A_CLIENT = 100
"""Open connections from one address that is not this machine, where no proxy stands before the site."""
CROWDED = (
    f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {AGAIN_AFTER}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
).encode()
Admits = Callable[[dict[str, Any]], int]
"""How many bytes of a body are read of the request that has this WSGI environment: 0 where it is refused."""


class TooMany(Error):  # type: ignore[misc]
    code = 429
    reason = "Too Many Requests"
    headers = (("Retry-After", str(AGAIN_AFTER)),)


class Request(HTTPRequestParser):  # type: ignore[misc]
    """A request as it arrives. Of one that the application would refuse no body is read: the application says why."""

    chunked: bool
    body_rcv: Any
    refused = False
    most = 0

    def __init__(self, channel: HTTPChannel, admits: Admits) -> None:
        super().__init__(channel.adj)
        self._channel, self._admits = channel, admits

    def received(self, data: bytes) -> int:
        taken: int = super().received(data)
        if self.chunked and self.body_bytes_received > self.most and not self.refused:
            self.error, self.completed, self.refused = RequestEntityTooLarge("its body is too large"), True, True
        return len(data) if self.refused else taken  # what follows is no further request

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is None:
            return
        body, self.body_rcv = self.body_rcv, None
        self.most = self._admits(WSGITask(self._channel, self).get_environment())
        if self.most:
            self.body_rcv = body
            return
        self.refused, self.chunked, self.expect_continue = True, False, False
        self.content_length = 0
        self.headers["CONNECTION"] = "close"


class Waiting(Protocol):
    """A connection, or what else there is to be done of one."""

    addr: tuple[Any, ...]
    requests: Any

    def service(self) -> None: ...
    def cancel(self) -> None: ...


class _Running:
    """One whose turn it is; its client has one thread less meanwhile."""

    def __init__(self, waiting: Waiting, done: Callable[[], None]) -> None:
        self._waiting, self._done = waiting, done

    def service(self) -> None:
        try:
            self._waiting.service()
        finally:
            self._done()

    def cancel(self) -> None:
        self._waiting.cancel()


class Lanes:
    """The line of a dispatcher, in which clients take turns. All is called with the dispatcher's lock held.

    share: threads that one client may have at once. proxies: how many stand before the site.
    """

    def __init__(self, dispatcher: ThreadedTaskDispatcher, share: int, proxies: int) -> None:
        self._dispatcher, self._share, self._proxies = dispatcher, share, proxies
        self._waiting: OrderedDict[str, deque[Waiting]] = OrderedDict()
        self._running: Counter[str] = Counter()

    def append(self, waiting: Waiting) -> None:
        client = asking(waiting.addr[0], waiting.requests[0].headers, self._proxies)
        if self._running[client] + len(self._waiting.get(client, ())) >= MOST_OF_A_CLIENT:
            waiting.requests[0].error = TooMany(f"{MOST_OF_A_CLIENT} of your requests are under way already")
            client = ""  # it is told at once
        self._waiting.setdefault(client, deque()).append(waiting)

    def __len__(self) -> int:
        """How many may have their turn now."""
        return sum(min(len(waiting), self._left(client)) for client, waiting in self._waiting.items())

    def popleft(self) -> _Running:
        client = next(client for client in self._waiting if self._left(client) > 0)
        lane = self._waiting.pop(client)
        waiting = lane.popleft()
        if lane:
            self._waiting[client] = lane  # behind the others
        self._running[client] += 1
        return _Running(waiting, lambda: self._done(client))

    def _left(self, client: str) -> int:
        return self._share - self._running[client] if client else MOST_OF_A_CLIENT

    def _done(self, client: str) -> None:
        with self._dispatcher.lock:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]
            self._dispatcher.queue_cv.notify()


def dispatcher(threads: int, proxies: int) -> ThreadedTaskDispatcher:
    """Threads that serve clients in turn, of which one client has half at the most."""
    made = ThreadedTaskDispatcher()
    made.queue = Lanes(made, max(1, threads // 2), proxies)
    made.set_thread_count(threads)
    return made


def asking(address: str, headers: Mapping[str, str], proxies: int) -> str:
    """Who is counted as one client, as the application will: behind proxies, by what the farthest of these says."""
    told = [one.strip() for one in headers.get("X_FORWARDED_FOR", "").split(",")]
    return client_of(told[-proxies] if proxies and len(told) >= proxies and told[-proxies] else address)


def is_crowded(address: str, others: Iterable[str]) -> bool:
    """Whether one address has too many connections among these. A proxy on this machine may have any number."""
    client = client_of(address)
    return is_remote(address) and sum(client_of(other) == client for other in others) > CONNECTIONS_OF_A_CLIENT
