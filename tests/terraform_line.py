"""Terraform against a moto server: the command, its provider, and each example applied and destroyed once.

The provider waits for minutes, by the clock, on what a cloud needs time for and moto does not. So the examples are
begun with the first test of a run, beside each other and beside other tests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from conftest import ROOT
from fault_proxy import self_signed
from filelock import FileLock

TERRAFORM = ROOT / "terraform"
EXAMPLES = sorted(folder.name for folder in (TERRAFORM / "examples").iterdir())
REGION = "eu-central-1"
ACCOUNT = "123456789012"
CANARY = "canary-secret-that-no-plan-and-no-state-may-hold"
PROVIDER = "registry.terraform.io/hashicorp/aws"
SEARCHED = ("/opt", "/usr/share/terraform", "/usr/local/share/terraform", "~/.terraform.d", "~/.local/share/terraform")

# What a test needs besides an example's own files, and an account does not: moto knows any key, and speaks HTTP.
OVERRIDE = """
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  s3_use_path_style           = true
}
"""

# What moto does not hold, and so would be a difference in the second plan: an instance's security groups and
# address where it is said whether that is public; descriptions of rules between groups; a zone's network;
# two settings of a service.
# Nothing else is left out, and this is in the tests' copy only. (ami, user_data_base64: the modules' own.)
MOTO_LACKS = {
    ("serve", "aws_instance", "host"): ["ami", "vpc_security_group_ids"],
    ("serve", "aws_vpc_security_group_ingress_rule", "tasks"): ["description"],
    ("serve", "aws_vpc_security_group_egress_rule", "balancer"): ["description"],
    ("serve", "aws_ecs_service", "site"): ["availability_zone_rebalancing", "health_check_grace_period_seconds"],
    ("elasticsearch", "aws_instance", "node"): [
        "ami",
        "user_data_base64",
        "vpc_security_group_ids",
        "associate_public_ip_address",
    ],
    ("elasticsearch", "aws_vpc_security_group_ingress_rule", "clients"): ["description"],
    ("elasticsearch", "aws_vpc_security_group_ingress_rule", "nodes"): ["description"],
    ("elasticsearch", "aws_route53_zone", "this"): ["vpc"],
}


def terraform() -> str:
    """The command. Fails the test where there is none: nothing is proven without it."""
    found = shutil.which("terraform")
    if found is None:
        pytest.fail("terraform is not installed: https://developer.hashicorp.com/terraform/install (1.9 or later)")
    return found


def mirror() -> Path | None:
    """A folder with the AWS provider: TF_PLUGIN_MIRROR, or one that is found. None: terraform asks its registry."""
    if given := os.environ.get("TF_PLUGIN_MIRROR"):
        return Path(given)
    for folder in (Path(one).expanduser() for one in SEARCHED):
        for provider in folder.rglob("terraform-provider-aws*"):
            if provider.is_file() and PROVIDER in provider.as_posix():
                return Path(provider.as_posix().partition(f"/{PROVIDER}")[0])
    return None


@dataclass(frozen=True)
class Ran:
    code: int
    out: str


@dataclass(frozen=True)
class Folder:
    """A folder with a configuration, in a copy of terraform/."""

    path: Path
    url: str

    def __call__(self, *arguments: str, **more: str) -> Ran:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
        own = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "TF_CLI_CONFIG_FILE": str(self.path.parents[1] / "terraform.rc"),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_ARGS": "-no-color",
        }
        done = subprocess.run(
            [terraform(), *arguments],
            cwd=self.path,
            env={**kept, **own, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=580,
        )
        return Ran(done.returncode, done.stdout)

    def must(self, *arguments: str) -> str:
        ran = self(*arguments)
        assert ran.code == 0, f"terraform {' '.join(arguments)} in {self.path.name}:\n{ran.out[-6000:]}"
        return ran.out


@dataclass
class Example:
    """What became of an example: the JSON of its plan and its state, and what the commands after it said."""

    name: str
    plan: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    second: Ran = Ran(-1, "not run")
    left: list[str] = field(default_factory=list)
    snapshots: int = 0
    error: str = ""


@contextmanager
def moto() -> Iterator[str]:
    """The URL of a moto server in a process of its own: what one holds, another does not."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "import sys; from moto.server import main; main(sys.argv[1:])"
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-c", program]  # ends with the tests, however they end
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"},
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while not _answers(url):
            assert server.poll() is None and time.monotonic() < deadline, "moto does not start"
            time.sleep(0.1)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/moto-api/", timeout=5):
            return True
    except OSError:
        return False


def client(service: str, url: str) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )


def copied(to: Path, url: str) -> Path:
    """A copy of terraform/ in which every configuration speaks to moto."""
    shutil.copytree(TERRAFORM, to, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    found = mirror()
    where = f'filesystem_mirror {{\n    path = "{found}"\n  }}' if found else "direct {}"
    (to / "terraform.rc").write_text(f"provider_installation {{\n  {where}\n}}\n")
    for (module, kind, name), ignored in MOTO_LACKS.items():
        lifecycle = f"lifecycle {{\n    ignore_changes = [{', '.join(ignored)}]\n  }}"
        (to / "modules" / module / f"{kind}_{name}_override.tf").write_text(
            f'resource "{kind}" "{name}" {{\n  {lifecycle}\n}}\n'
        )
    for folder in (*(to / "modules").iterdir(), *(to / "examples").iterdir()):
        (folder / "moto_override.tf").write_text(OVERRIDE)
    return to


def secret(url: str, name: str, value: str) -> str:
    """The ARN of a secret that is made."""
    return str(client("secretsmanager", url).create_secret(Name=name, SecretString=value)["ARN"])


def variables(name: str, folder: Path, url: str) -> Mapping[str, Any]:
    """What an example needs to be told, with the secrets and the certificate that it names."""
    if name == "existing-elasticsearch":
        key = secret(url, "elasticsearch", CANARY)
        return {
            "image_tag": "0.1.0",
            "elasticsearch": {"url": "https://cluster.example.org:9243", "api_key_secret_arn": key},
        }
    if name != "full":
        return {"image_tag": "0.1.0"}
    private, public = certificate(folder)
    imported = client("acm", url).import_certificate(Certificate=public, PrivateKey=private)
    return {
        "image_tag": "0.1.0",
        "site_host": "photos.example.org",
        "certificate_arn": imported["CertificateArn"],
        "site_key_secret_arn": secret(url, "site", CANARY),
        "elasticsearch_tls_secret_arn": secret(url, "tls", json.dumps({"key": CANARY})),
        "elasticsearch_password_secret_arn": secret(url, "password", CANARY),
    }


def certificate(folder: Path) -> tuple[bytes, bytes]:
    """A key and its certificate, which is left in the folder as ca.pem."""
    private, begin, public = self_signed(folder).read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    (folder / "ca.pem").write_bytes(begin + public)
    return private, begin + public


def begun(together: Path) -> dict[str, Future[Example]]:
    """What becomes of each example. Processes that name the same folder share the work: each example is run by one."""
    pool = ThreadPoolExecutor(len(EXAMPLES))
    return {name: pool.submit(_once, name, together) for name in EXAMPLES}


def _once(name: str, together: Path) -> Example:
    kept = together / f"{name}.json"
    with FileLock(together / f"{name}.lock", poll_interval=0.5):
        if not kept.exists():
            kept.write_text(json.dumps(asdict(applied_and_destroyed(name, together / name))))
    found = json.loads(kept.read_text())
    return Example(**{**found, "second": Ran(**found["second"])})


def applied_and_destroyed(name: str, to: Path) -> Example:
    """Plan, apply, a second plan, destroy; against a moto of its own."""
    found = Example(name)
    try:
        with moto() as url, ThreadPoolExecutor(1) as beside:
            folder = Folder(copied(to, url) / "examples" / name, url)
            (folder.path / "terraform.tfvars.json").write_text(json.dumps(variables(name, folder.path, url)))
            folder.must("init")
            folder.must("plan", "-out=plan", "-parallelism=30")
            plan = beside.submit(folder.must, "show", "-json", "plan")
            folder.must("apply", "-parallelism=30", "plan")
            state = beside.submit(folder.must, "show", "-json")
            found.second = folder("plan", "-detailed-exitcode", "-parallelism=30")
            found.plan, found.state = json.loads(plan.result()), json.loads(state.result())
            # The second plan has just seen that all is as the state says.
            folder.must("destroy", "-auto-approve", "-refresh=false", "-parallelism=30")
            found.left = _left(url)
            owned = client("ec2", url).describe_snapshots(OwnerIds=[ACCOUNT])["Snapshots"]
            found.snapshots = sum("ami-" not in one.get("Description", "") for one in owned)
    except BaseException as error:
        found.error = f"{type(error).__name__}: {error}"
    return found


def _left(url: str) -> list[str]:
    """What of an example is there after it was destroyed."""
    ec2 = client("ec2", url)
    instances = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
    return [
        *(one["Name"] for one in client("s3", url).list_buckets()["Buckets"]),
        *(one["InstanceId"] for one in instances if one["State"]["Name"] != "terminated"),
        *(one["VpcId"] for one in ec2.describe_vpcs()["Vpcs"] if not one["IsDefault"]),
        *(one["RoleName"] for one in client("iam", url).list_roles()["Roles"]),
        *(one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]),
    ]


def resources(module: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The resources of `root_module` and of all below it, of a plan's or a state's JSON. Data sources are none."""
    yield from (one for one in module.get("resources", ()) if one["mode"] == "managed")
    for child in module.get("child_modules", ()):
        yield from resources(child)
