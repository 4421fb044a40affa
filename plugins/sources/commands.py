"""sightsound upload, backup, restore; index-to and starter-set lie beside this."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightsound.amounts import plural, readable_bytes
from sightsound.cli.common import CollectionOption, JsonOption, StoreOption, note, print_json
from sightsound.config import setting
from sightsound.errors import UsageError
from sightsound.plugins.sources.index_to import index_to_command
from sightsound.plugins.sources.starter_set import starter_set_command

if TYPE_CHECKING:
    from sightsound.stores.backup import Manifest, Place
    from sightsound.stores.local import LocalStore

SOME_FAILED = 3
SHOWN_FAILURES = 5
BucketOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", "-o", metavar="KEY=VALUE", help="Of the bucket: profile, endpoint, region, requester_pays."
    ),
]
PlaceArgument = Annotated[str, typer.Argument(metavar="PLACE", help="A folder, or s3://BUCKET/PREFIX.")]


def register(cli: typer.Typer) -> None:
    cli.command("backup", epilog="Example: `sightsound backup s3://archive/photos`")(backup_command)
    cli.command("restore", epilog="Example: `sightsound restore s3://archive/photos`")(restore_command)
    cli.command(
        "index-to",
        epilog="Example: `sightsound index-to s3://archive/index s3://archive/photos --prune`",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(index_to_command)
    cli.command("starter-set", epilog='Example: `sightsound starter-set unsplash:"mountain lake" --to lakes`')(
        starter_set_command
    )
    cli.command("upload", epilog="Example: `sightsound upload ~/Photos s3://archive/photos`")(upload_command)


def backup_command(
    place: PlaceArgument,
    option: BucketOption = None,
    store: StoreOption = None,
    collection: CollectionOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace an older backup that lies there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Carry a local collection to a folder or a bucket, as it is at this moment; indexing and searching go on.

    The photographs themselves are not part of it. Every file is written whole, with its checksum.
    """
    from sightsound.cli.progress import Bytes
    from sightsound.stores.backup import backup

    to, name = place_of(place, option), setting("collection", collection)
    with Bytes() as bar:
        manifest, wrote = backup(local_store(store), name, to, yes, bar.show)
    if as_json:
        print_json(_object(manifest, to, name) | {"wrote": wrote})
    elif wrote:
        print(f"Backed up '{name}' to {to.where}: {_holds(manifest)}")
    else:
        print(f"{to.where} holds '{name}' as it is already: the backup of {manifest.made}, {_holds(manifest)}")


def restore_command(
    place: PlaceArgument,
    option: BucketOption = None,
    store: StoreOption = None,
    collection: Annotated[
        str | None,
        typer.Option("--collection", "-c", metavar="NAME", help="Its name here.", show_default="the one it had"),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Replace a collection of this name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a backup back, or to another machine that is to serve it. It is verified before anything is replaced.

    Where the collection is this backup already, nothing is done: run it as often as you like.
    """
    from sightsound.cli.progress import Bytes
    from sightsound.stores.backup import restore

    of = place_of(place, option)
    with Bytes() as bar:
        manifest, name, changed = restore(local_store(store, create=True), collection, of, yes, bar.show)
    if as_json:
        print_json(_object(manifest, of, name) | {"restored": changed})
    elif changed:
        print(f"Restored '{name}' from the backup of {manifest.made}: {_holds(manifest)}")
    else:
        print(f"'{name}' is the backup of {manifest.made} already; nothing to do")


def upload_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="With photographs, films, sounds and tables.")],
    to: Annotated[str, typer.Argument(metavar="S3", help="s3://BUCKET/PREFIX")],
    option: BucketOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many files there are.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Upload a folder to a bucket, with its tables and subtitles: what is new or changed there. Run it again to go on.

    A file that lies there, as large and no older or of the same content, is left. Nothing is deleted.
    """
    from sightsound.cli.progress import counted
    from sightsound.plugins.sources.bucket import SCHEME, Bucket, split_address
    from sightsound.plugins.sources.upload import files_to_send, upload

    if not to.lower().startswith(SCHEME):
        raise UsageError(f"'{to}' is no bucket; write s3://BUCKET/PREFIX")
    name, key = split_address(to)
    bucket = Bucket(name, _options(option))
    files = files_to_send(folder.expanduser())
    sent, there, size, failures = 0, 0, 0, list[tuple[Path, str]]()
    if not dry_run:
        for one in counted(upload(folder.expanduser(), files, bucket, key), len(files), name):
            size += one.bytes
            sent += bool(one.bytes)
            there += not one.bytes and not one.reason
            if one.reason:
                failures.append((one.path, one.reason))
    if as_json:
        print_json(
            {
                "files": len(files),
                "uploaded": sent,
                "unchanged": there,
                "failed": len(failures),
                "bytes": size,
                "failures": [{"path": str(path), "reason": reason} for path, reason in failures],
            }
        )
    elif dry_run:
        print(f"{plural(len(files), 'file')} would be compared with {to}")
    else:
        print(f"{plural(len(files), 'file')}: {sent:,} uploaded ({readable_bytes(size)}), {there:,} there already")
        for path, reason in failures[:SHOWN_FAILURES]:
            note(f"failed: {path}: {reason}")
        if len(failures) > SHOWN_FAILURES:
            note(f"and {len(failures) - SHOWN_FAILURES:,} more; run it again to try them again")
    if failures:
        raise typer.Exit(SOME_FAILED)


def place_of(written: str, options: list[str] | None) -> Place:
    from sightsound.plugins.sources.bucket import SCHEME, Bucket, split_address
    from sightsound.plugins.sources.s3place import S3Place
    from sightsound.stores.backup import FolderPlace

    if written.lower().startswith(SCHEME):
        name, key = split_address(written)
        return S3Place(Bucket(name, _options(options)), key)
    if "://" in written:
        raise UsageError(f"'{written}' is no place for a backup; name a folder, or s3://BUCKET/PREFIX")
    if options:
        raise UsageError("--option is for buckets")
    return FolderPlace(Path(written).expanduser().absolute())


def _options(written: list[str] | None) -> Mapping[str, str]:
    from sightsound.cli.index import pairs
    from sightsound.plugins.sources.bucket import OPTIONS
    from sightsound.plugins.sources.files import check_options

    options = pairs(written)
    check_options(options, OPTIONS, "s3")
    return options


def local_store(store: str | None, create: bool = False) -> LocalStore:
    from sightsound.opening import open_store
    from sightsound.registry import registry
    from sightsound.stores.local import LocalStore

    found = open_store(registry(), store, create)
    if not isinstance(found, LocalStore):
        raise UsageError("backup and restore are for local collections; use the snapshots of this store's own server")
    return found


def _holds(manifest: Manifest) -> str:
    return f"{plural(manifest.items, 'item')}, {readable_bytes(manifest.size)}"


def _object(manifest: Manifest, place: Place, name: str) -> dict[str, object]:
    return {
        "place": place.where,
        "collection": name,
        "made": manifest.made,
        "items": manifest.items,
        "bytes": manifest.size,
        "sha256": manifest.sha256,
    }
