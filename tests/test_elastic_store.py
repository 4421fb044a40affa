"""The Elasticsearch store: the contract, and what only a cluster can do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from sightsound.stores.elastic.store import ElasticStore
from sightsound.testing.stores import StoreContract


@pytest.fixture
def store(elasticsearch: str) -> Iterator[ElasticStore]:
    """A store of this test's own on the cluster that all share."""
    store = ElasticStore(elasticsearch, prefix=f"test{secrets.token_hex(4)}")
    yield store
    for name in store.collections():
        store.drop(name)


class TestElasticStore(StoreContract):
    @pytest.fixture
    def store(self, elasticsearch: str) -> Iterator[ElasticStore]:
        store = ElasticStore(elasticsearch, prefix=f"test{secrets.token_hex(4)}")
        yield store
        for name in store.collections():
            store.drop(name)
