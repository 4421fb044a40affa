"""A file of queries with their right items, to evaluate searches by: JSON Lines, a query a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightsound.errors import UsageError
from sightsound.stores.base import Collection

KEYS = {"id", "text", "image", "like", "parts", "right"}
PART_KEYS = ("text", "image", "like")
NAMED_FAULTS = 3


@dataclass(frozen=True)
class WrittenPart:
    """what: text, image or like."""

    what: str
    value: str
    weight: float


@dataclass(frozen=True)
class WrittenQuery:
    """right: grade by item, as an id, a path or a URI."""

    id: str
    parts: tuple[WrittenPart, ...]
    right: Mapping[str, int]

    @property
    def shown(self) -> str:
        return " + ".join(part.value if part.weight == 1 else f"{part.value}:{part.weight:g}" for part in self.parts)


class _Fault(Exception):
    pass


def read_queries(path: Path) -> list[WrittenQuery]:
    """Raises UsageError that names the lines that are wrong: a figure over part of a file would mislead."""
    queries: list[WrittenQuery] = []
    faults: list[str] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read as UTF-8 text: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                queries.append(_query(line, number, path.absolute().parent))
            except _Fault as fault:
                faults.append(f"line {number}: {fault}")
    ids = [query.id for query in queries]
    twice = sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []
    faults += [f"the id {one} is given twice" for one in twice]
    if faults:
        more = f"; and {len(faults) - NAMED_FAULTS} more" if len(faults) > NAMED_FAULTS else ""
        raise UsageError(f"{path} can't be used: {'; '.join(faults[:NAMED_FAULTS])}{more}. See docs/evaluation.md")
    if not queries:
        raise UsageError(f'{path} holds no queries. A line is {{"text": "a boat", "right": ["photos/boat.jpg"]}}')
    return queries


def _query(line: str, number: int, folder: Path) -> WrittenQuery:
    try:
        held = json.loads(line)
    except ValueError as error:
        raise _Fault(f"it is not JSON: {error}") from error
    if not isinstance(held, dict):
        raise _Fault("it is not a JSON object")
    unknown = sorted(set(held) - KEYS)
    if unknown:
        raise _Fault(f"'{unknown[0]}' is none of {', '.join(sorted(KEYS))}")
    plain = {key: held[key] for key in PART_KEYS if key in held}
    parts = [_part({key: value}, folder) for key, value in plain.items()]
    given = held.get("parts", [])
    if not isinstance(given, list):
        raise _Fault("'parts' is not a list")
    parts += [_part(part, folder) for part in given]
    if not parts:
        raise _Fault("it asks for nothing: text, image, like or parts is needed")
    return WrittenQuery(str(held.get("id", number)), tuple(parts), _right(held.get("right"), folder))


def _part(held: Any, folder: Path) -> WrittenPart:
    named = [key for key in PART_KEYS if isinstance(held, dict) and key in held]
    if len(named) != 1 or set(held) - {*named, "weight"}:
        raise _Fault(f"a part is one of {', '.join(PART_KEYS)}, and perhaps a weight: {json.dumps(held)[:80]}")
    value, weight = held[named[0]], held.get("weight", 1.0)
    if (
        not isinstance(value, str)
        or not value.strip()
        or isinstance(weight, bool)
        or not isinstance(weight, int | float)
    ):
        raise _Fault(f"a part has a text and a number for its weight: {json.dumps(held)[:80]}")
    return WrittenPart(named[0], value if named[0] == "text" else _near(value, folder), float(weight))


def _right(held: Any, folder: Path) -> dict[str, int]:
    if not isinstance(held, list) or not held:
        raise _Fault("'right' must list the items that are right")
    found: dict[str, int] = {}
    for one in held:
        item, grade = (one.get("item"), one.get("grade", 1)) if isinstance(one, dict) else (one, 1)
        if not isinstance(item, str) or isinstance(grade, bool) or not isinstance(grade, int) or grade < 1:
            raise _Fault(f"a right item is its path, URI or id, with a grade of 1 or more: {json.dumps(one)[:80]}")
        found[_near(item, folder)] = grade
    return found


def _near(reference: str, folder: Path) -> str:
    """Paths count from the file's own folder."""
    path = folder / reference
    return str(path) if "://" not in reference and path.exists() else reference


def captions(collection: Collection) -> Iterator[dict[str, Any]]:
    """A query for each item that has a description, else a title: the lines of a file of queries."""
    for item in collection.scan():
        said = item.metadata.description or item.metadata.title
        if said and item.kind != "text":
            yield {"id": item.id, "text": " ".join(said.split()), "right": [str(item.path or item.uri)]}
