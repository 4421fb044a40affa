"""The terraform modules: formatted, valid, applied, unchanged at a second look, destroyed; and what they may never do.

Everything is real but the cloud: terraform and its AWS provider speak to a moto server.
"""

from __future__ import annotations

import copy
import subprocess
from base64 import b64decode, b64encode
from concurrent.futures import Future
from typing import Any

import pytest
from terraform_line import CANARY, EXAMPLES, TERRAFORM, Example, resources, terraform
from terraform_policy import breaches

MACHINES = {"smallest": 1, "batch": 1, "existing-elasticsearch": 1, "full": 3}


@pytest.fixture(params=EXAMPLES)
def example(request: pytest.FixtureRequest, terraform_examples: dict[str, Future[Example]]) -> Example:
    found = terraform_examples[request.param].result()
    assert not found.error, found.error
    return found


def planned(example: Example) -> list[dict[str, Any]]:
    return list(resources(example.plan["planned_values"]["root_module"]))


def made(example: Example) -> list[dict[str, Any]]:
    return list(resources(example.state["values"]["root_module"]))


def test_an_example_is_applied_and_a_second_plan_is_empty(example: Example) -> None:
    assert {one["address"] for one in made(example)} == {one["address"] for one in planned(example)}
    assert example.second.code == 0, example.second.out
    assert "No changes." in example.second.out


def test_nothing_is_left_of_it_but_snapshots_of_its_volumes(example: Example) -> None:
    assert example.left == []
    assert example.snapshots == MACHINES[example.name]


def test_nothing_is_open_unencrypted_all_powerful_or_telling(example: Example) -> None:
    assert breaches(planned(example), CANARY) == []
    assert breaches(made(example), CANARY) == []
    assert CANARY not in str(example.plan) + str(example.state)


def test_only_the_site_of_the_full_example_is_open_to_the_world(example: Example) -> None:
    rules = [one["values"] for one in made(example) if one["type"] == "aws_vpc_security_group_ingress_rule"]
    ports = {rule["from_port"] for rule in rules if rule["cidr_ipv4"] == "0.0.0.0/0"}
    assert ports == ({443} if example.name == "full" else set())
    if example.name in ("smallest", "batch"):
        assert rules == []


def test_a_host_keeps_its_volume_apart_and_its_port_to_itself(example: Example) -> None:
    hosts = [one["values"] for one in made(example) if one["type"] == "aws_instance" and "serve" in one["address"]]
    assert len(hosts) == (0 if example.name == "full" else 1)
    volumes = [one["values"] for one in made(example) if one["type"] == "aws_ebs_volume"]
    assert len(volumes) == MACHINES[example.name]
    assert all(volume["final_snapshot"] for volume in volumes)
    for host in hosts:
        script = b64decode(host["user_data_base64"]).decode()
        assert "ADDRESS='127.0.0.1'" in script
        assert f"DATA_VOLUME='{volumes[0]['id']}'" in script


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "another port than the site's": ("aws_vpc_security_group_ingress_rule", {"cidr_ipv4": "0.0.0.0/0", "to_port": 22}),
    "rules belong in resources of their own": ("aws_security_group", {"ingress": [{"from_port": 22}]}),
    "rules are aws_vpc": ("aws_security_group_rule", {}),
    "gives public addresses": ("aws_subnet", {"map_public_ip_on_launch": True}),
    "the volume is not encrypted": ("aws_ebs_volume", {"encrypted": False}),
    "hop limit 1": ("aws_instance", {"metadata_options": [{"http_tokens": "optional"}]}),
    "its disk is not encrypted": (
        "aws_launch_template",
        {"block_device_mappings": [{"ebs": [{"encrypted": "false"}]}]},
    ),
    "no TLS": ("aws_lb_listener", {"protocol": "HTTP"}),
    "tags may change": ("aws_ecr_repository", {"image_tag_mutability": "MUTABLE"}),
    "would hold a secret": ("aws_secretsmanager_secret_version", {}),
    "actions by a star": (
        "aws_iam_role_policy",
        {"policy": '{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'},
    ),
    "on everything": (
        "aws_iam_policy",
        {"policy": '{"Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}]}'},
    ),
    "anyone may take": (
        "aws_iam_role",
        {"assume_role_policy": '{"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}]}'},
    ),
    "not a service's own": (
        "aws_iam_role_policy_attachment",
        {"policy_arn": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "as root": (
        "aws_ecs_task_definition",
        {"container_definitions": '[{"name": "site", "readonlyRootFilesystem": true}]'},
    ),
    "may write to its root": ("aws_batch_job_definition", {"container_properties": '{"user": "1"}'}),
    "in the open": (
        "aws_ecs_task_definition",
        {"container_definitions": '[{"user": "1", "environment": [{"name": "API_KEY", "value": "x"}]}]'},
    ),
    "lacks encryption": ("aws_s3_bucket", {}),
    "lacks a public access block": ("aws_s3_bucket", {}),
    "a secret's value": ("aws_instance", {"user_data_base64": b64encode(CANARY.encode()).decode()}),
    "a key is in it": ("aws_instance", {"user_data": "-----BEGIN RSA PRIVATE KEY-----"}),
}


@pytest.mark.parametrize("said", BAD)
def test_the_policy_sees_what_is_wrong(said: str) -> None:
    kind, values = BAD[said]
    resource = {"address": f"{kind}.bad", "type": kind, "index": "bad", "values": copy.deepcopy(values)}
    assert any(said in line for line in breaches([resource], CANARY))


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("aws_s3_bucket_public_access_block", {"block_public_acls": False}, "block_public_acls is not true"),
        ("aws_s3_bucket_versioning", {"versioning_configuration": [{"status": "Suspended"}]}, "versions are not kept"),
        ("aws_s3_bucket_policy", {"policy": '{"Statement": [{"Effect": "Allow"}]}'}, "lets someone in"),
        ("aws_s3_bucket_policy", {"policy": '{"Statement": [{"Effect": "Deny"}]}'}, "without TLS"),
    ],
)
def test_the_policy_looks_into_what_a_bucket_has(kind: str, values: dict[str, Any], said: str) -> None:
    bucket = {"address": "b", "type": "aws_s3_bucket", "index": "media", "values": {}}
    other = {"address": "o", "type": kind, "index": "media", "values": values}
    assert any(said in line for line in breaches([bucket, other], CANARY))


def test_formatting() -> None:
    done = subprocess.run(
        [terraform(), "fmt", "-check", "-recursive", "-diff", str(TERRAFORM)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", "CHECKPOINT_DISABLE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
