"""Export one tower: python -m sightsound.plugins.towers SET ARGUMENT image|text fp32|int8 FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from sightsound.errors import SightsoundError, explain
from sightsound.plugins.towers.exporting import export
from sightsound.plugins.towers.exports import NOT_NOW, REFUSED
from sightsound.plugins.towers.sets import resolve


def main(name: str, argument: str, which: str, precision: str, folder: str) -> None:
    try:
        export(resolve(name, argument), "image" if which == "image" else "text", precision, Path(folder))
    except SightsoundError as error:
        print(error, file=sys.stderr)
        sys.exit(REFUSED)
    except Exception as error:
        print(explain(error)[:500], file=sys.stderr)
        sys.exit(NOT_NOW if isinstance(error, (OSError, MemoryError)) else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
