"""Clients that hold on: half a header, half a body, nothing at all, a byte a second."""

import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

HEADER = b"POST /v1/events?key=pk_x HTTP/1.1\r\nHost: x\r\n"
WHOLE_HEADER = HEADER + b"Content-Length: 5000\r\nContent-Type: text/plain\r\n\r\n"
BODY = WHOLE_HEADER + b"[{"
KINDS = {"headers": HEADER, "bodies": BODY, "silence": b""}


@contextlib.contextmanager
def held(
    address: str, count: int, sent: bytes, *, from_each: int = 80
) -> Iterator[list[socket.socket]]:
    """Keep connections open that sent so much and no more, so many from each loopback address."""
    parts = urlsplit(address)
    with contextlib.ExitStack() as stack:
        opened = []
        for number in range(count):
            with contextlib.suppress(OSError):
                one = socket.create_connection(
                    (parts.hostname, parts.port), 5, (f"127.0.1.{1 + number // from_each}", 0)
                )
                stack.callback(one.close)
                one.sendall(sent)
                opened.append(one)
        yield opened


def slow_reader(address: str, path: str, *, receive_bytes: int = 1) -> socket.socket:
    """Ask for a file, and take one byte of the answer."""
    parts = urlsplit(address)
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    one.settimeout(10)
    one.connect((parts.hostname, parts.port))
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    one.recv(receive_bytes)
    return one
