"""What goes wrong between sightsound and a cluster: one message that says what to do, and no secret in it."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import SIGHTSOUND, CommandLine, Ran
from elastic_line import ElasticLine, elastic_line, holds_each_once, small_pictures
from elastic_node import ask, free_ports
from fault_proxy import PRODUCT, Answer, Asked, Cut, Fault, Proxy, RejectSome, Silence, error, self_signed

USER, PASSWORD, KEY = "canary-user", "canary-pass/w@rd", "canary-api-key"
IN_URL = f"{USER}:canary-pass%2Fw%40rd"
SECRETS = (
    PASSWORD,
    "canary-pass%2Fw%40rd",
    KEY,
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
    base64.b64encode(KEY.encode()).decode(),
)
QUICK = {"SIGHTSOUND_ELASTICSEARCH_PATIENCE": "3", "SIGHTSOUND_ELASTICSEARCH_TIMEOUT": "3"}
"""Seconds of trying again, so that what lasts is over soon."""


@pytest.fixture(scope="module")
def prepared(elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> ElasticLine:
    """A collection of twenty pictures that tests may search, not change."""
    folder = tmp_path_factory.mktemp("faults")
    line = elastic_line(CommandLine(folder), elasticsearch, folder)
    line("index", small_pictures(folder / "pictures", 20), "--collection", "faults")
    return line


@pytest.fixture
def searching(prepared: ElasticLine) -> list[object]:
    """A search of that collection."""
    return ["similar", prepared.line.home / "pictures" / "00003.png", "--collection", "faults"]


@pytest.fixture
def proxy(elasticsearch: str) -> Iterator[Proxy]:
    with Proxy(elasticsearch) as proxy:
        yield proxy


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return small_pictures(tmp_path / "pictures", 40)


@pytest.fixture
def line(sightsound: CommandLine, proxy: Proxy, tmp_path: Path) -> ElasticLine:
    """At the proxy, with the password in its URL and an API key besides."""
    return elastic_line(sightsound, proxy.url.replace("://", f"://{IN_URL}@"), tmp_path)


@pytest.fixture
def name(request: pytest.FixtureRequest, elasticsearch: str, tmp_path: Path) -> Iterator[str]:
    """The name of a collection of the test's own, removed at its end."""
    name = f"fault-{abs(hash(request.node.name)):x}"
    yield name
    elastic_line(CommandLine(tmp_path), elasticsearch, tmp_path)("remove", "--all", "--yes", "-c", name, code=None)


def fails(line: ElasticLine, *arguments: object, code: int = 1, **more: str) -> str:
    """The one message of a command that fails, without a secret anywhere."""
    ran = line(*arguments, code=code, **{"ELASTICSEARCH_API_KEY": KEY, **QUICK, **more})
    says_nothing_secret(ran)
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), ran.err
    assert "Error(" not in ran.err and "object at" not in ran.err, ran.err
    return lines[0]


def says_nothing_secret(ran: Ran) -> None:
    for secret in SECRETS:
        assert secret not in ran.out + ran.err


def always(fault: Fault) -> Any:
    return lambda asked: fault


def on_bulks(fault: Fault) -> Any:
    return lambda asked: fault if asked.is_bulk else None


def on_searches(fault: Fault) -> Any:
    return lambda asked: fault if "_search" in asked.path else None


BLANK_403 = "action [indices:data/write/bulk] is unauthorized for API key id [x] of user [y] on indices [z]"
CIRCUIT = error(429, "circuit_breaking_exception", "[parent] Data too large, data for [<http_request>] would be [9gb]")
NO_MASTER = error(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];")
QUEUE_FULL = error(429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
UNAUTHORISED = error(401, "security_exception", "missing authentication credentials for REST request [/]")
FORBIDDEN = error(403, "security_exception", BLANK_403)
OLD_SERVER = error(400, "media_type_header_exception", "Invalid media-type value on headers [Accept, Content-Type]")
TOO_LARGE = Answer(413, "<html><head><title>413 Request Entity Too Large</title></head></html>", {"Server": "nginx"})
OTHER_VERSION = Answer(200, {"version": {"number": "8.19.4"}, "tagline": "You Know, for Search"})
WEB_PAGE = Answer(200, "<html>It works!</html>", {})


# Nobody there, or somebody else


@pytest.mark.parametrize("command", ["index", "search", "status", "doctor"])
def test_no_server(sightsound: CommandLine, tmp_path: Path, pictures: Path, command: str) -> None:
    (port,) = free_ports(1)
    line = elastic_line(sightsound, f"http://{IN_URL}@127.0.0.1:{port}", tmp_path)
    arguments = {"index": [pictures], "search": ["sea"]}.get(command, [])
    if command == "doctor":
        ran = line("doctor", code=1, ELASTICSEARCH_API_KEY=KEY, **QUICK)
        says_nothing_secret(ran)
        assert f"No Elasticsearch answers at http://127.0.0.1:{port}" in ran.out + ran.err
        return
    said = fails(line, command, *arguments)
    assert f"No Elasticsearch answers at http://127.0.0.1:{port} (" in said
    assert "Start it, or check --store and ELASTICSEARCH_URL" in said


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (UNAUTHORISED, "Set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD"),
        (OTHER_VERSION, "is an Elasticsearch 8.19.4, and the installed client speaks to 9.x"),
        (OLD_SERVER, "of another major version, and the installed client speaks to 9.x"),
        (WEB_PAGE, "no Elasticsearch. Check --store and ELASTICSEARCH_URL"),
        (Answer(200, "<html>It works!</html>"), "something else than JSON"),
        (NO_MASTER, "(status 503"),
        (CIRCUIT, "too little memory"),
        (Cut(), "No Elasticsearch answers at"),
        (Silence(), "gave no answer in time"),
    ],
    ids=["401", "version 8", "an old server", "a web page", "no JSON", "503", "circuit breaker", "cut", "silence"],
)
def test_a_server_that_can_not_be_used(
    line: ElasticLine, proxy: Proxy, pictures: Path, fault: Fault, says: str
) -> None:
    proxy.rule = always(fault)
    assert says in fails(line, "index", pictures)
    assert says in fails(line, "search", "--image", pictures / "00003.png")


def test_credentials_are_asked_for_where_none_were_given(line: ElasticLine, proxy: Proxy, pictures: Path) -> None:
    proxy.rule = always(UNAUTHORISED)
    assert "wants credentials" in fails(line.at(proxy.url), "status", ELASTICSEARCH_API_KEY="")
    assert "refuses these credentials" in fails(line, "status")


def test_a_certificate_that_nobody_vouches_for(elasticsearch: str, line: ElasticLine, tmp_path: Path) -> None:
    pem = self_signed(tmp_path)
    with Proxy(elasticsearch, certificate=pem) as proxy:
        secured = line.at(proxy.url.replace("://", f"://{IN_URL}@"))
        said = fails(secured, "status")
        assert f"The certificate of {proxy.url} can't be trusted" in said and "ELASTICSEARCH_CA_CERT" in said
        assert secured("status", ELASTICSEARCH_CA_CERT=str(pem)).err == ""
        written = pem.read_text()
        written = written[written.index("-----BEGIN CERTIFICATE") :]
        assert secured("status", ELASTICSEARCH_CA_CERT=written).err == ""
        cut = fails(secured, "status", code=2, ELASTICSEARCH_CA_CERT=written[:80])
        assert "ELASTICSEARCH_CA_CERT holds no certificate" in cut
        assert "there is no such file" in fails(secured, "status", code=2, ELASTICSEARCH_CA_CERT="/nowhere.pem")
    with Proxy(elasticsearch) as proxy:
        assert "does not speak TLS. Write http:" in fails(line.at(proxy.url.replace("http:", "https:")), "status")


def test_secrets_are_in_no_traceback_either(line: ElasticLine, proxy: Proxy, pictures: Path) -> None:
    for fault in (UNAUTHORISED, FORBIDDEN, Cut(), WEB_PAGE, CIRCUIT):
        proxy.rule = always(fault)
        done = subprocess.run(
            [SIGHTSOUND, "index", pictures],
            env=line.line.environment(
                SIGHTSOUND_STORE=line.url, SIGHTSOUND_DEBUG="1", ELASTICSEARCH_API_KEY=KEY, **QUICK
            ),
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" in done.stderr
        says_nothing_secret(Ran(done.returncode, done.stdout, done.stderr))


# Refused while it works


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (FORBIDDEN, "does not allow this"),
        (TOO_LARGE, "refuses requests of this size"),
        (CIRCUIT, "too little memory"),
        (NO_MASTER, "(status 503"),
        (QUEUE_FULL, "overloaded"),
        (Cut(), "No Elasticsearch answers at"),
        (Cut(after=True), "No Elasticsearch answers at"),
    ],
    ids=["403", "413", "circuit breaker", "503", "429", "cut before", "cut after"],
)
def test_writes_that_fail_for_good_end_the_run_and_the_next_goes_on(
    line: ElasticLine, proxy: Proxy, pictures: Path, name: str, fault: Fault, says: str
) -> None:
    proxy.rule = on_bulks(fault)
    said = fails(line, "index", pictures, "--collection", name)
    assert says in said
    assert proxy.faults < 30, "it was tried too often"
    proxy.rule = lambda asked: None
    line("index", pictures, "--collection", name)
    collection = line.at(proxy.url).open(name)
    holds_each_once(collection, pictures)
    collection.close()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (FORBIDDEN, "does not allow this"),
        (CIRCUIT, "too little memory"),
        (NO_MASTER, "(status 503"),
        (Cut(), "No Elasticsearch answers at"),
        (Silence(), "gave no answer in time"),
    ],
    ids=["403", "circuit breaker", "503", "cut", "silence"],
)
def test_searches_that_fail_for_good(
    searching: list[object], line: ElasticLine, proxy: Proxy, fault: Fault, says: str
) -> None:
    proxy.rule = on_searches(fault)
    assert says in fails(line, *searching)


@pytest.mark.parametrize(
    "fault",
    [CIRCUIT, NO_MASTER, QUEUE_FULL, Cut(), Cut(after=True), Answer(502, "")],
    ids=["circuit breaker", "503", "429", "cut before", "cut after", "502"],
)
def test_what_passes_is_not_noticed(
    prepared: ElasticLine,
    searching: list[object],
    line: ElasticLine,
    proxy: Proxy,
    pictures: Path,
    name: str,
    fault: Fault,
) -> None:
    def third(asked: Asked) -> Fault | None:
        return fault if asked.number % 3 == 1 else None

    proxy.rule = third
    assert line(*searching, "--paths").out == prepared(*searching, "--paths").out
    ran = line("index", pictures, "--collection", name)
    assert "40 added" in ran.out and ran.err == ""
    assert proxy.faults > 3
    proxy.rule = lambda asked: None
    collection = line.at(proxy.url).open(name)
    holds_each_once(collection, pictures)
    collection.close()


def test_requests_too_large_for_a_proxy_become_smaller_ones(
    line: ElasticLine, proxy: Proxy, pictures: Path, name: str
) -> None:
    def limited(asked: Asked) -> Fault | None:
        return TOO_LARGE if asked.size > 4_000 else None

    proxy.rule = limited
    assert "40 added" in line("index", pictures, "--collection", name).out
    assert proxy.faults > 0
    collection = line.at(proxy.url).open(name)
    holds_each_once(collection, pictures)
    collection.close()


def test_a_rejected_document_is_a_failed_row_with_its_reason(
    line: ElasticLine, proxy: Proxy, pictures: Path, name: str
) -> None:
    proxy.rule = on_bulks(RejectSome(5, 400, "document_parsing_exception", "failed to parse field [date]", "--shades"))
    ran = line("index", pictures, "--collection", name, code=3)
    says_nothing_secret(ran)
    proxy.rule = lambda asked: None
    failed = line("failed", "--collection", name, "--json").json
    assert 0 < len(failed) < 40
    assert {"failed to parse field [date]" in one["reason"] for one in failed} == {True}
    line("failed", "--retry", "--collection", name)
    collection = line.at(proxy.url).open(name)
    holds_each_once(collection, pictures)
    collection.close()


def test_a_read_only_block_is_said_once_and_soon(
    line: ElasticLine, proxy: Proxy, elasticsearch: str, pictures: Path, name: str
) -> None:
    line("index", pictures, "--collection", name)
    indices = f"/sightsound-{name}--*/_settings"
    ask(elasticsearch, "PUT", indices, {"index.blocks.read_only_allow_delete": True})
    proxy.asked.clear()
    small_pictures(pictures, 60, first=40)
    said = fails(line, "index", pictures, "--collection", name)
    assert "disk" in said and "read-only" in said and "run the same command again" in said
    assert proxy.bulks() <= 3
    assert len(proxy.asked) < 60
    assert "40 photos" in line("status", "--collection", name).out
    ask(elasticsearch, "PUT", indices, {"index.blocks.read_only_allow_delete": None})
    line("index", pictures, "--collection", name)
    collection = line.at(proxy.url).open(name)
    holds_each_once(collection, pictures)
    collection.close()


def test_a_collection_or_index_that_is_missing(
    line: ElasticLine, elasticsearch: str, pictures: Path, name: str
) -> None:
    said = fails(line, "search", "sea", "--collection", name)
    assert f"There is no collection '{name}'" in said and "sightsound index FOLDER" in said
    line("index", pictures, "--collection", name)
    for index in ask(elasticsearch, "GET", f"/_alias/sightsound-{name}--shades"):
        ask(elasticsearch, "DELETE", f"/{index}")
    said = fails(line, "similar", pictures / "00003.png", "--collection", name)
    assert "sightsound" in said


def test_an_index_with_another_mapping(line: ElasticLine, elasticsearch: str, pictures: Path, name: str) -> None:
    line("index", pictures, "--collection", name)
    alias = f"sightsound-{name}--items"
    ((index, described),) = ask(elasticsearch, "GET", f"/{alias}").items()
    mapping = described["mappings"]
    del mapping["properties"]["record"]
    ask(elasticsearch, "DELETE", f"/{index}")
    ask(elasticsearch, "PUT", f"/{index}", {"mappings": mapping, "aliases": {alias: {}}})
    said = fails(line, "index", pictures, "--collection", name)
    assert "another mapping" in said and "--rebuild" in said


def test_answers_in_the_nodes_stead_name_it() -> None:
    """What the client refuses has to be refused for what it is: the tests' own answers carry the product's name."""
    assert all(fault.headers == PRODUCT for fault in (UNAUTHORISED, FORBIDDEN, CIRCUIT, NO_MASTER, OTHER_VERSION))
    assert os.environ.get("ELASTICSEARCH_API_KEY", "") != KEY
