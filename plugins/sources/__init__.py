"""Sources: folders and tables on this machine, buckets of S3, Unsplash and Pexels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sightsound import Source, hookimpl
from sightsound.hookspecs import Register

if TYPE_CHECKING:
    import typer


@hookimpl
def register_sources(register: Register) -> None:
    register("folder", open_folder)
    register("table", open_table)
    register("s3", open_s3)
    register("unsplash", open_unsplash)
    register("pexels", open_pexels)


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    from sightsound.plugins.sources import commands

    commands.register(cli)


def open_folder(argument: str, options: Mapping[str, str]) -> Source | None:
    from sightsound.plugins.sources.folder import open_folder as opened

    return opened(argument, options)


def open_table(argument: str, options: Mapping[str, str]) -> Source | None:
    from sightsound.plugins.sources.table import open_table as opened

    return opened(argument, options)


def open_s3(argument: str, options: Mapping[str, str]) -> Source | None:
    from sightsound.plugins.sources.s3 import open_s3 as opened

    return opened(argument, options)


def open_unsplash(argument: str, options: Mapping[str, str]) -> Source | None:
    from sightsound.plugins.sources.unsplash import open_unsplash as opened

    return opened(argument, options)


def open_pexels(argument: str, options: Mapping[str, str]) -> Source | None:
    from sightsound.plugins.sources.pexels import open_pexels as opened

    return opened(argument, options)
