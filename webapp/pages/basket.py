"""The basket's page: what it shows is kept in the browser, and drawn here a piece at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template

from sightsound.answers import item_object
from sightsound.picks import TIMED, picks_of
from sightsound.webapp.picking import posted_list
from sightsound.webapp.site import site

pages = Blueprint("basket", __name__)


@pages.get("/basket")
def basket() -> str:
    return render_template("basket.html")


@dataclass(frozen=True)
class Row:
    """A pick as the basket shows it. item: None for what is gone. title: what it was called when it was picked."""

    item: dict[str, Any] | None
    title: str
    start: float | None
    end: float | None
    timed: bool = False


@pages.post("/basket/picks")
def picks() -> str:
    """What is posted as JSON, `{"picks": [{"id", "title", "start", "end"}, …]}`, as rows of the page, in its order."""
    here, said = site(), posted_list("picks")
    made, gone = picks_of(here.collection, said)
    known = iter(made)
    rows = []
    for one in said:
        title = str(one.get("title") or one["id"])[:200].encode("utf-8", "replace").decode()
        if one["id"] in gone:
            rows.append(Row(None, title, None, None))
            continue
        pick = next(known)
        span = pick.span
        start, end = (span.start, span.end) if span else (None, None)
        rows.append(Row(item_object(pick.item, here.sources), title, start, end, pick.item.kind in TIMED))
    return render_template("basket_picks.html", rows=rows)
