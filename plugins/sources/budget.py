"""How many requests an API still grants, remembered from run to run, so that none is made above the limit."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from filelock import FileLock

from sightsound.config import home
from sightsound.fetching import retry_after

HOUR = 3600
FARTHEST = 40 * 24 * HOUR
"""A reset that lies farther ahead is none."""
Learn = Callable[[int, Mapping[str, str]], None]


class Spent(Exception):
    """No request is left before `until`, in seconds since the epoch."""

    def __init__(self, until: float) -> None:
        super().__init__(f"no request is left before {until}")
        self.until = until


class Budget:
    """The requests of one key at one API. Processes that share the key take turns, one request at a time.

    hourly: requests an hour that are granted, as far as answers do not say otherwise; their header X-Ratelimit-Limit
    does where says_hourly holds. The data folder keeps a hash of the key, not the key.
    """

    def __init__(self, api: str, key: str, hourly: int, says_hourly: bool) -> None:
        digest = hashlib.sha256(f"{api} {key}".encode()).hexdigest()[:16]
        self._path = home() / "limits" / f"{api}-{digest}.json"
        self._hourly, self._says_hourly = hourly, says_hourly

    @contextmanager
    def request(self) -> Iterator[Learn]:
        """Make one request within it, and tell what was answered. Raises Spent where none is left."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._path.with_suffix(".lock")):
            now = time.time()
            known = self._read()
            times = [one for one in known.get("times", ()) if now - HOUR < one <= now]
            hourly = int(known.get("hourly") or self._hourly)
            until = float(known.get("until") or 0)
            if now < until < now + FARTHEST:
                raise Spent(until)
            if len(times) >= hourly:
                raise Spent(times[len(times) - hourly] + HOUR)
            known = {"times": [*times, now], "hourly": hourly, "until": 0}
            self._write(known)  # before the request: one that is never answered counts

            def learn(status: int, headers: Mapping[str, str]) -> None:
                self._write(known | self._learnt(status, headers, known["times"]))

            yield learn

    def _learnt(self, status: int, headers: Mapping[str, str], times: list[float]) -> dict[str, Any]:
        now = time.time()
        limit, left = _whole(headers.get("x-ratelimit-limit")), _whole(headers.get("x-ratelimit-remaining"))
        learnt: dict[str, Any] = {}
        if limit and self._says_hourly:
            learnt["hourly"] = limit
        refused = status == 429 or (status == 403 and left == 0)
        if refused or left == 0:
            reset = _whole(headers.get("x-ratelimit-reset")) or 0
            asked = retry_after(headers)
            if asked is not None:
                learnt["until"] = now + asked
            elif now < reset < now + FARTHEST:
                learnt["until"] = reset
            else:
                learnt["until"] = now + HOUR if refused else times[0] + HOUR
        return learnt

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, known: Mapping[str, Any]) -> None:
        partial = self._path.with_suffix(".part")
        partial.write_text(json.dumps(known))
        partial.replace(self._path)


def _whole(written: str | None) -> int | None:
    return int(written) if written and written.strip().isdecimal() else None
