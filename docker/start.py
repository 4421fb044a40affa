"""Where a container of sightsound begins: it says in one line what is missing, or becomes `sightsound`."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

DATA = "/data"
SIGHTSOUND = "/opt/sightsound/bin/sightsound"
NEEDS_NO_DATA = ("", "-h", "--help", "--version", "plugins")
ON_GPU = ("index", "index-to")
GPUS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


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


def lacks_gpu(arguments: list[str]) -> str:
    """What stands against indexing on a GPU, where this is what the image is for; "" where nothing does."""
    asked = os.environ.get("SIGHTSOUND_DEVICE", "").startswith("cuda") and "--device" not in arguments
    if not asked or any(path.exists() for path in GPUS):
        return ""
    return "no GPU is seen in this container. Run it with one: --gpus all; or without: -e SIGHTSOUND_DEVICE=cpu"


def is_away() -> str:
    """What keeps the site from answering: the store, its key, or the collection's model; "" where nothing does.

    As the settings name them, not as flags of `serve` would.
    """
    from sightsound.config import setting
    from sightsound.encoders import of_collection
    from sightsound.errors import CollectionMissing, SightsoundError
    from sightsound.opening import open_store
    from sightsound.registry import registry

    try:
        collection = open_store(registry()).open(setting("collection"))
        try:
            encoders = of_collection(registry(), collection).reading("text", "query")
            return next((" ".join(e.spec.missing.split()) for e in encoders if e.spec.missing), "")
        finally:
            collection.close()
    except CollectionMissing:  # the site says how to make one, and shows it once it is there
        return ""
    except SightsoundError as error:
        return str(error)


def is_mounted(folder: str) -> bool:
    """Whether a file system other than the image's own lies there. Bind mounts are seen in this list only."""
    places = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return any(place == folder for place in places)


if __name__ == "__main__":
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    lacking = "" if wanted in NEEDS_NO_DATA else lacks()
    if wanted in ON_GPU:
        lacking = lacking or lacks_gpu(sys.argv)
    elif wanted == "serve":
        lacking = lacking or is_away()
    if lacking:
        sys.exit(f"error: {lacking}")
    os.execv(SIGHTSOUND, [SIGHTSOUND, *sys.argv[1:]])
