"""A bucket: its address, its client, its objects. Credentials are boto3's business: none is kept or passed on here."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from sightsound.errors import PluginError, SourceError, UsageError

SCHEME = "s3://"
OPTIONS = ("profile", "endpoint", "region", "requester_pays", "no_sign_request")
EXTRA = "pip install 'sightsound[s3]'"
VIEW_SECONDS = 900
"""How long a URL for viewing holds."""
CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 30, 5
CONNECTIONS = 16
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_FLAGS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


@dataclass(frozen=True)
class Object:
    """An object as it is listed. etag: without quotes."""

    key: str
    etag: str
    size: int
    modified: datetime


def s3_uri(bucket: str, key: str) -> str:
    """The canonical URI of an object: its key in UTF-8, percent-encoded but for `/` and unreserved characters."""
    return f"{SCHEME}{bucket}/{quote(key)}"


def s3_key(uri: str) -> str:
    """The key that a canonical URI names."""
    return unquote(urlsplit(uri).path[1:])


def split_address(written: str) -> tuple[str, str]:
    """(bucket, key or prefix) of `s3://bucket/key` as people and the AWS tools write it, with nothing encoded.

    Raises UsageError for what names no bucket.
    """
    bucket, _, key = written[len(SCHEME) :].partition("/")
    if "@" in bucket:
        raise UsageError("Credentials do not belong in an address: write s3://BUCKET/PREFIX, --option profile=NAME")
    if not _NAME.fullmatch(bucket):
        raise UsageError("This address names no bucket; write s3://BUCKET/PREFIX")  # it may hold a key: not repeated
    return bucket, key


class Bucket:
    """A bucket, opened with a user's options. It is pickled without its client; each process makes its own.

    Raises UsageError for options that can't be right, PluginError where boto3 is not installed.
    """

    def __init__(self, name: str, options: Mapping[str, str]) -> None:
        if find_spec("boto3") is None:
            raise PluginError(f"S3 needs a further package: {EXTRA}")
        self.name = name
        self.profile = options.get("profile") or None
        self.region = options.get("region") or None
        self.endpoint = _endpoint(options.get("endpoint", ""))
        self.unsigned = _flag(options, "no_sign_request")
        self.payer = {"RequestPayer": "requester"} if _flag(options, "requester_pays") else {}
        self._client: Any = None
        self._found_region = False
        self._guard = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_client": None, "_guard": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _guard=threading.Lock())

    def uri(self, key: str = "") -> str:
        return s3_uri(self.name, key)

    @property
    def client(self) -> Any:
        """boto3's client, made on first use; it may be used by several threads."""
        with self._guard:
            if self._client is None:
                self._client = self._made()
            return self._client

    def _made(self) -> Any:
        import boto3
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        from sightsound.plugins.sources.s3errors import explained

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=CONNECTIONS,
            signature_version=UNSIGNED if self.unsigned else "s3v4",
        )
        with explained(SourceError, self.uri()):
            try:
                session = boto3.Session(profile_name=self.profile, region_name=self.region)
                return session.client("s3", endpoint_url=self.endpoint, config=config)
            except ValueError as error:
                if isinstance(error, BotoCoreError):
                    raise
                raise UsageError(f"The endpoint is no URL: {self.endpoint or 'AWS_ENDPOINT_URL'}") from error

    def objects(self, prefix: str) -> Iterator[Object]:
        """Every object whose key begins so, by key, a page of 1,000 at a time. Raises SourceError."""
        from sightsound.plugins.sources.s3errors import explained

        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, **self.payer)
        with explained(SourceError, self.uri(prefix)):
            for page in pages:
                for one in page.get("Contents", ()):
                    yield Object(one["Key"], one["ETag"].strip('"'), one["Size"], one["LastModified"])

    def open(self, key: str, etag: str = "", whole: bool = False) -> BinaryIO:
        """The object with this ETag, as a file. Raises MediaError.

        whole: fetch it at once; else its bytes come as they are read.
        """
        from sightsound.plugins.sources.objectfile import SPOOL, ObjectFile

        file = ObjectFile(self.client, {"Bucket": self.name, "Key": key, **self.payer}, etag, self.uri(key))
        if not whole:
            return io.BufferedReader(file, 1 << 16)
        try:
            file.fetch()
            if file.size > SPOOL:
                return io.BufferedReader(file, 1 << 16)
            with file:
                return io.BytesIO(file.readall())
        except BaseException:
            file.close()
            raise

    def view_url(self, key: str) -> str | None:
        """A URL at which anyone may read the object for some minutes; None without credentials to sign it."""
        from botocore.exceptions import BotoCoreError

        from sightsound.errors import SightsoundError

        try:
            self._find_region()
            named = {"Bucket": self.name, "Key": key, **self.payer}
            return str(self.client.generate_presigned_url("get_object", Params=named, ExpiresIn=VIEW_SECONDS))
        except (BotoCoreError, SightsoundError):
            return None

    def _find_region(self) -> None:
        """A signed URL is no good in another region. Asked once, the client remembers where the bucket lies."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._found_region or self.region or self.unsigned:
            return
        self._found_region = True
        host = urlsplit(self.client.meta.endpoint_url).hostname or ""
        if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            with suppress(BotoCoreError, ClientError):
                self.client.head_bucket(Bucket=self.name)


def _endpoint(written: str) -> str | None:
    """An endpoint is remembered with the collection, so that it may not hold a password."""
    if not written:
        return None
    parts = urlsplit(written)
    if parts.username or parts.password:
        raise UsageError("Credentials do not belong in the endpoint: write --option profile=NAME")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"The endpoint '{written}' is no URL; write https://HOST")
    return written


def _flag(options: Mapping[str, str], name: str) -> bool:
    written = options.get(name, "").lower()
    if written not in _FLAGS:
        raise UsageError(f"The option {name} is '{written}'; write yes or no")
    return _FLAGS[written]
