"""sightsound train"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, opened, print_json, say
from sightsound.cli.eval import LABELS
from sightsound.cli.progress import counting
from sightsound.config import public
from sightsound.errors import ModelError
from sightsound.plugins.trained import SET

if TYPE_CHECKING:
    from sightsound.plugins.trained.trial import Trial


def train(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the trained encoder is to lie. It is made.")],
    store: StoreOption = None,
    collection: CollectionOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try it, and write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train an encoder on the captioned pictures of a collection, on the CPU, from the vectors it has of them.

    It is tried on captions that it did not learn from. Where they find their pictures no better than before, nothing is
    written.
    """
    from sightsound.encoders import check_fingerprint, of_collection
    from sightsound.plugins.trained import captioned, fitting, trial
    from sightsound.plugins.trained import folder as folders

    path = folder.expanduser().absolute()
    folders.check_new(path)
    with opened(store, collection) as (plugins, found), counting() as show:
        encoders = of_collection(plugins, found)
        pair = captioned.pair_of(encoders)
        for encoder in (pair.picture, pair.words):
            check_fingerprint(found, encoder)
        these = captioned.read(found, pair, show)
        steps = iter(range(1, trial.TRIAL_STEPS + fitting.STEPS + 1))

        def step() -> None:
            show("training", next(steps), trial.TRIAL_STEPS + fitting.STEPS)

        tried = trial.tried(these, step)
        turned = fitting.learnt(these, step) if tried.gained and not dry_run else None
        name = found.name
    about = turned and folders.write(
        path,
        turned.adapter,
        folders.About(
            base=pair.picture.set,
            encoder=pair.picture.spec.name,
            fingerprint=pair.picture.loaded.fingerprint,
            words=pair.words.loaded.fingerprint,
            space=pair.space.name,
            share=turned.share,
            pictures=len(these),
        ),
    )
    if as_json:
        print_json(
            {
                "collection": name,
                "base": pair.picture.set,
                "pictures": len(these),
                "captions": len(tried.before),
                "among": round(tried.among),
                "before": trial.measures(tried.before),
                "after": trial.measures(tried.after),
                "gained": tried.gained,
                "trained": about and {"folder": str(path), **asdict(about)},
            }
        )
    else:
        _print(tried, pair.picture.set, len(these))
    if not tried.gained:
        raise ModelError(
            "Nothing is gained that could not be chance, so nothing is written. More captions help, and captions that"
            " say what is to be seen"
        )
    if about:
        wanted = ",".join(f"{SET}:{path}" if one == pair.picture.set else one for one in encoders.sets)
        at = ["--store", public(store)] if store else []
        note(f"Use it: {shlex.join(['sightsound', 'index', '--rebuild', '--encoders', wanted, '-c', name, *at])}")


def _print(tried: Trial, base: str, pictures: int) -> None:
    from sightsound.plugins.trained.trial import measures

    say(f"{plural(pictures, 'picture')} with {plural(len(tried.before), 'different caption')}, as {base} sees them.")
    say(f"Captions that it did not learn from, each among {plural(round(tried.among), 'picture')}:")
    say("")
    say(f"{'':11}  {'before':>7}  {'after':>7}")
    before, after = measures(tried.before), measures(tried.after)
    for name in before:
        form = "g" if name == "median_rank" else ".3f"
        say(f"{LABELS[name]:11}  {before[name]:>7{form}}  {after[name]:>7{form}}")
