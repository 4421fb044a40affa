"""The images of docker/, built by buildah and run by podman: no daemon, as root, with nothing from an image registry.

The base is Debian's own packages (debootstrap), in place of the published image. What is built stays in IMAGES_CACHE
(the user's cache folder), so that the next run builds what changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock

ROOT = Path(__file__).parent.parent
SUITE = "bookworm"
INCLUDE = "python3,python3-venv,ca-certificates"
BASE = f"localhost/sightsound-test-base:{SUITE}"
UNNEEDED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")
PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "cert")
MOST_IMAGES = 300
"""Layers of builds gone by that are kept; past it all go that are in no named image."""
_BUILD_SECONDS = 1500.0
_RUN_SECONDS = 300.0


def engine() -> Engine:
    """The engine with its store in IMAGES_CACHE."""
    named = os.environ.get("IMAGES_CACHE")
    return Engine(Path(named) if named else Path(platformdirs.user_cache_dir("sightsound-images", appauthor=False)))


@dataclass(frozen=True)
class Ended:
    """How a container ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Engine:
    """Builds images and runs containers, all in one folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        # Sockets lie there, whose paths may not be long.
        self._running = Path("/run/sightsound-images") / hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
        checkout = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
        self._tag = f"test-{checkout}"  # two checkouts share layers, and not names

    def build(self, target: str, *options: str, context: Path = ROOT) -> str:
        """Build a target of docker/Dockerfile from this checkout. Returns the name of the image."""
        name = f"localhost/sightsound:{self._tag}-{target}"
        with FileLock(self.folder / "building.lock"), tempfile.TemporaryDirectory() as secrets:
            self._make_base()
            if len(self._buildah("images", "--all", "--quiet").split()) > MOST_IMAGES:
                self._buildah("rmi", "--prune", "--force")
            self._buildah(
                *("build", "--isolation", "chroot", "--layers", "--format", "docker", "--target", target),
                *("--build-arg", f"BASE={BASE}", *self._pip(Path(secrets)), *options),
                *("--file", str(ROOT / "docker" / "Dockerfile"), "--tag", name, str(context)),
            )
        return name

    def config(self, image: str) -> dict[str, Any]:
        """What the image says of itself: User, Env, Entrypoint, Cmd, Labels, Healthcheck."""
        inspected = json.loads(self._buildah("inspect", "--type", "image", image))
        config: dict[str, Any] = inspected["Docker"]["config"]
        return config

    def history(self, image: str) -> list[str]:
        inspected = json.loads(self._buildah("inspect", "--type", "image", image))
        return [step.get("created_by", "") for step in inspected["Docker"]["history"]]

    def megabytes(self, image: str) -> float:
        """The size of the image's files, uncompressed."""
        (found,) = json.loads(self._podman("image", "inspect", image))
        return float(found["Size"]) / 1e6

    def files(self, image: str) -> Files:
        """The files of an image, to be looked at."""
        return Files(self, image)

    def run(self, image: str, *command: object, **how: Any) -> Ended:
        """Run a container to its end; see `start`."""
        with self.start(image, *command, **how) as container:
            return container.wait()

    def start(
        self,
        image: str,
        *command: object,
        data: Path | str | None = None,
        mounts: Mapping[str, Path] | None = None,
        environment: Mapping[str, str] | None = None,
        network: str = "none",
        entrypoint: str = "",
    ) -> Container:
        """Start a container as one should in earnest: a read-only root, no capabilities, no network unless asked for.

        data: the folder, or the named volume, mounted at /data. mounts: further ones, read-only, by their place within.
        """
        options = [
            *("--detach", "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp"),
            *("--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *("--network", network),
        ]
        if data is not None:
            options += ["--volume", f"{data}:/data"]
        for place, folder in (mounts or {}).items():
            options += ["--volume", f"{folder}:{place}:ro"]
        for name, value in (environment or {}).items():
            options += ["--env", f"{name}={value}"]
        if entrypoint:
            options += ["--entrypoint", entrypoint]
        return self.container(image, *command, options=options)

    def container(self, image: str, *command: object, options: Sequence[str]) -> Container:
        """Start a container with options of `podman run`."""
        limits = ("--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096")  # not to be raised everywhere
        return Container(self, self._podman("run", *limits, *options, image, *map(str, command)).strip())

    def _make_base(self) -> None:
        if BASE in self._buildah("images", "--format", "{{.Name}}:{{.Tag}}").split():
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as made:
            _call("debootstrap", "--variant=minbase", f"--include={INCLUDE}", SUITE, made, *debian_mirror())
            for unneeded in UNNEEDED:
                shutil.rmtree(Path(made) / unneeded, ignore_errors=True)
            working = self._buildah("from", "scratch").strip()
            self._buildah("add", "--quiet", working, made, "/")
            self._buildah("commit", "--quiet", "--rm", working, BASE)

    def _pip(self, secrets: Path) -> list[str]:
        """What lets pip within a build reach the package index that it reaches here: secrets, in no layer."""
        said = _call(sys.executable, "-m", "pip", "config", "list")
        settings = {}
        for line in said.splitlines():
            name, _, value = line.partition("=")
            settings[name.rpartition(".")[2].removeprefix("default-")] = value.strip("'\"")
        options = []
        if certificate := settings.get("cert"):
            options = ["--secret", f"id=ca,src={certificate}"]
            settings["cert"] = "/run/secrets/ca"
        lines = [f"{name} = {settings[name]}" for name in PIP_SETTINGS if name in settings]
        (secrets / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
        return [*options, "--secret", f"id=pip,src={secrets / 'pip.conf'}"]

    @cached_property
    def _store(self) -> list[str]:
        places = ["--root", str(self.folder / "store"), "--runroot", str(self._running)]
        return [*places, "--storage-driver", os.environ.get("STORAGE_DRIVER") or self._driver()]

    def _driver(self) -> str:
        """overlay where this file system can have one, else vfs, which copies every layer."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            for name in ("lower", "upper", "work", "merged"):
                (Path(place) / name).mkdir()
            layers = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
            mounted = subprocess.run(
                ["mount", "-t", "overlay", "overlay", "-o", layers, f"{place}/merged"], capture_output=True
            )
            if mounted.returncode:
                return "vfs"
            _call("umount", f"{place}/merged")
            return "overlay"

    def _buildah(self, *arguments: str) -> str:
        return _call("buildah", *self._store, *arguments, cwd=ROOT)

    def _podman(self, *arguments: str) -> str:
        return _call("podman", *self._podman_options, *arguments)

    @property
    def _podman_options(self) -> list[str]:
        runtime = ["--runtime", "runc"] if shutil.which("runc") else []
        return [*self._store, *runtime, "--cgroup-manager", "cgroupfs", "--events-backend", "file"]

    def podman(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of podman that may fail."""
        return subprocess.run(
            ["podman", *self._podman_options, *arguments], capture_output=True, text=True, timeout=_RUN_SECONDS
        )


class Files:
    """The files of an image, mounted: a context manager that gives their folder."""

    def __init__(self, engine: Engine, image: str) -> None:
        self._engine, self._image = engine, image

    def __enter__(self) -> Path:
        self._working = self._engine._buildah("from", "--pull-never", self._image).strip()
        return Path(self._engine._buildah("mount", self._working).strip())

    def __exit__(self, *exception: object) -> None:
        self._engine._buildah("rm", self._working)


class Container:
    """A container. As a context manager it is removed at the end."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self.name = engine, name

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *exception: object) -> None:
        self._engine.podman("rm", "--force", "--time", "0", self.name)

    def wait(self) -> Ended:
        """Wait until it ends by itself."""
        waited = self._engine.podman("wait", self.name)
        return self._ended(int(waited.stdout))

    def stop(self, signal: str = "TERM") -> tuple[Ended, float]:
        """Send a signal, and wait until it ends. Also gives the seconds that it took."""
        began = time.monotonic()
        self._engine.podman("kill", "--signal", signal, self.name)
        ended = self.wait()
        return ended, time.monotonic() - began

    def logs(self) -> str:
        ended = self._ended(0)
        return ended.out + ended.err

    @property
    def running(self) -> bool:
        return self._engine.podman("inspect", "--format", "{{.State.Running}}", self.name).stdout.strip() == "true"

    def is_healthy(self) -> bool:
        """Whether the image's own health check, run within, finds it healthy."""
        return self._engine.podman("healthcheck", "run", self.name).returncode == 0

    def wait_until_healthy(self, seconds: float = 120) -> float:
        """Seconds since the call until it was healthy. Raises RuntimeError with its log."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            if self.is_healthy():
                return time.monotonic() - began
            if not self.running:
                break
            time.sleep(0.1)
        raise RuntimeError(f"The container is not healthy:\n{self.logs()}")

    def inside(self, *command: str) -> Ended:
        """Run a command in it."""
        done = self._engine.podman("exec", self.name, *command)
        return Ended(done.returncode, done.stdout, done.stderr)

    def get(self, path: str, port: int = 8000, key: str = "") -> Any:
        """The JSON answer of what serves in it, asked from within its network."""
        url, headers = f"http://127.0.0.1:{port}{path}", {"Authorization": f"Bearer {key}"} if key else {}
        program = (
            f"import urllib.request as u;print(u.urlopen(u.Request({url!r}, headers={headers!r})).read().decode())"
        )
        answered = self.inside("python", "-c", program)
        assert answered.code == 0, answered.err
        return answered.json

    def _ended(self, code: int) -> Ended:
        logs = self._engine.podman("logs", self.name)
        return Ended(code, logs.stdout, logs.stderr)


def debian_mirror() -> list[str]:
    """Where apt of this machine has Debian's packages from; none, where debootstrap's own default has to do."""
    found = _call("apt-get", "indextargets", "--format", "$(SITE) $(ORIGIN) $(COMPONENT)", "Created-By: Packages")
    sites = [line.split()[0] for line in found.splitlines() if line.endswith(" Debian main")]
    return [site for site in sites if "security" not in site][:1]


def _call(*command: str, cwd: Path | None = None) -> str:
    """What a command prints. Raises RuntimeError with the end of what it said, where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=_BUILD_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} … failed:\n{(done.stdout + done.stderr)[-4000:]}")
    return done.stdout
