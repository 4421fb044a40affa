"""Models with an image tower and a text tower that share one space: CLIP and its kin, by open_clip and transformers.

    argument ─► model (config, preprocessing, tokenizer: no weights, no torch) ─► encoder specs
    first use ─► weights found and checked ─► exported once for ONNX Runtime, or run by torch on a GPU ─► vectors

`plugins/image` registers the image towers, `plugins/text` the text towers; `sightsound models` is here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightsound import hookimpl

if TYPE_CHECKING:
    import typer


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    from sightsound.plugins.towers.commands import models

    cli.add_typer(models, name="models")
