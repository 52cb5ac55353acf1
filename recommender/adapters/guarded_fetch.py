"""Fetches what a shop names by address, without being led to where the shop could not go itself.

In comes an https address, out go its bytes in a file. The name is resolved once, every address it
has must belong to the public internet, and the connection goes to the address that was checked;
each redirect is checked anew. What came back is never shown, only whether it could be had.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import BinaryIO
from urllib.parse import SplitResult, urljoin, urlsplit

from recommender.errors import InvalidInputError

MAX_REDIRECTS = 3
MAX_BYTES = 128 << 20
TIMEOUT_SECONDS = 120.0
"""For everything, redirects included: a server that sends a byte now and then gains nothing."""
_CONNECT_SECONDS = 10.0
_CHUNK = 1 << 16
_PRIVATE_TOO = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("192.88.99.0/24"))
"""Older Pythons count them as public; a cloud's metadata service lies in the first."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: Address, port: int) -> bool:
    """Tell whether an address belongs to the public internet, and the port to https."""
    special = address.is_multicast or address.is_reserved or address.is_unspecified
    special |= any(address in network for network in _PRIVATE_TOO)
    if isinstance(address, ipaddress.IPv6Address):
        # Most disguises of an IPv4 address are reserved; these two are not.
        special |= address.is_site_local or address.sixtofour is not None
    return port == 443 and address.is_global and not special


class GuardedFetch:
    """Fetches over https from public addresses only.

    Args:
        allows: Whether an address and port may be connected to.
        tls: Who is believed to be who.
        timeout_seconds: Most that one fetch takes.
        max_bytes: Most that is taken in.
    """

    def __init__(
        self,
        *,
        allows: Callable[[Address, int], bool] = is_public,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._allows = allows
        self._tls = tls or ssl.create_default_context()
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes

    def __call__(self, url: str, target: BinaryIO) -> None:
        """Write what is at an address to a file.

        Raises:
            InvalidInputError: Code `bad-feed-url` when the address may not be fetched,
                `feed-not-fetched` when it could not be, `feed-too-large`.
        """
        deadline = time.monotonic() + self._timeout_seconds
        for _ in range(MAX_REDIRECTS + 1):
            parts = check_url(url)
            try:
                location = self._get(parts, target, deadline)
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise _not_fetched(f"{parts.hostname} did not answer as it should") from error
            if location is None:
                return
            url = urljoin(url, location)
        raise _not_fetched(f"more than {MAX_REDIRECTS} redirects")

    def _get(self, parts: SplitResult, target: BinaryIO, deadline: float) -> str | None:
        """Fetch, or return where the address leads on to."""
        connection = _PinnedConnection(parts, self._checked_address(parts), self._tls)
        left_seconds = deadline - time.monotonic()
        # Closing the socket from outside ends whatever read is in hand, however it drips.
        alarm = threading.Timer(max(left_seconds, 0.0), connection.abort)
        alarm.daemon = True
        alarm.start()
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", path, headers={"Accept": "*/*", "User-Agent": "recommender"})
            with connection.getresponse() as response:
                if response.status in {301, 302, 303, 307, 308}:
                    return response.headers.get("Location", "")
                if response.status != 200:
                    raise _not_fetched(f"{parts.hostname} answered with status {response.status}")
                self._copy(response, target, deadline)
        finally:
            alarm.cancel()
            connection.close()
        if time.monotonic() >= deadline:
            raise _not_fetched("it took too long")
        return None

    def _copy(self, response: http.client.HTTPResponse, target: BinaryIO, deadline: float) -> None:
        size = 0
        # What has come is taken at once: a whole chunk of drops would take as long as they like.
        while chunk := response.read1(_CHUNK):
            if time.monotonic() >= deadline:
                raise _not_fetched("it took too long")
            size += len(chunk)
            if size > self._max_bytes:
                raise InvalidInputError(
                    f"The feed is larger than {self._max_bytes >> 20} MiB", code="feed-too-large"
                )
            target.write(chunk)
        if response.length:
            raise _not_fetched("the answer ended too early")

    def _checked_address(self, parts: SplitResult) -> str:
        """Resolve once; an address that may not be reached spoils all others of the name."""
        host, port = str(parts.hostname), parts.port or 443
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise _not_fetched(f"{host[:100]} has no address") from error
        texts = [str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found]
        if not texts or not all(self._allows(ipaddress.ip_address(one), port) for one in texts):
            raise InvalidInputError(
                f"{host[:100]} does not lie on the public internet, or the port is not 443",
                code="bad-feed-url",
            )
        return texts[0]


def check_url(url: str) -> SplitResult:
    """Return the parts of an address that may be tried.

    Raises:
        InvalidInputError: Code `bad-feed-url`.
    """
    try:
        parts = urlsplit(url)
        sound = parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        sound, parts = False, SplitResult("", "", "", "", "")
    if not sound or parts.scheme != "https" or not parts.hostname or "@" in parts.netloc:
        raise InvalidInputError(
            "A feed's address starts with https:// and holds neither name nor password",
            code="bad-feed-url",
        )
    return parts


class _PinnedConnection(http.client.HTTPSConnection):
    """Speaks to one address in the name of a host."""

    def __init__(self, parts: SplitResult, address: str, tls: ssl.SSLContext) -> None:
        super().__init__(
            str(parts.hostname), parts.port or 443, timeout=_CONNECT_SECONDS, context=tls
        )
        self._address = address
        self._tls = tls
        self._plain: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address that was checked, and make sure that the host lives there."""
        self._plain = socket.create_connection((self._address, self.port), _CONNECT_SECONDS)
        self.sock = self._tls.wrap_socket(self._plain, server_hostname=self.host)

    def abort(self) -> None:
        """End whatever waits on this connection; may be called from another thread."""
        for one in (self.sock, self._plain):
            if one is not None:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def _not_fetched(why: str) -> InvalidInputError:
    return InvalidInputError(f"The feed could not be fetched: {why}", code="feed-not-fetched")
