"""Amounts as people read them."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def readable_bytes(size: float) -> str:
    """`12.3 MB`, in units of 1,000; `512 bytes` to the byte."""
    if round(size) == 1:
        return "1 byte"
    power = 0
    while power < len(_UNITS) - 1 and round(size, 1 if power else 0) >= 1000:
        size, power = size / 1000, power + 1
    return f"{size:,.{1 if power else 0}f} {_UNITS[power]}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 item`, `1,200 items`; many: where it is not one and an `s`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
