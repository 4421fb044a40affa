"""sightsound serve"""

from __future__ import annotations

from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, StoreOption


def register(app: typer.Typer) -> None:
    app.command("serve", epilog="Example: `sightsound serve --port 8000`")(serve_command)


def serve_command(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to serve at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", metavar="N", help="The port; 0 for any that is free.")] = 8000,
    store: StoreOption = None,
    collection: CollectionOption = None,
) -> None:
    """Serve the search page and its API to browsers and programs."""
    from sightsound.webapp import create_app
    from sightsound.webapp.serving import serve
    from sightsound.webapp.settings import SiteSettings

    serve(create_app(SiteSettings.read(store, collection)), host, port)
