"""What every store has to do: subclass `StoreContract` and say with the fixture `store` which one. Needs pytest."""

from __future__ import annotations

from sightsound.testing.entries import BLUE, FACTS, GREEN, RED, entry, found, item, parse, unit
from sightsound.testing.finding import FindingContract
from sightsound.testing.leaving import LeavingContract
from sightsound.testing.listing import ListingContract
from sightsound.testing.writing import WritingContract

__all__ = ["BLUE", "FACTS", "GREEN", "RED", "StoreContract", "entry", "found", "item", "parse", "unit"]


class StoreContract(WritingContract, LeavingContract, FindingContract, ListingContract):
    """All that sightsound relies on in a store."""
