"""Writes plugins/towers/catalogue.json: the models that open_clip knows, as its installed version describes them.

    python scripts/write_model_catalogue.py OPEN_CLIP_CHECKOUT

The checkout is open_clip's repository, of which docs/ has the sizes and the published recall.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import open_clip

from sightsound.plugins.towers.catalogue import describe

CATALOGUE = Path(__file__).parent.parent / "plugins" / "towers" / "catalogue.json"
RECALL = {
    "coco": [f"MSCOCO image retr. R@{k}" for k in (1, 5, 10)],
    "flickr": [f"Flickr image retr. R@{k}" for k in (1, 5, 10)],
}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def described(name: str, tag: str, sizes: dict[str, str], recall: dict[str, str]) -> dict[str, Any] | None:
    found = describe(name, tag)
    if found and sizes:
        found["millions"] = [float(sizes["image_mparams"]), float(sizes["text_mparams"])]
    if found:
        found |= {
            key: [float(recall[column]) for column in columns]
            for key, columns in RECALL.items()
            if all(recall.get(column) for column in columns)
        }
    return found


def main(checkout: Path) -> None:
    sizes = {row["model"]: row for row in rows(checkout / "docs" / "model_profile.csv")}
    recall = {(r["name"], r["pretrained"]): r for r in rows(checkout / "docs" / "openclip_retrieval_results.csv")}
    models: dict[str, dict[str, Any]] = {}
    for name, tag in open_clip.list_pretrained():
        plain = name.removesuffix("-quickgelu")
        found = recall.get((name, tag)) or recall.get((plain, tag), {})
        entry = described(name, tag, sizes.get(name) or sizes.get(plain, {}), found)
        if entry:
            models[f"{name}/{tag}"] = entry
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in models.items())
    CATALOGUE.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    print(f"{len(models)} models by open_clip {open_clip.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
