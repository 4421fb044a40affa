"""Index a museum's pictures by its API: sightsound index museum:https://museum.example/api/objects

The API answers {"objects": [{"id", "title", "artist", "image", "page", "changed"}, …], "next": cursor or null}.
"""

import json
from urllib.parse import urlencode, urlsplit

from sightsound import Item, Metadata, Source, hookimpl
from sightsound.errors import MediaError, SourceError, UsageError
from sightsound.fetching import reading_limits, safe_fetch


class Museum(Source):
    hotlink_only = True
    provider = ("Pictures of the Museum of Examples", "https://museum.example")
    cursor = ""  # of the first page: this source goes on from cursors
    ahead = 4

    def __init__(self, api):
        self.api = api
        self.name = f"museum:{api}"
        self.view_hosts = (urlsplit(api).netloc,)

    def items(self, cursor=None):
        page = cursor or ""
        while page is not None:
            self.cursor = page
            try:
                said = json.loads(safe_fetch(f"{self.api}?{urlencode({'cursor': page})}").read())
                objects, page = said["objects"], said.get("next")
            except (MediaError, ValueError, KeyError, TypeError) as error:
                raise SourceError(f"The museum at {self.api} can't be listed: {error!r}") from error
            yield from (self.item(one) for one in objects)

    def item(self, one):
        metadata = Metadata(
            title=one.get("title", ""),
            author=one.get("artist", ""),
            licence="CC BY 4.0",
            page_url=one.get("page", ""),
            extra={"image": one.get("image", "")},
        )
        return Item(f"{self.api}#{one['id']}", "photo", str(one.get("changed", "1")), metadata)

    def open(self, item):
        return safe_fetch(item.metadata.extra["image"], item.kind, limits=reading_limits()).file

    def view_url(self, item):
        return item.metadata.extra["image"]

    def credit_links(self, item):
        said = item.metadata
        licence = "https://creativecommons.org/licenses/by/4.0/"
        return [(f"{said.title} by {said.author}", said.page_url), (", ", ""), (said.licence, licence)]


def open_museum(argument, options):
    if not argument.startswith("museum:"):
        return None
    if options:
        raise UsageError(f"The source museum has no options; {', '.join(options)} was given")
    return Museum(argument.removeprefix("museum:"))


@hookimpl
def register_sources(register):
    register("museum", open_museum)
