"""A collection in a few counts: items, spaces, encoders, sources and bytes."""

from __future__ import annotations

from typing import Any

from sightsound.calibration import calibrated_items
from sightsound.opening import SOURCES
from sightsound.stores.base import Store


def overview(store: Store, name: str) -> dict[str, Any]:
    """What `status --json` and the API tell of a collection. Raises StoreError."""
    collection = store.open(name)
    try:
        status, calibrated = collection.status(), calibrated_items(collection)
        return {
            "collection": status.name,
            "items": dict(status.items),
            "failed": status.failed,
            "spaces": [
                {"space": space, "segments": kind, "vectors": count}
                for (space, kind), count in sorted(status.segments.items())
            ],
            "encoders": [
                {"set": record.set, "name": record.name, "reads": record.reads, "fingerprint": record.fingerprint}
                for record in collection.encoders()
            ],
            "sources": sorted(collection.state(SOURCES) or {}),
            "calibrated": calibrated == collection.count(),
            "calibrated_items": calibrated,
            "bytes": status.bytes,
        }
    finally:
        collection.close()
