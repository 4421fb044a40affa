"""A contact sheet: one HTML file with thumbnails and credits, that needs nothing beside it."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sightsound.dead import dead_links
from sightsound.errors import MediaError
from sightsound.links import safe_link
from sightsound.moments import Stretch, times
from sightsound.opening import Sources
from sightsound.searching import Answer
from sightsound.sources import is_hotlinked
from sightsound.thumbnails import thumbnails
from sightsound.types import Item

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --line: #8886 }}
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 90rem; padding: 1.5rem }}
h1 {{ font-size: 1.4rem; margin: 0 0 .2rem }}
p.count {{ margin: 0 0 1.2rem; opacity: .7 }}
ul {{ list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem }}
ul {{ grid-template-columns: repeat(auto-fill, minmax(min(100%, {row}px), 1fr)) }}
li {{ min-width: 0 }}
li.rest {{ opacity: .75 }}
li.line {{ grid-column: 1 / -1; border-top: 1px solid var(--line); padding-top: .5rem; opacity: .7 }}
img, .none {{ width: 100%; height: 200px; object-fit: contain; background: #8882; border-radius: 6px; display: block }}
.none {{ display: grid; place-items: center }}
b, small {{ display: block; overflow-wrap: anywhere }}
small {{ opacity: .75 }}
</style>
<h1>{title}</h1>
<p class="count">{count}</p>
<ul>
{hits}
</ul>
</html>
"""
_ROW = 240
DEAD = "its link is dead"
_ON_ERROR = f"this.outerHTML=&#39;&lt;div class=none&gt;{DEAD}&lt;/div&gt;&#39;"
"""For a link that dies after the sheet was written."""


@dataclass(frozen=True)
class Tile:
    """An item on a sheet, as a hit or as it was picked. moments: best first, or in the order they were picked."""

    item: Item
    moments: Sequence[Stretch] = ()
    confidence: float | None = None
    probable: bool | None = None

    @property
    def second(self) -> float | None:
        """What is shown of a film: the middle of its first moment."""
        return (self.moments[0].start + self.moments[0].end) / 2 if self.moments else None


Dead = list[tuple[Item, MediaError]]


def write_sheet(path: Path, answer: Answer, sources: Sources, title: str) -> Dead:
    """Write the answer's hits as a contact sheet. Returns what `sheet_of` does beside the page."""
    tiles = [Tile(hit.item, hit.moments, hit.confidence, hit.probable) for hit in answer.hits]
    page, dead = sheet_of(tiles, f"{len(answer.hits)} of {answer.total} items", sources, title)
    path.write_text(page, encoding="utf-8", errors="backslashreplace")
    return dead


def sheet_of(tiles: Sequence[Tile], count: str, sources: Sources, title: str) -> tuple[str, Dead]:
    """A contact sheet as HTML. What lies at a URL is shown from there, never copied.

    Returns beside it the items whose link is dead, with why; the sheet says so in their place.
    """
    local = [(tile.item, tile.second) for tile in tiles if not is_hotlinked(tile.item, sources.of(tile.item))]
    pictures = thumbnails(local, sources)
    dead = dead_links([tile.item for tile in tiles if is_hotlinked(tile.item, sources.of(tile.item))], sources)
    rows, drawn = [], False
    for tile in tiles:
        if tile.probable is False and not drawn:
            rows.append('<li class="line">Below this line, matches are probably chance.</li>')
            drawn = True
        rows.append(_row(tile, sources, pictures.get((tile.item.id, tile.second)), tile.item.id in dead))
    providers = dict.fromkeys(p for tile in tiles if (p := sources.of(tile.item).provider))
    count = html.escape(count) + "".join(f" · {_link(words, url)}" for words, url in providers)
    page = _PAGE.format(title=html.escape(title), count=count, hits="\n".join(rows), row=_ROW)
    items = {tile.item.id: tile.item for tile in tiles}
    return page, [(items[id], why) for id, why in dead.items()]


def _link(words: str, url: str) -> str:
    if not safe_link(url):
        return html.escape(words)
    return f'<a href="{html.escape(url)}">{html.escape(words)}</a>'


def _row(tile: Tile, sources: Sources, picture: bytes | None, dead: bool) -> str:
    item, source = tile.item, sources.of(tile.item)
    url = source.view_url(item) if is_hotlinked(item, source) else None  # others' may be signed, and a sheet is kept
    name = html.escape(item.display_title)
    if picture:
        shown = f'<img alt="{name}" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    elif dead:
        shown = f'<div class="none">{DEAD}</div>'
    elif (address := safe_link(url)) and item.kind in ("photo", "film"):
        shown = f'<img alt="{name}" loading="lazy" src="{html.escape(address)}" onerror="{_ON_ERROR}">'
    else:
        shown = f'<div class="none">{item.kind}</div>'
    page_url = item.metadata.page_url
    if safe_link(page_url):
        shown = f'<a href="{html.escape(page_url)}">{shown}</a>'
    sure = "" if tile.confidence is None else f"{tile.confidence:.0%} · "
    credit = "".join(_link(words, url) for words, url in source.credit_links(item))
    when = f"{times(tile.moments)} · " if tile.moments else ""
    rest = ' class="rest"' if tile.probable is False else ""
    return f"<li{rest}>{shown}<b>{name}</b><small>{sure}{when}{credit}</small></li>"
