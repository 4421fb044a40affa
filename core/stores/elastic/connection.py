"""The client: where the cluster is, with which credentials, and requests that are tried again while it may help."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import elasticsearch
from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch, OrjsonSerializer

from sightsound.config import number, public
from sightsound.errors import ConfigError, StoreError
from sightsound.stores.elastic.errors import explained, is_passing, mismatch, stranger

CLOUD = "cloud://"
"""Begins a location that is a cloud id."""
FIRST_SECONDS = 10.0
"""What the first request may take, which asks a cluster what it is; others as `elasticsearch_timeout` says."""
READ_PATIENCE = 20.0
"""Seconds in which a request is tried again, before it is given up."""
WRITE_PATIENCE = 300.0
"""The same while something is being indexed: a node may start anew meanwhile."""
FIRST_PATIENCE = 2.0
_LONGEST_PAUSE = 10.0
Answer = TypeVar("Answer")


class Connection:
    """A cluster. Methods may be called from any thread.

    place: how messages call it: its URLs, without credentials. Raises ConfigError, StoreError.
    """

    def __init__(self, location: str) -> None:
        self.place = public(location)
        self.patience = FIRST_PATIENCE
        self._secrets: list[str] = []
        self._most_patience, self._seconds = number("elasticsearch_patience"), number("elasticsearch_timeout")
        options = self._options(location)
        self._credentials = "api_key" in options or "basic_auth" in options
        try:
            self.client = Elasticsearch(
                max_retries=0,
                retry_on_timeout=False,
                request_timeout=self._seconds,
                # Compressing a bulk takes longer than indexing it; it pays on the way to a cloud only.
                http_compress=location.startswith(CLOUD),
                connections_per_node=8,
                serializer=OrjsonSerializer(),
                # A node that failed is asked again soon: it is us who wait.
                dead_node_backoff_factor=0.5,
                max_dead_node_backoff=5.0,
                **options,
            )
        except ValueError as error:
            raise ConfigError(self.redacted(f"'{self.place}' is no address of an Elasticsearch: {error}")) from None
        self.version = self._check_version()
        self.patience = min(READ_PATIENCE, self._most_patience)

    def call(self, request: Callable[[Elasticsearch], Answer]) -> Answer:
        """The answer to a request that may be sent twice. Raises StoreError, or ApiError for 400, 404 and 409."""
        started, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                return request(self.client)
            except (ApiError, TransportError) as error:
                if isinstance(error, ApiError) and error.meta.status in (400, 404, 409):
                    raise
                pause = pause_after(tries)
                if not is_passing(error) or time.monotonic() - started + pause > self.patience:
                    raise self.explained(error, tries) from None
                time.sleep(pause)

    def asked(self, request: Callable[[Elasticsearch], Any]) -> Any:
        """The body of the answer, as JSON. Raises StoreError."""
        with self.explaining():
            return self.call(request).body

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Turns what the client raises into a StoreError that says what to do."""
        try:
            yield
        except (ApiError, TransportError) as error:
            raise self.explained(error) from None

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Try for so long, at most as long as the settings say, until the block ends."""
        before, self.patience = self.patience, min(seconds, self._most_patience)
        try:
            yield
        finally:
            self.patience = before

    def explained(self, error: Exception, tries: int = 1) -> StoreError:
        made = explained(error, self.place, self._credentials, tries)
        made.args = (self.redacted(str(made)),)
        return made

    def redacted(self, text: str) -> str:
        """The text without any secret of this connection."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def close(self) -> None:
        self.client.close()

    def _options(self, location: str) -> dict[str, Any]:
        """What the client needs: the nodes, the credentials, the CA."""
        options: dict[str, Any] = {}
        user, password = _named("ELASTICSEARCH_USER"), _named("ELASTICSEARCH_PASSWORD")
        if location.startswith(CLOUD):
            options["cloud_id"] = location.removeprefix(CLOUD)
        else:
            hosts = []
            for written in location.split(","):
                parts = urlsplit(written.strip())
                if parts.username:
                    user, password = unquote(parts.username), unquote(parts.password or "")
                hosts.append(_host(written.strip()))
            options["hosts"] = hosts
        key = _named("ELASTICSEARCH_API_KEY") or _named("ELASTIC_API_KEY")
        self._secrets = [secret for secret in (key, password) if secret]
        if key:
            options["api_key"] = key
        elif user:
            options["basic_auth"] = (user, password)
        authority = _named("ELASTICSEARCH_CA_CERT")
        if authority:
            if not Path(authority).is_file():
                raise ConfigError(f"ELASTICSEARCH_CA_CERT names '{authority}', and there is no such file")
            options["ca_certs"] = authority
        return options

    def _check_version(self) -> str:
        """The version of the server, "" where this user may not ask. Raises StoreError for another major version."""
        try:
            seconds = min(FIRST_SECONDS, self._seconds)
            said: Mapping[str, Any] = self.call(lambda client: client.options(request_timeout=seconds).info()).body
        except ApiError as error:
            raise (stranger(self.place) if error.meta.status == 404 else self.explained(error)) from None
        except StoreError as error:
            if "does not allow this" in str(error):
                return ""
            raise
        if not isinstance(said, Mapping):
            raise StoreError(f"{self.place} answers with something else than JSON: is it an Elasticsearch?")
        version = str(said.get("version", {}).get("number", ""))
        if version and version.split(".")[0] != str(elasticsearch.__version__[0]):
            raise mismatch(self.place, version)
        return version


def pause_after(tries: int) -> float:
    """Seconds to wait after so many tries: twice as long each time, and not the same for all who wait."""
    return min(_LONGEST_PAUSE, 0.1 * 2.0**tries) * random.uniform(0.5, 1.0)


def _host(written: str) -> str:
    """The URL of one node, with a port and without credentials. Raises ConfigError."""
    try:
        parts = urlsplit(written)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(f"'{public(written)}' is no address of an Elasticsearch; write http://HOST:9200")
    host = f"[{host}]" if ":" in host else host
    port = port or (443 if parts.scheme == "https" else 9200)
    return urlunsplit((parts.scheme, f"{host}:{port}", parts.path, "", ""))


def _named(variable: str) -> str:
    return os.environ.get(variable, "").strip()
