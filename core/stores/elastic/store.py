"""The store on a cluster: its collections, by the aliases of their items."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from elasticsearch import ApiError

from sightsound.config import setting
from sightsound.errors import CollectionMissing, ConfigError
from sightsound.stores import refusals
from sightsound.stores.base import Store
from sightsound.stores.elastic import doctor, names
from sightsound.stores.elastic.collection import ElasticCollection
from sightsound.stores.elastic.connection import Connection
from sightsound.stores.elastic.indices import Indices


class ElasticStore(Store):
    """A store at these URLs. prefix: begins every index; by the settings. Raises StoreError, ConfigError."""

    def __init__(self, location: str, prefix: str = "") -> None:
        self._prefix = prefix or setting("elasticsearch_prefix")
        if not self._prefix or not self._prefix[0].isalnum() or names.written(self._prefix) != self._prefix:
            raise ConfigError(
                f"The setting elasticsearch_prefix is '{self._prefix}'; lower-case letters, digits and single "
                "hyphens can begin the name of an index"
            )
        self._connection = Connection(location)
        self.location = self._connection.place

    def collections(self) -> list[str]:
        return sorted(names.collection_of(self._prefix, alias) for alias in self._aliases(f"{self._prefix}-*--items"))

    def open(self, name: str, create: bool = False) -> ElasticCollection:
        refusals.check_name(name)
        with self._connection.explaining():
            if create and not self._is_there(name):
                Indices(self._connection, self._prefix, name).create()
            return ElasticCollection(self._connection, self._prefix, name)

    def drop(self, name: str) -> None:
        with self._connection.explaining():
            collection = self._opened(name)
            with collection.holding():
                physical = sorted(self._physical(name))
                self._connection.asked(lambda client: client.indices.delete(index=physical))

    def switch(self, built: str, name: str) -> None:
        if built == name:
            return
        refusals.check_name(name)
        with self._connection.explaining(), ExitStack() as held:
            held.enter_context(self._opened(built).holding())
            if self._is_there(name):
                held.enter_context(self._opened(name).holding())
            actions: list[dict[str, Any]] = []
            for index, aliases in self._physical(built).items():
                for alias in aliases:
                    of = alias.rpartition("--")[2]
                    actions.append({"remove": {"index": index, "alias": alias}})
                    actions.append({"add": {"index": index, "alias": f"{self._prefix}-{names.written(name)}--{of}"}})
            actions += [{"remove_index": {"index": index}} for index in self._physical(name)]
            # All at once: a search finds the old collection or the new one.
            self._connection.asked(lambda client: client.indices.update_aliases(actions=actions))

    def diagnose(self) -> tuple[dict[str, str], list[str]]:
        return doctor.diagnose(self._connection, self._prefix)

    def _opened(self, name: str) -> ElasticCollection:
        refusals.check_name(name)
        if not self._is_there(name):
            raise CollectionMissing(f"There is no collection '{name}' in {self.location}.")
        return ElasticCollection(self._connection, self._prefix, name)

    def _is_there(self, name: str) -> bool:
        alias = names.alias(self._prefix, name, names.ITEMS)
        return bool(self._connection.asked(lambda client: client.indices.exists_alias(name=alias)))

    def _physical(self, name: str) -> dict[str, list[str]]:
        """The indices of a collection, with their aliases."""
        found: dict[str, list[str]] = {}
        for alias, indices in self._aliases(f"{self._prefix}-{names.written(name)}--*").items():
            for index in indices:
                found.setdefault(index, []).append(alias)
        return found

    def _aliases(self, pattern: str) -> dict[str, list[str]]:
        """The indices behind each alias that has such a name."""
        with self._connection.explaining():
            try:
                answer = self._connection.call(lambda client: client.indices.get_alias(name=pattern)).body
            except ApiError as error:
                if error.meta.status == 404:
                    return {}
                raise
        found: dict[str, list[str]] = {}
        for index, has in answer.items():
            for alias in has["aliases"]:
                found.setdefault(alias, []).append(index)
        return found
