"""A stand-in for the Hugging Face hub, for `huggingface_hub` to speak to: repositories from folders."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Hub:
    """repositories: commit and folder by name. gated: names that need a token. asked: paths, with their tokens."""

    url: str
    repositories: dict[str, tuple[str, Path]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    cut: int = 0
    """Downloads that end halfway."""


@contextmanager
def serve() -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(False)

        def do_GET(self) -> None:
            self._answer(True)

        def _answer(self, body: bool) -> None:
            token = self.headers.get("Authorization", "")
            hub.asked.append((self.path, token))
            parts = self.path.partition("?")[0].strip("/").split("/")
            api = parts[:2] == ["api", "models"]
            name = "/".join(parts[2:4] if api else parts[:2])
            if name not in hub.repositories:
                return self._send(404, b"{}", body, {"X-Error-Code": "RepoNotFound"})
            if name in hub.gated and not token:
                return self._send(401, b"{}", body, {"X-Error-Code": "GatedRepo"})
            commit, folder = hub.repositories[name]
            if api:
                files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
                told = {"id": name, "modelId": name, "sha": commit, "siblings": [{"rfilename": one} for one in files]}
                return self._send(200, json.dumps(told).encode(), body, {"Content-Type": "application/json"})
            path = folder / "/".join(parts[4:])
            if not path.is_file():
                return self._send(404, b"{}", body, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            data = path.read_bytes()
            tag = hashlib.sha256(data).hexdigest()
            return self._send(200, data, body, {"ETag": f'"{tag}"', "X-Repo-Commit": commit})

        def _send(self, status: int, data: bytes, body: bool, headers: dict[str, str]) -> None:
            begins = 0
            wanted = self.headers.get("Range", "")
            if status == 200 and wanted.startswith("bytes="):
                begins = int(wanted[6:].split("-")[0])
                status = 206
                headers["Content-Range"] = f"bytes {begins}-{len(data) - 1}/{len(data)}"
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(data) - begins))
            self.end_headers()
            if body and hub.cut and len(data) > 100_000:
                hub.cut -= 1
                self.wfile.write(data[begins : begins + len(data) // 2])
                self.close_connection = True
            elif body:
                self.wfile.write(data[begins:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
