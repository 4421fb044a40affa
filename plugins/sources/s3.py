"""Objects in a bucket of S3, or of anything that speaks its protocol."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urlsplit

from sightsound import Item, Metadata, Source
from sightsound.errors import MediaError, SourceError
from sightsound.plugins.sources import table
from sightsound.plugins.sources.bucket import OPTIONS, SCHEME, Bucket, Object, s3_key, s3_uri, split_address
from sightsound.plugins.sources.files import check_options, kind_of, subtitle_of
from sightsound.plugins.sources.folder import IGNORED, TABLES
from sightsound.types import ItemKind

AHEAD = 4
"""Objects that a reading process fetches while it reads another."""
MISSING = "missing"
_LONG: tuple[ItemKind, ...] = ("film", "sound")


def open_s3(argument: str, options: Mapping[str, str]) -> Source | None:
    """`s3://bucket`, a folder or an object in it, or a table that lies there. None for anything else."""
    if not argument.lower().startswith(SCHEME):
        return None
    name, key = split_address(argument)
    if key.lower().endswith(TABLES):
        check_options(options, (*OPTIONS, *table.OPTIONS), "s3")
        return S3Table(Bucket(name, options), key, options)
    check_options(options, (*OPTIONS, "ignore"), "s3")
    patterns = tuple(pattern.strip() for pattern in options.get("ignore", "").split(",") if pattern.strip())
    return S3Source(Bucket(name, options), key, patterns)


class S3Source(Source):
    """Photographs, films and sounds in a bucket, by their keys.

    key: a folder, with or without a `/` at its end, a single object, or "" for the whole bucket.
    """

    ahead = AHEAD

    def __init__(self, bucket: Bucket, key: str, ignore: tuple[str, ...] = ()) -> None:
        self.bucket = bucket
        self.is_object = key_kind(key) is not None
        self.prefix = key if self.is_object or not key or key.endswith("/") else f"{key}/"
        self.ignore = ignore
        self.name = bucket.uri(self.prefix)

    @property
    def view_hosts(self) -> tuple[str, ...]:  # type: ignore[override]
        return hosts(self.bucket)

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        found = False
        for one, subtitles in with_subtitles(self.bucket.objects(self.prefix)):
            kind = key_kind(one.key)
            if kind and not self._ignored(one.key) and (not self.is_object or one.key == self.prefix):
                found = True
                yield Item(self.bucket.uri(one.key), kind, revision(one, subtitles))
        if self.is_object and not found:
            raise SourceError(f"There is no object {self.name}; for a folder of this name write a / at its end")

    def open(self, item: Item) -> BinaryIO:
        return open_object(self.bucket, item)

    def beside(self, item: Item) -> list[Item]:
        return subtitles_beside(self.bucket, item)

    def view_url(self, item: Item) -> str | None:
        return self.bucket.view_url(s3_key(item.uri))

    def _ignored(self, key: str) -> bool:
        below = key if self.is_object else key[len(self.prefix) :]
        if any(fnmatch.fnmatch(part, pattern) for part in below.split("/") for pattern in IGNORED):
            return True
        names = (below, posixpath.basename(below))
        return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in self.ignore)


class S3Table(table.TableSource):
    """A table in a bucket. It names objects by key from its folder or the option `root`, or by `s3://` address."""

    ahead = AHEAD

    def __init__(self, bucket: Bucket, key: str, options: Mapping[str, str]) -> None:
        super().__init__(Path(posixpath.basename(key)), {**options, "root": ""})
        self.bucket = bucket
        self.key = key
        self.folder = self._folder(options.get("root", ""))
        self.uri = self.name = self.place = bucket.uri(key)
        self._revisions: dict[str, str] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_revisions": {}}

    @property
    def view_hosts(self) -> tuple[str, ...]:  # type: ignore[override]
        return hosts(self.bucket)

    def items(self, cursor: str | None = None) -> Iterator[Item]:
        with tempfile.TemporaryDirectory(prefix="sightsound-") as folder:
            self.path = Path(folder) / posixpath.basename(self.key)
            self._fetch()
            self._revisions = self._listed()
            yield from super().items(cursor)
            self._revisions = {}

    def open(self, item: Item) -> BinaryIO:
        if not item.uri.startswith(SCHEME):
            return super().open(item)
        if item.revision == MISSING:
            raise MediaError(f"{self.path.name} names it, but there is no such object")
        return open_object(self.bucket, item)

    def beside(self, item: Item) -> list[Item]:
        return subtitles_beside(self.bucket, item)

    def view_url(self, item: Item) -> str | None:
        if item.kind == "text" or not item.uri.startswith(SCHEME):
            return super().view_url(item)
        return self.bucket.view_url(s3_key(item.uri))

    def _folder(self, root: str) -> str:
        """The prefix from which keys are read: the table's own, or the option's."""
        if root.startswith(self.bucket.uri()):
            return root[len(self.bucket.uri()) :]
        return root if root else posixpath.dirname(self.key)

    def _fetch(self) -> None:
        try:
            with self.bucket.open(self.key, whole=True) as file, self.path.open("wb") as out:
                while chunk := file.read(1 << 20):
                    out.write(chunk)
        except MediaError as error:
            raise SourceError(str(error)) from error

    def _listed(self) -> dict[str, str]:
        """Revisions by key, of those keys that the table names: one listing of what they have in common."""
        named = set[str]()
        for _, row, columns in self._rows(self._encoding()):
            written = str(row.get(columns.get("path", ""), "")).strip()
            if written and (key := self._key(written)) is not None:
                named.add(key)
        self.warnings.clear()
        if not named:
            return {}
        common = os.path.commonprefix(sorted(named))  # noqa: RUF071 (a prefix of keys, not a folder)
        if len(named) == 1:
            common = common.rsplit(".", 1)[0]  # with the subtitles beside it
        listed = with_subtitles(self.bucket.objects(common))
        return {one.key: revision(one, subtitles) for one, subtitles in listed if one.key in named}

    def _key(self, written: str) -> str | None:
        """The key that a row names; None for what lies elsewhere."""
        if written.startswith(self.bucket.uri()):
            return written[len(self.bucket.uri()) :]
        if re.match(r"[a-z][a-z0-9+.-]+://", written, re.IGNORECASE):
            return None
        return posixpath.normpath(posixpath.join("/", self.folder, written)).lstrip("/")

    def _file(self, written: str, metadata: Metadata, kind: str) -> Item:
        key = self._key(written)
        if key is None:
            return super()._file(written, metadata, kind)
        found = key_kind(key) or table.NAMED.get(kind.strip().lower(), "photo")
        return Item(self.bucket.uri(key), found, self._revisions.get(key, MISSING), metadata)


def key_kind(key: str) -> ItemKind | None:
    """What an object is, by its key; an empty object that stands for a folder is nothing."""
    return None if key.endswith("/") else kind_of(PurePosixPath(key))


def revision(one: Object, subtitles: list[Object]) -> str:
    """An object's ETag, and those of the subtitles beside it."""
    return "+".join([one.etag, *(other.etag for other in subtitles)])


def open_object(bucket: Bucket, item: Item) -> BinaryIO:
    """The object as it was listed. A photograph is fetched at once; a film's bytes come as they are read."""
    etag = item.revision.partition("+")[0]
    return bucket.open(s3_key(item.uri), etag, whole=item.kind not in _LONG)


def subtitles_beside(bucket: Bucket, item: Item) -> list[Item]:
    if item.kind != "film" or "+" not in item.revision:
        return []
    key = s3_key(item.uri)
    wanted = item.revision.split("+")[1:]
    found = [one for one in bucket.objects(key.rsplit(".", 1)[0] + ".") if subtitle_of(one.key, key)]
    return [Item(s3_uri(bucket.name, one.key), "text", one.etag) for one in found if one.etag in wanted]


def with_subtitles(objects: Iterator[Object]) -> Iterator[tuple[Object, list[Object]]]:
    """Each object, a film with its subtitles. What begins with one name is listed together, so that few are held."""
    group, films, subtitles = "", list[Object](), list[Object]()
    for one in objects:
        if group and not one.key.startswith(group):
            yield from _films(films, subtitles)
            group, films, subtitles = "", [], []
        kind = key_kind(one.key)
        is_subtitle = one.key.lower().endswith((".srt", ".vtt"))
        if (kind == "film" or is_subtitle) and not group:
            folder, slash, name = one.key.rpartition("/")
            group = f"{folder}{slash}{name.split('.')[0]}."
        if is_subtitle:
            subtitles.append(one)
        elif kind == "film":
            films.append(one)
        else:
            yield one, []
    yield from _films(films, subtitles)


def _films(films: list[Object], subtitles: list[Object]) -> Iterator[tuple[Object, list[Object]]]:
    for film in films:
        yield film, [one for one in subtitles if subtitle_of(one.key, film.key)]


def hosts(bucket: Bucket) -> tuple[str, ...]:
    """Where URLs for viewing lead."""
    url = bucket.view_url("x")
    return (urlsplit(url).netloc.rpartition("@")[2],) if url else ()
