"""Runs every benchmark and writes docs/benchmarks.md.

make bench
"""

from __future__ import annotations

import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import elastic
import film
import indexing
import knn
import memory
import million
import s3
import serving
import sound
import start
import towers
from report import table

from sightsound.config import cores

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TEXT = """# Benchmarks

Made by `make bench` ({cores} cores, Python {python}, {libraries}). Machines differ, and this one is shared: compare
within a row, not between machines. Each ratio is of two measurements in one run, in turns.

{table}

## What the bounds are

- **Indexing**: cores ÷ (CPU seconds a photograph of decoding alone + of encoding alone). Decoding alone is what a
  reading process does (open, hash, read, prepare) in a plain loop; encoding alone is every vector that a photograph
  gets, in batches of 32. The measured run includes starting the reading processes, writing to the store, and measuring
  the background. The photographs are seeded crops of the demo photographs, JPEG, 1 to 12 megapixels.
- **Films**: a film for each core, 720p H.264 of photographs that the camera moves over, a cut every four seconds. The
  bound is cores ÷ CPU seconds of the reader alone (decoding, shots, frames) and of encoding alone. Frames a second are
  beside a bare loop over PyAV on the same film; torchcodec is there where it loads. `similar` is beside a scan of the
  signatures in float32, in memory; the films are synthetic, 40 shots each.
- **Sounds**: cores ÷ (CPU seconds, a second of sound, of decoding by soundfile, librosa's features and YAMNet alone).
  The sounds are the demo's, joined in an order of chance to FLAC files of a minute. The measured run includes starting
  the reading processes, each of which imports librosa.
- **Peak memory**: resident memory at the most, sampled every 50 ms, of two runs that differ in the number of
  photographs.
- **kNN**: the distances to all rows as int8, the 100 nearest rows' vectors from SQLite, and their exact order; no
  filters, no checks, no items. The vectors are MiniLM's of generated sentences, the queries further ones.
- **S3**: the local folder's time + the server's own CPU seconds ÷ cores, since it runs on the same cores: the whole
  command `sightsound index` both times. What the server adds to each answer shall cost nothing, but overlap. Planning:
  `index --dry-run` where the collection has all objects as they are; the listings come from a small stand-in server.
- **The site**: 50 clients that each ask for the next search as soon as they have an answer, from a process of its own
  on the same cores; beside the search alone, in a process that is up, and beside a Flask route that answers with
  nothing.
- **Start**: what Python takes to import the libraries that the command can't do without.

One benchmark alone: `python benchmarks/knn.py --count 10000`.

## `clip`, and beside rclip

Made by `python benchmarks/towers.py`, alone or with the others. It puts [rclip](https://github.com/yurijmikhalevich/rclip)
{peer} into an environment of its own.

{towers}

- **The model** is ViT-B/32 at 256 pixels, which is rclip's, with seeded random weights, in float32 on ONNX Runtime: the
  same weights lie where rclip would have downloaded its own.
- **The bare session** runs the exported image tower alone, on pixels that are ready, in batches of {batch}, as
  ONNX Runtime comes: one run on all cores. Sightsound cuts a batch into parts that run beside each other, a core each,
  which is faster: so it can come near the bare session though it decodes on the same cores. The second row of each set
  has the bare session in such parts, which leaves only what is not the model's.
- **Indexing** is the whole command `sightsound index` into a new collection, with the start of its processes; of rclip,
  the whole command on a folder it has not seen, less the query that it always ends with. Photographs are seeded crops
  of the demo photographs, JPEG; those of cameras take more time to decode, on the same cores that the model runs on.
- **With a GPU** there is a row more: indexing against the forward pass alone or decoding alone, whichever is slower.
- **A whole query** is the command from its start to its end: `sightsound search "{query}" --paths`, and
  `rclip --no-indexing`.

## A million items

Made by `python benchmarks/million.py`, alone or with the others. The first time it makes the collections, which takes
ten minutes, and keeps them with the temporary files: 3 GB.

{million}

- **The items** are synthetic photographs: each has a title of three to seven words, a tag, an author, a licence, a date
  and file facts, three in ten a description; words are drawn as often as words of their rank are (Zipf). Their vectors
  lie in 10,000 clusters about MiniLM's vectors of sentences, so that words find them. They are put as an indexer puts
  them, each batch one commit; rate and memory are of the stretch up to there: a tenth, half and all.
- **kNN**: the bound is that of the smaller table, on one core or on all, whichever is faster; the median of {queries}
  queries, MiniLM's of sentences. Exact: all stored vectors, in float32.
- **A search in words**: {words} sentences, as `search()` answers them in a process that is up, each a page of 20.
- **Memory** of a command: resident at the most, without mapped files; those the system takes back when it needs room.
  The scan cache is one; everything else is read in parts.

## Elasticsearch

Made by `python benchmarks/elastic.py`, alone or with the others, with one node on the same machine as everything else.

{elastic}

{types}

- **The items** are those of a million, fewer of them.
- **Writing** puts {put} items at once, as a copy of a collection does. The bound is the client's own `helpers.bulk`,
  with the same documents ready in memory, into indices made alike.
- **kNN**: the bound is the same search and the same look at the items that it found, sent without the client.
- **Memory** is what searches want of it for vectors and graph; for the local store, its mapped scan cache.
"""


def main() -> None:
    work = Path(tempfile.gettempdir()) / "sightsound-benchmarks"
    rows = [*start.measure(), *knn.measure(100_000, work), *indexing.measure(1_000, work)]
    rows += memory.measure((1_000, 10_000), work)
    rows += sound.measure(480, work)
    rows += film.measure(15, 10_000, work)
    rows += s3.measure(1_000, 100_000, work)
    rows += serving.measure(100_000, work)
    clip = towers.measure(1_000, work)
    large = million.measure(1_000_000, work)
    cluster, types = elastic.measure(100_000, work)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "onnxruntime", "simsimd", "pillow"))
    page = TEXT.format(
        cores=cores(),
        python=platform.python_version(),
        libraries=libraries,
        table=table(rows),
        towers=table(clip),
        peer=towers.peer_version(work),
        batch=towers.BATCH,
        query=towers.QUERY,
        million=table(large),
        elastic=table(cluster),
        types=types,
        put=elastic.PUT,
        queries=million.QUERIES,
        words=million.WORD_QUERIES,
    )
    PAGE.write_text(page, encoding="utf-8")
    print(table([*rows, *clip, *large, *cluster]))


if __name__ == "__main__":
    main()
