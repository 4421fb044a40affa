"""What filters, facets and text search compare of an item: the same in every store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import eq, ge, le
from typing import Any
from urllib.parse import unquote

from sightsound.colours import colours_of, orientation_of
from sightsound.filters import NUMBER_FIELDS, Condition
from sightsound.types import Facts, Item, Metadata

WORDS = ("kind", "source", "tag", "author", "licence", "colour", "orientation")
FACETS = (*WORDS, "date", "duration")
"""What is counted. Values of `date` are years, the newest first; those of `duration` are keys of `facets.DURATIONS`."""
AFTER = "\U0010ffff"
"""Sorts after whatever may follow a date."""
_DATE = re.compile(r"(\d{4})(?:[-:](\d\d)(?:[-:](\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?)?)?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


def merged(item: Item) -> Metadata:
    """All layers of the item as one; its metadata where it has none."""
    if len(item.layers) == 1:
        return next(iter(item.layers.values()))
    return item.with_layers(item.layers).metadata if item.layers else item.metadata


def said(metadata: Metadata) -> dict[str, Any]:
    """What the metadata says, without what it leaves empty."""
    values = vars(metadata)
    return {name: dict(value) if name == "extra" else value for name, value in values.items() if value}


def metadata_of(said: Mapping[str, Any]) -> Metadata:
    return Metadata(**{**said, "tags": tuple(said.get("tags", ()))})


def number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def word_values(item: Item) -> set[tuple[str, str, str]]:
    """(field, casefolded, as written) of what filters and facets are about."""
    metadata = merged(item)
    words = [("tag", tag) for tag in metadata.tags]
    words += [("source", source) for source in item.sources]
    words += [("author", metadata.author), ("licence", metadata.licence)]
    words.append(("format", str(item.facts.get("format") or "")))
    words += look(item.facts)
    return {(field, clean(word).casefold(), clean(word)) for field, word in words if word}


def look(facts: Facts) -> list[tuple[str, str]]:
    """(field, word) of how the item looks: its colours and its orientation."""
    return [*(("colour", name) for name in colours_of(facts)), ("orientation", orientation_of(facts))]


def holds(condition: Condition, item: Item) -> bool:
    """Whether a condition holds for an item, as a store tells."""
    if condition.field == "date":
        date = date_of(item)
        given = [sortable_date(str(value)) for value in condition.values]
        if condition.operator == ">=":
            return any(date >= one for one in given)
        upto = [date < one + AFTER for one in given]
        return (
            bool(date) and any(upto)
            if condition.operator == "<="
            else any(date >= one and within for one, within in zip(given, upto, strict=True))
        )
    if condition.field in NUMBER_FIELDS:
        value, numbers = number(item.facts.get(condition.field)), [float(one) for one in condition.values]
        if value is None:
            return False
        if condition.operator == "between":
            return any(low <= value <= high for low, high in zip(numbers[::2], numbers[1::2], strict=True))
        compare = {"is": eq, ">=": ge, "<=": le}[condition.operator]
        return any(compare(value, one) for one in numbers)
    wanted = {clean(str(value)).casefold() for value in condition.values}
    if condition.field == "kind":
        return item.kind in wanted
    return any(field == condition.field and folded in wanted for field, folded, _ in word_values(item))


def year(item: Item) -> str:
    """Four digits, "" for an undated item."""
    return date_of(item)[:4]


def date_of(item: Item) -> str:
    """The item's own date, as it sorts."""
    return sortable_date(merged(item).date or str(item.facts.get("date") or ""))


def passages(item: Item) -> tuple[str, str, str, str, str]:
    """Title, description, tags, name and author, as the text index holds them."""
    metadata = merged(item)
    return (
        clean(metadata.title),
        clean(metadata.description),
        clean("\n".join(metadata.tags)),
        file_name_words(item),
        clean(metadata.author),
    )


def file_name_words(item: Item) -> str:
    """The file's name without its ending, split where words or numbers begin."""
    path = item.path
    name = path.stem if path else unquote(item.uri.split("?")[0].rstrip("/").rsplit("/", 1)[-1]).rsplit(".", 1)[0]
    return clean(f"{name} {_CAMEL.sub(' ', name)}") if _CAMEL.search(name) else clean(name)


def sortable_date(date: str) -> str:
    """ISO text that sorts by time, as precise as the date; "" where it is none. Time zones are dropped."""
    found = _DATE.match(date.strip())
    if not found:
        return ""
    year, month, day, time = found.groups()
    return "-".join(part for part in (year, month, day) if part) + (f"T{time}" if time else "")


def clean(text: str) -> str:
    """Text that SQLite can hold: no lone surrogates (names that are not UTF-8), no NUL."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", " ")
