"""Where a container of sightsound begins: says in one line what is missing, or becomes `sightsound` with its arguments."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

DATA = "/data"
SIGHTSOUND = "/opt/sightsound/bin/sightsound"
NEEDS_NO_DATA = ("", "-h", "--help", "--version", "plugins")


def lacks() -> str:
    """What stands against a start; "" where nothing does."""
    if not is_mounted(DATA):
        return (
            f"no volume is mounted at {DATA}, and the index would be lost with this container."
            f" Run it with a volume: -v sightsound:{DATA}"
        )
    try:
        with tempfile.TemporaryFile(dir=DATA):
            pass
    except OSError as error:
        return (
            f"the volume at {DATA} can't be written by user {os.getuid()} ({error.strerror})."
            f" Give it to this user: chown -R {os.getuid()}:{os.getgid()} FOLDER"
        )
    return ""


def is_mounted(folder: str) -> bool:
    """Whether a file system other than the image's own lies there. Bind mounts are seen in this list only."""
    places = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return any(place == folder for place in places)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    lacking = "" if wanted in NEEDS_NO_DATA else lacks()
    if lacking:
        sys.exit(f"error: {lacking}")
    os.execv(SIGHTSOUND, [SIGHTSOUND, *sys.argv[1:]])
