"""sightsound export"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, StoreOption, opened, plural
from sightsound.errors import UsageError
from sightsound.opening import Sources
from sightsound.stores.base import Collection


def register(app: typer.Typer) -> None:
    app.command("export", epilog="Example: `sightsound export photos.jsonl --vectors`")(export_command)


def export_command(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Where to write, a line an item.")],
    vectors: Annotated[bool, typer.Option("--vectors", help="Write the vectors beside it, as FILE.npz.")] = False,
    store: StoreOption = None,
    collection: CollectionOption = None,
) -> None:
    """Write every item, with its metadata and facts, to a JSONL file; with --vectors also its vectors."""
    from sightsound.answers import item_object

    count = 0
    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {file.parent} to write to")
    with opened(store, collection) as (plugins, found):
        sources = Sources(plugins, found)
        partial = file.with_name(file.name + ".part")
        with partial.open("w", encoding="utf-8", errors="backslashreplace") as out:
            for item in found.scan():
                out.write(json.dumps(item_object(item, sources), ensure_ascii=False) + "\n")
                count += 1
        if vectors:
            _write_vectors(found, file.with_suffix(".npz"))
        partial.replace(file)
    print(f"Wrote {plural(count, 'item')} to {file}")


def _write_vectors(found: Collection, path: Path) -> None:
    """For each space two arrays: `SPACE.ids`, segment ids, and `SPACE`, float32 (n, dims) in the same order.

    Written a space at a time through a memory-mapped file, so that memory stays bounded.
    """
    import tempfile
    import zipfile

    import numpy as np
    from numpy.lib import format as npy

    counts = found.counts()
    sizes: dict[str, int] = {}
    for (space, _), count in counts.items():
        sizes[space] = sizes.get(space, 0) + count
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive, tempfile.TemporaryDirectory() as folder:
        for space, rows in sizes.items():
            ids: list[str] = []
            scratch = Path(folder) / "vectors.npy"
            matrix = None
            for item in found.scan():
                segments = [segment.id for segment in found.segments([item.id]).get(item.id, [])]
                for segment_id, vector in found.vectors(space, segments).items():
                    if matrix is None:
                        matrix = npy.open_memmap(scratch, "w+", np.float32, (rows, len(vector)))
                    if len(ids) < rows:
                        matrix[len(ids)] = vector
                        ids.append(segment_id)
            if matrix is not None:
                matrix.flush()
                archive.write(scratch, f"{space}.npy")
                with archive.open(f"{space}.ids.npy", "w", force_zip64=True) as out:
                    npy.write_array(out, np.array(ids))
    partial.replace(path)
