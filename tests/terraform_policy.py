"""What nothing that terraform makes may be: open, unencrypted, all-powerful, or telling of secrets."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import Any

Resource = dict[str, Any]
WORLD = ("0.0.0.0/0", "::/0")
SITE_PORT = 443
BUCKET_NEEDS = {
    "aws_s3_bucket_public_access_block": "a public access block",
    "aws_s3_bucket_server_side_encryption_configuration": "encryption",
    "aws_s3_bucket_versioning": "versioning",
    "aws_s3_bucket_ownership_controls": "ownership controls",
    "aws_s3_bucket_lifecycle_configuration": "a lifecycle",
    "aws_s3_bucket_policy": "a TLS-only policy",
}
KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}")


def breaches(resources: Sequence[Resource], canary: str) -> list[str]:
    """What is wrong, a line each. resources: of a plan's or a state's JSON. canary: the value of every secret."""
    found = [f"{one['address']}: {said}" for one in resources for said in _of(one)]
    found += _buckets(resources)
    scripts = [b64decode(one.get("values", {}).get("user_data_base64") or "").decode() for one in resources]
    text = json.dumps([*resources, *scripts], ensure_ascii=False)
    found += ["a secret's value is in it"] * (canary in text)
    found += ["a key is in it"] * bool(KEY.search(text))
    return found


def _of(resource: Resource) -> Iterator[str]:
    kind, values = resource["type"], resource.get("values", {})
    if kind == "aws_vpc_security_group_ingress_rule":
        cidr = values.get("cidr_ipv4") or values.get("cidr_ipv6")
        if cidr in WORLD and (values.get("from_port"), values.get("to_port")) != (SITE_PORT, SITE_PORT):
            yield "the world may come in at another port than the site's"
    if kind in ("aws_security_group", "aws_default_security_group") and values.get("ingress"):
        yield "rules belong in resources of their own, where they are looked at"
    if kind == "aws_security_group_rule":
        yield "rules are aws_vpc_security_group_ingress_rule, which is looked at"
    if kind == "aws_subnet" and values.get("map_public_ip_on_launch"):
        yield "the subnet gives public addresses"
    if kind == "aws_ebs_volume" and values.get("encrypted") is not True:
        yield "the volume is not encrypted"
    if kind in ("aws_instance", "aws_launch_template"):
        yield from _machine(values)
    if kind == "aws_lb_listener" and (
        values.get("protocol") != "HTTPS" or "TLS13" not in str(values.get("ssl_policy"))
    ):
        yield "the listener has no TLS, or an old one"
    if kind == "aws_ecr_repository" and values.get("image_tag_mutability") != "IMMUTABLE":
        yield "tags may change"
    if kind == "aws_secretsmanager_secret_version" or (kind == "aws_ssm_parameter"):
        yield "the state would hold a secret"
    for name in ("policy", "assume_role_policy", "inline_policy"):
        if values.get(name) and kind.startswith("aws_iam"):
            yield from _policy(json.loads(values[name]))
    if kind == "aws_iam_role_policy_attachment" and "/service-role/" not in str(values.get("policy_arn")):
        yield "a managed policy that is not a service's own"
    if kind in ("aws_ecs_task_definition", "aws_batch_job_definition"):
        yield from _containers(values)


def _machine(values: Resource) -> Iterator[str]:
    for options in values.get("metadata_options") or [{}]:
        if options.get("http_tokens") != "required" or options.get("http_put_response_hop_limit") != 1:
            yield "IMDSv2 with hop limit 1 is not required"
    disks = [*values.get("root_block_device", [])]
    disks += [ebs for device in values.get("block_device_mappings", []) for ebs in device["ebs"]]
    if not disks or any(str(disk.get("encrypted")).lower() != "true" for disk in disks):
        yield "its disk is not encrypted"


def _containers(values: Resource) -> Iterator[str]:
    written = values.get("container_definitions") or values.get("container_properties")
    if not written:
        return
    containers = json.loads(written)
    for one in containers if isinstance(containers, list) else [containers]:
        if one.get("readonlyRootFilesystem") is not True or one.get("privileged"):
            yield "a container may write to its root, or is privileged"
        if str(one.get("user", "0")).startswith("0") and one.get("name") != "prepare":
            yield "a container runs as root"
        for variable in one.get("environment", []):
            if re.search("KEY|PASSWORD|SECRET|TOKEN", variable["name"]):
                yield f"{variable['name']} is given in the open"


def _policy(policy: Resource) -> Iterator[str]:
    statements = policy["Statement"]
    for one in statements if isinstance(statements, list) else [statements]:
        if one["Effect"] != "Allow":
            continue
        actions, places = (_list(one.get(key, [])) for key in ("Action", "Resource"))
        if any("*" in action for action in actions):
            yield f"actions by a star: {actions}"
        if "*" in places and any(not action.startswith(("ssm", "ecr:GetAuthorizationToken")) for action in actions):
            yield f"{actions} on everything"
        principal = one.get("Principal", {})
        if principal == "*" or "*" in _list(principal.get("AWS", [])):
            yield "anyone may take the role"


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _buckets(resources: Sequence[Resource]) -> Iterator[str]:
    """Each bucket with all it needs, by the key that they share in the plan."""
    for bucket in (one for one in resources if one["type"] == "aws_s3_bucket"):
        for kind, what in BUCKET_NEEDS.items():
            has = [one for one in resources if one["type"] == kind and one.get("index") == bucket.get("index")]
            if not has:
                yield f"{bucket['address']}: it lacks {what}"
            for one in has:
                yield from (f"{one['address']}: {said}" for said in _bucket(kind, one.get("values", {})))


def _bucket(kind: str, values: Resource) -> Iterator[str]:
    if kind == "aws_s3_bucket_public_access_block":
        wanted = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        yield from (f"{name} is not true" for name in wanted if values.get(name) is not True)
    kept = [one.get("status") for one in values.get("versioning_configuration", [])]
    if kind == "aws_s3_bucket_versioning" and kept != ["Enabled"]:
        yield "versions are not kept"
    if kind == "aws_s3_bucket_policy" and values.get("policy"):
        statements = json.loads(values["policy"])["Statement"]
        if any(one["Effect"] == "Allow" for one in statements):
            yield "the bucket's policy lets someone in"
        if not any("aws:SecureTransport" in json.dumps(one) for one in statements):
            yield "the bucket speaks without TLS"
