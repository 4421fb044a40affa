"""Counts and times for Prometheus, at /metrics. Documented in docs/site.md."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from sightsound.errors import SightsoundError

if TYPE_CHECKING:
    from sightsound.webapp.site import Site

TIMES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
NEWEST = 500
"""Items by which the rate of indexing is told."""
RECENT = 60.0
"""Seconds over which it is told."""
pages = Blueprint("metrics", __name__)


class Metrics:
    """The measures of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.searches = Counter(
            "sightsound_searches", "Searches, by how they ended.", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "sightsound_search_seconds",
            "Time of searches by stage: wait for a turn, encode, search (all of it, encoding included).",
            ["stage"],
            buckets=TIMES,
            registry=self.registry,
        )
        self.queued = Gauge("sightsound_queue_depth", "Searches under way or waiting.", registry=self.registry)
        self.batches = Histogram(
            "sightsound_encode_batch_queries",
            "Queries that were encoded together.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.requests = Counter(
            "sightsound_requests", "Requests answered.", ["endpoint", "status"], registry=self.registry
        )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what runs within, whether it succeeds or not."""
        with self.seconds.labels(name).time():
            yield

    def watch(self, site: Site) -> None:
        """Also tell of the collection, read whenever the measures are."""
        self.registry.register(_OfCollection(site))


class _OfCollection(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("sightsound_store_up", "1 where the collection can be read.")
        try:
            status = self._site.collection.status()
            rate = self._rate()
        except SightsoundError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        items = GaugeMetricFamily("sightsound_items", "Items of the collection.", labels=["kind"])
        for kind, count in status.items.items():
            items.add_metric([kind], count)
        yield from (
            up,
            items,
            GaugeMetricFamily("sightsound_failed_items", "Items that could not be read.", status.failed),
            GaugeMetricFamily("sightsound_collection_bytes", "What the collection takes on disk.", status.bytes),
            GaugeMetricFamily("sightsound_index_items_per_second", "New items, over the last minute.", rate),
        )

    def _rate(self) -> float:
        collection, now = self._site.collection, time.time()
        newest = collection.items(collection.list((), "added", 0, NEWEST)).values()
        ages = [now - item.added for item in newest if now - item.added < RECENT]
        if len(ages) < NEWEST:
            return len(ages) / RECENT
        return len(ages) / max(max(ages), 0.001)  # more came than were looked at: over the time that these took


@pages.get("/metrics")
def metrics() -> Response:
    from sightsound.webapp.site import site

    return Response(generate_latest(site().metrics.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
