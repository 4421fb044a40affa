"""Rows of the benchmark table: what was measured, against which bound in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy  # noqa: F401 (what the limit is for)
from threadpoolctl import threadpool_limits

threadpool_limits(1, "blas")  # as the command line has it


@dataclass(frozen=True)
class Row:
    """ratios: one for each round. wanted: the limit, as a person reads it."""

    what: str
    measured: str
    bound: str
    ratios: Sequence[float]
    wanted: str
    note: str = ""

    def markdown(self) -> str:
        middle = statistics.median(self.ratios)
        spread = f" ({min(self.ratios):.2f} to {max(self.ratios):.2f})" if len(self.ratios) > 1 else ""
        return f"| {self.what} | {self.measured} | {self.bound} | {middle:.2f}{spread} | {self.wanted} |"


HEAD = "| What | Measured | Bound | Ratio, median and range | Wanted |\n|---|---|---|---|---|"


def table(rows: Sequence[Row]) -> str:
    notes = "\n".join(f"- {row.what}: {row.note}" for row in rows if row.note)
    return "\n".join([HEAD, *(row.markdown() for row in rows)]) + (f"\n\n{notes}" if notes else "")
