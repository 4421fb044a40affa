"""/healthz: the process answers. /readyz: searches can be answered, models are loaded. And the warm-up between them."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from flask import Blueprint, Response, g, jsonify

from sightsound.errors import CollectionMissing, SightsoundError
from sightsound.searching import Query, TextPart
from sightsound.webapp.site import Site, site

AGAIN = 5.0
"""Seconds after which a warm-up that failed is tried again."""
TIDY = 3600.0
"""Seconds between two looks for uploads that are too old."""
EMPTY = "there is no collection yet: make one with `sightsound index FOLDER`"
log = logging.getLogger("sightsound.site")
pages = Blueprint("health", __name__)


@dataclass(frozen=True)
class Readiness:
    ready: bool
    reason: str = ""


class WarmUp:
    """Opens the collection, loads what answers queries and asks one, in a thread of its own, until it succeeds.

    From then on the thread removes what visitors gave, at its age.
    """

    def __init__(self, here: Site) -> None:
        self._site = here
        self._now = Readiness(False, "it is starting")
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        with self._guard:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="warm-up", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def now(self) -> Readiness:
        """Whether queries are answered, as of now: once warm, the store may still go away."""
        if not self._now.ready:
            return self._now
        try:
            self._site.collection.count()
        except CollectionMissing:
            return Readiness(True, EMPTY)
        except SightsoundError as error:
            return Readiness(False, str(error))
        return Readiness(True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._warm()
            except SightsoundError as error:
                self._now = Readiness(False, str(error))
                log.warning("not ready: %s", error)
            except Exception as error:  # a plug-in's encoder may raise anything
                self._now = Readiness(False, f"{type(error).__name__}: {error}")
                log.exception("not ready")
            else:
                self._now = Readiness(True)
                break
            self._stopping.wait(AGAIN)
        while not self._stopping.is_set():
            self._site.uploads.forget()
            self._stopping.wait(TIDY)

    def _warm(self) -> None:
        try:
            collection = self._site.collection
        except CollectionMissing:
            log.info(EMPTY)
            return
        for encoder in self._site.encoders.chosen:
            if "query" in encoder.spec.roles and not encoder.spec.missing:
                encoder.loaded  # noqa: B018
        if collection.count():
            self._site.search(Query((TextPart("a first query, so that no visitor waits for the models"),), limit=1))


@pages.get("/healthz")
def healthz() -> Response:
    return jsonify({"status": "ok"})


@pages.get("/readyz")
def readyz() -> Response:
    warm_up = site().warm_up
    warm_up.start()
    found = warm_up.now
    reason = found.reason
    if reason and not g.let_in:  # it may name folders, servers and models
        log.info("readyz: %s", reason)
        reason = "the site's log says why" if not found.ready else ""
    response = jsonify({"ready": found.ready, "reason": reason or None})
    response.status_code = 200 if found.ready else 503
    return response
