"""What the tests share: the demo photographs, the command line as a process, and a collection to search."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from elastic_node import Cluster, Node

if TYPE_CHECKING:
    from concurrent.futures import Future

    from flask import Flask
    from flask.testing import FlaskClient
    from served import Served
    from terraform_line import Example

KIT = ("entries", "finding", "leaving", "listing", "writing")
pytest.register_assert_rewrite(*(f"sightsound.testing.{part}" for part in KIT), "local_store", "s3_server", "served")

ROOT = Path(__file__).parent.parent
MEDIA = ROOT / "examples" / "media"
PHOTOS = MEDIA / "photos"
SIGHTSOUND = Path(sys.executable).with_name("sightsound")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A skipped test proves nothing: it fails the run."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped: {report.longrepr}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests that need a GPU are deselected where there is none."""
    if shutil.which("nvidia-smi") is None:
        without = [item for item in items if item.get_closest_marker("gpu")]
        if without:
            config.hook.pytest_deselected(items=without)
            items[:] = [item for item in items if item not in without]


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class CommandLine:
    """`sightsound` as a process, with a data folder and a cache of models of its own."""

    home: Path

    def environment(self, **more: str) -> dict[str, str]:
        others = ("SIGHTSOUND_", "ELASTIC")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        own = {"SIGHTSOUND_HOME": str(self.home), "HF_HOME": str(self.home / "hub"), "COLUMNS": "100"}
        return {**kept, **own, **more}

    def __call__(self, *arguments: object, code: int | None = 0, cwd: Path | None = None, **more: str) -> Ran:
        """Run a command and check its exit code (None: any will do). An error may never be a traceback."""
        done = subprocess.run(
            [str(SIGHTSOUND), *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=self.environment(**more),
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        ran = Ran(done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in ran.err, ran.err
        assert code in (None, ran.code), f"exit code {ran.code}, not {code}\n{ran.out}\n{ran.err}"
        return ran

    def start(self, *arguments: object, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(SIGHTSOUND), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**more),
            cwd=self.home,
            start_new_session=True,
        )


def index_whole(line: CommandLine) -> None:
    """The demo photographs, sounds and films, with the encoders that need no download."""
    for table in ("media", "sounds", "films"):
        line("index", MEDIA / f"{table}.csv", "--encoders", "starter")


@pytest.fixture(scope="session", autouse=True)
def terraform_examples(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Future[Example]]:
    """What becomes of terraform's examples, where a test of this run asks. Begun with the first test."""
    if not any("example" in getattr(item, "fixturenames", ()) for item in request.session.items):
        return {}
    from terraform_line import begun

    base = tmp_path_factory.getbasetemp()
    together = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "terraform-examples"
    together.mkdir(exist_ok=True)
    return begun(together)


@pytest.fixture
def sightsound(tmp_path: Path) -> CommandLine:
    home = tmp_path / "home"
    home.mkdir()
    return CommandLine(home)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The demo photographs, indexed by media.csv. Tests may search this collection, not change it."""
    line = CommandLine(tmp_path_factory.mktemp("demo"))
    line("index", MEDIA / "media.csv")
    return line


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The demo photographs, sounds and films. Tests may search this collection, not change it."""
    line = CommandLine(tmp_path_factory.mktemp("whole"))
    index_whole(line)
    return line


@pytest.fixture(scope="session")
def whole_site(whole: CommandLine) -> Iterator[Served]:
    """The site over the demo photographs, sounds and films, ready, as a process."""
    from served import serving

    with serving(whole) as served:
        yield served.until_ready()


@pytest.fixture(scope="session")
def demo_site(demo: CommandLine) -> Iterator[Served]:
    """The site over the demo photographs, ready, as a process. Tests may not change its collection."""
    from served import serving

    with serving(demo) as served:
        yield served.until_ready()


@pytest.fixture(scope="module")
def site_app(demo: CommandLine) -> Iterator[Flask]:
    """The site over the demo photographs, as an application in this process."""
    from served import site_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(demo.home))
        app = site_of(demo)
        yield app
        app.extensions["sightsound"].close()


@pytest.fixture
def client(site_app: Flask) -> FlaskClient:
    return site_app.test_client()


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """Photographs, films, sounds and a text, some with hostile words, to be searched and not changed."""
    from mixed_media import index_mixed

    return index_mixed(CommandLine(tmp_path_factory.mktemp("mixed")))


@pytest.fixture(scope="module")
def mixed_client(mixed: CommandLine) -> Iterator[FlaskClient]:
    """A client of the site over these."""
    from served import site_of

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTSOUND_HOME", str(mixed.home))
        app = site_of(mixed)
        yield app.test_client()
        app.extensions["sightsound"].close()


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an Elasticsearch that tests share, each with collections of its own: ELASTICSEARCH_URL, or a node."""
    if given := os.environ.get("ELASTICSEARCH_URL"):
        yield given
        return
    node = Node(tmp_path_factory.mktemp("elasticsearch"))
    try:
        yield node.start().url
    finally:
        node.remove()


@pytest.fixture
def elastic_node(tmp_path: Path) -> Iterator[Node]:
    """A node of the test's own, running: to be stopped, killed and started again."""
    node = Node(tmp_path / "node")
    try:
        yield node.start()
    finally:
        node.remove()


@pytest.fixture(scope="module")
def elastic_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes in one cluster. A test that ends one starts it again."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.remove()


@pytest.fixture
def copy_photos(tmp_path: Path) -> Callable[..., Path]:
    """A folder with copies of these demo photographs: `copy_photos("cat.jpg", "horse.jpg")`."""

    def copy(*names: str, folder: str = "photos") -> Path:
        to = tmp_path / folder
        to.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copy(PHOTOS / name, to / name)
        return to

    return copy
