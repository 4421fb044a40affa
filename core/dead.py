"""Links that are dead: items whose picture is gone from where it lay, found out when it is shown or taken."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sightsound.errors import CollectionBusy, MediaError, MediaGone
from sightsound.fetching import FetchFailed, Limits, safe_fetch
from sightsound.opening import Sources
from sightsound.stores.base import Collection
from sightsound.types import Item

GONE = (404, 410)
AT_ONCE = 8


def dead_links(items: Sequence[Item], sources: Sources) -> dict[str, MediaError]:
    """By item id, those whose view URL their host says is gone. A host that can't be reached says nothing."""
    urls = {item.id: url for item in items if (url := sources.of(item).view_url(item))}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = zip(urls, pool.map(_dead, urls.values()), strict=True)
        return {id: error for id, error in found if error}


def _dead(url: str) -> MediaError | None:
    try:
        safe_fetch(url, method="HEAD", limits=Limits(total=10, tries=1))
    except FetchFailed as error:
        return error if error.status in GONE else None
    except MediaError:
        pass
    return None


def mark(collection: Collection, item: Item, error: MediaError) -> bool:
    """Note in the collection that the item's link is dead; it is still found, and listed by `sightsound failed`.

    Returns whether it was: only a host's word that it is gone counts, and another run may hold the collection.
    """
    if not isinstance(error, FetchFailed) or error.status not in GONE:
        return False
    return _fail(collection, item, f"its link is dead: {error}")


def mark_gone(collection: Collection, item: Item, error: MediaGone) -> bool:
    """Note that an item's file is gone, or is not what was indexed; it is still found. Returns whether it was noted.

    A folder that is gone as a whole says nothing: the disk may not be mounted.
    """
    path = item.path
    if item.state != "ok" or (path is not None and not path.parent.exists()):
        return False
    return _fail(collection, item, str(error))


def _fail(collection: Collection, item: Item, reason: str) -> bool:
    try:
        with collection.writing():
            collection.fail(item, reason)
    except CollectionBusy:
        return False
    return True
