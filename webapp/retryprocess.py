"""The process that tries again what failed, asked for on the page of the site's state: one at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Literal

from sightsound.config import as_environment
from sightsound.errors import CollectionBusy

State = Literal["idle", "running", "done", "refused", "failed"]


@dataclass(frozen=True)
class Progress:
    """total: how many failed before. done: looked at again since. failed: of these, how many failed again.

    message: why it was refused or failed.
    """

    state: State = "idle"
    total: int = 0
    done: int = 0
    failed: int = 0
    message: str = ""


class RetryProcess:
    """The retry that is under way, or the last one. Methods may be called from any thread."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._progress = Progress()
        self._process: subprocess.Popen[str] | None = None
        self._closed = False

    @property
    def progress(self) -> Progress:
        with self._guard:
            return self._progress

    def start(self, store: str, collection: str, total: int) -> None:
        """Begin. total: how many failed; of none, nothing is begun. Raises CollectionBusy while one is under way."""
        with self._guard:
            if self._progress.state == "running" or self._closed:
                raise CollectionBusy("What failed is being tried again already; see how far it is on the page State")
            self._progress = Progress("running" if total else "done", total)
            if not total:
                return
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sightsound.retrying"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **as_environment()},
            )
            arguments = (self._process, store, collection)
        threading.Thread(target=self._follow, args=arguments, daemon=True).start()

    def close(self) -> None:
        """End what is under way; what was committed stays."""
        with self._guard:
            self._closed = True
            process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            process.wait(30)

    def _follow(self, process: subprocess.Popen[str], store: str, collection: str) -> None:
        assert process.stdin and process.stdout
        try:
            process.stdin.write(json.dumps({"store": store, "collection": collection}) + "\n")
            process.stdin.flush()
            for line in process.stdout:
                self._take(json.loads(line))
        except (OSError, ValueError):  # it died, or what it says is not its own: nobody would read on
            process.kill()
        code = process.wait()
        process.stdin.close()
        process.stdout.close()
        with self._guard:
            if self._progress.state == "running":
                reason = f"the process that tried again ended early (exit code {code}); see the site's log"
                self._progress = self._changed(state="failed", message=reason)

    def _take(self, said: dict[str, object]) -> None:
        with self._guard:
            end = said.pop("end", None)
            self._progress = self._changed(**said, **({"state": end} if end else {}))

    def _changed(self, **changes: object) -> Progress:
        return Progress(**{**vars(self._progress), **changes})
