"""Which addresses pages and contact sheets link to and show: metadata is anyone's, and may name a script."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f-\x9f\\\u2028\u2029]")
"""What browsers and programs read differently, or drop."""


def safe_link(url: str | None) -> str:
    """The address where it is one of the web, else "".

    One that names no host, or a user and a password before it, is none: it leads elsewhere than it seems to.
    """
    if not url or NOT_IN_URLS.search(url):
        return ""
    try:
        parts = urlsplit(url)
        is_of_web = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
        return url if is_of_web and parts.port != 0 else ""
    except ValueError:
        return ""
