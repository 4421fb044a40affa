"""A web server for tests: what it serves, how it misbehaves, and what it was asked."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float


@dataclass(frozen=True)
class Answer:
    """cut: bytes of the body that are sent before the connection ends; -1 sends all, and 0 with reset sends nothing at
    all. drip: seconds between two bytes."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = -1
    drip: float = 0
    reset: bool = False


@dataclass
class Web:
    port: int
    answer: Callable[[Request], Answer]
    asked: list[Request] = field(default_factory=list)
    together: int = 0
    most_together: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no fault of the test."""


class _DualStack(_Server):
    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


@contextmanager
def serve(answer: Callable[[Request], Answer], everywhere: bool = False) -> Iterator[Web]:
    """Serve on 127.0.0.1; everywhere: on every address of this machine."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, query, headers, time.monotonic())
            with lock:
                web.asked.append(request)
                web.together += 1
                web.most_together = max(web.together, web.most_together)
            try:
                self._send(web.answer(request))
            finally:
                with lock:
                    web.together -= 1

        do_HEAD = do_GET  # noqa: N815

        def _send(self, made: Answer) -> None:
            self.close_connection = True
            if made.reset:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            self.send_response(made.status)
            headers = {"Content-Length": str(len(made.body)), "Content-Type": "image/jpeg", **made.headers}
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            body = made.body if made.cut < 0 else made.body[: made.cut]
            if not made.drip:
                self.wfile.write(body)
                return
            for byte in body:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(made.drip)

    server = _DualStack(("::", 0), Handler) if everywhere else _Server(("127.0.0.1", 0), Handler)
    web = Web(server.server_address[1], answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
