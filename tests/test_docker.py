"""The images are built and run: as a user of their own, on a read-only root, and telling what they lack.

Light variants only: the full ones bring gigabytes of torch. Of these the requirements are compared with what is
installed here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from conftest import MEDIA, PHOTOS, ROOT, CommandLine
from elastic_node import free_ports
from fault_proxy import Asked, Fault, Proxy, error
from images import Container, Ended, Engine, engine
from packaging.requirements import Requirement
from PIL import Image
from tiny_models import clip_folder

USER = 10001
KEY = {"SIGHTSOUND_API_KEY": "a-key-that-the-tests-alone-know"}
MOST_MEGABYTES = 800
STOP_SECONDS = 10
FILES = 400


@pytest.fixture(scope="session")
def images() -> Engine:
    return engine()


@pytest.fixture(scope="session")
def indexer(images: Engine) -> str:
    return images.build("index")


@pytest.fixture(scope="session")
def site(images: Engine) -> str:
    return images.build("serve")


def volume(folder: Path) -> Path:
    """A folder that belongs to the image's user, with all that is in it."""
    folder.mkdir(exist_ok=True)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    return folder


@pytest.fixture(scope="module")
def indexed(images: Engine, indexer: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A volume with the demo photographs, indexed in a container. Tests may serve it, not change it."""
    data = volume(tmp_path_factory.mktemp("indexed") / "data")
    ended = images.run(indexer, "index", "/media/media.csv", data=data, mounts={"/media": MEDIA})
    assert ended.code == 0, ended.err
    assert "94 items: 94 added" in ended.out
    return data


def test_a_site_serves_what_was_indexed_and_ends_on_sigterm(
    images: Engine, site: str, indexed: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    with images.start(site, data=indexed, mounts={"/media": MEDIA}, environment=KEY) as container:
        record_testsuite_property("seconds until ready", container.wait_until_healthy())
        answer = container.get("/api/v1/search?q=a+castle+by+the+water", key=KEY["SIGHTSOUND_API_KEY"])
        assert "castle" in answer["hits"][0]["title"].lower()
        assert container.inside("id", "-u").out.strip() == str(USER)
        assert container.inside("python", "-c", "open('/opt/x', 'w')").err.endswith("'/opt/x'\n")
        ended, seconds = container.stop("TERM")
    assert ended.code == 0, ended.err
    assert seconds < STOP_SECONDS
    assert "Traceback" not in ended.err


def test_the_site_asks_for_a_key_where_others_can_reach_it(images: Engine, site: str, indexed: Path) -> None:
    assert "SIGHTSOUND_API_KEY" in refused(images.run(site, data=indexed))


def test_an_indexer_that_is_ended_or_killed_goes_on(images: Engine, indexer: str, tmp_path: Path) -> None:
    photos, data = many(tmp_path / "many"), volume(tmp_path / "data")
    ended, seconds = under_way(images, indexer, photos, data).stop("TERM")
    assert ended.code == 130 and "run the same command again to go on" in ended.err
    assert seconds < STOP_SECONDS
    ended, _ = under_way(images, indexer, photos, data).stop("KILL")
    assert ended.code == 137
    kept = images.run(indexer, "status", "--json", data=data).json["collections"][0]["items"]["photo"]
    assert 0 < kept < FILES
    ended = images.run(indexer, data=data, mounts={"/media": photos})
    assert ended.code == 0, ended.err
    assert images.run(indexer, "check", data=data).out == f"{FILES} items: all is well\n"


def many(folder: Path) -> Path:
    """Photographs, small, so that indexing them takes some seconds."""
    folder.mkdir()
    originals = [Image.open(path).convert("RGB").resize((320, 240)) for path in sorted(PHOTOS.iterdir())]
    for number in range(FILES):
        originals[number % len(originals)].rotate(number // len(originals)).save(folder / f"{number:03d}.jpg")
    return folder


def under_way(images: Engine, indexer: str, photos: Path, data: Path) -> Container:
    """A container that has begun to write what it indexed."""
    written = data / "collections" / "default" / "collection.sqlite-wal"
    before = written.stat().st_size if written.exists() else 0
    container = images.start(indexer, data=data, mounts={"/media": photos})
    deadline = time.monotonic() + 120
    while not (written.exists() and written.stat().st_size > before + 200_000):
        assert container.running and time.monotonic() < deadline, container.logs()
        time.sleep(0.02)
    return container


def refused(ended: Ended) -> str:
    """The one line with which a container that lacks something ends."""
    assert ended.code in (1, 2), ended
    lines = ended.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), ended.err
    return lines[0]


def test_without_a_volume_or_with_one_that_is_not_writable(images: Engine, site: str, tmp_path: Path) -> None:
    assert "no volume is mounted at /data" in refused(images.run(site, environment=KEY))
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    assert f"can't be written by user {USER}" in refused(images.run(site, data=data, environment=KEY))
    with images.start(site, data=volume(data), environment=KEY) as container:
        container.wait_until_healthy()


def test_a_named_volume_belongs_to_the_images_user(images: Engine, indexer: str) -> None:
    name = f"sightsound-{uuid.uuid4().hex[:8]}"
    try:
        ended = images.run(indexer, "index", "/media/cat.jpg", data=name, mounts={"/media": PHOTOS})
        assert ended.code == 0, ended.err
    finally:
        images.podman("volume", "rm", "--force", name)


@pytest.fixture
def guarded(elasticsearch: str) -> Iterator[tuple[Proxy, str]]:
    """An Elasticsearch that wants an API key, and that key."""
    right = uuid.uuid4().hex

    def rule(asked: Asked) -> Fault | None:
        return None if asked.authorization == f"ApiKey {right}" else error(401, "security_exception", "no such key")

    with Proxy(elasticsearch, rule) as proxy:
        yield proxy, right


def test_without_elasticsearch_or_with_a_wrong_key(
    images: Engine, indexer: str, site: str, guarded: tuple[Proxy, str], tmp_path: Path
) -> None:
    (proxy, right), data, (port,) = guarded, volume(tmp_path / "data"), free_ports(1)
    prefix = f"images-{uuid.uuid4().hex[:8]}"
    serve = ("serve", "--port", port)

    def how(**environment: str) -> dict[str, Any]:
        shared = {"SIGHTSOUND_STORE": proxy.url, "SIGHTSOUND_ELASTICSEARCH_PREFIX": prefix}
        mounts = {"/media": MEDIA / "photos"}
        return {"data": data, "network": "host", "mounts": mounts, "environment": {**shared, **environment}}

    for command in (("index", "/media"), serve):
        nobody = how(SIGHTSOUND_STORE=f"http://127.0.0.1:{port}")
        assert "No Elasticsearch answers" in refused(images.run(indexer, *command, **nobody))
        wrong = how(ELASTICSEARCH_API_KEY="wrong")
        line = refused(images.run(indexer, *command, **wrong))
        assert "refuses these credentials" in line and "wrong" not in line
    mended = how(ELASTICSEARCH_API_KEY=right)
    assert images.run(indexer, "index", "/media/cat.jpg", **mended).code == 0
    with images.start(site, *serve, **mended) as container:
        container.wait_until_healthy()
        assert container.get("/api/v1/search?q=a+cat", port)["hits"]
    assert images.run(indexer, "remove", "--collection", "default", "--all", "--yes", **mended).code == 0


def test_without_the_model(images: Engine, indexer: str, site: str, sightsound: CommandLine, tmp_path: Path) -> None:
    wanted = {"SIGHTSOUND_ENCODERS": "clip"}
    data = volume(tmp_path / "data")
    line = refused(images.run(indexer, data=data, mounts={"/media": PHOTOS}, environment=wanted))
    assert "clip needs further packages" in line
    model = clip_folder(tmp_path / "tiny")
    sightsound("index", PHOTOS / "cat.jpg", "--encoders", f"hf:{model}")
    served = {"data": volume(sightsound.home), "environment": KEY}
    assert "hf needs further packages" in refused(images.run(site, **served))
    sightsound("index", "--rebuild", "--encoders", "starter", "--yes")
    volume(sightsound.home)
    with images.start(site, **served) as container:
        container.wait_until_healthy()


def test_without_a_gpu_where_one_is_asked_for(images: Engine, indexer: str, tmp_path: Path) -> None:
    assert "SIGHTSOUND_DEVICE=cuda" in DOCKERFILE.partition(" AS gpu\n")[2].partition("\nFROM ")[0]
    how: dict[str, Any] = {"data": volume(tmp_path / "data"), "mounts": {"/media": PHOTOS}}
    line = refused(images.run(indexer, "index", "/media/cat.jpg", environment={"SIGHTSOUND_DEVICE": "cuda"}, **how))
    assert "no GPU" in line and "--gpus all" in line
    ended = images.run(indexer, "index", "/media/cat.jpg", environment={"SIGHTSOUND_DEVICE": "cpu"}, **how)
    assert ended.code == 0, ended.err


def test_an_image_says_what_it_is(images: Engine, indexer: str, site: str) -> None:
    for image in (indexer, site):
        config = images.config(image)
        assert config["User"] == f"{USER}:{USER}"
        assert config["Entrypoint"] == ["/opt/sightsound/bin/python", "/opt/sightsound/bin/start.py"]
        assert config["Labels"]["sightsound.variant"] == "light"
        assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
        assert not config.get("Volumes"), "an anonymous volume would hide that none was given"
        assert not [name for name in config["Env"] if re.search("KEY|TOKEN|PASSWORD|PIP", name.split("=")[0])]
    health = images.config(site)["Healthcheck"]["Test"]
    assert health == ["CMD", "/opt/sightsound/bin/python", "/opt/sightsound/bin/healthy.py"]


def test_an_image_holds_what_it_needs_and_no_more(
    images: Engine, site: str, record_testsuite_property: Callable[[str, object], None]
) -> None:
    size = images.megabytes(site)
    record_testsuite_property("megabytes", size)
    assert size < MOST_MEGABYTES
    with images.files(site) as files:
        (packages,) = (files / "opt/sightsound/lib").glob("python3*/site-packages")
        bill = json.loads((files / "opt/sightsound/sbom.cdx.json").read_text())
        held = {path.name.removesuffix(".dist-info").rpartition("-")[0] for path in packages.glob("*.dist-info")}
        left = [path for place in ("run", "root", "opt/tools", "data", "models") for path in (files / place).rglob("*")]
        assert {path.name for path in left if path.is_file()} <= {".bashrc", ".profile"}, (
            "something of the build stayed"
        )
        assert not [path for path in (files / "opt/sightsound").rglob("*") if path.is_file() and path.stat().st_uid]
    names = {plain(name) for name in held}
    assert bill["bomFormat"] == "CycloneDX"
    assert {plain(one["name"]) for one in bill["components"]} | {"sightsound"} == names
    assert not names & {"decord", "torch", "pip", "setuptools"}
    assert {"sightsound", "av", "elasticsearch", "boto3", "pillow-heif"} <= names
    assert not [step for step in images.history(site) if "PIP_INDEX" in step or "index-url=" in step]


def plain(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def test_models_can_be_put_into_an_image(images: Engine, tmp_path: Path, site: str) -> None:
    context = tmp_path / "context"
    shutil.copytree(ROOT, context, ignore=lambda folder, names: {n for n in names if n.startswith((".", "tests"))})
    (context / "docker/models/hub").mkdir()
    (context / "docker/models/hub/weights").write_text("weights")
    shutil.copy(ROOT / ".dockerignore", context)
    image = images.build("serve-offline", context=context)
    config = images.config(image)
    assert "HF_HUB_OFFLINE=1" in config["Env"] and "HF_HOME=/models" in config["Env"]
    assert config["User"] == f"{USER}:{USER}" and config["Cmd"] == images.config(site)["Cmd"]
    assert images.run(image, "/models/hub/weights", entrypoint="cat").out == "weights"


DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()


def test_the_base_is_pinned_and_every_step_has_a_target() -> None:
    assert re.search(r"^ARG BASE=\S+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE))
    for target in ("index", "serve", "all", "gpu"):
        assert {target, f"{target}-offline"} <= targets
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert image in {"${BASE}"} | targets


def test_what_the_full_variants_install_fits_together() -> None:
    """They are not built here. Their requirements are those of the extra `all`, which this environment has."""
    extras = dict(re.findall(r"^(light|full)=(\S+)$", (ROOT / "docker/install.sh").read_text(), re.MULTILINE))
    full = extras["full"].replace("$light", extras["light"])
    assert requirements(f"{full},eval") == requirements("all")
    for line in requirements("all"):
        wanted = Requirement(line)
        assert wanted.specifier.contains(version(wanted.name), prereleases=True), line
    assert not [line for line in requirements("all") if "decord" in line]


def requirements(extras: str) -> list[str]:
    command = ["python3", ROOT / "docker/requirements.py", ROOT / "pyproject.toml", extras]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
