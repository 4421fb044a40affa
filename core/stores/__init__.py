"""Where collections are kept. The stores that come with sightsound register here; importing them waits."""

from __future__ import annotations

from sightsound.hookspecs import Register, hookimpl
from sightsound.stores.base import Store


@hookimpl
def register_stores(register: Register) -> None:
    register("local", open_local)


def open_local(location: str, create: bool) -> Store | None:
    """The store in the folder `location`; None for a URL."""
    if "://" in location:
        return None
    from sightsound.stores.local import LocalStore

    return LocalStore(location, create)
