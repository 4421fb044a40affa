"""Which addresses pages link to and show: metadata is anyone's, and may name a script."""

from __future__ import annotations

from urllib.parse import urlsplit


def safe_link(url: str | None) -> str:
    """The address where it is one of the web, else ""."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else ""
    except ValueError:
        return ""
