"""Rate limits are kept to, and an interrupted listing goes on where it was."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

from conftest import CommandLine
from stock_server import PexelsApi, Stock, UnsplashApi, serving
from web_server import Answer

LAKE = "unsplash:mountain lake"


def test_the_limit_stops_a_run_and_the_next_one_goes_on_from_there(sightsound: CommandLine) -> None:
    with serving(UnsplashApi(count=120, limit=2)) as api:
        ran = sightsound("index", LAKE, "--prune", code=3, **api.environment())
        assert "60 items: 60 added" in ran.out
        assert "Unsplash grants no more requests for now" in ran.err and "add --wait" in ran.err
        assert api.used == 2 and api.over == 0
        for _ in range(2):  # from another process, without asking
            again = sightsound("index", code=3, **api.environment())
            assert "stopped: Unsplash grants no more requests" in again.err
        assert api.used == 2
        an_hour_passes(sightsound, api)
        ran = sightsound("index", "--json", "--prune", **api.environment())
        assert ran.json["added"] == 60 and ran.json["unchanged"] == 0, "it goes on at its page"
        assert ran.json["paused"] == [] and ran.json["gone"] == 0
        (warning,) = ran.json["warnings"]
        assert "was pruned: this run did not list it from its beginning to its end" in warning
        assert sightsound("status", "--json").json["collections"][0]["items"] == {"photo": 120}
        assert api.over == 0


def an_hour_passes(sightsound: CommandLine, api: Stock) -> None:
    """For the server, and for what is remembered of it."""
    api.since -= 3601
    for path in (sightsound.home / "limits").glob("*.json"):
        known = json.loads(path.read_text())
        known["times"] = [when - 3601 for when in known["times"]]
        known["until"] = known["until"] and known["until"] - 3601
        path.write_text(json.dumps(known))


def test_it_waits_for_the_limit_when_told_to(sightsound: CommandLine) -> None:
    with serving(PexelsApi(count=200, limit=1, window=3)) as api:
        ran = sightsound("index", "pexels:lake", "--wait", **api.environment())
        assert ran.err.count("waiting until") >= 2
        assert sightsound("status", "--json").json["collections"][0]["items"] == {"photo": 200}
        assert api.over == 0


def test_retry_after_is_kept_to(sightsound: CommandLine) -> None:
    with serving(PexelsApi(count=10)) as api:
        api.refused = lambda request: Answer(status=429, headers={"Retry-After": "3000"})
        sightsound("index", "pexels:lake", code=3, **api.environment())
        sightsound("index", "pexels:lake", code=3, **api.environment())
        assert len(api.web.asked) == 1


def test_a_kill_loses_no_more_than_a_batch(sightsound: CommandLine) -> None:
    def slow(number: int, times: int) -> Answer | None:
        time.sleep(0.02)
        return None

    with serving(UnsplashApi(count=300, fault=slow)) as api:
        running = sightsound.start("index", LAKE, **api.environment())
        while len(api.fetched) < 150 and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        pages = [request.query["page"] for request in api.web.asked if request.path == "/search/photos"]
        before = sum(api.fetched.values())
        assert before < 300
        ran = sightsound("index", LAKE, "--json", **api.environment())
        asked = [request.query["page"] for request in api.web.asked if request.path == "/search/photos"][len(pages) :]
        assert int(asked[0]) > 1, "it goes on where the listing was"
        assert ran.json["failed"] == 0
        assert sightsound("status", "--json").json["collections"][0]["items"] == {"photo": 300}
        assert sum(api.fetched.values()) <= 300 + 64 + 32 + 16, "results that wait, a batch, and what was being fetched"


def test_a_starter_set_stops_at_the_limit_and_goes_on(sightsound: CommandLine, tmp_path: Path) -> None:
    with serving(UnsplashApi(count=40, limit=4)) as api:
        arguments = ("starter-set", LAKE, "--count", 5, "--to", tmp_path)
        ran = sightsound(*arguments, code=3, **api.environment())
        assert "3 files" in ran.out and "stopped: Unsplash grants no more requests" in ran.err
        assert "not brought" not in ran.err
        an_hour_passes(sightsound, api)
        sightsound(*arguments, **api.environment())
        assert len(api.taken) == 5 == len(set(api.taken)) and api.over == 0
