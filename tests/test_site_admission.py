"""What the server sees to before the application has a request: bodies that it leaves, clients that take turns."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress

import pytest
from conftest import PHOTOS, CommandLine
from flask import Flask
from served import site_of

from sightsound.webapp.admission import CONNECTIONS_OF_A_CLIENT, MOST_OF_A_CLIENT, asking, is_crowded
from sightsound.webapp.serving import server_of

KEY = "a-key-of-the-tests-0123456789"
GOOD = f"Authorization: Bearer {KEY}"
LARGE = 40_000_000
Ask = Callable[..., bytes]


@contextmanager
def running(app: Flask, host: str = "127.0.0.1") -> Iterator[int]:
    """The site's own server over an application, in a thread. Gives its port."""
    server = server_of(app, host, 0)
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            server.asyncore.loop(timeout=1, map=server._map, use_poll=True, count=1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield int(server.socket.getsockname()[1])
    finally:
        over.set()
        server.pull_trigger()
        thread.join(60)
        server.task_dispatcher.shutdown(timeout=60)
        server.asyncore.close_all(server._map)


@pytest.fixture(scope="module")
def locked(demo: CommandLine) -> Iterator[int]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(demo.home))
        app = site_of(demo, api_key=KEY)
        with running(app) as port:
            yield port
        app.extensions["sightsound"].close()


def head(path: str = "/api/v1/uploads", *headers: str, host: str = "localhost", length: int = LARGE) -> bytes:
    size = [f"Content-Length: {length}"] if length else ["Transfer-Encoding: chunked"]
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {host}", *size, *headers, "", ""]).encode()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=120)


def all_of(connection: socket.socket) -> bytes:
    got = b""
    while chunk := connection.recv(1 << 16):
        got += chunk
    return got


@pytest.mark.parametrize("length", [LARGE, 0], ids=["with its length", "in chunks"])
@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        ((), "localhost", 401),
        (("Authorization: Bearer not-the-key",), "localhost", 401),
        ((GOOD,), "evil.example", 421),
        ((GOOD, "Origin: http://evil.example"), "localhost", 403),
        (("Expect: 100-continue",), "localhost", 401),
    ],
)
def test_who_is_refused_sends_no_body(
    headers: tuple[str, ...], host: str, status: int, length: int, locked: int
) -> None:
    with connected(locked) as connection:
        connection.sendall(head("/api/v1/uploads", *headers, host=host, length=length))
        answer = all_of(connection)  # it is there, and the connection ended, though the body never came
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"Connection: close" in answer and b'{"error":' in answer


@pytest.mark.parametrize(
    ("path", "length", "headers"),
    [
        ("/api/v1/uploads", 54_000_000, (GOOD,)),
        ("/api/v1/items", 2_000_000, (GOOD, "Content-Type: application/json")),
        ("/sign-in", 2_000_000, ("Content-Type: application/x-www-form-urlencoded",)),
        ("/api/v1/uploads", 1 << 40, (GOOD,)),
        ("/healthz", 2_000_000, (GOOD,)),
    ],
)
def test_what_is_too_large_is_refused_before_it_is_sent(
    path: str, length: int, headers: tuple[str, ...], locked: int
) -> None:
    with connected(locked) as connection:
        connection.sendall(head(path, *headers, length=length))
        answer = all_of(connection)
    assert answer.split()[1] in (b"413", b"405"), answer


def test_one_who_sends_it_all_the_same_hears_why_and_nothing_of_it_is_a_request(locked: int) -> None:
    with connected(locked) as connection:
        connection.sendall(head(length=20_000_000))
        smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for _ in range(40):
            connection.sendall(smuggled.ljust(500_000, b"\r"))
        connection.shutdown(socket.SHUT_WR)
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 401 ") and answer.count(b"HTTP/1.1") == 1


def test_a_body_in_chunks_is_cut_where_it_is_too_large(locked: int) -> None:
    chunk = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
    with connected(locked) as connection:
        connection.sendall(head("/api/v1/items", GOOD, length=0) + 5 * chunk)
        answer = all_of(connection)
    assert answer.startswith(b"HTTP/1.1 413 "), answer


def test_who_is_let_in_is_read(locked: int) -> None:
    picture = (PHOTOS / "cat.jpg").read_bytes()
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="c"\r\n\r\n' + picture + b"\r\n--x--\r\n"
    form = "Content-Type: multipart/form-data; boundary=x"
    with connected(locked) as connection:
        connection.sendall(head("/api/v1/uploads", GOOD, form, "Connection: close", length=len(body)) + body)
        assert all_of(connection).startswith(b"HTTP/1.1 201 ")
    with connected(locked) as connection:
        more = (GOOD, form, "Connection: close", "Expect: 100-continue")
        connection.sendall(head("/api/v1/uploads", *more, length=len(body)))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert all_of(connection).startswith(b"HTTP/1.1 201 ")


def test_clients_take_turns_and_one_may_not_ask_for_everything(demo: CommandLine, site_app: Flask) -> None:
    app = site_of(demo, open=True, behind_proxy=1, queue=4)
    go_on, begun = threading.Event(), threading.Semaphore(0)

    @app.get("/slow")
    def slow() -> str:
        begun.release()
        assert go_on.wait(240)
        return "done"

    def asked(port: int, path: str, client: str) -> socket.socket:
        connection = connected(port)
        told = f"Host: localhost\r\nX-Forwarded-For: {client}\r\nConnection: close"
        connection.sendall(f"GET {path} HTTP/1.1\r\n{told}\r\n\r\n".encode())
        return connection

    with running(app) as port, ExitStack() as kept:
        try:
            greedy = [kept.enter_context(asked(port, "/slow", "192.0.2.7")) for _ in range(MOST_OF_A_CLIENT + 1)]
            for _ in range(10):  # half of the threads
                assert begun.acquire(timeout=120)
            with asked(port, "/healthz", "192.0.2.8") as other:
                assert all_of(other).startswith(b"HTTP/1.1 200 "), "another client has its turn"
            (one_too_many,), _, _ = select.select(greedy, [], [], 120)
            greedy.remove(one_too_many)
            refused = all_of(one_too_many)
            assert refused.startswith(b"HTTP/1.1 429 Too Many Requests") and b"Retry-After: 2" in refused
            assert not begun.acquire(blocking=False), "no more than its share runs"
        finally:
            go_on.set()
        with ThreadPoolExecutor(20) as pool:
            assert all(answer.endswith(b"done") for answer in pool.map(all_of, greedy))
    app.extensions["sightsound"].close()


def test_clients_are_told_apart_as_the_application_does() -> None:
    said = {"X_FORWARDED_FOR": "10.0.0.1, 192.0.2.7,198.51.100.2"}
    assert asking("203.0.113.9", said, 0) == "203.0.113.9"
    assert asking("203.0.113.9", said, 1) == "198.51.100.2"
    assert asking("203.0.113.9", said, 2) == "192.0.2.7"
    assert asking("203.0.113.9", {}, 1) == "203.0.113.9"
    assert asking("2001:db8::1", {}, 0) == asking("2001:db8::2", {}, 0)


def test_one_address_has_so_many_connections() -> None:
    most = CONNECTIONS_OF_A_CLIENT
    assert not is_crowded("192.0.2.7", ["192.0.2.7"] * most + ["192.0.2.8"] * 300)
    assert is_crowded("192.0.2.7", ["192.0.2.7"] * (most + 1))
    assert is_crowded("2001:db8::1", [f"2001:db8::{number:x}" for number in range(most + 1)])
    for here in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "odd"):
        assert not is_crowded(here, [here] * 400), here
    mapped = [f"::ffff:192.0.2.{number}" for number in range(most + 1)]
    assert not is_crowded(mapped[0], mapped), "each of them has one"
    assert is_crowded(mapped[0], [mapped[0]] * most + ["192.0.2.0"])


def test_one_connection_too_many_is_told_so_and_the_next_that_closes_makes_room(demo: CommandLine) -> None:
    app = site_of(demo, api_key=KEY)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        unsent.connect(("192.0.2.1", 9))
        here = unsent.getsockname()[0]
    asked = f"GET /healthz HTTP/1.1\r\nHost: localhost\r\n{GOOD}\r\n\r\n".encode()
    with running(app, "0.0.0.0") as port, ExitStack() as held:

        def answered() -> tuple[socket.socket, bytes]:
            connection = held.enter_context(socket.create_connection((here, port), timeout=30))
            with suppress(OSError):  # refused before it asks
                connection.sendall(asked)
            return connection, connection.recv(100)

        first, *rest = [answered() for _ in range(CONNECTIONS_OF_A_CLIENT)]
        assert all(answer.startswith(b"HTTP/1.1 200") for _, answer in (first, *rest))
        assert answered()[1].startswith(b"HTTP/1.1 429")
        first[0].close()
        until = time.monotonic() + 30
        while not (answer := answered()[1]).startswith(b"HTTP/1.1 200"):
            assert time.monotonic() < until, answer
    app.extensions["sightsound"].close()
