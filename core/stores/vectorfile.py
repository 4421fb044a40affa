"""The scan cache: the vectors of one shelf as int8 rows in a file to be memory-mapped.

It can always be made again from SQLite. `<shelf>.vectors` is a header and the rows; their keys, the rowids of
each vector and of its item, are in `<shelf>.<edition>.rows`. Both only grow; data go first and the header,
which counts them, last, so a reader never sees half of what is being appended. A new edition is a new pair of
files, moved into place by a rename.

Each row is a vector scaled so that its largest value is 127: cosine does not see the scale.
"""

from __future__ import annotations

import os
import secrets
import struct
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sightsound.types import Vectors

Int8Rows = npt.NDArray[np.int8]
Keys = npt.NDArray[np.int64]
"""(n, 2): the rowid of a vector, ascending, and the rowid of its item."""

_MAGIC = b"ssound\x01v"
_HEADER = struct.Struct("<8sIqqqqQQ")
_START = 4096


class DamagedError(Exception):
    """The file is missing, of another collection, or not what was written."""


@dataclass(frozen=True)
class Header:
    """What a cache says of itself.

    generation: of the shelf. edition: of the pair of files.
    covered: every vector up to this rowid is here, or was removed. sums: of the rows' and the keys' bytes.
    """

    dims: int
    generation: int
    edition: int = 0
    count: int = 0
    covered: int = 0
    row_sum: int = 0
    key_sum: int = 0

    def pack(self) -> bytes:
        fields = (
            self.dims,
            self.generation,
            self.edition,
            self.count,
            self.covered,
            self.row_sum,
            self.key_sum,
        )
        packed = _HEADER.pack(_MAGIC, *fields)
        return packed + zlib.crc32(packed).to_bytes(4, "little")

    @staticmethod
    def unpack(data: bytes) -> Header:
        body, check = data[: _HEADER.size], data[_HEADER.size : _HEADER.size + 4]
        if len(check) != 4 or zlib.crc32(body) != int.from_bytes(check, "little") or not body.startswith(_MAGIC):
            raise DamagedError("its header is not whole")
        return Header(*_HEADER.unpack(body)[1:])


@dataclass(frozen=True)
class Mapped:
    """A cache as it was when it was read."""

    header: Header
    matrix: Int8Rows
    keys: Keys


def unit(vectors: Vectors) -> Vectors:
    """Rows (n, dims) at unit length."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), dtype=np.float32)


def quantised(vectors: npt.NDArray[Any]) -> Int8Rows:
    """Rows (n, dims) as int8, each scaled so that its largest value is 127."""
    values = np.asarray(vectors, dtype=np.float32)
    largest = np.abs(values).max(axis=1, keepdims=True, initial=1e-12)
    rows: Int8Rows = np.rint(values * (127.0 / largest)).astype(np.int8)
    return rows


def byte_sum(data: npt.NDArray[Any]) -> int:
    """The sum of the words of whole rows, modulo 2^64: at memory speed, and sums of parts add up."""
    flat = data.reshape(-1).view(np.uint8)
    words = flat.view(np.uint64) if data.shape[-1] * data.itemsize % 8 == 0 else flat
    return int(words.sum(dtype=np.uint64))


def read_header(path: Path, generation: int, dims: int) -> Header:
    """Raises DamagedError where the file can't belong to this shelf."""
    try:
        with path.open("rb") as file:
            header = Header.unpack(file.read(_HEADER.size + 4))
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DamagedError(error.strerror or "it can't be read") from None
    if (header.generation, header.dims) != (generation, dims):
        raise DamagedError("it is of another collection")
    if size < _START + header.count * dims:
        raise DamagedError("it is cut short")
    return header


def load(path: Path, generation: int, dims: int, known: Mapped | None = None) -> Mapped:
    """Map the cache and verify it, of a `known` earlier state only what was added. Raises DamagedError."""
    header = read_header(path, generation, dims)
    try:
        numbers = np.fromfile(_rows_path(path, header.edition), dtype="<i8", count=2 * header.count)
        matrix = (
            np.memmap(path, dtype=np.int8, mode="r", offset=_START, shape=(header.count, dims))
            if header.count
            else np.empty((0, dims), np.int8)
        )
    except (OSError, ValueError) as error:
        raise DamagedError(str(error)) from None
    if len(numbers) != 2 * header.count:
        raise DamagedError("its keys are cut short")
    keys = numbers.astype(np.int64).reshape(-1, 2)
    seen = known.header if known and known.header.edition == header.edition else Header(dims, generation)
    added = matrix[seen.count :]
    if (seen.row_sum + byte_sum(added)) % 2**64 != header.row_sum or byte_sum(keys) != header.key_sum:
        raise DamagedError("its checksum is wrong")
    return Mapped(header, matrix, keys)


def write(path: Path, generation: int, dims: int, covered: int, blocks: Iterable[tuple[Keys, Int8Rows]]) -> None:
    """Make the cache anew from blocks of rows in the order of their keys. Raises OSError."""
    header = Header(dims, generation, edition=secrets.randbits(62))
    rows, fresh = _rows_path(path, header.edition), path.with_name(path.name + ".tmp")
    try:
        with fresh.open("wb") as matrix_file, rows.open("wb") as rows_file:
            for keys, matrix in blocks:
                header = _append(header, matrix_file, rows_file, keys, matrix)
            matrix_file.seek(_START)
            matrix_file.truncate(_START + header.count * dims)
            _write_header(matrix_file, replace(header, covered=covered))
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        rows.unlink(missing_ok=True)
        raise
    for other in path.parent.glob(f"{_glob_escape(path.stem)}.*.rows"):
        if other != rows and is_rows_of(other, path):
            with suppress(OSError):
                other.unlink()


def append(path: Path, header: Header, covered: int, keys: Keys, matrix: Int8Rows) -> Header:
    """Add rows to the cache, of which `header` was just read. Raises OSError."""
    with path.open("r+b") as matrix_file, _rows_path(path, header.edition).open("r+b") as rows_file:
        added = replace(_append(header, matrix_file, rows_file, keys, matrix), covered=covered)
        matrix_file.flush()
        rows_file.flush()
        _write_header(matrix_file, added)
    return added


def is_rows_of(rows: Path, path: Path) -> bool:
    """Whether `rows` is a file of keys, of any edition, for the cache at `path`."""
    stem, _, edition = rows.name.removesuffix(".rows").rpartition(".")
    return rows.suffix == ".rows" and stem == path.stem and len(edition) == 16


def files(path: Path, header: Header) -> tuple[Path, Path]:
    """The two files of a cache."""
    return path, _rows_path(path, header.edition)


def _append(header: Header, matrix_file: BinaryIO, rows_file: BinaryIO, keys: Keys, matrix: Int8Rows) -> Header:
    matrix_file.seek(_START + header.count * header.dims)
    matrix_file.write(np.ascontiguousarray(matrix).tobytes())
    rows_file.seek(header.count * 16)
    rows_file.write(keys.astype("<i8").tobytes())
    return replace(
        header,
        count=header.count + len(keys),
        row_sum=(header.row_sum + byte_sum(np.ascontiguousarray(matrix))) % 2**64,
        key_sum=(header.key_sum + byte_sum(np.ascontiguousarray(keys))) % 2**64,
    )


def _write_header(file: BinaryIO, header: Header) -> None:
    file.seek(0)
    file.write(header.pack())
    file.flush()


def _rows_path(path: Path, edition: int) -> Path:
    return path.with_name(f"{path.stem}.{edition:016x}.rows")


def _glob_escape(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
