"""The Typer application: the built-in commands, then those of plug-ins."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sightsound.cli import check, doctor, export, failed, index, plugins, remove, search, show, status
from sightsound.registry import explain, registry

COMMANDS = (index, search, show, status, failed, remove, export, check, plugins, doctor)


def build() -> typer.Typer:
    app = typer.Typer(
        name="sightsound",
        help="Search photographs, films and sounds by what is seen and heard in them.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Start with: `sightsound index ~/Photos`, then `sightsound search \"a boat at dusk\"`",
    )
    app.callback()(_main)
    for command in COMMANDS:
        command.register(app)
    found = registry()
    taken = {name for name in map(_command_name, app.registered_commands)}
    for plugin in found.manager.get_plugins():
        try:
            found.manager.subset_hook_caller(
                "register_commands", [other for other in found.manager.get_plugins() if other is not plugin]
            )(cli=app)
            added = [c for c in app.registered_commands if _command_name(c) in taken and c not in app.registered_commands[: len(taken)]]
            for clash in added:
                app.registered_commands.remove(clash)
                print(f"warning: a plug-in's command {_command_name(clash)} exists already", file=sys.stderr)
            taken = {name for name in map(_command_name, app.registered_commands)}
        except Exception as error:  # a stranger's code may raise anything
            print(f"warning: a plug-in's commands can't be used: {explain(error)}", file=sys.stderr)
    return app


def _command_name(command: typer.models.CommandInfo) -> str:
    return command.name or getattr(command.callback, "__name__", "").replace("_", "-")


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
