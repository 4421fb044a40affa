"""What every store refuses, in the same words."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from sightsound.errors import CollectionBusy, CollectionMissing, StoreError, UsageError
from sightsound.filters import FIELDS, NUMBER_FIELDS, Condition
from sightsound.stores.fields import sortable_date
from sightsound.types import Vectors

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_ROUNDING = 1e-3
"""By how much rounding to float16 changes the length of a vector, at most."""


def check_name(name: str) -> str:
    """The name, if it can be a collection's. Raises UsageError."""
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' can't name a collection: letters, digits, '-', '_' and '.' can, and no '.' at the beginning"
        )
    return name


def missing(name: str, place: object) -> CollectionMissing:
    return CollectionMissing(
        f"There is no collection '{name}' in {place}. Make it with: sightsound index FOLDER --collection {name}"
    )


def this_process() -> dict[str, Any]:
    """Who holds a collection: written beside its lock."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": datetime.now().isoformat("T", "seconds")}


def busy(name: str, owner: Mapping[str, Any]) -> CollectionBusy:
    """owner: what `this_process` gave in the process that holds the collection; anything else is not named."""
    try:
        by = f"process {owner['pid']} on host {owner['host']} since {_moment(owner['started'])}"
    except (ValueError, KeyError, TypeError):
        by = "another process"
    return CollectionBusy(f"Collection '{name}' is being indexed by {by}; add --wait to wait for it")


def _moment(started: str) -> str:
    moment = datetime.fromisoformat(started)
    return moment.strftime("%H:%M:%S" if moment.date() == datetime.now().date() else "%Y-%m-%d %H:%M:%S")


def check_condition(condition: Condition) -> None:
    """Raises UsageError for a condition that no item can be asked about."""
    field, operator = condition.field, condition.operator
    if field not in FIELDS:
        raise UsageError(f"There is no field '{field}' to filter by; there are: {', '.join(FIELDS)}")
    if operator == "between" and (field not in NUMBER_FIELDS or len(condition.values) % 2):
        raise UsageError(f"'between' needs a number such as width, and pairs of values; {field} is compared otherwise")
    if operator not in ("is", ">=", "<=", "between"):
        raise UsageError(f"'{operator}' is no comparison; there are: is, >=, <=")
    if field == "date":
        for value in condition.values:
            if not sortable_date(str(value)):
                raise UsageError(f"'{value}' is not a date; write 2024, 2024-05 or 2024-05-31")
    elif field in NUMBER_FIELDS:
        for value in condition.values:
            try:
                float(value)
            except ValueError:
                raise UsageError(f"{field} is a number; '{value}' is not") from None
    elif operator != "is":
        raise UsageError(f"{field} is a word: it can be compared with = only")


def rounded(space: str, vectors: Sequence[Vectors]) -> Vectors:
    """Vectors as stores keep them: (n, dims), unit length, of float16's precision, as float32.

    Those that a store gave out stay as they are, bit for bit. Raises StoreError.
    """
    try:
        rows = np.asarray(vectors, dtype=np.float32).reshape(len(vectors), -1)
    except ValueError:
        raise StoreError(f"Vectors of space '{space}' differ in length: its encoder is at fault.") from None
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise StoreError(f"A vector of space '{space}' is zero or not a number: its encoder is at fault.")
    with np.errstate(over="ignore"):
        stored = (rows == rows.astype("<f2")).all(axis=1, keepdims=True) & (np.abs(lengths - 1) < _ROUNDING)
    result: Vectors = np.where(stored, rows, rows / lengths).astype("<f2").astype(np.float32)
    return result


def check_stored_dims(space: str, dims: int, given: int) -> None:
    """Raises StoreError where vectors to be written do not fit those of the space."""
    if dims != given:
        raise StoreError(
            f"Space '{space}' holds vectors of {dims} numbers here, and these have {given}: its encoder changed. "
            "Build the collection again with `sightsound index --rebuild`."
        )


def check_query_dims(space: str, dims: int, vector: Vectors) -> None:
    """Raises StoreError where a query does not fit the vectors of the space."""
    if np.size(vector) != dims:
        raise StoreError(
            f"Space '{space}' holds vectors of {dims} numbers, and the query's has {np.size(vector)}: "
            "it comes from another encoder."
        )
