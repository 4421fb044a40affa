"""Which URLs may be fetched, and the addresses behind them: none of this machine's, this network's or the cloud's own.

A URL in a table or an answer is written by strangers. It must not reach what only this machine can reach.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from sightsound.config import setting
from sightsound.errors import MediaError
from sightsound.links import NOT_IN_URLS

PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
_KEPT = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # carriers' own
        "192.0.0.0/24",  # of protocols; 192.0.0.192 gives a cloud's secrets
        "192.88.99.0/24",  # relays of 6to4
        "::/96",  # IPv4 within IPv6, in its several forms, leads to any IPv4 address
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
"""Networks that `is_global` passes, in one version of Python or another, and that are not the public internet."""


class Refused(MediaError):
    """A URL that may not be fetched."""


@dataclass(frozen=True)
class Place:
    """A URL taken apart. allowed: the user has named its host and port, so that its addresses are not asked about."""

    scheme: str
    host: str
    port: int
    target: str
    allowed: bool

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def place_of(url: str) -> Place:
    """Take a URL apart. Raises Refused where it is no URL of the web or names a port that it may not."""
    if NOT_IN_URLS.search(url):
        raise Refused("the URL holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(f"it is no URL: {error}") from None
    if parts.scheme not in PORTS:
        raise Refused(f"only http and https URLs are fetched, not '{parts.scheme or url[:20]}'")
    if parts.username is not None or parts.password is not None:
        raise Refused("the URL holds a user name or a password; those are not sent")
    host = _host(parts)
    port = PORTS[parts.scheme] if port is None else port
    allowed = f"{host}:{port}" in _allowed()
    if port not in PORTS.values() and not allowed:
        raise Refused(f"port {port} is not fetched from, only 80 and 443. {_how_to_allow(host, port)}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, host, port, _ascii(target), allowed)


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    if not host:
        raise Refused("the URL names no host")
    if "[" in parts.netloc:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise Refused(f"'{host}' is no address") from None
    try:
        host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise Refused(f"'{host}' is no name of a host") from None
    if not _HOST.fullmatch(host):
        raise Refused(f"'{host}' is no name of a host")
    return host


def _ascii(target: str) -> str:
    """A path with letters beyond ASCII, as browsers send it."""
    return "".join(one if one.isascii() else "".join(f"%{byte:02X}" for byte in one.encode()) for one in target)


def _allowed() -> set[str]:
    """`host:port` of what the setting allow_hosts names."""
    return {written.strip().lower() for written in setting("allow_hosts").split(",") if written.strip()}


def _how_to_allow(host: str, port: int) -> str:
    return f"If the host is yours, set allow_hosts to {host}:{port} (docs/sources.md says what that risks)"


def addresses(place: Place, seconds: float) -> list[str]:
    """Addresses of the place's host, every one checked, in the order to try them.

    Raises Refused where any of them is not public, OSError where there are none or the answer takes longer.
    """
    found = _resolve(place.host, place.port, seconds)
    if not place.allowed:
        for address in found:
            if not is_public(address):
                raise Refused(
                    f"{place.host} lies in a network that is not public ({address})."
                    f" {_how_to_allow(place.host, place.port)}"
                )
    return found


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet, whichever way it is written into IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:  # with a zone, say
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified:
        return False
    return not any(found in network for network in _KEPT if network.version == found.version)


def _resolve(host: str, port: int, seconds: float) -> list[str]:
    """Look a host up, waiting no longer than that: a resolver has time-outs of its own, and they are long."""
    answer: list[str] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            failure.append(error)
        except UnicodeError:
            failure.append(OSError("its name is none that can be looked up"))
        else:
            answer.extend(dict.fromkeys(str(where[0]) for *_, where in found))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(max(0.0, seconds))
    if failure:
        raise OSError(f"it can't be found: {failure[0].strerror or failure[0]}") from failure[0]
    if not answer:
        raise TimeoutError(f"{host} was not found within {seconds:.0f} seconds")
    return answer
