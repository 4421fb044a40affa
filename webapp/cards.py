"""Hits as the grid shows them: a picture's shape, its best moments, whom to credit, and where its links lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sightsound.links import safe_link
from sightsound.moments import clock
from sightsound.webapp.asking import Asking, item_url

MOMENTS = 6
"""Moments of a film or sound that its strip shows."""
NARROWEST, WIDEST, STEP = 50, 300, 5
"""The shapes that site.css knows, width by height in hundredths: `.r-50` to `.r-300`."""
SHAPES = {"photo": 150, "film": 180, "sound": 160}
"""Of what has no size of its own."""
TEXT_SHAPES = (75, 240)
"""The narrowest and the widest of a text's, that grows with what it says: about five lines fill a card."""
WORDS_SHOWN = 400


@dataclass(frozen=True)
class Strip:
    """A moment: start, end in seconds; label: `1:05`; url: the item's page, from there on."""

    start: float
    end: float
    label: str
    url: str


@dataclass(frozen=True)
class Card:
    """hit: as `answers.hit_object` gives it. shape: one of the CSS classes r-50 … r-300. alt: says what is seen.

    moments: the best ones, in the order of time. best: the best of them, which stands for it; None without any.
    credit: words and where they lead, "" for nowhere. licence: where the credit does not say it already.
    like, less, add: searches: for things like this one, with it pushed away, with it as one more part.
    """

    hit: Mapping[str, Any]
    number: int
    url: str
    shape: str
    alt: str
    length: str
    text: str
    moments: Sequence[Strip]
    best: Strip | None
    credit: Sequence[tuple[str, str]]
    licence: str
    like: str
    less: str
    add: str


def card_of(hit: Mapping[str, Any], asking: Asking, number: int) -> Card:
    """number: the hit's place in the whole answer, from 0."""
    id, here = hit["id"], asking.changed(sort="score")
    length = hit["facts"].get("duration")
    moments = [
        Strip(m["start"], m["end"], clock(m["start"]), item_url(id, here, m["start"]))
        for m in hit.get("moments", ())[:MOMENTS]
    ]
    credit = _credit(hit)
    said = "".join(words for words, _ in credit)
    return Card(
        hit,
        number,
        item_url(id, here),
        _shape(hit),
        hit["description"] or hit["title"],
        clock(length) if isinstance(length, int | float) and length > 0 else "",
        _text(hit),
        sorted(moments, key=lambda moment: moment.start),
        moments[0] if moments else None,
        credit,
        hit["licence"] if hit["licence"] and hit["licence"] not in said else "",
        asking.changed(q="", parts=(), then="", within="", sort="score").with_part("item", id).url(),
        asking.with_part("item", id, -1.0).url(),
        asking.with_part("item", id).url(),
    )


def _shape(hit: Mapping[str, Any]) -> str:
    width, height = hit["facts"].get("width"), hit["facts"].get("height")
    if hit["kind"] == "text":
        narrowest, widest = TEXT_SHAPES
        wanted = 17 + 0.68 * len(_text(hit) or hit["title"])
        return f"r-{min(max(STEP * round(wanted / STEP), narrowest), widest)}"
    shape = SHAPES[hit["kind"]]
    if hit["kind"] in ("photo", "film") and _positive(width) and _positive(height):
        shape = min(max(STEP * round(100 * width / height / STEP), NARROWEST), WIDEST)
    return f"r-{shape}"


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _credit(hit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The credit without the title, which the card shows above it."""
    links = [(link["text"], safe_link(link["url"])) for link in hit["credit_links"]]
    made = f"{hit['title']} by {hit['author']}"
    if len(links) == 1 and hit["author"] and not links[0][1] and links[0][0].startswith(made):
        return [(hit["author"], "")]
    if not hit["author"] and [words for words, _ in links] == [hit["licence"]]:
        return []
    return links


def _text(hit: Mapping[str, Any]) -> str:
    """What a text item has to be read by: the passage that matches, else its description."""
    passages = [segment["text"] for segment in hit.get("segments", ()) if segment["text"]]
    text = hit["description"] or (passages[0] if passages else "")
    return text if len(text) <= WORDS_SHOWN else text[:WORDS_SHOWN].rsplit(" ", 1)[0] + " …"
