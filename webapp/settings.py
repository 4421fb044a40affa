"""How a site is set up: what `serve` is told by flags, then the settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from sightsound.config import number, setting
from sightsound.errors import ConfigError

MEGABYTE = 1 << 20
SHORTEST_KEY = 16


@dataclass(frozen=True)
class UploadLimits:
    """bytes: of one. seconds: that reading one may take. total_bytes, count: of all. keep: seconds until one goes."""

    bytes: int
    seconds: float
    total_bytes: int
    count: int
    keep: float


@dataclass(frozen=True)
class SiteSettings:
    """store, collection: which one the site shows; None as the settings say.

    hosts: names that a request's Host header may have; loopback's own are always among them.
    api_key: what a client must show; "" where none is asked for: then only this machine is answered, unless `open`.
    queue: searches that are under way or waiting at once; the next is told to come again.
    rate, burst: requests a second by one client that make work, and how many may come at once; a rate of 0: no limit.
    fetch: whether a visitor may have a URL fetched to search by.
    behind_proxy: how many proxies' X-Forwarded headers are believed.
    """

    store: str | None = None
    collection: str | None = None
    hosts: tuple[str, ...] = ()
    api_key: str = field(default="", repr=False)
    open: bool = False
    queue: int = 64
    rate: float = 20.0
    burst: int = 60
    fetch: bool = False
    behind_proxy: int = 0
    json_logs: bool = False
    uploads: UploadLimits = UploadLimits(50 * MEGABYTE, 60.0, 1024 * MEGABYTE, 1000, 7 * 86_400.0)

    @staticmethod
    def read(
        store: str | None = None,
        collection: str | None = None,
        hosts: tuple[str, ...] = (),
        open: bool = False,
        behind_proxy: int = 0,
        json_logs: bool = False,
    ) -> SiteSettings:
        """What the flags say, and for the rest the settings. Raises ConfigError."""
        named = tuple(name.strip() for name in setting("site_hosts").split(",") if name.strip())
        return SiteSettings(
            store=store,
            collection=collection,
            hosts=(*hosts, *named),
            api_key=_key(),
            open=open,
            queue=int(number("site_queue")),
            rate=_rate(),
            burst=int(number("site_burst")),
            fetch=setting("site_fetch") == "yes",
            behind_proxy=behind_proxy,
            json_logs=json_logs or setting("site_logs") == "json",
            uploads=UploadLimits(
                int(number("upload_megabytes") * MEGABYTE),
                number("upload_seconds"),
                int(number("uploads_megabytes") * MEGABYTE),
                int(number("uploads_count")),
                number("uploads_days") * 86_400,
            ),
        )


def _key() -> str:
    key = setting("api_key")
    if key and (len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key):
        raise ConfigError(
            f"The setting api_key must have {SHORTEST_KEY} letters or more, without spaces. Make one with: openssl rand"
            " -hex 32"
        )
    return key


def _rate() -> float:
    """Requests a second; 0 for no limit."""
    value = setting("site_rate")
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate < float("inf"):
        raise ConfigError(f"The setting site_rate is '{value}'; it must be a number, 0 for no limit")
    return rate
