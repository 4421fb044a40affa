"""Ctrl-C, so that it is not lost: Python drops an interrupt that lands in a finaliser or a callback."""

from __future__ import annotations

import signal
from typing import Any

_pressed = False


def watch() -> None:
    """Remember an interrupt besides raising it."""
    signal.signal(signal.SIGINT, _interrupted)


def check() -> None:
    """Raises KeyboardInterrupt where one was pressed and lost. Long work calls this as it goes on."""
    if _pressed:
        raise KeyboardInterrupt


def _interrupted(number: int, frame: Any) -> None:
    global _pressed
    _pressed = True
    raise KeyboardInterrupt
