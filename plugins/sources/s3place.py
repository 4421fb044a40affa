"""A backup in a bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sightsound.errors import StoreError
from sightsound.plugins.sources.bucket import Bucket

ENOUGH = 100
"""Names that tell what lies at a place."""


class S3Place:
    """Under a prefix of a bucket. Large files go and come in parts, several at once."""

    folder: Path | None = None

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._prefix = key if not key or key.endswith("/") else f"{key}/"
        self.where = bucket.uri(self._prefix)

    def names(self) -> list[str]:
        from sightsound.plugins.sources.s3errors import explained

        with explained(StoreError, self.where):
            answer = self._bucket.client.list_objects_v2(
                Bucket=self._bucket.name, Prefix=self._prefix, MaxKeys=ENOUGH, **self._bucket.payer
            )
        keys = [str(one["Key"]) for one in answer.get("Contents", ())]
        return [key[len(self._prefix) :] for key in keys if key != self._prefix]

    def read(self, name: str) -> bytes | None:
        from botocore.exceptions import ClientError

        from sightsound.plugins.sources.s3errors import GONE, code_of, explained

        with explained(StoreError, self._bucket.uri(self._prefix + name)):
            try:
                answer = self._bucket.client.get_object(**self._named(name), **self._bucket.payer)
                return bytes(answer["Body"].read())
            except ClientError as error:
                if code_of(error) in GONE:
                    return None
                raise

    def put(self, path: Path, name: str, progress: Callable[[int], None]) -> None:
        from sightsound.plugins.sources.s3errors import explained

        with explained(StoreError, self._bucket.uri(self._prefix + name)):
            self._bucket.client.upload_file(
                str(path), **self._named(name), ExtraArgs=self._bucket.payer, Callback=_Summed(progress)
            )

    def fetch(self, name: str, path: Path, progress: Callable[[int], None]) -> None:
        from sightsound.plugins.sources.s3errors import explained

        with explained(StoreError, self._bucket.uri(self._prefix + name)):
            self._bucket.client.download_file(
                **self._named(name), Filename=str(path), ExtraArgs=self._bucket.payer, Callback=_Summed(progress)
            )

    def remove(self, name: str) -> None:
        from sightsound.plugins.sources.s3errors import explained

        with explained(StoreError, self._bucket.uri(self._prefix + name)):
            self._bucket.client.delete_object(**self._named(name), **self._bucket.payer)

    def _named(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket.name, "Key": self._prefix + name}


class _Summed:
    """boto3 tells how many bytes more."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._done = 0

    def __call__(self, more: int) -> None:
        self._done += more
        self._progress(self._done)
