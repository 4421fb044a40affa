"""sightsound serve"""

from __future__ import annotations

from typing import Annotated

import typer

from sightsound.cli.common import CollectionOption, StoreOption
from sightsound.config import use
from sightsound.errors import UsageError

ANY = ("0.0.0.0", "::", "")


def register(app: typer.Typer) -> None:
    app.command("serve", epilog="Example: `sightsound serve --port 8000`")(serve_command)


def serve_command(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to serve at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="N", min=0, max=65535, help="The port; 0 for any that is free.")
    ] = 8000,
    host_name: Annotated[
        list[str] | None,
        typer.Option("--host-name", metavar="NAME", help="A name that the site is reached by; others are refused."),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open", help="Answer other machines though there is no API key.")
    ] = False,
    behind_proxy: Annotated[
        int,
        typer.Option("--behind-proxy", metavar="N", min=0, help="How many proxies' X-Forwarded headers are believed."),
    ] = 0,
    json_logs: Annotated[bool, typer.Option("--json-logs", help="Log a JSON object a line.")] = False,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="NAME", help="Where models run: cpu, cuda, mps.", show_default="the best there is"
        ),
    ] = None,
    store: StoreOption = None,
    collection: CollectionOption = None,
) -> None:
    """Serve the search page and its API to browsers and programs.

    Other machines are answered only with an API key (the setting api_key), or with --open.
    """
    from sightsound.webapp import create_app
    from sightsound.webapp.clients import is_loopback
    from sightsound.webapp.logs import in_json
    from sightsound.webapp.serving import serve
    from sightsound.webapp.settings import SiteSettings

    use("device", device)
    names = [*(host_name or []), *([] if host in ANY else [host])]
    settings = SiteSettings.read(store, collection, tuple(names), open_to_all, behind_proxy, json_logs)
    if not settings.api_key and not settings.open and host != "localhost" and not is_loopback(host):
        raise UsageError(
            f"At {host or 'every address'} other machines could search too: set an API key (SIGHTSOUND_API_KEY), or say"
            " --open"
        )
    if settings.json_logs:
        in_json()
    serve(create_app(settings), host, port)
