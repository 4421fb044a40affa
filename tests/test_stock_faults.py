"""A thousand photos of Unsplash and of Pexels, of which a fifth are broken, each in its way."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import CommandLine
from shades_encoder import install_shades
from stock_server import PexelsApi, Stock, UnsplashApi, picture, serving
from web_server import Answer

UNSPLASH = (UnsplashApi(count=1000), "unsplash:mountain lake", "https://unsplash.com/photos/photo{}")
PEXELS = (PexelsApi(count=1000), "pexels:mountain lake", "https://www.pexels.com/photo/{}/")
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


@pytest.mark.parametrize(("api", "argument", "uri"), [UNSPLASH, PEXELS], ids=["unsplash", "pexels"])
def test_a_thousand_items_with_faults_end_as_indexed_or_failed_with_a_reason(
    api: Stock, argument: str, uri: str, sightsound: CommandLine, tmp_path: Path
) -> None:
    api.fault = faults
    with serving(api):
        fast = {"SIGHTSOUND_ENCODERS": "shades", "PYTHONPATH": str(install_shades(tmp_path))}
        environment = {**api.environment(), **fast}
        asked = ("index", argument, "-o", "limit=1000")
        ran = sightsound(*asked, "--json", code=3, SIGHTSOUND_DEADLINE="12", **environment)
        assert ran.json["listed"] == 1000
        assert ran.json["added"] == 800 and ran.json["failed"] == 200
        assert api.over == 0
        numbers = {uri.format(number + (uri == PEXELS[2])): number for number in range(1000)}
        failed = {entry["uri"]: entry["reason"] for entry in sightsound("failed", "--json").json}
        assert failed.keys() == {uri for uri, number in numbers.items() if number % 5 == 0}
        assert all(reason and "Traceback" not in reason for reason in failed.values())
        reasons = " ".join(failed.values())
        for part in ("HTTP 404", "HTTP 403", "it was whole", "web page", "sent nothing", "not public", "packed", SLOW):
            assert part in reasons, part
        status = sightsound("status", "--json").json["collections"][0]
        assert status["items"] == {"photo": 800}
        out = sightsound.home / "all.jsonl"
        sightsound("export", out, **environment)
        indexed = [json.loads(line) for line in out.read_text().splitlines()]
        indexed = [item for item in indexed if item["state"] == "ok"]
        assert max(Counter(item["uri"] for item in indexed).values()) == 1, "none twice"
        for item in indexed:
            assert item["facts"]["bytes"] == len(picture(numbers[item["uri"]])), "none truncated"
        once = sum(request.path.startswith("/image/") for request in api.web.asked)
        sightsound(*asked, code=3, **environment)
        assert sum(request.path.startswith("/image/") for request in api.web.asked) == once, "nothing is fetched twice"
        assert api.over == 0
