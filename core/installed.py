"""Installed packages: whether their files are still as the installer wrote them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


def damaged(package: str) -> Iterator[str]:
    """Files of a package that are gone, or not as its RECORD says; none where that holds no sums, as of one that is
    installed to be worked on."""
    try:
        recorded = files(package) or []
    except PackageNotFoundError:
        return
    for file in recorded:
        if file.hash is None:
            continue
        try:
            with Path(str(file.locate())).open("rb") as opened:
                digest = hashlib.file_digest(opened, file.hash.mode).digest()
        except OSError as error:
            yield f"{file}: {error.strerror}"
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            yield f"{file} is not as it was installed"
