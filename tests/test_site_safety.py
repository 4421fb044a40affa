"""What the site refuses, whoever asks and on every route, and what every answer carries."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import PHOTOS, CommandLine
from flask import Flask
from flask.testing import FlaskClient
from served import site_of
from web_server import Answer, serve
from werkzeug.routing import Rule

from sightsound.errors import ItemMissing
from sightsound.webapp.health import Readiness, WarmUp
from sightsound.webapp.rates import Buckets
from sightsound.webapp.safety import policy
from sightsound.webapp.settings import MEGABYTE, UploadLimits
from sightsound.webapp.uploads import TooLarge, Uploads

KEY = "a-key-of-the-tests-0123456789"
CAT = PHOTOS / "cat.jpg"
HEALTH = ("/healthz", "/readyz")
UP = (
    *("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%252f", "..\\", "..%5c", "....//", "..;/", "..%00/", "%c0%ae%c0%ae/"),
    *("/../", "./../", "..%ef%bc%8f"),
)
"""Ways to write that a path goes up."""
SECRETS = {
    "etc/passwd": b"root:",
    "webapp/__init__.py": b"def create_app",
    "__init__.py": b"def create_app",
    "templates/error.html": b"{% block",
    "collections/default/collection.sqlite": b"SQLite format",
}
"""What lies above the site's own files, and what would show that it was given away."""
CLIMBS = [f"{up * depth}{target}" for up in UP for depth in range(1, 9) for target in SECRETS]
PAYLOADS = (
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%00",
    "a%0d%0aSet-Cookie:x=y",
    "<script>alert(1)</script>",
    "';DROP TABLE items;--",
    "%ff%fe",
    "𝕏" * 50,
    "a" * 5000,
    "-1",
    "NaN",
)


def address(rule: Rule, value: str) -> str:
    """An address of a route, with this value for all that varies in it."""
    return "".join(value if is_variable else part for is_variable, part in rule._trace).lstrip("|")


def routes(app: Flask) -> list[Rule]:
    return list(app.url_map.iter_rules())


@pytest.fixture
def item(client: FlaskClient) -> str:
    return str(client.get("/api/v1/search?q=a+boat&limit=1").json["hits"][0]["id"])


@pytest.fixture
def locked(demo: CommandLine, site_app: Flask) -> FlaskClient:
    """The same site with an API key."""
    return site_of(demo, api_key=KEY).test_client()


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"OPTIONS"})


# Of every route


def test_every_answer_carries_the_headers(site_app: Flask, client: FlaskClient, item: str) -> None:
    for rule in routes(site_app):
        for value in (item, "nothing"):
            for method in methods(rule):
                answer = client.open(address(rule, value), method=method)
                where = f"{method} {rule} {answer.status_code}"
                assert rule.rule in HEALTH or answer.status_code < 500, f"{where}: {answer.text}"
                assert answer.headers["X-Content-Type-Options"] == "nosniff", where
                assert answer.headers["Referrer-Policy"], where
                assert "camera=()" in answer.headers["Permissions-Policy"], where
                assert answer.headers["X-Request-ID"], where
                csp = answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in csp and "default-src 'none'" in csp, where
                if answer.headers["Content-Type"] == "image/jpeg":  # browsers lay it out with styles of their own
                    csp = csp.replace("style-src 'unsafe-inline'", "")
                assert "unsafe" not in csp, where
                assert "Server" not in answer.headers


def test_no_route_answers_to_other_methods(site_app: Flask, client: FlaskClient, item: str) -> None:
    for rule in routes(site_app):
        here = {method for other in routes(site_app) if str(other) == str(rule) for method in other.methods or set()}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - here:
            answer = client.open(address(rule, item), method=method)
            assert answer.status_code == 405, f"{method} {rule}"
            if rule.rule.startswith("/api/"):
                assert answer.json["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload[:24])
def test_no_route_fails_of_what_it_is_asked(payload: str, site_app: Flask, client: FlaskClient, item: str) -> None:
    for rule in routes(site_app):
        for method in methods(rule):
            for path in dict.fromkeys(
                (address(rule, payload), f"{address(rule, item)}?q={payload}&w={payload}&at={payload}")
            ):
                answer = client.open(path, method=method)
                assert rule.rule in HEALTH or answer.status_code < 500, f"{method} {path[:200]}"
                assert b"root:" not in answer.data
                assert "x=y" not in str(answer.headers.get("Set-Cookie"))
                if answer.status_code >= 400 and path.startswith("/api/") and method != "HEAD":
                    assert set(answer.json["error"]) == {"code", "message"}


def test_no_path_leads_out_of_the_site(site_app: Flask, client: FlaskClient) -> None:
    assert len(CLIMBS) >= 500
    open_ended = [rule for rule in routes(site_app) if rule.arguments]
    static = next(rule for rule in open_ended if rule.endpoint == "static")
    for number, climb in enumerate(CLIMBS):
        rule = open_ended[number % len(open_ended)]
        method = methods(rule)[number % len(methods(rule))]
        bare = "/" + climb.lstrip("/")
        for path, how in ((address(rule, climb), method), (address(static, climb), "GET"), (bare, "GET")):
            answer = client.open(path, method=how)
            assert answer.status_code < 500, f"{how} {path}"
            assert not any(secret in answer.data for secret in SECRETS.values()), path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "a b", "localhost@x"]
)
def test_no_route_answers_to_another_name(host: str, site_app: Flask, client: FlaskClient, item: str) -> None:
    for rule in routes(site_app):
        answer = client.get(address(rule, item), headers={"Host": host})
        if rule.rule in HEALTH:
            assert answer.status_code in (200, 503)
        else:
            assert answer.status_code == 421, str(rule)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
def test_this_machines_own_names_are_known(host: str, client: FlaskClient) -> None:
    assert client.get("/", headers={"Host": host}).status_code == 200


def test_further_names_are_given(demo: CommandLine, site_app: Flask) -> None:
    client = site_of(demo, hosts=("Photos.example",)).test_client()
    assert client.get("/", headers={"Host": "photos.example:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "x.photos.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://localhost"},
        {"Origin": "http://localhost:81"},
    ],
)
def test_no_change_is_made_for_another_sites_page(
    headers: dict[str, str], site_app: Flask, client: FlaskClient, item: str
) -> None:
    changing = [
        (rule, method) for rule in routes(site_app) for method in methods(rule) if method not in ("GET", "HEAD")
    ]
    assert changing
    for rule, method in changing:
        answer = client.open(address(rule, item), method=method, headers=headers)
        assert answer.status_code == 403, f"{method} {rule}"


def test_another_sites_page_may_link_here_and_embeds_nothing(client: FlaskClient, item: str) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    link = {**elsewhere, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for path in ("/?q=boat", "/api/v1/search?q=boat", f"/item/{item}/neighbours", "/state"):
        assert client.get(path, headers=link).status_code == 200, path
        for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
            embedded = {**elsewhere, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
            assert client.get(path, headers=embedded).status_code == 403, f"{path} as {dest}"


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}])
def test_own_pages_and_programs_may_change(headers: dict[str, str], client: FlaskClient) -> None:
    answer = client.post("/api/v1/uploads", data={"file": (io.BytesIO(CAT.read_bytes()), "x")}, headers=headers)
    assert answer.status_code == 201


# The key


def test_no_route_answers_without_the_key(locked: FlaskClient, item: str) -> None:
    for rule in routes(locked.application):
        for method in methods(rule):
            answer = locked.open(address(rule, item), method=method)
            if rule.rule in HEALTH or rule.endpoint in ("static", "keys.sign_in"):
                assert answer.status_code in (200, 403, 404, 503), str(rule)
            elif method in ("GET", "HEAD") and not rule.rule.startswith(("/api/", "/openapi", "/metrics", "/media/")):
                assert answer.status_code == 303 and answer.location.startswith("/sign-in?next="), str(rule)
            else:
                assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer", str(rule)


def test_the_key_opens_the_api(locked: FlaskClient) -> None:
    url = "/api/v1/search?q=a+boat"
    assert locked.get(url, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    for wrong in (KEY[:-1], KEY + "x", "", "é"):
        answer = locked.get(url, headers={"Authorization": f"Bearer {wrong}"})
        assert answer.status_code == 401 and answer.json["error"]["code"] == "unauthorized"
    assert locked.get(url, headers={"Authorization": f"Basic {KEY}"}).status_code == 401


def test_signing_in_leaves_a_cookie_that_opens_the_pages(locked: FlaskClient) -> None:
    assert b"API key" in locked.get("/sign-in?next=/?q=boat").data
    wrong = locked.post("/sign-in", data={"key": "not it"})
    assert wrong.status_code == 403 and "Set-Cookie" not in wrong.headers
    right = locked.post("/sign-in?next=/%3Fq%3Dboat", data={"key": KEY})
    assert (right.status_code, right.location) == (303, "/?q=boat")
    cookie = right.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and KEY not in cookie
    assert locked.get("/?q=boat").status_code == 200


def test_signing_out_forgets_the_key(locked: FlaskClient) -> None:
    assert b"Sign out" not in locked.get("/sign-in").data
    locked.post("/sign-in", data={"key": KEY})
    page = locked.get("/").text
    assert 'action="/sign-out"' in page and "Sign out" in page
    assert locked.get("/sign-out").status_code == 405, "no link signs anyone out"
    answer = locked.post("/sign-out")
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert answer.headers["Clear-Site-Data"] == '"cache"', "pictures may be kept for ever"
    assert locked.get("/").status_code == 303


def test_headers_of_secure_origins_are_not_sent_where_browsers_complain_of_them(demo: CommandLine) -> None:
    client = site_of(demo, api_key=KEY, hosts=("photos.example",)).test_client()
    opener = "Cross-Origin-Opener-Policy"
    assert opener in client.get("/sign-in").headers
    assert opener in client.get("/sign-in", base_url="https://photos.example").headers
    assert opener not in client.get("/sign-in", base_url="http://photos.example").headers


def test_where_there_is_no_key_nobody_is_signed_out(client: FlaskClient) -> None:
    assert "Sign out" not in client.get("/").text


def test_keys_are_not_tried_without_end(demo: CommandLine, site_app: Flask) -> None:
    client = site_of(demo, api_key=KEY, rate=0.01, burst=30).test_client()
    wrong = {"Authorization": "Bearer not-the-key-of-the-site"}
    assert [client.get("/api/v1/status", headers=wrong).status_code for _ in range(4)] == [401, 401, 401, 429]


def test_who_is_refused_is_told_nothing_of_the_collection(
    demo: CommandLine, site_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = site_of(demo, api_key=KEY, store=str(demo.home / "secret-folder"))
    here, client = app.extensions["sightsound"], app.test_client()
    monkeypatch.setattr(type(here), "view_hosts", ("images.secret.example",))
    for page in (client.get("/sign-in"), client.get("/", headers={"Host": "evil.example"})):
        assert "secret" not in page.headers["Content-Security-Policy"]
    ready = Readiness(False, "secret-folder can't be read")
    monkeypatch.setattr(WarmUp, "start", lambda self: None)
    monkeypatch.setattr(WarmUp, "now", ready)
    assert client.get("/readyz").json == {"ready": False, "reason": "the site's log says why"}
    known = {"Authorization": f"Bearer {KEY}"}
    assert client.get("/readyz", headers=known).json["reason"] == ready.reason
    assert client.get("/readyz", headers={**known, "Host": "evil.example"}).json["reason"] != ready.reason
    assert "secret.example" in client.get("/nothing", headers=known).headers["Content-Security-Policy"]


def test_a_cookie_of_another_key_is_void(locked: FlaskClient, demo: CommandLine) -> None:
    other = site_of(demo, api_key="another-key-of-the-tests").test_client()
    cookie = other.post("/sign-in", data={"key": "another-key-of-the-tests"}).headers["Set-Cookie"].partition(";")[0]
    for value in (cookie, "sightsound=in", "sightsound=", "sightsound=in.x.y"):
        assert locked.get("/", headers={"Cookie": value}).status_code == 303


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "//[x", "/\\evil.example", "javascript:x", "/%0a/evil"]
)
def test_signing_in_leads_to_this_site_only(to: str, locked: FlaskClient) -> None:
    assert locked.post("/sign-in", query_string={"next": to.replace("%0a", "\n")}, data={"key": KEY}).location == "/"


def test_without_a_key_only_this_machine_is_answered(client: FlaskClient, demo: CommandLine) -> None:
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    assert client.get("/api/v1/search?q=a", environ_base=elsewhere).status_code == 403
    assert client.get("/healthz", environ_base=elsewhere).status_code == 200
    told = {"X-Forwarded-For": "127.0.0.1"}
    assert client.get("/", environ_base=elsewhere, headers=told).status_code == 403
    behind = site_of(demo, behind_proxy=1).test_client()
    assert behind.get("/", environ_base=elsewhere, headers=told).status_code == 403
    assert site_of(demo, open=True).test_client().get("/", environ_base=elsewhere).status_code == 200


def test_a_proxy_of_this_machine_does_not_make_everyone_local(demo: CommandLine, site_app: Flask) -> None:
    behind = site_of(demo, behind_proxy=1).test_client()
    forwarded = {"192.0.2.7": 403, "127.0.0.1": 200, "::ffff:127.0.0.1": 200, "::1f": 403, "x": 403}
    for client, status in forwarded.items():
        assert behind.get("/", headers={"X-Forwarded-For": client}).status_code == status, client
    assert site_of(demo).test_client().get("/", environ_base={"REMOTE_ADDR": "::ffff:127.0.0.1"}).status_code == 200


def test_a_proxys_headers_are_believed_only_where_it_is_said(demo: CommandLine, site_app: Flask) -> None:
    told = {"X-Forwarded-Host": "photos.example", "X-Forwarded-For": "192.0.2.7"}
    assert site_of(demo, hosts=("photos.example",)).test_client().get("/", headers=told).status_code == 200
    assert site_of(demo).test_client().get("/", headers=told).status_code == 200, "the headers are not looked at"
    assert site_of(demo, behind_proxy=1).test_client().get("/", headers=told).status_code == 421


def test_a_cookie_is_for_https_only_where_the_site_is(demo: CommandLine, site_app: Flask) -> None:
    for scheme, secure in (("https", True), ("http", False)):
        behind = site_of(demo, api_key=KEY, behind_proxy=1).test_client()
        answer = behind.post("/sign-in", data={"key": KEY}, headers={"X-Forwarded-Proto": scheme})
        assert ("Secure" in answer.headers["Set-Cookie"]) == secure


# Rates


def test_who_asks_too_often_is_told_when_to_come_again(demo: CommandLine, site_app: Flask) -> None:
    client = site_of(demo, rate=0.01, burst=3, open=True).test_client()
    statuses = [client.get("/api/v1/failed").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = client.get("/api/v1/failed")
    assert refused.json["error"]["code"] == "refused" and 0 < int(refused.headers["Retry-After"]) <= 100
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/v1/failed", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 200


def test_a_bucket_fills_again_and_holds_no_more_than_its_burst() -> None:
    now = 0.0
    buckets = Buckets(2, 4, lambda: now)
    assert [buckets.take("a", 1) for _ in range(5)] == [0, 0, 0, 0, 1]
    assert buckets.take("b", 1) == 0
    now = 0.5
    assert [buckets.take("a", 1), buckets.take("a", 1)] == [0, 1]
    now = 1000.0
    assert [buckets.take("a", 1) for _ in range(5)].count(0) == 4


def test_many_clients_take_no_more_memory_than_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightsound.webapp.rates.MOST_CLIENTS", 10)
    buckets = Buckets(1, 1)
    for number in range(1000):
        buckets.take(str(number), 1)
    assert len(buckets._left) == 10


# Uploads


def test_a_file_that_is_too_large_is_refused(demo: CommandLine, site_app: Flask) -> None:
    client = site_of(demo, uploads=UploadLimits(MEGABYTE, 60, 10 * MEGABYTE, 10, 100)).test_client()
    large = CAT.read_bytes() + bytes(MEGABYTE)
    answer = client.post("/api/v1/uploads", data={"file": (io.BytesIO(large), "x.jpg")})
    assert answer.status_code == 413 and "1 MB at most" in answer.json["error"]["message"]
    answer = client.post("/api/v1/uploads", data={"file": (io.BytesIO(bytes(3 * MEGABYTE)), "x.jpg")})
    assert answer.status_code == 413 and answer.json["error"]["code"] == "request_entity_too_large"
    answer = client.post("/sign-in", data={"key": "x" * (2 * MEGABYTE)})
    assert answer.status_code in (303, 413)


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    yield Uploads(UploadLimits(100_000, 60, 150_000, 3, 100), tmp_path / "uploads")


def picture(ending: bytes = b"") -> io.BytesIO:
    return io.BytesIO(CAT.read_bytes() + ending)


def test_uploads_are_kept_by_their_content_for_their_owner_only(uploads: Uploads) -> None:
    first, again = uploads.keep(picture()), uploads.keep(picture())
    assert first.id == again.id and first.path.read_bytes() == CAT.read_bytes()
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in first.path.parent.iterdir()] == [first.id]


def test_uploads_are_forgotten_at_their_age(uploads: Uploads) -> None:
    kept = uploads.keep(picture())
    assert time.time() < kept.expires <= time.time() + 100
    os.utime(kept.path, (time.time() - 101,) * 2)
    with pytest.raises(ItemMissing, match="upload it again"):
        uploads.find(kept.id)
    uploads.forget()
    assert not kept.path.exists()


def test_the_oldest_uploads_go_where_there_are_too_many_or_too_much(uploads: Uploads) -> None:
    kept = []
    for number in range(5):
        kept.append(uploads.keep(picture(bytes([number]))))
        os.utime(kept[-1].path, (time.time() - 50 + number,) * 2)
    uploads.forget()
    left = [one.path.exists() for one in kept]
    assert left == [False, False, *[True] * 3]
    uploads.keep(picture(bytes(60_000)))
    assert sum(path.stat().st_size for path in kept[0].path.parent.iterdir()) <= 150_000


def test_what_is_too_large_leaves_nothing_behind(uploads: Uploads) -> None:
    with pytest.raises(TooLarge):
        uploads.keep(picture(bytes(100_000)))
    assert list(uploads.keep(picture()).path.parent.iterdir()) == [uploads.keep(picture()).path]


def test_a_url_is_fetched_where_that_is_set_and_never_from_inside(
    demo: CommandLine, site_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = site_of(demo, fetch=True).test_client()
    assert client.post("/api/v1/uploads", data={"url": "file:///etc/passwd"}).status_code == 422
    with serve(lambda request: Answer(CAT.read_bytes(), headers={"Content-Type": "image/jpeg"})) as web:
        inside = client.post("/api/v1/uploads", data={"url": f"{web.url}/cat.jpg"})
        assert inside.status_code == 422 and not web.asked
        monkeypatch.setenv("SIGHTSOUND_ALLOW_HOSTS", web.host)
        found = client.post("/api/v1/search", data={"url": f"{web.url}/cat.jpg", "limit": "1"})
        assert found.status_code == 200, found.text
        assert found.json["hits"][0]["path"] == str(CAT)


# What pages may show


def test_pages_show_what_the_sources_say_and_nothing_else() -> None:
    assert "img-src 'self' blob:;" in policy([])
    assert "img-src 'self' blob: images.example *.cdn.example:444;" in policy(["images.example", "*.cdn.example:444"])
    assert "img-src 'self' blob: https: http:;" in policy(["*"])
    assert "script-src 'self';" in policy(["evil.example; script-src *", "a b", "'unsafe-inline'"])
    assert "unsafe" not in policy(["'unsafe-inline'"])


# What is logged


def test_a_path_can_t_write_lines_of_its_own_into_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "sightsound.site"):
        client.get("/item/a%0aGET%20/forged%20200")
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert "a\\nGET" in caplog.records[0].getMessage()
