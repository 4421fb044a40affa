"""A CSV, TSV or JSONL table that names files, or holds texts."""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sightsound import Item, Metadata, Source, file_uri
from sightsound.errors import MediaError, SourceError
from sightsound.plugins.sources.files import check_options, file_item, kind_of
from sightsound.plugins.sources.folder import TABLES

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
    "id": (),
}
"""What a column may say, and other names it may have."""
OPTIONS = (*COLUMNS, "encoding", "delimiter", "root")
csv.field_size_limit(10_000_000)


def open_table(argument: str, options: Mapping[str, str]) -> Source | None:
    if "://" in argument or not argument.lower().endswith(TABLES):
        return None
    check_options(options, OPTIONS, "table")
    return TableSource(Path(os.path.abspath(Path(argument).expanduser())), dict(options))


class TableSource(Source):
    """One item a row. Paths are relative to the table's folder, or to the option `root`."""

    def __init__(self, path: Path, options: Mapping[str, str]) -> None:
        self.path = path
        self.options = options
        self.root = Path(options.get("root", path.parent)).expanduser()
        self.name = f"table:{path}"
        self.warnings: list[str] = []

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        if not self.path.is_file():
            raise SourceError(f"There is no table {self.path}")
        self.warnings.clear()
        self._check_encoding()
        columns: dict[str, str] | None = None
        for number, row in self._rows():
            if columns is None or not self._is_csv:
                columns = self._columns(list(row))
            item = self._item(row, columns)
            if item is None:
                self.warnings.append(f"row {number} of {self.path.name} says nothing; it was left out")
            else:
                yield item

    def count(self) -> int | None:
        return None

    def open(self, item: Item) -> BinaryIO:
        if item.path is None:
            raise MediaError("it lies at a URL; this version reads local files only")
        try:
            return super().open(item)
        except FileNotFoundError:
            raise MediaError(f"{self.path.name} names it, but there is no such file") from None

    @property
    def _is_csv(self) -> bool:
        return self.path.suffix.lower() != ".jsonl"

    def _encoding(self) -> str:
        if "encoding" in self.options:
            return self.options["encoding"]
        with self.path.open("rb") as file:
            head = file.read(2)
        return "utf-16" if head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"

    def _check_encoding(self) -> None:
        """Find a wrong encoding before the first item, so that no half table is indexed."""
        encoding = self._encoding()
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise SourceError(f"There is no encoding '{encoding}'; write --option encoding=latin-1, say") from None
        line = 0
        try:
            decoder = codecs.getincrementaldecoder(encoding)()
            with self.path.open("rb") as file:
                for raw in file:
                    line += 1
                    decoder.decode(raw)
        except UnicodeDecodeError as error:
            byte = error.object[error.start] if error.start < len(error.object) else 0
            raise SourceError(
                f"{self.path} is not {encoding.upper().removesuffix('-SIG')} (byte 0x{byte:02x} in line {line}):"
                " save it as UTF-8, or add --option encoding=latin-1"
            ) from error

    def _rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """(row number from 1, column -> value), streamed."""
        with self.path.open(encoding=self._encoding(), newline="") as file:
            if not self._is_csv:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        try:
                            row = json.loads(line)
                            if not isinstance(row, dict):
                                raise ValueError("it is no object")
                        except ValueError as error:
                            self.warnings.append(f"line {number} of {self.path.name} is no JSON object: {error}")
                            continue
                        yield number, row
                return
            start = file.read(65536)
            file.seek(0)
            lines = (line.replace("\0", "") for line in file)
            reader = csv.DictReader(lines, delimiter=self._delimiter(start), restkey="")
            try:
                for number, row in enumerate(reader, 1):
                    yield number, {key: value for key, value in row.items() if key and value}
            except csv.Error as error:
                raise SourceError(f"{self.path} can't be read after row {reader.line_num}: {error}") from error
            if reader.fieldnames:
                self._columns(list(reader.fieldnames))

    def _delimiter(self, start: str) -> str:
        if "delimiter" in self.options:
            written = self.options["delimiter"]
            return "\t" if written in ("tab", "\\t") else written[:1] or ","
        header = start.split("\n", 1)[0]
        return max((",", ";", "\t", "|"), key=header.count)

    def _columns(self, names: list[str]) -> dict[str, str]:
        """Which column says what: COLUMNS' names to the table's."""
        by_lower = {name.strip().lower(): name for name in names}
        found = {}
        for field, others in COLUMNS.items():
            if field in self.options:
                if self.options[field] not in names:
                    if self._is_csv:
                        continue
                    continue
                found[field] = self.options[field]
            else:
                match = next((by_lower[name] for name in (field, *others) if name in by_lower), None)
                if match is not None and match not in self.options.values():
                    found[field] = match
        if self._is_csv and not set(found) & {"path", "title", "description"}:
            raise SourceError(
                f"{self.path} has no column for a path, title or description; it has: {', '.join(names)}."
                " Say which is which: --option path=COLUMN"
            )
        return found

    def _item(self, row: Mapping[str, Any], columns: Mapping[str, str]) -> Item | None:
        said = {field: row[column] for field, column in columns.items() if row.get(column) not in (None, "")}
        extra = {
            name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            for name, value in row.items()
            if name not in columns.values() and value not in (None, "")
        }
        words = {field: str(said.get(field, "")).strip() for field in COLUMNS if field not in ("path", "tags", "id")}
        metadata = Metadata(**words, tags=_tags(said.get("tags", "")), extra=extra)
        if "path" in said:
            return self._file(str(said["path"]).strip(), metadata)
        if not metadata.title and not metadata.description:
            return None
        digest = hashlib.sha256(json.dumps(row, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return Item(f"{file_uri(self.path)}#{said.get('id', digest)}", "text", digest, metadata)

    def _file(self, written: str, metadata: Metadata) -> Item:
        if re.match(r"[a-z][a-z0-9+.-]+://", written, re.IGNORECASE) and not written.startswith("file://"):
            return Item(written, "photo", "remote", metadata)
        path = self.root / Path(written.removeprefix("file://")).expanduser()
        return file_item(path, kind_of(path) or "photo", metadata)


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"[;|]" if re.search(r"[;|]", value) else r",", value)
    return tuple(dict.fromkeys(tag for tag in (str(v).strip() for v in value) if tag)) if value else ()
