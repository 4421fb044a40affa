"""sightsound index"""

from __future__ import annotations

from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, YesOption, ask, print_json
from sightsound.config import setting, use
from sightsound.errors import UsageError
from sightsound.media import missing
from sightsound.opening import open_source, open_store
from sightsound.registry import registry
from sightsound.types import Item

SOME_FAILED = 3
ANY_FILM = Item("file:///film.mp4", "film")
"""Whose readers are asked, before anything is read, whether what was chosen to decode films is there."""


def register(app: typer.Typer) -> None:
    app.command("index", epilog="Example: `sightsound index ~/Photos --prune`")(index_command)


def index_command(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, files, CSV or JSONL tables, s3://BUCKET/PREFIX, unsplash:WORDS, pexels:WORDS. None: all that"
            " the collection knows already.",
        ),
    ] = None,
    plugin: Annotated[
        str, typer.Option("--source", metavar="NAME", help="Which source plug-in, where several would do.")
    ] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", metavar="KEY=VALUE", help="The source's own options, KEY=VALUE."),
    ] = None,
    encoders: Annotated[
        str | None,
        typer.Option(
            "--encoders",
            metavar="NAMES",
            help="Encoder sets or models of a new collection, separated by commas; see: sightsound models.",
            show_default="clip where it is fetched, else starter",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="NAME", help="Where models run: cpu, cuda, mps.", show_default="the best there is"
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="NAME",
            help="fp32, fp16, bf16, int8.",
            show_default="fp32 on a CPU, else the GPU's own",
        ),
    ] = None,
    allow_pickle: Annotated[
        bool,
        typer.Option(
            "--allow-pickle",
            help="Read model weights that lie in a pickle. A pickle can run any program when it is read; torch's"
            " restricted loader is used, which has had holes. Only where you trust whoever made it.",
        ),
    ] = False,
    video_reader: Annotated[
        str | None,
        typer.Option(
            "--video-reader",
            metavar="NAME",
            help="What decodes films: pyav, or where they are installed decord, torchcodec.",
            show_default="pyav",
        ),
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove items that are gone from the source.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    anew: Annotated[
        bool, typer.Option("--rebuild", help="Encode everything anew beside the old, and switch when complete.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another index run to end, and for a source's rate limit.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", help="Reading processes.", min=0, show_default="one a core")
    ] = 0,
    store: StoreOption = None,
    collection: CollectionOption = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Index a source: read what is new or changed, and make it searchable.

    What is unchanged is skipped; interrupted, the next run goes on. Files that can't be read are noted
    (`sightsound failed`) and stop nothing.
    """
    from sightsound.cli import runs
    from sightsound.cli.progress import print_report, report_object
    from sightsound.reports import Options

    use("device", device)
    use("precision", precision)
    use("video_reader", video_reader)
    for reader in registry().readers:
        missing(reader.thing, ANY_FILM)
    use("allow_pickle", "yes" if allow_pickle else None)
    options = Options(
        retry=retry,
        prune=prune,
        dry_run=dry_run,
        wait=wait,
        workers=workers,
        confirm=(lambda question: True) if yes else ask,
    )
    wanted = [open_source(registry(), argument, pairs(option), plugin) for argument in source or []]
    if option and not wanted:
        raise UsageError("--option needs a source to go with")
    found, name = open_store(registry(), store, create=bool(wanted) and not dry_run), setting("collection", collection)
    if anew:
        report = runs.make_anew(found, name, encoders, wanted, options)
    elif wanted and name not in found.collections():
        report = runs.make(found, name, encoders, wanted, options)
    else:
        report = runs.bring_up_to_date(found, name, encoders, wanted, options)
    if as_json:
        print_json(report_object(report))
    else:
        print_report(report, dry_run)
    if report.unlisted or ((report.failed or report.paused) and not dry_run):
        raise typer.Exit(SOME_FAILED)


def pairs(options: list[str] | None) -> dict[str, str]:
    """What --option says, KEY=VALUE each. Raises UsageError."""
    found = {}
    for written in options or []:
        key, equals, value = written.partition("=")
        if not equals or not key:
            raise UsageError(f"'{written}' is not KEY=VALUE, as --option needs it")
        found[key] = value
    return found
