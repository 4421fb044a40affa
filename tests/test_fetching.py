"""safe_fetch: what it must never reach, what it must not believe, and what it tells of what went wrong."""

from __future__ import annotations

import ast
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conftest import PHOTOS, ROOT
from web_server import Answer, Request, Web, serve

from sightsound import addresses
from sightsound.addresses import Refused, is_public
from sightsound.fetching import FetchFailed, Limits, safe_fetch

JPEG = (PHOTOS / "cat.jpg").read_bytes()
QUICK = Limits(total=5, tries=1)

PRIVATE = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "0.0.0.0",
    "0",
    "0x0",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "3232235777",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.254",
    "192.0.0.192",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "127。0。0。1",
    "127.0.0.1",
    "①②⑦.⓪.⓪.①",
    "ｌｏｃａｌｈｏｓｔ",
]
ODD = [
    "http://{host}@127.0.0.1/",
    "http://images.unsplash.com@127.0.0.1/",
    "http://images.unsplash.com:80@127.0.0.1/",
    "http://user:secret@images.unsplash.com/",
    "http://@127.0.0.1/",
    "http://127.0.0.1\\@images.unsplash.com/",
    "http://127.0.0.1#@images.unsplash.com/",
    "http://127.0.0.1?@images.unsplash.com/",
    "http:\\\\127.0.0.1/",
    "http://127.0.0.1\t/",
    "http://images.unsplash.com\r\nHost: 127.0.0.1/",
    "http://images.unsplash.com /",
    " http://127.0.0.1/",
    "http://127.0.0.1:22/",
    "http://127.0.0.1:6379/",
    "http://127.0.0.1:9200/",
    "http://images.unsplash.com:8080/",
    "http://127.0.0.1:0/",
    "http://127.0.0.1:99999/",
    "http://[::1/",
    "http://[v1.a]/",
    "http:///etc/passwd",
    "http:127.0.0.1",
    "//127.0.0.1/",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "gopher://127.0.0.1/_x",
    "ftp://127.0.0.1/x",
    "data:image/jpeg;base64,/9j/",
    "dict://127.0.0.1:11211/stat",
    "ldap://127.0.0.1/",
    "javascript:alert(1)",
    "jar:http://127.0.0.1!/",
    "",
]


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Whoever reaches it has been led astray. It listens on every address of this machine, at the ports that a URL
    without one names."""
    with serve(lambda request: Answer(b"secret"), everywhere=True) as web:
        monkeypatch.setattr(addresses, "PORTS", {"http": web.port, "https": web.port})
        yield web
        assert not web.asked, web.asked


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Web], None]:
    def allow(web: Web) -> None:
        monkeypatch.setenv("SIGHTSOUND_ALLOW_HOSTS", f"example.org:1, {web.host}")

    return allow


def test_there_are_enough_traps() -> None:
    assert len(PRIVATE) + len(ODD) >= 100


def test_the_canary_would_sing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The traps are real: without the check of addresses they lead to the canary."""
    with serve(lambda request: Answer(b"secret"), everywhere=True) as web:
        monkeypatch.setattr(addresses, "PORTS", {"http": web.port, "https": 1})
        monkeypatch.setattr(addresses, "is_public", lambda address: True)
        for host in ("127.0.0.1", "2130706433", "0x7f.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "127。0。0。1"):
            assert safe_fetch(f"http://{host}/", limits=QUICK).read() == b"secret"
        assert len(web.asked) == 7


@pytest.mark.parametrize("host", PRIVATE)
def test_no_address_that_is_not_public_is_reached(host: str, canary: Web) -> None:
    for scheme in ("http", "https"):
        with pytest.raises((Refused, FetchFailed)) as refused:
            safe_fetch(f"{scheme}://{host}/latest/meta-data/", limits=QUICK)
        assert isinstance(refused.value, Refused) or "can't be found" in str(refused.value)


@pytest.mark.parametrize("url", ODD)
def test_no_odd_url_is_fetched(url: str, canary: Web) -> None:
    with pytest.raises(Refused):
        safe_fetch(url.replace("{host}", "example.org"), limits=QUICK)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "151.101.1.1"])
def test_public_addresses_pass(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("hop", [0, 1, 2])
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "[::1]", "[::ffff:7f00:1]", "localhost", "169.254.1.1"])
def test_a_redirect_to_a_private_address_is_refused_at_each_hop(
    hop: int, host: str, canary: Web, allowed: Callable[[Web], None]
) -> None:
    def lead_on(request: Request) -> Answer:
        left = int(request.query["left"])
        to = request.query["to"] if left == 0 else f"/?left={left - 1}&to={quote(request.query['to'])}"
        return Answer(status=302, headers={"Location": to})

    with serve(lead_on) as web:
        allowed(web)
        with pytest.raises(Refused, match="not public"):
            safe_fetch(f"{web.url}/?left={hop}&to={quote(f'http://{host}/')}", limits=QUICK)
        assert len(web.asked) == hop + 1


@pytest.mark.parametrize(
    "to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://a:b@127.0.0.1/", "//127.0.0.1/", "http://127.0.0.1:1/"]
)
def test_a_redirect_is_held_to_the_same_rules(to: str, canary: Web, allowed: Callable[[Web], None]) -> None:
    with serve(lambda request: Answer(status=307, headers={"Location": to})) as web:
        allowed(web)
        with pytest.raises(Refused):
            safe_fetch(web.url, limits=QUICK)


def test_a_name_that_is_public_first_and_private_then_is_asked_once(
    canary: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was checked is the one connected to: nothing looks the name up again."""
    answers = iter([["203.0.114.1"], ["127.0.0.1"], ["127.0.0.1"]])
    connected: list[Any] = []
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (one, port)) for one in next(answers)]
    )

    def connect(address: Any, *more: Any, **others: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(FetchFailed):
        safe_fetch("http://rebinding.example/", limits=QUICK)
    assert connected == [("203.0.114.1", canary.port)]


def test_one_private_address_among_public_ones_refuses_the_name(canary: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", ("203.0.114.1", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Refused, match=r"127\.0\.0\.1"):
        safe_fetch("http://both.example/", limits=QUICK)


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(20) or [])
    begun = time.monotonic()
    with pytest.raises(FetchFailed, match=r"slow\.example"):
        safe_fetch("http://slow.example/", limits=Limits(connect=0.3, tries=1))
    assert time.monotonic() - begun < 10


def test_proxies_and_netrc_of_the_environment_are_not_used(
    allowed: Callable[[Web], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serve(lambda request: Answer(b"by proxy")) as proxy, serve(lambda request: Answer(JPEG)) as web:
        allowed(web)
        tmp_path.joinpath(".netrc").write_text("machine 127.0.0.1 login ann password canary")
        monkeypatch.setenv("HOME", str(tmp_path))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert safe_fetch(web.url, "photo").read() == JPEG
        assert not proxy.asked
        assert "authorization" not in web.asked[0].headers


def test_headers_are_not_sent_on_to_another_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serve(lambda request: Answer(JPEG)) as other,
        serve(lambda request: Answer(status=302, headers={"Location": f"{other.url}/there"})) as web,
    ):
        monkeypatch.setenv("SIGHTSOUND_ALLOW_HOSTS", f"{web.host},{other.host}")
        safe_fetch(web.url, headers={"Authorization": "Client-ID canary"}).read()
        assert web.asked[0].headers["authorization"] == "Client-ID canary"
        assert "authorization" not in other.asked[0].headers
        assert other.asked[0].headers["host"] == other.host


def test_a_relative_redirect_keeps_its_headers_and_three_are_followed(allowed: Callable[[Web], None]) -> None:
    def lead_on(request: Request) -> Answer:
        step = int(request.path.strip("/") or 0)
        return Answer(JPEG) if step == 3 else Answer(status=301, headers={"Location": f"/{step + 1}"})

    with serve(lead_on) as web:
        allowed(web)
        fetched = safe_fetch(web.url, headers={"X-Own": "1"})
        assert fetched.read() == JPEG and fetched.url == f"{web.url}/3"
        assert [request.headers.get("x-own") for request in web.asked] == ["1"] * 4


def test_a_loop_of_redirects_ends(allowed: Callable[[Web], None]) -> None:
    with serve(lambda request: Answer(status=302, headers={"Location": "/"})) as web:
        allowed(web)
        with pytest.raises(FetchFailed, match="more than 3 times"):
            safe_fetch(web.url)
        assert len(web.asked) == 4


def test_a_host_that_sends_a_byte_a_second_ends_at_the_limit(allowed: Callable[[Web], None]) -> None:
    with serve(lambda request: Answer(JPEG, drip=0.2)) as web:
        allowed(web)
        begun = time.monotonic()
        with pytest.raises(FetchFailed, match="longer than 1 s"):
            safe_fetch(web.url, limits=Limits(total=1))
        assert time.monotonic() - begun < 10


def test_headers_that_come_a_byte_a_second_end_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("SIGHTSOUND_ALLOW_HOSTS", host)

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                for _ in range(60):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return
                    time.sleep(0.2)

        threading.Thread(target=drip, daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(FetchFailed, match="longer than 1 s"):
            safe_fetch(f"http://{host}/", limits=Limits(total=1, tries=1))
        assert time.monotonic() - begun < 10


def test_a_host_that_says_nothing_ends_at_the_reads_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("SIGHTSOUND_ALLOW_HOSTS", host)
        with pytest.raises(FetchFailed, match="does not answer in time"):
            safe_fetch(f"http://{host}/", limits=Limits(read=0.3, tries=1))


BROKEN = {
    "cut short": (Answer(JPEG, cut=1000), "before it was whole: 1,000 of"),
    "empty": (Answer(b""), "sent nothing"),
    "a web page": (Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "a web page, not a photo"),
    "a page that says it is a picture": (Answer(b"<!doctype html><p>Sorry"), "no photo of a format that is read"),
    "an SVG": (Answer(b"<svg/>", headers={"Content-Type": "image/svg+xml"}), "no photo"),
    "a film": (Answer(b"\x1a\x45\xdf\xa3webm", headers={"Content-Type": "video/webm"}), "video/webm, not a photo"),
    "packed": (Answer(JPEG, headers={"Content-Encoding": "gzip"}), "comes packed"),
    "too large": (Answer(JPEG, headers={"Content-Length": "900000000000"}), "larger than"),
    "a length that is none": (Answer(JPEG, headers={"Content-Length": "-1"}), "a length that is none"),
    "chunks that end early": (
        Answer(b"ffff\r\n" + JPEG[:99], headers={"Content-Length": "", "Transfer-Encoding": "chunked"}),
        "before it was whole",
    ),
    "partial": (Answer(JPEG, status=206), "HTTP 206"),
    "nothing": (Answer(status=204), "HTTP 204"),
    "no picture any more": (Answer(status=404), r"it is not there \(any more\) \(HTTP 404\)"),
    "forbidden": (Answer(status=403), "the host refuses it"),
    "asked too often": (Answer(status=429), "asked too often"),
    "a fault": (Answer(status=503), "the host has a fault"),
    "reset": (Answer(reset=True), "127.0.0.1"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_fails_with_its_reason(what: str, allowed: Callable[[Web], None]) -> None:
    answer, reason = BROKEN[what]
    with serve(lambda request: answer) as web:
        allowed(web)
        with pytest.raises(FetchFailed, match=reason):
            safe_fetch(web.url, "photo", limits=Limits(tries=1, total=10))


def test_an_endless_body_ends_at_the_limit_of_bytes(allowed: Callable[[Web], None]) -> None:
    body = b"10000\r\n" + b"\xff\xd8\xff" + bytes(65533) + b"\r\n"
    chunked = {"Content-Length": "", "Transfer-Encoding": "chunked"}
    with serve(lambda request: Answer(body * 200, headers=chunked)) as web:
        allowed(web)
        with pytest.raises(FetchFailed, match="larger than 1 MB"):
            safe_fetch(web.url, "photo", limits=Limits(bytes=1_000_000))


@pytest.mark.parametrize(
    "fault",
    [Answer(status=503), Answer(status=429, headers={"Retry-After": "0"}), Answer(JPEG, cut=9), Answer(reset=True)],
)
def test_what_passes_is_tried_again(fault: Answer, allowed: Callable[[Web], None]) -> None:
    with serve(lambda request: fault if len(web.asked) < 3 else Answer(JPEG)) as web:
        allowed(web)
        assert safe_fetch(web.url, "photo").read() == JPEG
        assert len(web.asked) == 3


def test_a_host_that_asks_for_more_time_than_there_is_is_not_asked_again(allowed: Callable[[Web], None]) -> None:
    with serve(lambda request: Answer(status=429, headers={"Retry-After": "3600"})) as web:
        allowed(web)
        with pytest.raises(FetchFailed, match="asked too often"):
            safe_fetch(web.url)
        assert len(web.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_what_does_not_pass_is_not_tried_again(status: int, allowed: Callable[[Web], None]) -> None:
    with serve(lambda request: Answer(status=status)) as web:
        allowed(web)
        with pytest.raises(FetchFailed) as failed:
            safe_fetch(web.url)
        assert failed.value.status == status
        assert len(web.asked) == 1


def test_a_large_body_lies_in_a_file_that_goes(allowed: Callable[[Web], None]) -> None:
    body = JPEG[:3] + bytes(6_000_000)
    with serve(lambda request: Answer(body)) as web:
        allowed(web)
        with safe_fetch(web.url, "photo").file as file:
            assert file.read() == body
            file.seek(0)
            assert file.read(3) == JPEG[:3]


def test_a_host_gets_few_connections_at_once(allowed: Callable[[Web], None]) -> None:
    def slow(request: Request) -> Answer:
        time.sleep(0.1)
        return Answer(JPEG)

    with serve(slow) as web, ThreadPoolExecutor(24) as pool:
        allowed(web)
        assert all(pool.map(lambda _: safe_fetch(web.url, "photo").read() == JPEG, range(24)))
        assert 1 < web.most_together <= 6


NETWORK = {"urllib.request", "http.client", "socket", "requests", "httpx", "urllib3", "aiohttp", "ftplib", "websockets"}
MAY = {
    *("core/wires.py", "core/addresses.py", "core/fetching.py"),
    *("core/stores/refusals.py", "core/stores/elastic/lock.py"),
}
"""What looks hosts up, connects and speaks to them; a lock asks this machine's own name. Clients of a service that the
user names (S3, Elasticsearch, the Hugging Face hub) open no URL that data give."""


def test_no_other_code_opens_a_url() -> None:
    found = set()
    for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "plugins").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [one.name for one in node.names]
                if isinstance(node, ast.Import)
                else [node.module or "", *(f"{node.module}.{one.name}" for one in node.names)]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if NETWORK & {part for name in names for part in (name, name.split(".")[0])}:
                found.add(str(path.relative_to(ROOT)))
    assert found <= MAY
    assert {"core/wires.py", "core/addresses.py"} <= found, "the check sees imports"
