"""The Typer application: the built-in commands, then those of plug-ins."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from sightsound.cli import (
    check,
    copy,
    doctor,
    eval,
    export,
    failed,
    index,
    plugins,
    remove,
    search,
    serve,
    show,
    status,
    take,
)
from sightsound.registry import Registry, registry

COMMANDS = (
    index, search, serve, show, take, status, failed, remove, export, copy, check, eval, plugins, doctor,
)  # fmt: skip


def build(found: Registry | None = None) -> typer.Typer:
    """The application with the commands of these plug-ins; of the installed ones where none are given."""
    app = typer.Typer(
        name="sightsound",
        help="Search photographs, films and sounds by what is seen and heard in them.",
        no_args_is_help=True,
        rich_markup_mode=None,  # importing rich for the help would double its time
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog='Start with: `sightsound index ~/Photos`, then `sightsound search "a boat at dusk"`',
    )
    app.callback()(_main)
    for command in COMMANDS:
        command.register(app)
    _add_commands_of_plugins(app, found or registry())
    return app


def _add_commands_of_plugins(app: typer.Typer, found: Registry) -> None:
    """Each plug-in fills an application of its own, from which names that are still free are taken."""
    theirs: dict[str, typer.Typer] = {}

    def own(plugin: str) -> dict[str, Any]:
        theirs[plugin] = typer.Typer()
        return {"cli": theirs[plugin]}

    found.call_each("register_commands", own)
    taken = {_name(command) for command in app.registered_commands}
    for plugin, cli in theirs.items():
        for offered, kept in (
            (cli.registered_commands, app.registered_commands),
            (cli.registered_groups, app.registered_groups),
        ):
            for command in offered:
                name = _name(command)
                if name in taken:
                    print(f"warning: the command '{name}' of {plugin} is left out: it exists already", file=sys.stderr)
                else:
                    taken.add(name)
                    kept.append(command)  # type: ignore[arg-type]


def _name(command: Any) -> str:
    """The name under which Typer will show a command or a sub-application."""
    instance = getattr(command, "typer_instance", None)
    if instance is not None:
        return str(command.name or instance.info.name or "")
    return str(command.name or command.callback.__name__.lower().replace("_", "-"))


def _version(value: bool) -> None:
    if value:
        from sightsound import __version__

        print(f"sightsound {__version__}")
        raise typer.Exit


def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass
