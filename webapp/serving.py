"""Serving the site: waitress, one process with threads."""

from __future__ import annotations

import waitress
from flask import Flask

THREADS = 16


def serve(app: Flask, host: str, port: int) -> None:
    server = waitress.create_server(app, host=host, port=port, threads=THREADS)
    print(f"Serving at http://{server.effective_host}:{server.effective_port}/", flush=True)
    server.run()
