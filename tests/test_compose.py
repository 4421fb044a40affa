"""docker/compose*.yaml: each service has an image that is built, a command that exists and settings that are known."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from conftest import ROOT

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
