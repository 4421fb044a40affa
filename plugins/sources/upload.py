"""A local folder into a bucket: photographs, films, sounds, their subtitles and tables; only what is new or changed."""

from __future__ import annotations

import fnmatch
import hashlib
import mimetypes
import os
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sightsound.errors import MediaError, SourceError, UsageError
from sightsound.plugins.sources.bucket import Bucket, Object
from sightsound.plugins.sources.files import kind_of
from sightsound.plugins.sources.folder import IGNORED, TABLES

AT_ONCE = 8
"""Files that are uploaded at once; large ones also in parts."""
BESIDE = (".srt", ".vtt")
TYPES = {".avif": "image/avif", ".heic": "image/heic", ".heif": "image/heif", ".webp": "image/webp"} | {
    ".jfif": "image/jpeg", ".mkv": "video/x-matroska", ".m2ts": "video/mp2t", ".mts": "video/mp2t",
    ".opus": "audio/ogg", ".oga": "audio/ogg", ".flac": "audio/flac", ".jsonl": "application/jsonl",
    ".srt": "application/x-subrip", ".vtt": "text/vtt",
}  # fmt: skip
"""Types that Python's own table lacks, on some machines."""


@dataclass(frozen=True)
class Sent:
    """What became of a file. reason: why it is not there, "" where it is. bytes: sent; 0 of what was there already."""

    path: Path
    key: str
    bytes: int = 0
    reason: str = ""


def files_to_send(folder: Path) -> list[Path]:
    """Every file below the folder that sightsound reads, in the order of their names. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}")
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not _ignored(name))
        found += [Path(root) / name for name in sorted(names) if not _ignored(name) and _is_read(name)]
    return found


def upload(folder: Path, files: list[Path], bucket: Bucket, key: str) -> Iterator[Sent]:
    """Bring the files into the bucket, under `key`. What is there, as large and no older or the same, is left.

    Raises SourceError where the bucket can't be listed, or where it takes nothing at all.
    """
    prefix = key if not key or key.endswith("/") else f"{key}/"
    there = {one.key: one for one in bucket.objects(prefix)}
    sent = failed = 0
    for one in _in_parallel(folder, files, bucket, prefix, there):
        sent += not one.reason
        failed += bool(one.reason)
        if failed > AT_ONCE and not sent:
            raise SourceError(f"Nothing can be uploaded: {one.reason}")
        yield one


def _in_parallel(
    folder: Path, files: list[Path], bucket: Bucket, prefix: str, there: dict[str, Object]
) -> Iterator[Sent]:
    waiting: set[Future[Sent]] = set()
    with ThreadPoolExecutor(AT_ONCE, "uploading") as pool:
        try:
            for path in files:
                key = prefix + path.relative_to(folder).as_posix()
                waiting.add(pool.submit(send, path, key, bucket, there.get(key)))
                if len(waiting) >= 2 * AT_ONCE:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (one.result() for one in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (one.result() for one in done)
        finally:
            pool.shutdown(cancel_futures=True)


def send(path: Path, key: str, bucket: Bucket, there: Object | None) -> Sent:
    """Bring a file into the bucket, unless what is there is as large, and no older or the same."""
    from sightsound.plugins.sources.s3errors import explained

    try:
        key.encode()
    except UnicodeEncodeError:
        return Sent(path, key, reason="its name is not UTF-8, as keys of S3 are: rename it")
    try:
        status = path.stat()
        if there and there.size == status.st_size and _is_same(path, status.st_mtime, there):
            return Sent(path, key)
        extra = {"ContentType": content_type(path), **bucket.payer}
        with explained(MediaError, bucket.uri(key)):
            bucket.client.upload_file(str(path), bucket.name, key, ExtraArgs=extra)
    except OSError as error:
        return Sent(path, key, reason=f"it can't be read: {error.strerror or error}")
    except MediaError as error:
        return Sent(path, key, reason=str(error))
    return Sent(path, key, status.st_size)


def _is_same(path: Path, changed: float, there: Object) -> bool:
    """Whether the object is no older than the file, or has its content; its time is in whole seconds. The ETag of what
    was uploaded in one part is an MD5."""
    if there.modified.timestamp() > changed:
        return True
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == there.etag


def content_type(path: Path) -> str:
    ending = path.suffix.lower()
    return TYPES.get(ending) or mimetypes.guess_type(path.name.lower())[0] or "application/octet-stream"


def _is_read(name: str) -> bool:
    return kind_of(PurePosixPath(name)) is not None or name.lower().endswith((*TABLES, *BESIDE))


def _ignored(name: str) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in IGNORED)
