"""Who requests come from, by their addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network


def client_of(address: str) -> str:
    """Who is counted as one: an IPv4 address, or the network of an IPv6 one, of which anyone has many."""
    found = _read(address)
    if found is None:
        return address
    return str(found if found.version == 4 else ip_network((found, 64), strict=False))


def is_loopback(address: str) -> bool:
    found = _read(address)
    return found is not None and found.is_loopback


def is_remote(address: str) -> bool:
    """Whether it is an address, of another machine."""
    found = _read(address)
    return found is not None and not found.is_loopback


def _read(address: str) -> IPv4Address | IPv6Address | None:
    """None where it is none: a socket's path, or what a proxy made up."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None  # of a socket for both
    return mapped or found
