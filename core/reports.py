"""What an index run is asked to do, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from sightsound.sources import Paused

SPELT_OUT = 20
"""Failures that a report spells out, and warnings; the collection has all of them, each with its item."""
Outcome = Literal["added", "changed", "described", "moved", "copied"]
"""What becomes of an item that is written; each is a count of the report."""


@dataclass
class Report:
    """What an index run did, or with a dry run would do. Counts of items."""

    listed: int = 0
    added: int = 0
    changed: int = 0
    described: int = 0
    moved: int = 0
    copied: int = 0
    unchanged: int = 0
    failed: int = 0
    pruned: int = 0
    gone: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    more_warnings: int = 0
    """Those that are not spelt out."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Items, or the sound of films, that were passed over, by the reason."""
    paused: list[Paused] = field(default_factory=list)
    """Why sources stopped before their end, and when they can go on."""
    unlisted: list[tuple[str, str]] = field(default_factory=list)
    """Sources that could not be listed while others could, and why."""

    def fail(self, uri: str, reason: str) -> None:
        self.failed += 1
        if len(self.failures) < SPELT_OUT:
            self.failures.append((uri, reason))

    def warn(self, warning: str) -> None:
        if len(self.warnings) < SPELT_OUT:
            self.warnings.append(warning)
        else:
            self.more_warnings += 1

    def count(self, outcome: Outcome) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)

    def skip(self, reason: str) -> None:
        self.skipped[reason] += 1

    @property
    def done(self) -> int:
        return self.added + self.changed + self.described + self.moved + self.copied + self.unchanged + self.failed

    def __add__(self, other: Report) -> Report:
        return Report(**{name: value + getattr(other, name) for name, value in vars(self).items()})


@dataclass(frozen=True)
class Options:
    """How to run.

    retry: also what failed before. only: URIs to look at, of all that the source lists. prune: remove what the source
    no longer lists. wait: for another run to end, and for a source that paused. workers: reading processes; 0 leaves
    it to the settings. progress: called after every item. confirm: asked before a prune that removes much; True goes
    on.
    """

    retry: bool = False
    only: frozenset[str] | None = None
    prune: bool = False
    dry_run: bool = False
    wait: bool = False
    workers: int = 0
    progress: Callable[[Report], None] = lambda report: None
    confirm: Callable[[str], bool] = lambda question: False
