"""Vectors as a NumPy archive of any size, in bounded memory: its arrays begin with their length, known at the end."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy

from sightsound.types import Vectors

_LINES = 10_000


class Archive:
    """An .npz with two arrays for each space: `SPACE.ids`, str (n,), and `SPACE`, float32 (n, dims), in one order.

    It takes its place when its block ends well; until then everything lies in a folder beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spaces: dict[str, _Gathered] = {}
        self._held = ExitStack()

    def __enter__(self) -> Archive:
        folder = tempfile.TemporaryDirectory(prefix=f".{self._path.name}.", dir=self._path.parent)
        self._folder = Path(self._held.enter_context(folder))
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._held:
            if error is None:
                self._write()

    def add(self, space: str, vectors: Mapping[str, Vectors]) -> None:
        """Add vectors of a space, float32 (dims,) by segment id."""
        if vectors:
            if space not in self._spaces:
                self._spaces[space] = _Gathered(self._folder / str(len(self._spaces)), self._held)
            self._spaces[space].add(vectors)

    def _write(self) -> None:
        partial = self._folder / "whole.npz"
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for space, gathered in self._spaces.items():
                gathered.write(archive, space)
        partial.replace(self._path)


class _Gathered:
    """The vectors of one space, and their ids, in two files."""

    def __init__(self, stem: Path, held: ExitStack) -> None:
        self._rows = held.enter_context(stem.with_suffix(".rows").open("w+b"))
        self._ids = held.enter_context(stem.with_suffix(".ids").open("w+", encoding="utf-8"))
        self._count, self._dims, self._longest = 0, 0, 0

    def add(self, vectors: Mapping[str, Vectors]) -> None:
        rows = np.stack(list(vectors.values())).astype("<f4")
        self._rows.write(rows.tobytes())
        self._ids.writelines(f"{id}\n" for id in vectors)
        self._count, self._dims = self._count + len(rows), rows.shape[1]
        self._longest = max(self._longest, *map(len, vectors))

    def write(self, archive: zipfile.ZipFile, space: str) -> None:
        self._rows.seek(0)
        self._ids.seek(0)
        with archive.open(f"{space}.npy", "w", force_zip64=True) as out:
            npy.write_array_header_2_0(out, _header("<f4", self._count, self._dims))
            shutil.copyfileobj(self._rows, out, 1 << 20)
        with archive.open(f"{space}.ids.npy", "w", force_zip64=True) as out:
            npy.write_array_header_2_0(out, _header(f"<U{self._longest}", self._count))
            while part := [line.rstrip("\n") for line in islice(self._ids, _LINES)]:
                out.write(np.array(part, f"<U{self._longest}").tobytes())


def _header(descr: str, *shape: int) -> dict[str, object]:
    return {"descr": descr, "fortran_order": False, "shape": shape}
