"""Serving the site: waitress, one process with threads, ended cleanly."""

from __future__ import annotations

import json
import logging
import signal
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from flask import Flask
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from sightsound.errors import ServingError
from sightsound.webapp.admission import CROWDED, Admits, Request, dispatcher, is_crowded
from sightsound.webapp.safety import admits
from sightsound.webapp.site import EXTENSION, Site

MORE_THREADS = 16
"""Threads beside those that searches may take, so that pictures, pages and health are answered while these wait."""
RECEIVING = 60
"""Seconds that a request may take to arrive whole."""
CONNECTIONS = 500
GRACE = 5.0
"""Seconds that answers under way have to be finished when the site is ended."""
OUTPUT_BYTES = 64 << 20
"""What of an answer may wait for a slow client, on disk beyond the first megabyte, before its thread does."""


class _ErrorTask(ErrorTask):  # type: ignore[misc]
    """What waitress itself refuses (bad HTTP, too large a body), told as the site tells errors."""

    def execute(self) -> None:
        error = self.request.error
        told = {"error": {"code": error.reason.lower().replace(" ", "_"), "message": f"{error.reason}: {error.body}"}}
        body = json.dumps(told).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += getattr(error, "headers", ())
        self.response_headers += [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection whose request has RECEIVING seconds in all: a client that sends it byte by byte is left.

    Of a request that is refused for its headers no body is read: the answer goes out, and what still comes is dropped.
    """

    last_activity: float
    error_task_class = _ErrorTask
    admits: Admits
    proxies: int
    _refused = _ending = False

    def __init__(self, server: Any, sock: socket.socket, addr: tuple[Any, ...], *more: Any, **named: Any) -> None:
        super().__init__(server, sock, addr, *more, **named)
        self.parser_class = lambda adj: Request(self, self.admits)
        if not self.proxies and is_crowded(addr[0], (one.addr[0] for one in server.active_channels.values())):
            with suppress(OSError):
                sock.send(CROWDED)
            self.will_close = True

    def handle_read(self) -> None:
        began: float | None = self.last_activity if self.request is not None or self._ending else None
        super().handle_read()
        if began is not None and (self.request is not None or self._ending):
            self.last_activity = began

    def received(self, data: bytes) -> bool:
        return True if self._ending else bool(super().received(data))

    def service(self) -> None:
        self._refused = self.requests[0].refused
        super().service()

    def handle_close(self) -> None:
        if self._refused and self.connected and not self._ending:
            # Closed now, with bytes of the body unread, the connection would be reset and the answer lost.
            self._ending, self.will_close = True, False
            with suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
                return
        super().handle_close()


def serve(app: Flask, host: str, port: int) -> None:
    """Serve until SIGTERM or Ctrl-C. Raises ServingError where the address can't be served at."""
    here: Site = app.extensions[EXTENSION]
    server = server_of(app, host, port)
    stopping = threading.Event()

    def stop(number: int, frame: Any) -> None:
        stopping.set()
        server.pull_trigger()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    name, port = server.socket.getsockname()[:2]
    print(f"Serving '{here.collection_name}' at http://{_in_url(name)}:{port}/", flush=True)
    here.warm_up.start()
    try:
        _run(server, stopping)
    finally:
        here.close()


def server_of(app: Flask, host: str, port: int) -> Any:
    """The server, which listens and answers as soon as it is run. Raises ServingError."""
    here: Site = app.extensions[EXTENSION]
    proxies = here.settings.behind_proxy
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(
        app,
        sockets=[_listening(host, port)],
        _dispatcher=dispatcher(here.settings.queue + MORE_THREADS, proxies),
        connection_limit=CONNECTIONS,
        channel_timeout=RECEIVING,
        cleanup_interval=5,
        max_request_body_size=2 * here.settings.uploads.bytes,
        outbuf_high_watermark=OUTPUT_BYTES,
        ident="",
        clear_untrusted_proxy_headers=False,
        asyncore_use_poll=True,
    )
    server.channel_class = type("Channel", (_Channel,), {"admits": staticmethod(admits(app)), "proxies": proxies})
    return server


def _run(server: Any, stopping: threading.Event) -> None:
    """Answer requests; when it is ended, let those under way be answered, and take no more."""

    def loop() -> None:
        server.asyncore.loop(timeout=1, map=server._map, use_poll=True, count=1)

    while not stopping.is_set():
        loop()
    server.del_channel()
    server.socket.close()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(
        channel.requests or channel.total_outbufs_len for channel in server.active_channels.values()
    ):
        loop()
    server.task_dispatcher.shutdown(timeout=1)
    server.asyncore.close_all(server._map)


def _listening(host: str, port: int) -> socket.socket:
    place = f"{_in_url(host)}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(1024)
        except OSError:
            made.close()
            raise
    except (OSError, OverflowError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        raise ServingError(f"{place} can't be served at: {said}. Choose another --host or --port") from error
    return made


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
