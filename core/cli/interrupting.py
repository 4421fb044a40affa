"""Ctrl-C, so that it is not lost: Python drops an interrupt that lands in a finaliser or a callback.

SIGTERM is the same: a container's or a scheduler's way to say that it is time to end.
"""

from __future__ import annotations

import signal
from typing import Any

_pressed = False


def watch() -> None:
    """Remember an interrupt besides raising it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupted)


def check() -> None:
    """Raises KeyboardInterrupt where one was pressed and lost. Long work calls this as it goes on."""
    if _pressed:
        raise KeyboardInterrupt


def _interrupted(number: int, frame: Any) -> None:
    global _pressed
    _pressed = True
    raise KeyboardInterrupt
