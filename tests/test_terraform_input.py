"""Wrong variables of the modules are refused before anything is made, each with its message.

Terraform looks at variables before all else. Here a module is its variables.tf alone, which needs no provider.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hcl2
import pytest
from terraform_line import TERRAFORM, Folder, copied

ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one-aaaaaa"
ES = {"url": "https://es.example.org:9200", "api_key_secret_arn": ARN}
CERTIFICATE = "arn:aws:acm:eu-central-1:123456789012:certificate/0a"
IMAGE = "registry.example.org/sightsound:0.1.0"
BASE: dict[str, dict[str, Any]] = {
    "storage": {},
    "network": {},
    "serve": {
        "image": IMAGE,
        "vpc_id": "vpc-1",
        "subnet_ids": ["subnet-1"],
        "media_bucket": "m-1",
        "index_bucket": "i-1",
    },
    "index": {
        "image": IMAGE,
        "vpc_id": "vpc-1",
        "subnet_ids": ["subnet-1"],
        "media_bucket": "m-1",
        "index_bucket": "i-1",
    },
    "elasticsearch": {
        "vpc_id": "vpc-1",
        "subnet_ids": ["subnet-1"],
        "client_security_group_ids": {"site": "sg-1"},
        "tls_secret_arn": ARN,
        "password_secret_arn": ARN,
        "ca_certificate": "-----BEGIN CERTIFICATE-----",
        "snapshot_bucket": "i-1",
    },
}
# Each round is one plan, in which every variable named is wrong for one reason.
WRONG: dict[str, list[dict[str, Any]]] = {
    "storage": [{"name": "Big Photos", "old_versions_days": 0, "images_kept": 1}],
    "network": [
        {"name": "1st", "cidr": "0.0.0.0/0", "zones": 9, "nat": True, "interface_endpoints": ["ssm"]},
        {"cidr": "8.8.0.0/16", "private_subnets": True, "interface_endpoints": ["s4"]},
        {"cidr": "10.20.0.0/28"},
    ],
    "serve": [
        {
            "name": "x" * 30,
            "image": "",
            "repository_arn": "sightsound",
            "subnet_ids": [],
            "media_bucket": "s3://media",
            "index_bucket": "s3://index",
            "collection": "../other",
            "elasticsearch": {"url": "http://es.example.org:9200", "api_key_secret_arn": "the-key"},
            "site_cidrs": ["everyone"],
            "port": 80,
            "log_days": 2,
            "container_user": 0,
            "instance_type": "t3.nano",
            "data_gb": 1,
            "index_calendar": "$(reboot)",
            "certificate_arn": "cert.pem",
            "tasks": 0,
            "task_cpu": 100,
            "task_disk_gb": 10,
            "architecture": "sparc",
        },
        {"mode": "lambda"},
        {
            "store": "sqlite",
            "task_memory": 1000,
            "site_hosts": ["https://photos.example.org"],
            "site_key_secret_arn": "the-key",
        },
        {"image": "sightsound:latest", "site_cidrs": ["0.0.0.0/0"], "instance_type": "huge", "store": "elasticsearch"},
        {"mode": "ecs", "site_cidrs": ["10.0.0.0/8"], "task_memory": 16384},
        {"mode": "ecs", "certificate_arn": CERTIFICATE, "public_subnet_ids": ["a", "b"], "store": "backup"},
        {"certificate_arn": CERTIFICATE, "elasticsearch": {**ES, "ca_certificate": "ca.pem"}, "store": "elasticsearch"},
        {"site_cidrs": ["203.0.113.7/32"], "site_key_secret_arn": ARN, "public_ip": False},
    ],
    "index": [
        {
            "name": "X",
            "image": "sightsound",
            "repository_arn": "sightsound",
            "subnet_ids": [],
            "media_bucket": "s3://media",
            "prefix": "/photos",
            "index_bucket": "s3://index",
            "collection": "A B",
            "options": ["; rm -rf /"],
            "elasticsearch": {"url": "https://user:password@host", "api_key_secret_arn": "the-key"},
            "instance_types": ["c6i"],
            "cores": 3,
            "memory": 10,
            "disk_gb": 1,
            "schedule": "daily",
            "hours": 0,
            "log_days": 2,
            "container_user": 0,
        },
        {
            "image": "sightsound:latest",
            "gpu": True,
            "instance_types": ["c6i.xlarge"],
            "elasticsearch": {**ES, "ca_certificate": "ca.pem"},
        },
    ],
    "elasticsearch": [
        {
            "name": "X",
            "subnet_ids": [],
            "client_security_group_ids": {},
            "image": "elasticsearch:8.19.0",
            "instance_type": "t3.small",
            "data_gb": 1,
            "tls_secret_arn": "tls.pem",
            "ca_certificate": "ca.pem",
            "password_secret_arn": "secret",
            "snapshot_bucket": "s3://index",
            "snapshot_days": 0,
            "log_days": 2,
        }
    ],
}


@pytest.fixture(params=sorted(BASE))
def module(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    whole = copied(tmp_path / "terraform", "") / "modules" / request.param
    for path in whole.iterdir():
        if path.name != "variables.tf":
            path.unlink()
    return Folder(whole, "")


def said(module: Folder, given: dict[str, Any]) -> tuple[int, set[str]]:
    """The exit code of a plan, and what it complains of."""
    (module.path / "given.auto.tfvars.json").write_text(json.dumps(BASE[module.path.name] | given))
    ran = module("plan", "-refresh=false", "-json")
    told = [json.loads(line) for line in ran.out.splitlines() if line.startswith("{")]
    details = [one["diagnostic"]["detail"] for one in told if one["type"] == "diagnostic"]
    return ran.code, {detail.partition("\n\nThis was checked")[0] for detail in details}


def messages(module: Path) -> set[tuple[str, str]]:
    """Every validation's variable and message."""
    with (module / "variables.tf").open() as file:
        read: dict[str, Any] = hcl2.load(file)
    return {
        (name.strip('"'), check["error_message"].strip('"').replace('\\"', '"'))
        for block in read["variable"]
        for name, variable in block.items()
        for check in variable.get("validation", [])
    }


def test_each_wrong_variable_is_refused_with_its_message(module: Folder) -> None:
    wanted, heard = messages(module.path), set[tuple[str, str]]()
    for given in WRONG[module.path.name]:
        code, complaints = said(module, given)
        assert code == 1
        heard |= {(name, message) for name, message in wanted if message in complaints}
    assert wanted - heard == set(), "no test gives these variables a wrong value, or they have no message"


def test_right_variables_are_taken(module: Folder) -> None:
    assert said(module, {}) == (0, set())


def test_messages_begin_with_the_variable(module: Folder) -> None:
    for name, message in messages(module.path):
        assert message.startswith((f"{name}:", f"{name}.")), message


def test_every_variable_and_output_is_described() -> None:
    for path in TERRAFORM.rglob("*.tf"):
        with path.open() as file:
            read: dict[str, Any] = hcl2.load(file)
        for kind in ("variable", "output"):
            for name, block in (one for group in read.get(kind, []) for one in group.items()):
                assert block.get("description"), f"{path}: {name}"
                assert kind == "output" or block.get("type"), f"{path}: {name}"
