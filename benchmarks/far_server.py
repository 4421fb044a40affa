"""S3 far away: moto in a process of its own, with a folder's files in the bucket `far`, each answer some time late.

python benchmarks/far_server.py FOLDER MILLISECONDS
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from waitress.server import create_server

BUCKET = "far"
READY = "http://"
THREADS = 64
"""Answers that may be late at once."""


def serve(folder: Path, milliseconds: int) -> None:
    """Serve until the process is ended; the first line on stdout is the address."""
    backend: Any = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket(BUCKET, "us-east-1")
    for path in sorted(folder.iterdir()):
        backend.put_object(BUCKET, path.name, path.read_bytes())
    application: Any = DomainDispatcherApplication(create_backend_app)

    def late(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        time.sleep(milliseconds / 1000)
        answer: Iterable[bytes] = application(environment, start)
        return answer

    server: Any = create_server(late, host="127.0.0.1", port=0, threads=THREADS)  # it keeps connections, as S3 does
    print(f"{READY}127.0.0.1:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
