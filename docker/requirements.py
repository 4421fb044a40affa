"""Prints the requirements of sightsound with some extras, one a line: requirements.py pyproject.toml video,s3"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

OWN = re.compile(r"sightsound\[(?P<extras>[^]]+)\]$")


def requirements(pyproject: Path, extras: Iterable[str]) -> list[str]:
    """What pip has to install for sightsound with these extras, without sightsound itself. Sorted, each once."""
    project = tomllib.loads(pyproject.read_text())["project"]

    def of(extra: str) -> Iterator[str]:
        for line in project["optional-dependencies"][extra]:
            if named := OWN.match(line):
                for inner in named["extras"].split(","):
                    yield from of(inner)
            else:
                yield line

    return sorted({*project["dependencies"], *(line for extra in extras for line in of(extra))})


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2].split(","))))
