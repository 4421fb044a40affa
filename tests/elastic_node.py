"""Real Elasticsearch nodes: started, stopped, killed and started again with their data, one by one or as a cluster."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "elasticsearch-node"
START = FOLDER / "start.sh"
_START_SECONDS = 120.0
_BUILD_SECONDS = 900.0


def build() -> None:
    """Build the node where that was not done yet, from jars that Maven fetches. One of several processes does it."""
    done = subprocess.run([START, "build"], capture_output=True, text=True, timeout=_BUILD_SECONDS)
    if done.returncode:
        raise RuntimeError(f"The Elasticsearch node was not built:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing uses now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


class Node:
    """One Elasticsearch node with its files under `home`. It keeps its ports and its data from start to start.

    Start nodes from the main thread: they end with the thread that started them, so that none outlives the tests.
    """

    def __init__(self, home: Path, heap: str = "512m", ports: tuple[int, int] | None = None, **settings: str) -> None:
        self.home = home
        self.port, self.transport_port = ports or tuple(free_ports(2))
        self._heap = heap
        self._settings = {"node.name": "node", "cluster.name": f"tests-{self.transport_port}", **settings}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def name(self) -> str:
        return self._settings["node.name"]

    @property
    def log(self) -> Path:
        return self.home / "node.log"

    @property
    def pid(self) -> int | None:
        """The process of the node, None while it is not running."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self, wait: bool = True) -> Node:
        """Start the node, and wait until it answers. Raises RuntimeError with the end of its log."""
        assert self.pid is None, "the node runs already"
        build()
        self.home.mkdir(parents=True, exist_ok=True)
        settings = [f"{name}={value}" for name, value in self._settings.items()]
        # The kernel ends the node with its parent, also where that is killed.
        ports = (str(self.port), str(self.transport_port))
        command = ["setpriv", "--pdeathsig", "KILL", START, self.home, *ports, *settings]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "ES_NODE_HEAP": self._heap},
            )
        if wait:
            self.wait()
        return self

    def wait(self, nodes: int = 1, status: str = "yellow") -> None:
        """Wait until the node is in a cluster of this many nodes and with this health."""
        deadline = time.monotonic() + _START_SECONDS
        path = f"/_cluster/health?wait_for_nodes=>={nodes}&wait_for_status={status}&timeout=2s"
        while time.monotonic() < deadline:
            if self.pid is None:
                raise RuntimeError(f"The Elasticsearch node ended:\n{self.tail()}")
            try:
                if not self.ask("GET", path)["timed_out"]:
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"The Elasticsearch node did not answer in {_START_SECONDS:.0f} s:\n{self.tail()}")

    def stop(self) -> None:
        """End the node in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the node at once, as a crash does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def remove(self) -> None:
        """Kill the node and delete its files."""
        self.kill()
        shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, method: str, path: str, body: Any = None, timeout: float = 60) -> Any:
        """The JSON answer to a request, also to one that failed (its `status`). Raises OSError without an answer."""
        return ask(self.url, method, path, body, timeout)

    def tail(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:] if self.log.exists() else ""

    def _end(self, sent: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(sent)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(60)
        self._process = None


class Cluster:
    """Several nodes in one cluster. Any of them answers for all."""

    def __init__(self, home: Path, size: int = 3, heap: str = "384m", **settings: str) -> None:
        ports = free_ports(2 * size)
        names = [f"node-{number}" for number in range(size)]
        together = {
            "cluster.name": f"tests-{ports[-1]}",
            "discovery.seed_hosts": ",".join(f"127.0.0.1:{port}" for port in ports[size:]),
            "cluster.initial_master_nodes": ",".join(names),
            **settings,
        }
        self.nodes = [
            Node(home / name, heap, (http, transport), **{"node.name": name}, **together)
            for name, http, transport in zip(names, ports[:size], ports[size:], strict=True)
        ]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def start(self) -> Cluster:
        for node in self.nodes:
            node.start(wait=False)
        for node in self.nodes:
            node.wait(len(self.nodes))
        return self

    def remove(self) -> None:
        for node in self.nodes:
            node.remove()


def ask(url: str, method: str, path: str, body: Any = None, timeout: float = 60) -> Any:
    """The JSON answer of the server at `url`, also to a request that failed. body: JSON, or lines of it for a bulk."""
    lines: Sequence[Any] | None = body if isinstance(body, list) else None
    sent = "".join(f"{json.dumps(line)}\n" for line in lines) if lines else "" if body is None else json.dumps(body)
    kind = "application/x-ndjson" if lines else "application/json"
    request = urllib.request.Request(url + path, sent.encode() or None, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
