"""How the checks say what is wrong."""

from __future__ import annotations

import pickle
from typing import TypeVar

Thing = TypeVar("Thing")


def expect(condition: object, message: str) -> None:
    """Raises AssertionError with the message unless the condition holds; also under `python -O`."""
    if not condition:
        raise AssertionError(message)


def pickled(thing: Thing, name: str) -> Thing:
    """The thing as it arrives in another process."""
    try:
        return pickle.loads(pickle.dumps(thing))  # type: ignore[no-any-return]
    except Exception as error:
        raise AssertionError(
            f"{name} can't be pickled, and so can't be sent to the decoding processes: {error}. Define it at the"
            " top of a module, not inside a function"
        ) from error
