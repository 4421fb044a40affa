"""What core and plug-ins say through `logging.getLogger("sightsound")` while they work, shown on stderr."""

from __future__ import annotations

import logging


class _Remarks(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        from sightsound.cli.common import note

        note(f"warning: {record.getMessage()}" if record.levelno >= logging.WARNING else record.getMessage())


def show() -> None:
    logger = logging.getLogger("sightsound")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(_Remarks())
