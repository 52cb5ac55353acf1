"""How one web server takes over from another without a lost request.

The supervisor holds the listening socket and hands it down, so that connections wait in it while
no server accepts, and two servers can accept from it at once. A new server's workers tell a
socket of this module when they have the application loaded.
"""

import secrets
import socket

from recommender.adapters.web_server import WORKER_READY
from recommender.errors import UnavailableError

BACKLOG = 2048
_MESSAGE_BYTES = 4096


def open_listener(host: str, port: int) -> socket.socket:
    """Listen where browsers reach the service.

    Raises:
        UnavailableError: Somebody else does, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UnavailableError(
            f"The web cannot listen on {host} port {port}: {error.strerror}; "
            "set RECOMMENDER_HOST or RECOMMENDER_PORT",
            code="address-taken",
        ) from error


class ReadyWorkers:
    """Counts the workers of one new server that are ready; close after use."""

    def __init__(self) -> None:
        # Without a name in the file system: a home's path may be too long for a socket's.
        self._name = f"recommender-{secrets.token_hex(16)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self._name}")
        self._socket.setblocking(False)
        self._count = 0

    @property
    def environ(self) -> dict[str, str]:
        """Return what the new server's environment needs."""
        return {"NOTIFY_SOCKET": f"@{self._name}"}

    def count(self) -> int:
        """Return how many workers have told so far."""
        while True:
            try:
                message = self._socket.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return self._count
            self._count += message == WORKER_READY.encode()

    def close(self) -> None:
        """Take no more messages."""
        self._socket.close()
