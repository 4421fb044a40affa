"""A CSV, TSV or JSONL table that names files, or holds texts."""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from sightsound import Item, Metadata, Source, file_uri
from sightsound.errors import MediaError, MediaGone, SourceError
from sightsound.fetching import Limits, reading_limits, safe_fetch
from sightsound.plugins.sources.files import beside, check_options, file_item, kind_of
from sightsound.plugins.sources.folder import TABLES
from sightsound.types import ItemKind

COLUMNS: dict[str, tuple[str, ...]] = {
    "path": ("file", "filename", "uri", "url", "image", "photo"),
    "title": ("name",),
    "description": ("caption",),
    "tags": ("keywords",),
    "author": ("creator", "photographer"),
    "licence": ("license", "rights"),
    "page_url": ("page", "link"),
    "date": (),
    "credit": (),
    "kind": (),
    "id": (),
    "revision": ("etag", "version"),
}
"""What a column may say, and other names it may have."""
NAMED: dict[str, ItemKind] = {
    **dict.fromkeys(("photo", "image", "picture"), "photo"),
    **dict.fromkeys(("film", "movie", "video"), "film"),
    **dict.fromkeys(("sound", "audio", "music"), "sound"),
}
"""What the column `kind` may say, where a file's ending says nothing."""
SAID = ("title", "description", "author", "licence", "page_url", "date", "credit")
OPTIONS = (*COLUMNS, "encoding", "delimiter", "root", "check")
DELIMITERS = (",", ";", "\t", "|")
csv.field_size_limit(10_000_000)

UNASKED = "remote"
"""The revision of what lies at a URL, where nobody says it."""
ASKED_AT_ONCE = 64
Row = Mapping[str, Any]


def open_table(argument: str, options: Mapping[str, str]) -> Source | None:
    if "://" in argument or not argument.lower().endswith(TABLES):
        return None
    check_options(options, OPTIONS, "table")
    return TableSource(Path(os.path.abspath(Path(argument).expanduser())), dict(options))


class TableSource(Source):
    """One item a row: a file, or a text where the row names no file.

    Paths are relative to the table's folder, or to the option `root`. Rows of one file after its first are left out.
    What a row names by a URL is fetched when it is read, kept nowhere, and shown where it lies.
    """

    view_hosts = ("*",)
    ahead = 4

    def __init__(self, path: Path, options: Mapping[str, str]) -> None:
        self.path = path
        self.place = str(path)
        self.uri = file_uri(path)
        self.options = options
        self.root = Path(options.get("root", path.parent)).expanduser()
        self.name = f"table:{os.fsencode(path).decode('utf-8', 'backslashreplace')}"
        self.warnings: list[str] = []

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        if not self.path.is_file():
            raise SourceError(f"There is no table {self.path}")
        self.warnings.clear()
        encoding = self._encoding()
        items = self._items(encoding)
        if self.options.get("check", "no").lower() in ("no", "false", "0"):
            yield from items
            return
        with ThreadPoolExecutor(8) as pool:
            while chunk := list(islice(items, ASKED_AT_ONCE)):
                yield from pool.map(_asked, chunk)

    def _items(self, encoding: str) -> Iterator[Item]:
        seen: set[int] = set()
        for number, row, columns in self._rows(encoding):
            item = self._item(row, columns)
            if item is None:
                self._warn(f"row {number} says nothing; it was left out")
            elif hash(item.uri) in seen:
                self._warn(f"row {number} names {item.display_title} again; it was left out")
            else:
                seen.add(hash(item.uri))
                yield item

    def open(self, item: Item) -> BinaryIO:
        if _is_remote(item.uri):
            return safe_fetch(item.uri, item.kind, limits=reading_limits()).file
        try:
            return super().open(item)
        except FileNotFoundError:
            raise MediaGone(f"{self.path.name} names it, but there is no such file") from None

    def view_url(self, item: Item) -> str | None:
        return item.uri if item.kind != "text" and _is_remote(item.uri) else None

    def beside(self, item: Item) -> list[Item]:
        return beside(item)

    def _warn(self, message: str) -> None:
        if len(self.warnings) < 20:
            self.warnings.append(f"{self.path.name}: {message}")

    # The table

    def _encoding(self) -> str:
        """The table's encoding, tried on all of it, so that no half table is indexed."""
        encoding = self.options.get("encoding") or self._guessed()
        try:
            decoder = codecs.getincrementaldecoder(encoding)()
        except LookupError:
            raise SourceError(f"There is no encoding '{encoding}'; write --option encoding=latin-1, say") from None
        line = 0
        try:
            with self.path.open("rb") as file:
                for raw in file:
                    line += 1
                    decoder.decode(raw)
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self.place} is not {encoding.upper().removesuffix('-SIG')}"
                f" (byte 0x{error.object[error.start]:02x} in line {line}):"
                " save it as UTF-8, or add --option encoding=latin-1"
            ) from error
        return encoding

    def _guessed(self) -> str:
        with self.path.open("rb") as file:
            head = file.read(2)
        return "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"

    def _rows(self, encoding: str) -> Iterator[tuple[int, Row, Mapping[str, str]]]:
        """(number from 1, column -> value, what is said -> column) of each row, streamed."""
        with self.path.open(encoding=encoding, newline="") as file:
            yield from self._json_rows(file) if self.path.suffix.lower() == ".jsonl" else self._csv_rows(file)

    def _csv_rows(self, file: Any) -> Iterator[tuple[int, Row, Mapping[str, str]]]:
        start = file.read(65536)
        file.seek(0)
        reader = csv.DictReader((line.replace("\0", "") for line in file), delimiter=self._delimiter(start), restkey="")
        try:
            if not reader.fieldnames:
                return
            columns = self._columns(list(reader.fieldnames))
            self._check(columns, list(reader.fieldnames))
            for number, row in enumerate(reader, 1):
                yield number, {key: value for key, value in row.items() if key and value}, columns
        except csv.Error as error:
            raise SourceError(f"{self.place} can't be read after line {reader.line_num}: {error}") from error

    def _json_rows(self, file: Any) -> Iterator[tuple[int, Row, Mapping[str, str]]]:
        """Rows may differ in their columns; a mapped one that none has is told at the end."""
        missing = {self.options[field] for field in COLUMNS if field in self.options}
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                self._warn(f"line {number} is no JSON: {error}")
                continue
            if not isinstance(row, dict):
                self._warn(f"line {number} is no JSON object")
                continue
            missing -= row.keys()
            yield number, row, self._columns(list(row))
        for column in sorted(missing):
            self._warn(f"no row has the column '{column}'")

    def _delimiter(self, start: str) -> str:
        written = self.options.get("delimiter")
        if written:
            return "\t" if written in ("tab", "\\t") else written[:1]
        header = start.split("\n", 1)[0]
        return max(DELIMITERS, key=header.count)

    def _columns(self, names: list[str]) -> dict[str, str]:
        """Which column says what: COLUMNS' names to the table's. An option wins over the column's own name."""
        mapped = {field: self.options[field] for field in COLUMNS if self.options.get(field) in names}
        by_lower = {name.strip().lower(): name for name in names if name not in mapped.values()}
        found = dict(mapped)
        for field, others in COLUMNS.items():
            match = next((by_lower[name] for name in (field, *others) if name in by_lower), None)
            if match is not None and field not in self.options:
                found[field] = match
        return found

    def _check(self, columns: Mapping[str, str], names: list[str]) -> None:
        has = f"it has: {', '.join(names)}"
        for field in COLUMNS:
            if field in self.options and field not in columns:
                raise SourceError(f"{self.place} has no column '{self.options[field]}' for the {field}; {has}")
        if not columns.keys() & {"path", "title", "description"}:
            raise SourceError(
                f"{self.place} has no column for a path, title or description; {has}."
                " Say which is which: --option path=COLUMN"
            )

    # Its items

    def _item(self, row: Row, columns: Mapping[str, str]) -> Item | None:
        said = {field: row[column] for field, column in columns.items() if row.get(column) not in (None, "")}
        named = set(columns.values())
        metadata = Metadata(
            **{field: str(said.get(field, "")).strip() for field in SAID},
            tags=_tags(said.get("tags", "")),
            extra={name: _text(value) for name, value in row.items() if name not in named and value not in (None, "")},
        )
        if "path" in said:
            item = self._file(str(said["path"]).strip(), metadata, str(said.get("kind", "")))
            told = _is_remote(item.uri) and "revision" in said
            return replace(item, revision=str(said["revision"])) if told else item
        if not metadata.title and not metadata.description:
            return None
        digest = hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return Item(f"{self.uri}#{said.get('id', digest)}", "text", digest, metadata)

    def _file(self, written: str, metadata: Metadata, kind: str) -> Item:
        remote = _is_remote(written)
        path = self.root / Path(written.removeprefix("file://")).expanduser()
        found = kind_of(Path(urlsplit(written).path) if remote else path) or NAMED.get(kind.strip().lower(), "photo")
        return Item(written, found, UNASKED, metadata) if remote else file_item(path, found, metadata)


def _is_remote(written: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]+://", written, re.IGNORECASE) is not None and not written.startswith("file://")


def _asked(item: Item) -> Item:
    """The item with the revision that its host tells, where it tells one."""
    if not _is_remote(item.uri) or item.revision != UNASKED:
        return item
    try:
        said = safe_fetch(item.uri, method="HEAD", limits=Limits(total=20, tries=2)).headers
    except MediaError:
        return item
    told = [said[name] for name in ("etag", "last-modified", "content-length") if name in said]
    return replace(item, revision=" ".join(told[:1] if "etag" in said else told) or UNASKED)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tags(value: Any) -> tuple[str, ...]:
    """Tags of a list, or of a text that has them between semicolons, bars or commas."""
    if isinstance(value, str):
        value = re.split(r"[;|]" if re.search(r"[;|]", value) else ",", value)
    return tuple(dict.fromkeys(tag for tag in (str(one).strip() for one in value) if tag)) if value else ()
