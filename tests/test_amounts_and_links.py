"""Amounts as people read them, and which addresses are linked to."""

from __future__ import annotations

import pytest

from sightsound.amounts import readable_bytes
from sightsound.links import safe_link


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"),
        (999_949, "999.9 kB"), (999_951, "1.0 MB"), (4.7e12, "4.7 TB"), (4.7e15, "4,700.0 TB"),
    ],
)  # fmt: skip
def test_bytes_are_told_in_the_unit_that_fits(size: float, said: str) -> None:
    assert readable_bytes(size) == said


@pytest.mark.parametrize("url", ["https://example.org/a?b=c#d", "http://museum.example:8080/ö", "HTTPS://example.org"])
def test_an_address_of_the_web_is_a_link(url: str) -> None:
    assert safe_link(url) == url


@pytest.mark.parametrize(
    "url",
    [
        None, "", "example.org", "//example.org", "https://", "https:/example.org", "https:///path", "ftp://example.org/",
        "javascript:alert(1)", "java\tscript:alert(1)", " https://example.org", "https://example.org/a\nb",
        "https://bank.example@evil.example/", "https://ann:secret@example.org/", "https://example.org\\@evil.example/",
        "https://example.org:99999/", "http://[::1", "data:text/html,x", "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_leads_elsewhere_is_no_link(url: str | None) -> None:
    assert safe_link(url) == ""
