"""Where collections are kept. The stores that come with sightsound register here; importing them waits."""

from __future__ import annotations

from sightsound.config import public
from sightsound.errors import StoreError
from sightsound.hookspecs import Register, hookimpl
from sightsound.stores.base import Store


@hookimpl
def register_stores(register: Register) -> None:
    register("local", open_local)
    register("elasticsearch", open_elasticsearch)


def open_local(location: str, create: bool) -> Store | None:
    """The store in the folder `location`; None for a URL."""
    if "://" in location:
        return None
    from sightsound.stores.local import LocalStore

    return LocalStore(location, create)


def open_elasticsearch(location: str, create: bool) -> Store | None:
    """The store on the cluster at a URL, or several with commas, or at `cloud://CLOUD-ID`; None for anything else.

    Raises StoreError, ConfigError.
    """
    if not location.startswith(("http://", "https://", "cloud://")):
        return None
    try:
        import elasticsearch  # noqa: F401
        import orjson  # noqa: F401
    except ImportError as error:
        raise StoreError(
            f"{public(location)} is an Elasticsearch, and its client is not installed ({error}): "
            "pip install 'sightsound[elasticsearch]'"
        ) from None
    from sightsound.stores.elastic.store import ElasticStore

    return ElasticStore(location)
