"""Index photographs where they lie in ZIP archives: sightsound index album.zip"""

import zipfile
from pathlib import Path
from urllib.parse import quote

from sightsound import Item, Source, file_uri, hookimpl
from sightsound.errors import SourceError, UsageError

PICTURES = (".jpg", ".jpeg", ".png", ".webp")


class Archive(Source):
    """The pictures in one archive, in the order of their names."""

    def __init__(self, path):
        self.path = path
        self.name = f"zip:{path}"

    def items(self, cursor=None):
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = sorted(archive.infolist(), key=lambda member: member.filename)
        except (OSError, zipfile.BadZipFile) as error:
            raise SourceError(f"{self.path} is not an archive that can be read: {error}") from error
        for member in members:
            if member.filename.lower().endswith(PICTURES):
                uri = f"{file_uri(self.path)}#{quote(member.filename)}"
                yield Item(uri, "photo", f"{member.file_size}-{member.CRC:08x}")

    def open(self, item):
        wanted = item.uri.partition("#")[2]
        archive = zipfile.ZipFile(self.path)
        return archive.open(next(name for name in archive.namelist() if quote(name) == wanted))


def open_archive(argument, options):
    if not argument.lower().endswith(".zip"):
        return None
    if options:
        raise UsageError(f"The source zip has no options; {', '.join(options)} was given")
    return Archive(Path(argument).expanduser().absolute())


@hookimpl
def register_sources(register):
    register("zip", open_archive)
