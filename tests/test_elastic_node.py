"""The nodes that the other tests use: they keep their data, fail over, end, and say what they lack."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest
from elastic_node import START, Cluster, Node, ask


def test_a_killed_node_comes_back_with_its_data(elastic_node: Node) -> None:
    elastic_node.ask("PUT", "/kept/_doc/1?refresh=true", {"word": "here"})
    elastic_node.kill()
    elastic_node.start()
    elastic_node.wait()
    assert elastic_node.ask("GET", "/kept/_doc/1")["_source"] == {"word": "here"}


def test_three_nodes_outlive_one_of_them(elastic_cluster: Cluster) -> None:
    first, second, third = elastic_cluster.nodes
    settings = {"settings": {"number_of_shards": 3, "number_of_replicas": 1}}
    first.ask("PUT", "/spread", settings)
    first.wait(3, "green")
    first.ask("POST", "/spread/_bulk?refresh=true", [line for n in range(30) for line in ({"index": {}}, {"n": n})])
    third.kill()
    assert second.ask("GET", "/spread/_count")["count"] == 30
    third.start()
    first.wait(3, "green")


def test_a_node_goes_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = """
        import os, sys, pathlib, elastic_node
        node = elastic_node.Node(pathlib.Path(sys.argv[1])).start()
        print(node.pid, node.port, flush=True)
        os.kill(os.getpid(), 9)
    """
    command = [sys.executable, "-c", textwrap.dedent(program), tmp_path / "node"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=300)
    pid, port = map(int, done.stdout.split())
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the node lives on"
        time.sleep(0.1)
    with pytest.raises(OSError):
        ask(f"http://127.0.0.1:{port}", "GET", "/")


def test_without_a_jdk_it_says_what_to_install(tmp_path: Path) -> None:
    old = tmp_path / "jdk17"
    (old / "bin").mkdir(parents=True)
    (old / "bin" / "javac").write_text("#!/bin/sh\necho javac 17.0.9\n")
    (old / "bin" / "javac").chmod(0o755)
    # The folders that JDKs are installed in are hidden by empty ones.
    hidden = 'mount -t tmpfs none /usr/lib/jvm; [ ! -d /opt ] || mount -t tmpfs none /opt; exec "$@"'
    done = subprocess.run(
        ["unshare", "--map-root-user", "--user", "--mount", "sh", "-c", hidden, "sh", START, "build"],
        env={**os.environ, "JAVA_HOME": str(old), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("No JDK of version 21 or later was found")
