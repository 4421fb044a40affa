"""A thousand photos of Unsplash, of which a fifth are broken, each in its way."""

from __future__ import annotations

import json
import time
from collections import Counter

from conftest import CommandLine
from stock_server import UnsplashApi, picture, serving
from web_server import Answer

LAKE = "unsplash:mountain lake"
SLOW = "it took longer than 11 s"


def faults(number: int, times: int) -> Answer | None:
    """A fifth of the pictures fail for good, each in its way; a tenth do at first."""
    data = picture(number)
    if number == 500:
        return Answer(data, drip=0.5)
    if number % 50 == 2:
        time.sleep(0.2)
    if number % 5 == 0:
        kinds = [
            Answer(status=404),
            Answer(status=403),
            Answer(data, cut=len(data) // 2),
            Answer(b"<html>gone</html>", headers={"Content-Type": "text/html"}),
            Answer(b"<html>gone</html>"),
            Answer(data[: len(data) // 2]),
            Answer(b""),
            Answer(status=410),
            Answer(data, headers={"Content-Encoding": "gzip"}),
            Answer(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}),
        ]
        return kinds[number // 5 % len(kinds)]
    if number % 10 == 1 and times == 1:
        return Answer(status=503) if number % 20 == 1 else Answer(data, cut=100)
    return None


def test_a_thousand_items_with_faults_end_as_indexed_or_failed_with_a_reason(sightsound: CommandLine) -> None:
    with serving(UnsplashApi(count=1000, fault=faults)) as api:
        environment = {**api.environment(), "SIGHTSOUND_DEADLINE": "12"}
        ran = sightsound("index", LAKE, "-o", "limit=1000", "--json", code=3, **environment)
        assert ran.json["listed"] == 1000
        assert ran.json["added"] == 800 and ran.json["failed"] == 200
        assert api.over == 0
        bad = [number for number in range(1000) if number % 5 == 0]
        failed = {entry["uri"]: entry["reason"] for entry in sightsound("failed", "--json").json}
        assert failed.keys() == {f"https://unsplash.com/photos/photo{number}" for number in bad}
        assert all(reason and "Traceback" not in reason for reason in failed.values())
        reasons = " ".join(failed.values())
        for part in ("HTTP 404", "HTTP 403", "it was whole", "web page", "sent nothing", "not public", "packed", SLOW):
            assert part in reasons, part
        status = sightsound("status", "--json").json["collections"][0]
        assert status["items"] == {"photo": 800}
        out = sightsound.home / "all.jsonl"
        sightsound("export", out, **api.environment())
        indexed = [json.loads(line) for line in out.read_text().splitlines()]
        indexed = [item for item in indexed if item["state"] == "ok"]
        assert max(Counter(item["uri"] for item in indexed).values()) == 1, "none twice"
        for item in indexed:
            number = int(item["uri"].rpartition("photo")[2])
            assert item["facts"]["bytes"] == len(picture(number)), "none truncated"
        once = sum(request.path.startswith("/image/") for request in api.web.asked)
        sightsound("index", LAKE, "-o", "limit=1000", code=3, **api.environment())
        assert sum(request.path.startswith("/image/") for request in api.web.asked) == once, "nothing is fetched twice"
        assert api.over == 0
