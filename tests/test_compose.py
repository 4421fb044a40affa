"""docker/compose*.yaml: each service has an image that is built, a command that exists and settings that are known; and
compose.yaml brought up, service by service as it orders them, with podman and an Elasticsearch of the tests' own."""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from conftest import PHOTOS, ROOT
from elastic_node import Node, free_ports
from images import Container, Engine, engine

from sightsound.cli.app import build
from sightsound.config import SETTINGS

FILES = sorted((ROOT / "docker").glob("compose*.yaml"))
KEYS = {"name", "services", "networks", "volumes", "x-sightsound"}
OURS = {"indexer": "index", "site": "serve"}
KNOWN = {f"SIGHTSOUND_{setting.name.upper()}" for setting in SETTINGS} | {"ELASTICSEARCH_API_KEY", "HF_TOKEN"}
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(request.param.read_text())
    return loaded


def ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if "build" in service}


def test_there_is_one_with_and_one_without_elasticsearch(compose: dict[str, Any]) -> None:
    assert [path.name for path in FILES] == ["compose.local.yaml", "compose.yaml"]
    assert set(compose) <= KEYS
    assert set(ours(compose)) == set(OURS)
    assert set(compose["services"]) - set(OURS) <= {"elasticsearch"}


def test_images_are_pinned_or_built_by_targets_that_there_are(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if "build" not in service:
            assert re.fullmatch(r"\S+:[\d.]+@sha256:[0-9a-f]{64}", service["image"])
            continue
        made = service["build"]
        assert made["target"] == OURS[name]
        assert re.search(rf"^FROM \S+ AS {made['target']}$", DOCKERFILE, re.MULTILINE)
        assert (ROOT / "docker" / made["context"] / made["dockerfile"]).samefile(ROOT / "docker" / "Dockerfile")
        for argument in made["args"]:
            assert re.search(rf"^ARG {argument}\b", DOCKERFILE, re.MULTILINE)


def test_commands_and_settings_are_known(compose: dict[str, Any]) -> None:
    commands: Any = typer.main.get_command(build())
    for service in ours(compose).values():
        command, *arguments = service["command"]
        found = commands.commands[command]
        found.make_context(command, list(arguments))  # raises for an option that there is not
        assert set(service.get("environment", {})) <= KNOWN


def test_nothing_is_reached_but_the_site_from_this_machine(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert "network_mode" not in service and "privileged" not in service
        assert service["security_opt"] == ["no-new-privileges:true"]
        ports = service.get("ports", [])
        assert [port.partition(":")[0] for port in ports] == (["127.0.0.1"] if name == "site" else [])
        assert ports == ["127.0.0.1:${PORT:-8000}:8000"] * len(ports)
    for service in ours(compose).values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]


def test_data_is_kept_and_media_are_only_read(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        mounts = [re.sub(r"\$\{.*\}", "MEDIA", mount).split(":") for mount in service["volumes"]]
        named = {source for source, *_ in mounts if source != "MEDIA"}
        assert named <= set(compose["volumes"])
        if name in OURS:
            assert ["data", "/data"] in mounts and ["MEDIA", "/media", "ro"] in mounts
    media = {mount for service in ours(compose).values() for mount in service["volumes"] if "/media" in mount}
    assert len(media) == 1, "the site finds the files where the indexer did"
    default = re.search(r":-(.+?)\}", media.pop())
    assert default and Path(ROOT / "docker" / default[1]).is_dir()


def test_who_waits_for_a_service_can_know_that_it_is_ready(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert compose["services"][other]["healthcheck"]["test"][0] == "CMD"
    networks = set(compose.get("networks") or {})
    for service in compose["services"].values():
        assert set(service.get("networks", [])) <= networks


class Project:
    """The services of compose.yaml, each in a container. Names of services are this machine, for want of a network."""

    def __init__(self, images: Engine, services: dict[str, Any], node: Node) -> None:
        self._images, self._services, self._node = images, services, node
        self._name = f"sightsound-{uuid.uuid4().hex[:8]}"
        (self.port,) = free_ports(1)

    def is_ready(self) -> bool:
        """Whether Elasticsearch passes its health check, asked at the node's port."""
        _, *check = self._services["elasticsearch"]["healthcheck"]["test"]
        asked = [word.replace("localhost:9200", self._node.url.removeprefix("http://")) for word in check]
        return subprocess.run(asked, capture_output=True, timeout=30).returncode == 0

    def start(self, name: str) -> Container:
        service = self._services[name]
        options = ["--detach", "--network", "host", "--add-host", "elasticsearch:127.0.0.1"]
        options += ["--read-only", "--read-only-tmpfs=false"] if service["read_only"] else []
        for option, values in (("cap-drop", service["cap_drop"]), ("security-opt", service["security_opt"])):
            options += [f"--{option}={value.removesuffix(':true')}" for value in values]
        options += [f"--tmpfs={place}" for place in service["tmpfs"]]
        for variable, value in service["environment"].items():
            options += ["--env", f"{variable}={value.replace(':9200', f':{self._node.port}')}"]
        for mount in service["volumes"]:
            given = re.sub(r"\$\{MEDIA:-.+?\}", str(PHOTOS), mount)
            options += ["--volume", given if given != mount else f"{self._name}-{mount}"]
        command = [*service["command"], *(("--port", self.port) if name == "site" else ())]
        return self._images.container(self._images.build(service["build"]["target"]), *command, options=options)

    def down(self) -> None:
        for volume in ("data", "models"):
            self._images.podman("volume", "rm", "--force", f"{self._name}-{volume}")


@pytest.fixture
def project(elastic_node: Node) -> Iterator[Project]:
    made = Project(engine(), yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"], elastic_node)
    yield made
    made.down()


def test_with_elasticsearch_it_is_indexed_searched_and_kept(project: Project, elastic_node: Node) -> None:
    def found(site: Container) -> list[str]:
        return [hit["title"] for hit in site.get("/api/v1/search?q=a+castle+by+the+water", project.port)["hits"]]

    assert project.is_ready()
    with project.start("indexer") as indexer, project.start("site") as site:  # at once: neither waits for the other
        indexed = indexer.wait()
        assert indexed.code == 0, indexed.err
        site.wait_until_healthy()
        first = found(site)
        assert first[0] == "egeskovslotspejling.jpg"
        ended, seconds = site.stop("TERM")
        assert ended.code == 0 and seconds < 10, ended.err
    elastic_node.stop()
    assert not project.is_ready()
    elastic_node.start()
    assert project.is_ready()
    with project.start("indexer") as again, project.start("site") as site:
        ended = again.wait()
        assert ended.code == 0 and " added" not in ended.out, ended.out + ended.err
        site.wait_until_healthy()
        assert found(site) == first
