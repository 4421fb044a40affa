"""Fetching: the only code that opens a URL which data or a user gives.

    check the URL ─► look its host up, check every address ─► connect to that address ─► redirects: the same again

A whole body comes back or none: what is cut short, too large, too slow or of another kind fails with its reason.
"""

from __future__ import annotations

import email.utils
import http.client
import random
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, BinaryIO, cast
from urllib.parse import urljoin

from sightsound.addresses import Place, Refused, addresses, place_of
from sightsound.config import number
from sightsound.errors import MediaError
from sightsound.magic import HEAD, mistaken_bytes, mistaken_type
from sightsound.politeness import turn
from sightsound.types import ItemKind
from sightsound.wires import Clock, Connection

REDIRECTS = (301, 302, 303, 307, 308)
AGAIN = (429, 500, 502, 503, 504)
"""Statuses that may be otherwise at the next try."""
IN_MEMORY = 4 << 20
CHUNK = 1 << 16
FIRST_PAUSE = 0.2
USER_AGENT = "sightsound (+https://pypi.org/project/sightsound/)"


class FetchFailed(MediaError):
    """What could not be fetched. status, headers: of the answer, where there was one (0 and none, else).

    passing: it may be otherwise at the next try. Headers have their names in lower case.
    """

    def __init__(
        self, reason: str, status: int = 0, headers: Mapping[str, str] | None = None, passing: bool = False
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.headers = dict(headers or {})
        self.passing = passing


@dataclass(frozen=True)
class Limits:
    """What a fetch may take. bytes: of the body. connect, read, total: seconds, total with all tries and redirects."""

    bytes: int = 500_000_000
    connect: float = 5
    read: float = 30
    total: float = 120
    redirects: int = 3
    tries: int = 3


def reading_limits() -> Limits:
    """For `Source.open`: less time than a reading process has for an item."""
    return Limits(total=min(120.0, 0.9 * number("deadline")))


@dataclass(frozen=True)
class Fetched:
    """An answer. url: where it came from in the end. headers: names in lower case. file: the body, at its start."""

    url: str
    status: int
    headers: Mapping[str, str]
    file: BinaryIO

    def read(self) -> bytes:
        """The whole body; closes the file."""
        with self.file:
            return self.file.read()


def safe_fetch(
    url: str,
    kind: ItemKind | None = None,
    headers: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    method: str = "GET",
    on_answer: Callable[[int, Mapping[str, str]], None] | None = None,
) -> Fetched:
    """Fetch what a URL names, into memory or, where it is large, a temporary file that goes when it is closed.

    Only http and https, ports 80 and 443, and hosts of the public internet, unless the setting allow_hosts names
    `host:port`. Every address of the host is checked, and the one that was checked is connected to. Redirects are
    followed by the same rules. Proxies and credentials of the environment are not used.
    kind: what must come, by its content type and its first bytes; None takes anything.
    headers: sent to the URL's own origin, and not on to another it leads to. method: GET or HEAD.
    on_answer: told the status and headers of every answer of the URL's own origin, before it is acted on.
    Raises Refused for a URL that may not be fetched, FetchFailed for what could not be.
    """
    limits = limits or Limits()
    clock = Clock(limits.total)
    for attempt in range(1, limits.tries + 1):
        try:
            return _follow(url, kind, headers or {}, limits, clock, method, on_answer)
        except FetchFailed as error:
            if not error.passing or attempt == limits.tries:
                raise
            pause = _pause(error, attempt)
            if not clock.has(2 * pause):
                raise
            time.sleep(pause)
    raise AssertionError("every try returns or raises")


def _pause(error: FetchFailed, attempt: int) -> float:
    """Seconds before the next try: as the host says, else longer each time, and never the same for all."""
    grown = FIRST_PAUSE * 2.0 ** (attempt - 1) * random.uniform(1, 2)
    return max(grown, retry_after(error.headers) or 0)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait; None where it does not say."""
    written = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", written):
        return float(written)
    try:
        when = email.utils.parsedate_to_datetime(written)
    except (ValueError, TypeError):
        return None
    left: float = when.timestamp() - time.time()
    return max(0.0, left)


def _follow(
    url: str,
    kind: ItemKind | None,
    headers: Mapping[str, str],
    limits: Limits,
    clock: Clock,
    method: str,
    on_answer: Callable[[int, Mapping[str, str]], None] | None,
) -> Fetched:
    origin = place_of(url).origin
    for _ in range(limits.redirects + 1):
        place = place_of(url)
        own = place.origin == origin
        answer = _once(url, place, kind, headers if own else {}, limits, clock, method, on_answer if own else None)
        if isinstance(answer, Fetched):
            return answer
        url = urljoin(url, answer)
    raise FetchFailed(f"it leads on more than {limits.redirects} times")


def _once(
    url: str,
    place: Place,
    kind: ItemKind | None,
    headers: Mapping[str, str],
    limits: Limits,
    clock: Clock,
    method: str,
    on_answer: Callable[[int, Mapping[str, str]], None] | None,
) -> Fetched | str:
    """One request: the answer, or where it leads on to. Raises Refused, FetchFailed."""
    try:
        with turn(place.host, clock):
            connection = _connected(place, limits, clock)
            try:
                sent = {"Host": place.host_header, "User-Agent": USER_AGENT, "Accept": "*/*", **headers}
                connection.putrequest(method, place.target, skip_host=True, skip_accept_encoding=True)
                for name, value in {**sent, "Accept-Encoding": "identity", "Connection": "close"}.items():
                    connection.putheader(name, value)
                connection.endheaders()
                return _answer(url, connection.getresponse(), kind, limits, method, on_answer)
            finally:
                connection.close()
    except MediaError:
        raise
    except TimeoutError:
        in_time = clock.has(0.05)
        late = f"{place.host} does not answer in time" if in_time else f"it took longer than {limits.total:.0f} s"
        raise FetchFailed(late, passing=True) from None
    except ssl.SSLCertVerificationError as error:
        raise FetchFailed(f"the certificate of {place.host} is not valid: {error.verify_message}") from None
    except http.client.IncompleteRead:
        raise FetchFailed("the host ended it before it was whole", passing=True) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchFailed(f"{place.host}: {_said(error)}", passing=isinstance(error, OSError)) from None


def _connected(place: Place, limits: Limits, clock: Clock) -> Connection:
    """A connection to the first of the checked addresses that takes it."""
    failure: OSError | None = None
    for address in addresses(place, clock.left(limits.connect)):
        connection = Connection(place, address, clock, limits.connect, limits.read)
        try:
            connection.connect()
            return connection
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            failure = error
    raise failure or OSError("it has no address")


def _answer(
    url: str,
    response: http.client.HTTPResponse,
    kind: ItemKind | None,
    limits: Limits,
    method: str,
    on_answer: Callable[[int, Mapping[str, str]], None] | None,
) -> Fetched | str:
    headers = {name.lower(): value for name, value in response.getheaders()}
    status = response.status
    if on_answer:
        on_answer(status, headers)
    if status in REDIRECTS and headers.get("location"):
        return headers["location"].encode("latin-1", "replace").decode("utf-8", "replace")
    if status not in (200, 203):
        raise FetchFailed(_refusal(status, response.reason), status, headers, status in AGAIN)
    if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise FetchFailed(f"it comes packed ({headers['content-encoding']}), which was not asked for", status, headers)
    if kind and (mistaken := mistaken_type(headers.get("content-type", ""), kind)):
        raise FetchFailed(mistaken, status, headers)
    file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 the caller closes it
    try:
        if method != "HEAD":
            _receive(response, headers, file, kind, limits)
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return Fetched(url, status, headers, cast(BinaryIO, file))


def _receive(
    response: http.client.HTTPResponse,
    headers: Mapping[str, str],
    file: IO[bytes],
    kind: ItemKind | None,
    limits: Limits,
) -> None:
    """Take the body, and hold it to what was promised and what is allowed."""
    promised = _length(headers)
    too_large = FetchFailed(f"it is larger than {limits.bytes / 1e6:,.0f} MB", response.status, headers)
    if promised is not None and promised > limits.bytes:
        raise too_large
    size = 0
    while chunk := response.read(HEAD if size == 0 else CHUNK):
        size += len(chunk)
        if size > limits.bytes:
            raise too_large
        if size == len(chunk) and kind and (mistaken := mistaken_bytes(chunk, kind)):
            raise FetchFailed(mistaken, response.status, headers)
        file.write(chunk)
    if promised is not None and size != promised:
        raise FetchFailed(
            f"the host ended it before it was whole: {size:,} of {promised:,} bytes", response.status, headers, True
        )
    if kind and not size:
        raise FetchFailed("the host sent nothing", response.status, headers)


def _length(headers: Mapping[str, str]) -> int | None:
    written = headers.get("content-length", "").strip()
    if "transfer-encoding" in headers or not written:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", written):
        raise FetchFailed(f"the host gives a length that is none: '{written[:20]}'")
    return int(written)


def _refusal(status: int, reason: str) -> str:
    meaning = {
        401: "it asks for a password",
        403: "the host refuses it",
        404: "it is not there (any more)",
        410: "it is gone for ever",
        429: "the host says that it was asked too often",
    }
    said = meaning.get(status) or ("the host has a fault" if status >= 500 else f"the host says '{_said(reason)}'")
    return f"{said} (HTTP {status})"


def _said(error: object) -> str:
    """An error or a host's words, short and on one line."""
    said = (error.strerror if isinstance(error, OSError) and error.strerror else str(error)) or type(error).__name__
    return " ".join("".join(one for one in said if one.isprintable()).split())[:120]


__all__ = ["FetchFailed", "Fetched", "Limits", "Refused", "reading_limits", "retry_after", "safe_fetch"]
