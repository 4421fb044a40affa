"""The site as a process of its own, as `sightsound serve` starts it, and as an application in this one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conftest import SIGHTSOUND, CommandLine
from flask import Flask

from sightsound.webapp import create_app
from sightsound.webapp.settings import SiteSettings

STARTS = 120.0
"""Seconds that a site may take to be ready, on a busy machine."""


@dataclass(frozen=True)
class Got:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Served:
    """A site that is served. url: without a slash at its end. log: what it says on stderr."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def __call__(
        self, path: str, data: bytes | None = None, headers: Mapping[str, str] | None = None, method: str | None = None
    ) -> Got:
        """Ask for a path. An answer that tells of an error is an answer too."""
        request = urllib.request.Request(self.url + path, data, dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return Got(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Got(error.code, error.headers, error.read())

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def until_ready(self) -> Served:
        end = time.monotonic() + STARTS
        while (found := self("/readyz")).status != 200:
            assert time.monotonic() < end, found.body
            time.sleep(0.05)
        return self

    def end(self) -> tuple[int, str]:
        """End it as a service manager does. Returns its exit code, and what it said on stderr."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode, self.log.read_text()


@contextmanager
def serving(line: CommandLine, *arguments: object, **environment: str) -> Iterator[Served]:
    """A site on a free port, ended with the block. Its requests are not limited in number unless said so."""
    environment = {"SIGHTSOUND_SITE_RATE": "0", **environment}
    handle, name = tempfile.mkstemp(suffix=".log", dir=line.home)
    with os.fdopen(handle, "w") as log:  # a pipe that nobody reads would stop the site once it is full
        process = subprocess.Popen(
            [str(SIGHTSOUND), "serve", "--port", "0", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=line.environment(**environment),
            cwd=line.home,
            start_new_session=True,
        )
    try:
        assert process.stdout
        said = process.stdout.readline()
        match = re.search(r"http://\S+:\d+", said)
        assert match, said + Path(name).read_text()
        yield Served(process, match[0], Path(name))
    finally:
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)


def site_of(line: CommandLine, **settings: Any) -> Flask:
    """The application over a command line's collections. SIGHTSOUND_HOME has to be its home."""
    return create_app(SiteSettings(**{"store": str(line.home / "collections"), "rate": 0.0, **settings}))
