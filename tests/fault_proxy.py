"""A proxy before an Elasticsearch node that does what networks, proxies and other servers do to requests."""

from __future__ import annotations

import datetime
import gzip
import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
"""What every Elasticsearch says of itself; the client refuses servers that do not."""
_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "host"}


@dataclass(frozen=True)
class Asked:
    """A request as the proxy saw it. number: how many of this kind came before. size: bytes of its body, as sent.
    authorization: the header of that name."""

    method: str
    path: str
    number: int
    size: int
    authorization: str = ""

    @property
    def is_bulk(self) -> bool:
        return self.path.split("?")[0].endswith("/_bulk")


@dataclass(frozen=True)
class Answer:
    """An answer in the node's stead."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=lambda: dict(PRODUCT))


@dataclass(frozen=True)
class Cut:
    """The connection breaks; after: when the node has done what was asked, half-way through its answer."""

    after: bool = False


class Silence:
    """Nothing comes back, ever."""


@dataclass(frozen=True)
class RejectSome:
    """Of a bulk, every `of`-th operation is rejected, as by a full queue; the others reach the node.

    index: only operations on indices whose names end so.
    """

    of: int
    status: int = 429
    type: str = "es_rejected_execution_exception"
    reason: str = "rejected execution of coordinating operation"
    index: str = ""

    def takes(self, number: int, action: bytes) -> bool:
        ((_, target),) = json.loads(action).items()
        return number % self.of == 0 and str(target["_index"]).endswith(self.index)


Fault = Answer | Cut | Silence | RejectSome
Rule = Callable[[Asked], Fault | None]


def error(status: int, type: str, reason: str) -> Answer:
    """An error as Elasticsearch writes it."""
    cause = {"type": type, "reason": reason}
    return Answer(status, {"error": {"root_cause": [cause], **cause}, "status": status})


class Proxy:
    """Listens at `url`, passes on to the node at `to`, and does to each request what `rule` says.

    asked: the requests so far. certificate: a PEM file with key and certificate, to speak TLS.
    """

    def __init__(self, to: str, rule: Rule = lambda asked: None, certificate: Path | None = None) -> None:
        self.rule = rule
        self.asked: list[Asked] = []
        self.faults = 0
        self._to = urlsplit(to)
        self._counted: dict[bool, int] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.context = context
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def url_with(self, user: str, password: str) -> str:
        return self.url.replace("://", f"://{user}:{password}@")

    def bulks(self) -> int:
        return sum(asked.is_bulk for asked in self.asked)

    def decide(self, method: str, path: str, size: int, authorization: str) -> Fault | None:
        with self._lock:
            bulk = Asked(method, path, 0, size).is_bulk
            asked = Asked(method, path, self._counted.get(bulk, 0), size, authorization)
            self._counted[bulk] = asked.number + 1
            self.asked.append(asked)
            fault = self.rule(asked)
            self.faults += fault is not None
            return fault

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._to.hostname or "", self._to.port, timeout=120)

    def wait_for_end(self) -> None:
        self._ended.wait()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread: a client that breaks the handshake off holds up nobody.
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # clients that are killed or refuse the certificate are what the tests are about


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        node: http.client.HTTPConnection | None = None

        def setup(self) -> None:
            super().setup()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = proxy.decide(self.command, self.path, len(body), self.headers.get("Authorization", ""))
            if isinstance(fault, Silence):
                proxy.wait_for_end()
                self.cut()
            elif isinstance(fault, Answer):
                said = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
                kind = "text/html" if isinstance(fault.body, str) else "application/json"
                self.answer(fault.status, said.encode(), {"Content-Type": kind, **fault.headers})
            elif isinstance(fault, Cut) and not fault.after:
                self.cut()
            elif isinstance(fault, RejectSome):
                self.reject_some(body, fault)
            else:
                self.pass_on(body, half=isinstance(fault, Cut))

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do  # noqa: N815

        def pass_on(self, body: bytes, half: bool = False) -> None:
            try:
                response = self.from_node(body, dict(self.headers))
            except OSError:
                self.cut()
                return
            headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP}
            self.answer(response.status, response.read(), headers, half)

        def reject_some(self, body: bytes, fault: RejectSome) -> None:
            """Send the node the others, and weave the rejections into its answer."""
            lines = (gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).splitlines()
            operations: list[list[bytes]] = []
            while lines:
                size = 1 if b'"delete"' in lines[0][:12] else 2
                operations.append(lines[:size])
                del lines[:size]
            taken = [fault.takes(number, operation[0]) for number, operation in enumerate(operations)]
            kept = [operation for operation, rejected in zip(operations, taken, strict=True) if not rejected]
            plain = ("content-encoding", "accept-encoding", "content-length")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in plain}
            sent = b"".join(line + b"\n" for operation in kept for line in operation)
            answered: dict[str, Any] = {"took": 1, "items": []}
            if kept:
                response = self.from_node(sent, headers | {"Content-Length": str(len(sent))})
                answered = json.loads(response.read())
            done = iter(answered["items"])
            items = [
                self.rejected(json.loads(operation[0]), fault) if rejected else next(done)
                for operation, rejected in zip(operations, taken, strict=True)
            ]
            made = json.dumps({**answered, "errors": True, "items": items}).encode()
            self.answer(200, made, {"Content-Type": "application/json", **PRODUCT})

        @staticmethod
        def rejected(action: dict[str, Any], fault: RejectSome) -> dict[str, Any]:
            ((name, target),) = action.items()
            error = {"type": fault.type, "reason": fault.reason}
            return {name: {**target, "status": fault.status, "error": error}}

        def from_node(self, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
            for fresh in (False, True):
                if self.node is None or fresh:
                    self.node = proxy.connect()
                try:
                    self.node.request(self.command, self.path, body or None, headers)
                    return self.node.getresponse()
                except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                    if fresh:
                        raise
            raise AssertionError

        def answer(self, status: int, body: bytes, headers: dict[str, str], half: bool = False) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body[: len(body) // 2] if half else body)
            if half:
                self.wfile.flush()
                self.cut()

        def cut(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    return Handler


def self_signed(folder: Path) -> Path:
    """A PEM file with a key and a certificate for 127.0.0.1 that nobody vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a proxy of the tests")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "proxy.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
