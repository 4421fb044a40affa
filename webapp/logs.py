"""Logs: a line for each request, with its id; as JSON where that is wanted. Words of queries and keys stay out."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, has_request_context, request

HEADER = "X-Request-ID"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = logging.getLogger("sightsound.site")


def register(app: Flask) -> None:
    """Give each request an id, its caller's where it has a plain one, and log its answer. Must be registered first."""

    @app.before_request
    def begin() -> None:
        given = request.headers.get(HEADER, "")
        g.request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        from sightsound.webapp.site import site

        response.headers[HEADER] = g.request_id
        site().metrics.requests.labels(request.endpoint or "none", str(response.status_code)).inc()
        path = request.path.encode("unicode_escape").decode()  # a line stays one, whatever was asked for
        told = {
            "method": request.method,
            "path": path,
            "endpoint": request.endpoint,
            "status": response.status_code,
            "milliseconds": round(1000 * (time.perf_counter() - g.began), 1),
            "client": request.remote_addr,
        }
        line = f"{request.method} {path} {response.status_code} {told['milliseconds']} ms"
        level = logging.DEBUG if request.blueprint == "health" else logging.INFO
        log.log(level, line, extra={"told": told})
        return response


class JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line |= getattr(record, "told", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def in_json() -> None:
    """Let the whole process log in JSON, on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("", "sightsound"):
        logging.getLogger(name).handlers[:] = [handler]
    logging.getLogger("sightsound").propagate = False
