"""A real moto server, as fixtures, and a proxy before it that makes it as bad as a network can be."""

from __future__ import annotations

import http.client
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

KEY_ID = "AKIACANARYCANARY0000"
SECRET = "canary-secret-that-must-never-be-seen"
BUCKET = "media"
Fault = str
"""`503`, `403`, `cut` (half the body), `reset`, `slow` (a byte a second), `region` (of another one), or "" for none."""


def credentials(url: str) -> dict[str, str]:
    """What a user has in the environment."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


@dataclass
class S3:
    """A server with one bucket."""

    url: str
    client: Any

    def put(self, **objects: bytes) -> None:
        for key, body in objects.items():
            self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    @property
    def keys(self) -> list[str]:
        return [one["Key"] for one in self.client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]

    def fill(self, bucket: str, objects: dict[str, bytes]) -> None:
        """Many objects at once, past the protocol: the server is in this process."""
        self.client.create_bucket(Bucket=bucket)
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key, body in objects.items():
            backend.put_object(bucket, key, body)

    def empty(self) -> None:
        for key in self.keys:
            self.client.delete_object(Bucket=BUCKET, Key=key)

    @property
    def environment(self) -> dict[str, str]:
        return credentials(self.url)


@contextmanager
def serve() -> Iterator[S3]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )
        client.create_bucket(Bucket=BUCKET)
        s3 = S3(url, client)
        s3.empty()  # moto's buckets are the process's: what an earlier server of these tests held is in this one too
        yield s3
    finally:
        server.stop()


@dataclass
class Proxy:
    """fault: what befalls a request, by method and path. asked: (method, path) of every request. status: counts."""

    url: str
    fault: Callable[[str, str, dict[str, str]], Fault]
    asked: list[tuple[str, str]] = field(default_factory=list)
    befell: Counter[str] = field(default_factory=Counter)

    @property
    def environment(self) -> dict[str, str]:
        return credentials(self.url)


@contextmanager
def bad_network(url: str, fault: Callable[[str, str, dict[str, str]], Fault]) -> Iterator[Proxy]:
    """A proxy in front of the server at `url`."""
    there = urlsplit(url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            proxy.asked.append((self.command, self.path))
            what = proxy.fault(self.command, self.path, headers)
            proxy.befell[what] += 1
            if what == "reset":
                self._reset()
                return
            if what in ("403", "503", "region"):
                self._refuse(what)
                return
            connection = http.client.HTTPConnection(there, timeout=60)
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else len(data)
            self.send_header("Content-Length", str(length or 0))
            self.end_headers()
            if what == "cut":
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif what == "slow":
                self._drip(data)
            elif self.command != "HEAD":
                self.wfile.write(data)

        def _drip(self, data: bytes) -> None:
            try:
                for byte in data:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(1)
            except OSError:
                self.close_connection = True

        def _refuse(self, what: str) -> None:
            refusals = {"403": (403, "AccessDenied"), "503": (503, "SlowDown"), "region": (301, "PermanentRedirect")}
            status, code = refusals[what]
            data = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(data)))
            if what == "region":
                self.send_header("x-amz-bucket-region", "eu-west-3")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _reset(self) -> None:
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *arguments: None  # type: ignore[method-assign]
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}", fault)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def one_in_five(seed: int) -> Callable[[str, str, dict[str, str]], Fault]:
    """Faults for a fifth of all requests, drawn from a seed."""
    chance, guard = random.Random(seed), threading.Lock()

    def fault(method: str, path: str, headers: dict[str, str]) -> Fault:
        with guard:
            return chance.choice(("503", "cut", "reset")) if chance.random() < 0.2 else ""

    return fault


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with serve() as s3:
        yield s3


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    """The server with an empty bucket, and its address and credentials in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.empty()
