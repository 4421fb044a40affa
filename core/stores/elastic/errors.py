"""What Elasticsearch and the network say, in plain words and without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import elasticsearch
from elastic_transport import ConnectionError, ConnectionTimeout, SerializationError, TlsError
from elasticsearch import ApiError, UnsupportedProductError

from sightsound.errors import CollectionMissing, StoreError

PASSING = (429, 502, 503, 504)
"""Answers that may be others in a moment."""
_BLOCKED = ("cluster_block_exception",)
_UNFIT = ("strict_dynamic_mapping_exception",)
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_READ_ONLY = ("read-only", "FORBIDDEN/12", "FORBIDDEN/5", "FORBIDDEN/6", "TOO_MANY_REQUESTS/12")


def cause(error: Mapping[str, Any]) -> tuple[str, str]:
    """(type, reason) of an error as Elasticsearch gives it, of the innermost cause that says something."""
    roots = error.get("root_cause") or [error]
    inner = roots[0] if isinstance(roots[0], Mapping) else error
    reason = str(inner.get("reason") or error.get("reason") or "")
    deeper = error.get("caused_by") or inner.get("caused_by")
    while isinstance(deeper, Mapping):
        reason = f"{reason}: {deeper['reason']}" if deeper.get("reason") else reason
        deeper = deeper.get("caused_by")
    return str(inner.get("type") or error.get("type") or ""), reason


def cause_of(error: ApiError) -> tuple[str, str]:
    body: Any = error.body
    said = body.get("error", body) if isinstance(body, Mapping) else body
    return cause(said) if isinstance(said, Mapping) else ("", " ".join(str(said or error.message).split())[:300])


def is_passing(error: Exception) -> bool:
    """Whether trying again may help: overload, a node that restarts, a connection that broke."""
    if isinstance(error, TlsError):
        return False
    if isinstance(error, ConnectionError | ConnectionTimeout):
        return True
    return isinstance(error, ApiError) and error.meta.status in PASSING and not is_block(*cause_of(error))


def is_block(type: str, reason: str) -> bool:
    """Whether writes are refused until someone acts: after a full disk, or by an administrator."""
    return type in _BLOCKED and any(mark in reason for mark in _READ_ONLY)


def is_unfit(type: str) -> bool:
    """Whether the mapping of an index is not the one that we made: then no document fits it."""
    return type in _UNFIT


def is_gone(error: Exception) -> bool:
    """Whether an index, or what a scan was held by, is no longer there: another took its alias."""
    if not isinstance(error, ApiError):
        return False
    type, reason = cause_of(error)
    return error.meta.status == 404 or "index_not_found" in type or "no such index" in reason


def blocked(place: str, reason: str) -> StoreError:
    if "12" in reason or "flood" in reason or "disk" in reason:
        return StoreError(
            f"{place} takes no writes: a disk of the cluster passed its flood-stage watermark, so that its indices "
            "are read-only. Free disk space or add a node, then run the same command again; nothing acknowledged "
            "is lost."
        )
    return StoreError(
        f"{place} takes no writes: its indices were made read-only ({reason}). Lift the block, then run the same "
        "command again; nothing acknowledged is lost."
    )


def unfit(place: str, index: str, reason: str) -> StoreError:
    return StoreError(
        f"The index {index} of {place} has another mapping than this sightsound writes ({reason}). Build the "
        "collection anew with: sightsound index --rebuild"
    )


def explained(error: Exception, place: str, credentials: bool, tries: int = 1) -> StoreError:
    """One message that says what to do. credentials: whether any were sent."""
    tried = f", tried {tries} times" if tries > 1 else ""
    if isinstance(error, TlsError) and any(mark in _inner(error) for mark in _NO_TLS):
        return StoreError(f"What answers at {place} does not speak TLS. Write http:// instead of https://")
    if isinstance(error, TlsError):
        return StoreError(
            f"The certificate of {place} can't be trusted ({_inner(error)}). Name the file with the CA's "
            "certificate in ELASTICSEARCH_CA_CERT."
        )
    if isinstance(error, ConnectionTimeout):
        return StoreError(
            f"{place} gave no answer in time{tried}: it is overloaded or out of reach. Run the same command again "
            "later; what was acknowledged is kept."
        )
    if isinstance(error, ConnectionError):
        return StoreError(
            f"No Elasticsearch answers at {place} ({_inner(error)}{tried}). Start it, or check --store and "
            "ELASTICSEARCH_URL; what was acknowledged is kept, and the same command goes on."
        )
    if isinstance(error, UnsupportedProductError):
        return stranger(place)
    if isinstance(error, SerializationError):
        return StoreError(f"{place} answers with something else than JSON: is it an Elasticsearch? ({_inner(error)})")
    if isinstance(error, ApiError):
        return _explained(error, place, credentials, tried)
    return StoreError(f"{place}: {error}")


def _explained(error: ApiError, place: str, credentials: bool, tried: str) -> StoreError:
    status, (type, reason) = error.meta.status, cause_of(error)
    if is_block(type, reason):
        return blocked(place, reason)
    if status == 401:
        refused = "refuses these credentials" if credentials else "wants credentials"
        return StoreError(
            f"{place} {refused}. Set ELASTICSEARCH_API_KEY, or ELASTICSEARCH_USER and ELASTICSEARCH_PASSWORD."
        )
    if status == 403:
        return StoreError(
            f"{place} does not allow this ({reason}). The API key or user needs the privileges that "
            "docs/elasticsearch.md lists."
        )
    if type == "media_type_header_exception" or "compatible-with" in reason or "Accept version" in reason:
        return mismatch(place, "of another major version")
    if status == 413:
        return StoreError(
            f"{place}, or a proxy before it, refuses requests of this size. Raise its limit "
            "(http.max_content_length, or client_max_body_size of nginx) to 10 MB or more."
        )
    if type == "circuit_breaking_exception":
        return StoreError(
            f"{place} has too little memory for this{tried} ({reason}). Give its nodes a larger heap, or run the "
            "same command again when less is going on; what was acknowledged is kept."
        )
    if type == "index_not_found_exception" or status == 404:
        return CollectionMissing(f"The collection is gone from {place} ({reason}). See: sightsound status")
    if is_unfit(type):
        return unfit(place, str(_index(error)), reason)
    if status in PASSING:
        return StoreError(
            f"{place} is overloaded or not all of its shards are there (status {status}{tried}). Run the same "
            "command again later; what was acknowledged is kept."
        )
    return StoreError(f"{place} refused a request (status {status}): {reason or type}")


def stranger(place: str) -> StoreError:
    return StoreError(f"What answers at {place} is no Elasticsearch. Check --store and ELASTICSEARCH_URL.")


def mismatch(place: str, version: str) -> StoreError:
    client = elasticsearch.__version__[0]
    return StoreError(
        f"{place} is an Elasticsearch {version}, and the installed client speaks to {client}.x. Install the client of "
        f"the server's own major version, or upgrade the server; sightsound works with {client}.x."
    )


def _index(error: ApiError) -> Any:
    body: Any = error.body
    return body.get("error", {}).get("index", "") if isinstance(body, Mapping) else ""


def _inner(error: Exception) -> str:
    """The reason within an error of the transport, on one line."""
    inner: Iterable[Exception] = getattr(error, "errors", ())
    text = str(next(iter(inner), None) or getattr(error, "message", error))
    for cut in ("<", "HTTPConnection(", "HTTPSConnection("):
        if text.startswith(cut) and ": " in text:
            text = text.split(": ", 1)[1]
    return " ".join(text.split())[:200]
