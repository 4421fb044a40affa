"""The search page: `/`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from flask import Blueprint, Response, make_response, render_template, request, url_for

from sightsound.amounts import plural
from sightsound.answers import answer_object
from sightsound.facets import Counts, facets
from sightsound.searching import DEPTH, Answer, Hit
from sightsound.webapp.asking import MOST_LIMIT, AskedPart, Asking, asking_of
from sightsound.webapp.cards import Card, card_of
from sightsound.webapp.media import CHIP, media_url
from sightsound.webapp.narrowing import active, groups_of
from sightsound.webapp.site import Site, site

pages = Blueprint("search", __name__)

EXAMPLES = 6
WEIGHTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
"""What a part may count, a step at a time; a URL may say any number."""


@dataclass(frozen=True)
class Chip:
    """A part of the query. picture: the URL of what it looks like, "" where a sign stands for its kind. kept: of an
    upload, how long it still is.

    less, more, turned, without: the search with the part lighter, heavier, of the other sign, gone; "" for no further.
    """

    kind: str
    label: str
    weight: float
    picture: str
    less: str
    more: str
    turned: str
    without: str
    kept: str = ""


@pages.get("/")
def search() -> Response:
    here = site()
    asking = asking_of(request.args)
    answer, drawn = _answer(here, asking)
    found = answer_object(answer, here.sources)
    cards = [card_of(hit, asking.page(0), asking.offset + n) for n, hit in enumerate(found["hits"])]
    shown = {
        "asking": asking,
        "total": answer.total,
        "cards": cards,
        "line": _line(cards, drawn),
        "next": asking.page(answer.next).url() if answer.next is not None else "",
    }
    if _asks_for_more():
        made = make_response(render_template("search_hits.html", **shown))
        made.headers["HX-Replace-Url"] = _restored(asking)
    else:
        counts = _facets(here, asking, answer)
        made = make_response(
            render_template(
                "search.html",
                **shown,
                groups=groups_of(counts, asking),
                active=active(asking),
                chips=_chips(here, asking),
                likely=len(answer.likely),
                most=DEPTH,
                ranked=bool(answer.parts),
                measured=any(hit.probable is not None for hit in answer.hits),
                before=asking.page(max(0, asking.offset - asking.limit)).url() if asking.offset else "",
                examples=[] if asking.asks else _examples(counts, cards),
            )
        )
    made.headers["Vary"] = "HX-Request"
    return made


def _answer(here: Site, asking: Asking) -> tuple[Answer, bool]:
    """The answer, and whether the line under the probable matches is drawn on an earlier page."""
    if not asking.asks:
        return _newest(here, asking), False
    query = asking.query(here.uploads)
    if not query.offset:
        return here.search(query), False
    answer = here.search(replace(query, offset=query.offset - 1, limit=query.limit + 1))
    earlier = answer.hits[:1]
    return replace(answer, hits=answer.hits[1:]), bool(earlier) and earlier[0].probable is False


def _newest(here: Site, asking: Asking) -> Answer:
    """What came into the collection last."""
    collection = here.collection
    ids = collection.list((), "added", asking.offset, asking.limit)
    items, total, end = collection.items(ids), collection.count(), asking.offset + len(ids)
    return Answer([Hit(items[id], None, None) for id in ids if id in items], total, end if end < total else None)


def _facets(here: Site, asking: Asking, answer: Answer) -> Counts:
    if not asking.asks:
        return here.whole_counts.now()
    return facets(here.collection, asking.query(here.uploads), answer, here.search)


def _line(cards: list[Card], drawn: bool) -> int | None:
    """The number of the first hit that is probably chance, where it is on this page."""
    return None if drawn else next((card.number for card in cards if card.hit["probable"] is False), None)


def _asks_for_more() -> bool:
    """Whether the script of the page asks for further hits, and not for the page."""
    asked = request.headers
    return "HX-Request" in asked and "HX-Boosted" not in asked and "HX-History-Restore-Request" not in asked


def _restored(asking: Asking) -> str:
    """The URL that shows all that is on the page once these hits have been added, as far as one page may go."""
    end = asking.offset + asking.limit
    if end > MOST_LIMIT:
        return replace(asking, offset=0, limit=MOST_LIMIT).url()
    return replace(asking, offset=0, limit=end).url()


def _chips(here: Site, asking: Asking) -> list[Chip]:
    """The parts of the query, the words of the box among them where there are others."""
    items = here.collection.items(part.value for part in asking.parts if part.kind == "item")
    shown = answer_object(Answer([Hit(item, None, None) for item in items.values()], 0, None), here.sources)["hits"]
    known = {item["id"]: item for item in shown}
    chips = []
    if asking.q.strip() and asking.parts:
        worded = AskedPart("text", 1.0, asking.q.strip())
        chips.append(_chip(here, replace(asking, q="", parts=(worded, *asking.parts)), 0, known))
    chips += [_chip(here, asking, number, known) for number in range(len(asking.parts))]
    return chips


def _chip(here: Site, asking: Asking, number: int, known: dict[str, dict[str, object]]) -> Chip:
    part = asking.parts[number]
    kind, label = _named(here, part, known)
    kept = _for_long(here.uploads.find(part.value).expires - time.time()) if part.kind == "upload" else ""
    size, sign = abs(part.weight), 1 if part.weight > 0 else -1
    lighter = max((weight for weight in WEIGHTS if weight < size), default=0.0)
    heavier = min((weight for weight in WEIGHTS if weight > size), default=0.0)
    return Chip(
        kind,
        label,
        part.weight,
        _picture(kind, part, known),
        asking.weighed(number, sign * lighter).url() if lighter else "",
        asking.weighed(number, sign * heavier).url() if heavier else "",
        asking.weighed(number, -part.weight).url(),
        asking.without_part(number).url(),
        kept,
    )


def _for_long(seconds: float) -> str:
    """`7 days`, rounded; `2 hours` where it is less than two days."""
    count, unit = max(1, round(seconds / 3600)), "hour"
    if count >= 48:
        count, unit = round(seconds / 86_400), "day"
    return plural(count, unit)


def _picture(kind: str, part: AskedPart, known: dict[str, dict[str, object]]) -> str:
    if kind not in ("photo", "film"):
        return ""
    if part.kind == "upload":
        return url_for("media.upload_thumb", id=part.value)
    return media_url(known[part.value], width=CHIP) if part.value in known else ""


def _named(here: Site, part: AskedPart, known: dict[str, dict[str, object]]) -> tuple[str, str]:
    """The kind of a part, and what it is called."""
    if part.kind == "text":
        return "text", part.value
    if part.kind == "item":
        item = known.get(part.value)
        return (str(item["kind"]), str(item["title"])) if item else ("photo", "An item that is gone")
    kind = here.uploads.find(part.value).kind
    return kind, {"photo": "Your picture", "sound": "Your sound", "film": "Your film"}.get(kind, "Your file")


def _examples(counts: Counts, cards: list[Card]) -> list[tuple[str, str]]:
    """(words, search) to begin with: the collection's own tags, or titles where it has too few."""
    words = [tag for tag, _ in counts["tag"]]
    if len(words) < EXAMPLES:
        words += [card.hit["title"] for card in cards if len(card.hit["title"]) < 32 and "." not in card.hit["title"]]
    return [(one, Asking(q=one).url()) for one in dict.fromkeys(words)][:EXAMPLES]
