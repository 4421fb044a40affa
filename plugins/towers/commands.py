"""sightsound models"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from sightsound.cli.common import JsonOption, note, print_json, say
from sightsound.config import use
from sightsound.errors import ModelError, SightsoundError, UsageError

models = typer.Typer(
    help="The models that encoders can be made of: known, fetched, checked.",
    invoke_without_command=True,
    epilog="Example: `sightsound models`",
)
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="As --encoders takes it: clip:NAME/WEIGHTS, hf:NAME, clap:NAME; or clip, clap."
    ),
]
PickleOption = Annotated[
    bool, typer.Option("--allow-pickle", help="Read weights that lie in a pickle, with torch's restricted loader.")
]


@models.callback()
def listed(
    context: typer.Context,
    every: Annotated[
        bool, typer.Option("--all", help="All that open_clip knows, and not only the best for their size.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List models: dims, size of the weights on disk and in memory, published recall, and measured rate here.

    Recall: share of the captions of MS COCO (5,000 photographs) that find their photograph among the first 1, 5 and 10,
    as open_clip publishes it. Rates are measured when a model is made ready on this machine.
    """
    if context.invoked_subcommand:
        return
    from sightsound.plugins.towers.catalogue import RECALL_FROM
    from sightsound.plugins.towers.known import known

    found = known(every)
    if as_json:
        print_json({"models": [asdict(one) for one in found], "recall from": RECALL_FROM})
        return
    say(f"{'':2}{'MODEL':52} {'DIMS':>5} {'MB':>6} {'COCO R@1/5/10':>15}  RATE HERE")
    say(f"* {'starter':52} {384:>5} {35:>6} {'':>15}  comes with the package")
    for one in found:
        recall = "/".join(f"{100 * value:.0f}" for value in one.coco)
        rates = ", ".join(f"{rate:,.0f}/s {what}" for what, rate in one.rates.items())
        size = f"{one.bytes / 1e6:,.0f}" if one.bytes else ""
        say(f"{'* ' if one.here else '  '}{one.name:52} {one.dims or '':>5} {size:>6} {recall:>15}  {rates}".rstrip())
    say("")
    say("* on this machine. Fetch others: sightsound models pull MODEL. To use one: index FOLDER --encoders MODEL")
    say("Further, models of transformers: hf:NAME or hf:FOLDER (CLIP, SigLIP, SigLIP 2, sentence models).")
    say(f"Recall: {RECALL_FROM}")
    if not every:
        say("Shown are the best for their size; all: sightsound models --all")


@models.command("pull", epilog="Example: `sightsound models pull clip:ViT-B-32/laion2b_s34b_b79k`")
def pull(model: ModelArgument) -> None:
    """Fetch a model's weights and tokenizer from the Hugging Face hub into its cache.

    HF_HOME, HF_TOKEN and HF_HUB_OFFLINE are honoured; an interrupted download goes on.
    """
    from sightsound.plugins.towers import hub, openclip
    from sightsound.plugins.towers.places import Repository, is_path
    from sightsound.plugins.towers.sets import resolve

    name, _, argument = model.partition(":")
    if is_path(argument):
        raise UsageError(f"{argument} is on this machine: there is nothing to fetch. Check it: models verify {model}")
    if name == "clap":
        from sightsound.plugins.audio.clap import DEFAULT

        hub.pull_hf(argument or DEFAULT)
    elif name == "hf" and argument:
        hub.pull_hf(argument)
    else:
        found = resolve(name, argument)
        assert isinstance(found, openclip.OpenClip) and isinstance(found.place, Repository)
        if found.bytes:
            note(f"Fetching {found.title}, about {found.bytes / 1e6:,.0f} MB")
        hub.pull_clip(found)
    got = resolve(name, argument)
    say(f"{name}:{got.argument} is here. Use it: sightsound index FOLDER --encoders {name}:{got.argument}")


@models.command("verify", epilog="Example: `sightsound models verify clip:/srv/models/mine`")
def verify(
    model: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL...", help="Which. None: all that are on this machine.")
    ] = None,
    allow_pickle: PickleOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check models: config, preprocessing and tokenizer are there, the weights are those that the hub has, and what was
    made ready for this machine is whole."""
    from sightsound.plugins.towers.exports import export_folders, read
    from sightsound.plugins.towers.known import known

    use("allow_pickle", "yes" if allow_pickle else None)
    names = model or [one.name for one in known(True) if one.here]
    found = [_verified(name) for name in names]
    if as_json:
        print_json({"models": found})
    for one in found if not as_json else []:
        say(f"{one['model']}: {one['problem'] or 'ok'}")
        for line in one["files"]:
            say(f"  {line}")
    damaged = [] if model else [path for path in export_folders() if read(path) is None]
    for path in damaged:
        note(f"{path} is damaged; it is made again when it is needed")
    if not found and not as_json:
        say("No models on this machine but the starter's. Fetch one: sightsound models pull clip")
    if any(one["problem"] for one in found):
        raise typer.Exit(1)


def _verified(name: str) -> dict[str, Any]:
    from sightsound.plugins.towers.sets import missing, resolve
    from sightsound.plugins.towers.weights import checksum, published

    files: list[str] = []
    problem = ""
    try:
        set_name, _, argument = name.partition(":")
        found = resolve(set_name, argument)
        if not found.here:
            raise ModelError(missing(found).splitlines()[0])
        for path in found.weights():
            made, wanted = checksum(path), published(path)
            files.append(
                f"{path.name}: SHA-256 {made[:16]}…, "
                + ("as the hub has it" if made == wanted else "of no known origin")
            )
            if wanted and made != wanted:
                raise ModelError(f"{path} is damaged: its SHA-256 is not the hub's. Delete it and pull the model again")
        for which in found.towers:
            found.fingerprint(which)
    except SightsoundError as error:
        problem = str(error)
    return {"model": name, "problem": problem, "files": files}
