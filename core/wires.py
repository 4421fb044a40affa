"""A connection to one address that was checked, every read of which ends when its time is up."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from functools import cache
from typing import Any

from sightsound.addresses import Place


class Clock:
    """The time a fetch has in all."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds left, at most so many. Raises TimeoutError where there are none."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left if most is None else min(left, most)

    def has(self, seconds: float) -> bool:
        return self._ends - time.monotonic() > seconds


class Connection(http.client.HTTPConnection):
    """Speaks HTTP with a place over an address that is given: nothing is looked up again.

    connect, read: seconds that connecting, and every single read, may take.
    """

    def __init__(self, place: Place, address: str, clock: Clock, connect: float, read: float) -> None:
        super().__init__(place.host, place.port)
        self._place, self._address, self._clock = place, address, clock
        self._connect, self._read = connect, read

    def connect(self) -> None:
        sock = socket.create_connection((self._address, self._place.port), self._clock.left(self._connect))
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._place.scheme == "https":
                sock.settimeout(self._clock.left(self._connect))
                sock = _trust().wrap_socket(sock, server_hostname=self._place.host)
        except BaseException:
            sock.close()
            raise
        sock.settimeout(self._clock.left(self._read))
        self.sock: Any = _Timed(sock, self._clock, self._read)


@cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Timed:
    """A socket as http.client uses it. A time-out of the socket's own holds for one read: a host that sends a byte a
    second would never meet it."""

    def __init__(self, sock: socket.socket, clock: Clock, read: float) -> None:
        self._sock, self._clock, self._read = sock, clock, read

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._sock, self._clock, self._read))

    def sendall(self, data: Any) -> None:
        self._sock.settimeout(self._clock.left(self._read))
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()


class _Reading(io.RawIOBase):
    def __init__(self, sock: socket.socket, clock: Clock, read: float) -> None:
        self._sock, self._clock, self._read = sock, clock, read
        self._raw: Any = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._clock.left(self._read))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
