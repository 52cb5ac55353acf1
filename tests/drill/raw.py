"""HTTP as bytes, for what no client library would send."""

import contextlib
import socket
from urllib.parse import urlsplit


def exchange(address: str, sent: bytes, *, seconds: float = 10.0) -> bytes:
    """Send bytes on a connection of their own; return all that comes back until it ends."""
    parts = urlsplit(address)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=seconds) as one:
        with contextlib.suppress(OSError):
            one.sendall(sent)
            one.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):
            while piece := one.recv(65_536):
                received += piece
    return received


def status(answer: bytes) -> int | None:
    """Return the status of the first answer, None where there is none."""
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else None


def answers(received: bytes) -> int:
    return received.count(b"HTTP/1.1 ")
