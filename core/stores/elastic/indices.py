"""The indices of one collection: which there are, making them, and what searches may see of them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import ApiError

from sightsound.errors import NewerSchema, StoreError
from sightsound.filters import Filters, conditions_of
from sightsound.stores import refusals
from sightsound.stores.elastic import mapping, names
from sightsound.stores.elastic.connection import Connection
from sightsound.stores.elastic.errors import cause_of
from sightsound.types import Space

_REFRESH = "index.refresh_interval"


@dataclass(frozen=True)
class SpaceIndex:
    """The index of a space, or of mapping.SAID. type: of its vectors' index, one of mapping.TYPES."""

    space: str
    alias: str
    physical: str
    dims: int
    type: str
    oversample: float


class Indices:
    """items, segments: the aliases of the items and of all spaces together. Methods may be called from any thread."""

    def __init__(self, connection: Connection, prefix: str, collection: str) -> None:
        self.connection = connection
        self.collection = collection
        self.items = names.alias(prefix, collection, names.ITEMS)
        self.segments = names.alias(prefix, collection, names.SEGMENTS)
        self.version = 0
        self.schema = mapping.SCHEMA
        self._prefix = prefix
        self._guard = threading.Lock()
        self._spaces: dict[str, SpaceIndex] = {}
        self.refreshes = True
        """Whether new indices refresh by themselves: not while much is being loaded."""

    def load(self) -> None:
        """Learn what there is. Raises CollectionMissing, NewerSchema, StoreError."""
        with self.connection.explaining():
            found: Mapping[str, Any] = self.connection.call(
                lambda client: client.indices.get_mapping(
                    index=[self.items, self.segments], ignore_unavailable=True, filter_path="*.mappings._meta"
                )
            ).body
        metas = {physical: mapping.meta_of(index) for physical, index in found.items()}
        version = next((names.version_of(physical) for physical, meta in metas.items() if "collection" in meta), 0)
        if not version:
            raise refusals.missing(self.collection, self.connection.place)
        schemas = [meta.get("schema", 0) for meta in metas.values()]
        for schema in schemas:
            self._check_schema(schema)
        spaces = {
            meta["space"]: SpaceIndex(
                meta["space"], self._alias(meta["space"]), physical, meta["dims"], meta["type"], meta["oversample"]
            )
            for physical, meta in metas.items()
            if "space" in meta
        }
        with self._guard:
            self.version, self._spaces, self.schema = version, spaces, min(schemas)

    def spaces(self) -> dict[str, SpaceIndex]:
        with self._guard:
            return dict(self._spaces)

    def behind(self) -> str:
        """The index of the items, as it is now."""
        (physical,) = self.connection.asked(lambda client: client.indices.get_alias(name=self.items))
        return str(physical)

    def aliases(self) -> list[str]:
        """Of the items, and of the spaces that there are."""
        spaces = self.spaces().values()
        return [self.items, *([self.segments] if spaces else []), *(index.alias for index in spaces)]

    def space(self, name: str) -> SpaceIndex | None:
        """The index of a space; another process may have made it since we looked."""
        found = self.spaces().get(name)
        if found is None:
            self.load()
            found = self.spaces().get(name)
        return found

    def space_of(self, physical: str) -> str:
        """Which space an index holds, "" for one that holds none, or is of this collection no more."""
        for again in (False, True):
            if again:
                self.load()
            for index in self.spaces().values():
                if index.physical == physical:
                    return index.space
        return ""

    def ensure(self, space: Space) -> None:
        """Make the index of a space where there is none. Raises StoreError where its vectors have another length."""
        known = self.spaces().get(space.name)
        if known is None:
            self._create(space)
            self.load()
            known = self.spaces()[space.name]
        refusals.check_stored_dims(space.name, known.dims, space.dims)

    def ensure_all(self, spaces: Iterable[Space]) -> None:
        for space in spaces:
            self.ensure(space)

    def refresh(self, *aliases: str) -> None:
        """Let searches see what was written."""
        self.connection.asked(lambda client: client.indices.refresh(index=list(aliases), ignore_unavailable=True))

    def refresh_by_themselves(self, on: bool, before: Any = None) -> None:
        """Switch the refresh off, or back to what it was. before: what `refresh_interval` gave."""
        self.refreshes = on
        value = before if on else "-1"
        self.connection.asked(
            lambda client: client.indices.put_settings(
                index=[self.items, self.segments], settings={_REFRESH: value}, ignore_unavailable=True
            )
        )

    def refresh_interval(self) -> str | None:
        """As it was set for the items, None where it was not."""
        found: Mapping[str, Any] = self.connection.asked(
            lambda client: client.indices.get_settings(index=self.items, name=_REFRESH)
        )
        for index in found.values():
            value = index.get("settings", {}).get("index", {}).get("refresh_interval")
            return None if value in (None, "-1") else str(value)
        return None

    def refresh_is_off(self) -> bool:
        """Whether a writer that is gone left it so."""
        found: Mapping[str, Any] = self.connection.asked(
            lambda client: client.indices.get_settings(
                index=[self.items, self.segments], name=_REFRESH, ignore_unavailable=True, flat_settings=True
            )
        )
        return any(index["settings"].get(_REFRESH) == "-1" for index in found.values())

    def create(self) -> None:
        """Make the index of the items. Another process may have been faster."""
        version = 1 + latest_version(self.connection, self._base())
        physical = names.physical(f"{self._base()}--{names.ITEMS}", version)
        body = mapping.items_mapping(self.collection)
        self._make(physical, [self.items], body)

    def _create(self, space: Space) -> None:
        options = mapping.index_options()
        written = names.written(space.name) if space.name else names.SAID
        physical = names.physical(f"{self._base()}--{written}", self.version)
        said = space.name == mapping.SAID
        body = mapping.said_mapping() if said else mapping.space_mapping(space.name, space.dims, options)
        self._make(physical, [self._alias(space.name), self.segments], body)

    def _make(self, physical: str, aliases: Sequence[str], body: Mapping[str, Any]) -> None:
        settings = mapping.index_settings(mapping.index_options(), self.refreshes)
        with self.connection.explaining():
            try:
                self.connection.call(
                    lambda client: client.indices.create(
                        index=physical, mappings=body, settings=settings, aliases={alias: {} for alias in aliases}
                    )
                )
            except ApiError as error:
                type, reason = cause_of(error)
                if type == "resource_already_exists_exception":
                    return
                if error.meta.status == 400:
                    raise StoreError(
                        f"{self.connection.place} can't make the index {physical}: {reason}. See: sightsound doctor"
                    ) from None
                raise

    def _alias(self, space: str) -> str:
        if space == mapping.SAID:
            return names.alias(self._prefix, self.collection, names.SAID)
        return names.space_alias(self._prefix, self.collection, space)

    def _base(self) -> str:
        """What the names of our indices begin with: a collection that is built beside another is its next version."""
        return names.base(self._prefix, self.collection)

    def _check_schema(self, schema: int) -> None:
        if schema > mapping.SCHEMA:
            raise NewerSchema(
                f"{self._place()} was written by a newer sightsound (schema {schema}, this one reads {mapping.SCHEMA}):"
                " upgrade sightsound"
            )
        if schema < mapping.OLDEST:
            raise StoreError(f"{self._place()} was written by a far older sightsound. Index it under another name")

    def require_current(self) -> None:
        """Raises StoreError where an older sightsound made the collection: it may be searched, but not written."""
        if self.schema < mapping.SCHEMA:
            raise StoreError(
                f"{self._place()} was written by an older sightsound, and can only be searched. Build it anew:"
                f" sightsound index --rebuild --collection {self.collection}"
            )

    def answering(self, filters: Filters) -> Filters:
        """The filters. Raises StoreError for a field that an older sightsound did not keep."""
        if self.schema < mapping.SCHEMA and {condition.field for condition in conditions_of(filters)} & mapping.SINCE_2:
            raise StoreError(
                f"{self._place()} was written by an older sightsound, and knows no colour and no orientation. Build it"
                f" anew: sightsound index --rebuild --collection {self.collection}"
            )
        return filters

    def _place(self) -> str:
        return f"The collection '{self.collection}' of {self.connection.place}"


def latest_version(connection: Connection, base: str) -> int:
    """The highest version of any index whose name begins with `base--`, 0 for none."""
    found: Mapping[str, Any] = connection.asked(
        lambda client: client.indices.get_settings(
            index=f"{base}--*", name="index.uuid", expand_wildcards="all", ignore_unavailable=True
        )
    )
    return max((names.version_of(physical) for physical in found), default=0)
