"""Query files: JSON Lines, a query with the items that are right for it on each. Documented in docs/evaluation.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightsound.errors import UsageError
from sightsound.searching import FilePart, TextPart
from sightsound.stores.base import Collection
from sightsound.types import Item

SHOWN_LINES = 3
MOST_GRADE = 100
MOST_WEIGHT = 1000
FIELDS = ("id", "text", "image", "like", "parts", "right")
_WAYS = ("text", "image", "like")
_WORD = re.compile(r"\w+")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True)
class LikePart:
    """An item by its id, path or URI, as each collection will find it for itself; else a picture, where it is a file.

    path: what is written, taken as a path from the query file's folder.
    """

    reference: str
    path: Path
    weight: float = 1.0


@dataclass(frozen=True)
class Right:
    """An item that should be found. grade: 1 to 100, how well it answers."""

    reference: str
    path: Path
    grade: int = 1


@dataclass(frozen=True)
class Question:
    """One line of a query file. id: the line's number where none is given."""

    line: int
    id: str
    parts: tuple[TextPart | FilePart | LikePart, ...]
    right: tuple[Right, ...]

    @property
    def texts(self) -> list[str]:
        """What is searched for in words."""
        return [part.text for part in self.parts if isinstance(part, TextPart) and part.weight > 0]

    @property
    def said(self) -> str:
        """The query in a line, for people: `a boat + ref.jpg − people`."""
        said = ""
        for part in self.parts:
            name = part.text if isinstance(part, TextPart) else part.path.name
            sign = " − " if part.weight < 0 else " + "
            said += f"{sign}{name}" if said or part.weight < 0 else name
        return said.strip()


class BadLine(Exception):
    """What is wrong with one line."""


def read_questions(file: Path) -> list[Question]:
    """The queries of a file. Raises UsageError that names the lines that are wrong, and OSError."""
    questions: list[Question] = []
    wrong: list[tuple[int, str]] = []
    lines_of_ids: dict[str, int] = {}
    for number, line in _lines(file):
        try:
            question = _question(line, number, file.parent)
            if question.id in lines_of_ids:
                raise BadLine(f"the id '{question.id}' is that of line {lines_of_ids[question.id]} too")
        except BadLine as error:
            wrong.append((number, str(error)))
        else:
            lines_of_ids[question.id] = number
            questions.append(question)
    complain(file, wrong)
    if not questions:
        raise UsageError(f'{file} holds no query. One is a line: {{"text": "a boat at dusk", "right": ["boat.jpg"]}}')
    return questions


def complain(file: Path, wrong: Sequence[tuple[int, str]]) -> None:
    """Raises UsageError where lines are wrong: the first few, and how many there are."""
    if wrong:
        said = "; ".join(f"line {number}: {reason}" for number, reason in wrong[:SHOWN_LINES])
        rest = f"; and {len(wrong) - SHOWN_LINES:,} more such lines" if len(wrong) > SHOWN_LINES else ""
        raise UsageError(f"{file}, {said}{rest}")


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    if not file.exists():
        raise UsageError(f"There is no file '{file}'. To make it of a collection's captions, add --captions")
    try:
        with file.open(encoding="utf-8-sig") as lines:
            yield from ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 ({error.reason}): save it as UTF-8") from error


def _question(line: str, number: int, folder: Path) -> Question:
    try:
        said = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadLine(f"no JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise BadLine(f"no JSON to be read ({error})") from error
    if not isinstance(said, dict):
        raise BadLine('no JSON object such as {"text": "a boat at dusk", "right": ["boat.jpg"]}')
    _check_names(said, FIELDS)
    ways = [name for name in (*_WAYS, "parts") if name in said]
    if len(ways) != 1:
        raise BadLine(f"write one of text, image, like and parts, not {' and '.join(ways) or 'none'}")
    parts = _list(said, "parts") if "parts" in said else [{ways[0]: said[ways[0]]}]
    found = tuple(_part(part, folder) for part in parts)
    if not any(part.weight > 0 for part in found):
        raise BadLine("no part has a weight above 0, so there is nothing to look for")
    id = said.get("id", number)
    if not isinstance(id, str | int) or isinstance(id, bool) or id == "":
        raise BadLine("'id' is a text or a whole number")
    return Question(number, str(id), found, tuple(_right(one, folder) for one in _list(said, "right")))


def _part(said: Any, folder: Path) -> TextPart | FilePart | LikePart:
    ways = [name for name in _WAYS if name in said] if isinstance(said, dict) else []
    if len(ways) != 1:
        raise BadLine('a part is an object with one of text, image and like, such as {"text": "people", "weight": -1}')
    _check_names(said, (ways[0], "weight"))
    weight = said.get("weight", 1)
    if not isinstance(weight, int | float) or isinstance(weight, bool) or not abs(weight) <= MOST_WEIGHT:
        raise BadLine(f"'weight' is a number from -{MOST_WEIGHT} to {MOST_WEIGHT}")
    value = _text(said, ways[0])
    if ways[0] == "text":
        return TextPart(value, float(weight))
    path = _path(value, folder)
    if ways[0] == "like":
        return LikePart(value, path, float(weight))
    if not path.is_file():
        raise BadLine(f"there is no picture '{value}'; relative paths are taken from the query file's folder")
    return FilePart(path, float(weight))


def _right(said: Any, folder: Path) -> Right:
    if isinstance(said, str):
        said = {"item": said}
    if not isinstance(said, dict) or "item" not in said:
        raise BadLine('a right item is an id, a path or a URI, or such with a grade: {"item": "boat.jpg", "grade": 2}')
    _check_names(said, ("item", "grade"))
    grade = said.get("grade", 1)
    if not isinstance(grade, int) or isinstance(grade, bool) or not 1 <= grade <= MOST_GRADE:
        raise BadLine(f"'grade' is a whole number from 1 to {MOST_GRADE}")
    reference = _text(said, "item")
    return Right(reference, _path(reference, folder), grade)


def _check_names(said: dict[str, Any], known: Sequence[str]) -> None:
    unknown = [name for name in said if name not in known]
    if unknown:
        raise BadLine(f"there is no field '{unknown[0]}' here; there are: {', '.join(known)}")


def _list(said: dict[str, Any], name: str) -> list[Any]:
    value = said.get(name)
    if not isinstance(value, list) or not value:
        raise BadLine(f"'{name}' is missing" if name not in said else f"'{name}' is a list of at least one")
    return value


def _text(said: dict[str, Any], name: str) -> str:
    value = said[name]
    if not isinstance(value, str) or not value.strip():
        raise BadLine(f"'{name}' is a text, and not empty")
    if _NO_TEXT.search(value):
        raise BadLine(f"'{name}' holds a NUL, or half a character")
    return value


def _path(written: str, folder: Path) -> Path:
    """A path as written in the query file: from its folder, unless it is absolute."""
    path = Path(written)
    return folder / (path.expanduser() if written.startswith("~/") else path)


def write_captions(collection: Collection, file: Path) -> int:
    """Write a query for each description of an item, or its title where it has none. Returns how many.

    Items of the same words are right for the same query. Raises UsageError where no item has any.
    """
    if file.exists():
        raise UsageError(f"{file} exists already: remove it, or write to another file")
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent} to write to")
    folder = file.parent.resolve()
    captions: dict[tuple[str, ...], tuple[str, list[str]]] = {}
    for item in collection.scan():
        text = item.metadata.description or item.metadata.title
        if words(text):
            captions.setdefault(words(text), (text, []))[1].append(_reference(item, folder))
    if not captions:
        raise UsageError(
            f"No item of '{collection.name}' has a title or a description. Index a table that gives them:"
            " sightsound index TABLE.csv"
        )
    partial = file.with_name(file.name + ".part")
    with partial.open("w", encoding="utf-8", errors="backslashreplace") as out:
        for text, right in sorted(captions.values(), key=lambda caption: caption[1]):
            out.write(json.dumps({"text": text, "right": right}, ensure_ascii=False) + "\n")
    partial.replace(file)
    return len(captions)


def words(text: str) -> tuple[str, ...]:
    """The words of a text, for comparison."""
    return tuple(_WORD.findall(text.casefold()))


def _reference(item: Item, folder: Path) -> str:
    """How to name an item so that it can be read: by its path, from the folder if it lies below it, else by its URI."""
    path = item.path
    if path is None or not str(path).isprintable():
        return item.uri
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
