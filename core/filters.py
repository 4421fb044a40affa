"""Typed filters: which items a search, a listing or a removal is about."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from sightsound.errors import UsageError

WORD_FIELDS = ("kind", "tag", "author", "licence", "source", "format", "colour", "orientation")
NUMBER_FIELDS = ("width", "height", "bytes", "duration")
FIELDS = (*WORD_FIELDS, "date", *NUMBER_FIELDS)
Operator = Literal["is", ">=", "<=", "between"]


@dataclass(frozen=True)
class Condition:
    """One condition. Several in a filter must all hold; `is` holds for any of its values.

    Words compare without regard to case. A date compares with as much of a date as is given: `date is 2024`
    holds for every day of 2024, and `date <= 2024-05` for all of May. Numbers: width and height in pixels, bytes,
    duration in seconds. `between` is for numbers: its values are pairs, from and to, and both ends belong.
    """

    field: str
    operator: Operator
    values: tuple[str | float, ...]


@dataclass(frozen=True)
class AllButOne:
    """Holds where all of two groups or more hold, or all but one; a group holds where all its conditions do.

    What facets are counted of: each value of a filtered field could be chosen instead.
    """

    groups: tuple[tuple[Condition, ...], ...]


Filters = tuple[Condition | AllButOne, ...]

_CONDITION = re.compile(r"\s*(\w+)\s*(>=|<=|=)\s*(.*?)\s*$", re.DOTALL)
_TIME = re.compile(r"(?:(\d+):)?(\d+(?:\.\d+)?)\s*(s|m|min|h)?")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)?", re.ASCII)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d([T ].*)?)?)?")


def conditions_of(filters: Filters) -> Iterator[Condition]:
    """Every condition, those in groups too."""
    for one in filters:
        yield from (one,) if isinstance(one, Condition) else chain.from_iterable(one.groups)


def parse_condition(text: str) -> Condition:
    """Read `author=Jane Doe`, `width>=2000`, `duration=10-60` or `date<=2024-05`.

    Raises UsageError, naming the fields there are.
    """
    match = _CONDITION.match(text)
    if not match:
        raise UsageError(f"'{text}' is not a condition; write author='Jane Doe', 'width>=2000' or 'date<=2024-05'")
    field, sign, value = match[1], match[2], match[3]
    if field not in FIELDS:
        raise UsageError(f"There is no field '{field}' to filter by; there are: {', '.join(FIELDS)}")
    operator: Operator = "is" if sign == "=" else ">=" if sign == ">=" else "<="
    if field in NUMBER_FIELDS and operator == "is" and (span := _SPAN.fullmatch(value)):
        return Condition(field, "between", (float(span[1]), float(span[2] or math.inf)))
    if field in NUMBER_FIELDS:
        try:
            return Condition(field, operator, (float(value),))
        except ValueError:
            raise UsageError(f"{field} is a number; '{value}' is not") from None
    if field == "date":
        return Condition(field, operator, (parse_date(value),))
    if operator != "is":
        raise UsageError(f"{field} is a word: write {field}='{value}'")
    return Condition(field, "is", (value,))


def parse_date(value: str) -> str:
    """A date as given, checked: a year, a month, a day or a moment. Raises UsageError."""
    if not _DATE.fullmatch(value):
        raise UsageError(f"'{value}' is not a date; write 2024, 2024-05 or 2024-05-31")
    return value


def any_of(field: str, values: Iterable[str]) -> Filters:
    """A filter that holds for any of `values`; no filter where there are none."""
    chosen = tuple(values)
    return (Condition(field, "is", chosen),) if chosen else ()


def parse_time(written: str) -> float:
    """Seconds of `30s`, `2m`, `1.5h`, `1:30` or plain seconds. Raises UsageError."""
    match = _TIME.fullmatch(written.strip())
    if not match or (match[1] and match[3]):
        raise UsageError(f"'{written}' is no time; write 30s, 2m or 1:30")
    unit = {"m": 60, "min": 60, "h": 3600}.get(match[3] or "s", 1)
    return 60 * float(match[1] or 0) + float(match[2]) * unit
