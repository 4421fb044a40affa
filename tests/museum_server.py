"""Pictures on the web, the API of a museum that has them, and the example plug-in for it, installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from conftest import PHOTOS, ROOT
from stock_server import reply
from web_server import Answer, Request

NAMES = ("cat", "giraffe", "horse", "polar_bear", "eiffeltower")


def pictures(request: Request) -> Answer:
    path = PHOTOS / request.path.strip("/")
    if not path.is_file():
        return Answer(status=404)
    data = path.read_bytes()
    return Answer(data, headers={"ETag": f'"{len(data)}"'})


class Museum:
    """Pictures of these names, two on a page."""

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self.names = names
        self.broken = False
        self.cursors: list[str] = []
        self.url = ""

    def __call__(self, request: Request) -> Answer:
        if request.path != "/api":
            return pictures(request)
        cursor = request.query.get("cursor", "")
        self.cursors.append(cursor)
        if self.broken and cursor == "p2":
            return Answer(status=404)
        number = int(cursor.removeprefix("p") or 0)
        said = [
            {
                "id": name,
                "title": name,
                "artist": "Ann",
                "image": f"{self.url}/{name}.jpg",
                "page": f"https://museum.example/{name}",
            }
            for name in self.names[2 * number : 2 * number + 2]
        ]
        return reply({"objects": said, "next": f"p{number + 1}" if 2 * number + 2 < len(self.names) else None})


def install_museum(folder: Path) -> dict[str, str]:
    """Install the example into a folder of its own, as pip lays it out. Returns the environment that finds it."""
    build = folder / "build"
    shutil.copytree(ROOT / "examples" / "sightsound-museum", build)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--target", folder / "site", build], check=True, capture_output=True)
    return {"PYTHONPATH": str(folder / "site")}
