"""The search page: `/`."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from sightsound.answers import answer_object
from sightsound.webapp.asking import asking_of
from sightsound.webapp.site import site

pages = Blueprint("search", __name__)


@pages.get("/")
def search() -> str:
    here = site()
    asking = asking_of(request.args)
    answer = answer_object(here.search(asking.query(here.uploads)), here.sources) if asking.asks else None
    return render_template("search.html", asking=asking, answer=answer)
