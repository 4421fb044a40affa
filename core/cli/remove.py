"""sightsound remove"""

from __future__ import annotations

from typing import Annotated

import typer

from sightsound.amounts import plural
from sightsound.cli.common import CollectionOption, StoreOption, YesOption, ask, opened
from sightsound.config import setting
from sightsound.errors import UsageError
from sightsound.filters import parse_condition
from sightsound.opening import Sources, find_item, open_store
from sightsound.registry import registry


def register(app: typer.Typer) -> None:
    app.command("remove", epilog="Example: `sightsound remove --where author='Jane Doe'`")(remove_command)


def remove_command(
    items: Annotated[list[str] | None, typer.Argument(metavar="ITEM...", help="Ids, paths or URIs.")] = None,
    where: Annotated[
        list[str] | None, typer.Option("--where", metavar="CONDITION", help="All items for which this holds.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole collection.")] = False,
    store: StoreOption = None,
    collection: CollectionOption = None,
    yes: YesOption = False,
) -> None:
    """Remove items from the collection. The files themselves are left alone.

    A source of which nothing is left, as with --where source=NAME, is no longer gone over by `sightsound index`.
    """
    if bool(items) + bool(where) + everything != 1:
        raise UsageError("Say what to remove: items, or --where CONDITION, or --all")
    name = setting("collection", collection)
    if everything:
        _confirm(yes, f"Remove the whole collection '{name}'?")
        open_store(registry(), store).drop(name)
        print(f"Removed the collection '{name}'.")
        return
    with opened(store, collection) as (_, found):
        filters = tuple(parse_condition(written) for written in where or [])
        if filters:
            ids = [item.id for item in found.scan(filters, failed=True)]
            _confirm(yes, f"Remove {plural(len(ids), 'item')} from '{name}'?")
        else:
            ids = [find_item(found, reference).id for reference in items or []]
        print(f"Removed {plural(found.remove(ids), 'item')}.")
        let_go = [str(value) for one in filters if one.field == "source" for value in one.values]
        for source in Sources.forget(found, let_go):
            print(f"The source {source} is forgotten: `sightsound index` goes over it no more.")


def _confirm(yes: bool, question: str) -> None:
    if not yes and not ask(question):
        raise UsageError(f"Nothing was removed. {question} Then add --yes")
