"""Plain HTTP requests as they stand in one read of a socket, and answers to them. Pure.

In come bytes; out goes what a WSGI application would be told, for those addresses that the caller
names. Whatever could be read in two ways is nobody's here: the caller has gunicorn read it.
"""

import functools
import io
from collections.abc import Collection, Sequence
from email.utils import formatdate
from typing import Any

import gunicorn_h1c

Address = tuple[str, str]
"""Method and path."""

_TOLD = {
    name: f"HTTP_{name.decode().upper().replace('-', '_')}"
    for name in (b"origin", b"user-agent", b"purpose", b"sec-purpose", b"x-forwarded-for",
                 b"content-encoding")
} | {b"content-length": "CONTENT_LENGTH"}  # fmt: skip
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer"})
"""With one of these the request's end, or the connection's, is not where it seems."""


Answered = tuple[str, Sequence[tuple[str, str]], bytes]
"""Status as WSGI has it, such as `200 OK`, headers with the body's length, and the whole body."""


def read_request(
    data: bytes, addresses: Collection[Address], *, client: object, max_line_bytes: int
) -> dict[str, Any] | None:
    """Return the WSGI environment of exactly one whole request for one of the addresses, or None.

    It holds what is said of the request itself, and those headers that our addresses look at.

    Args:
        data: What was read.
        addresses: Methods and paths.
        client: The sender's address as the socket gives it.
        max_line_bytes: Most that the request's first line may have.
    """
    try:
        parsed = gunicorn_h1c.parse_request(data, limit_request_line=max_line_bytes)
    except (gunicorn_h1c.IncompleteError, gunicorn_h1c.ParseError):
        return None
    path, _, query = parsed["path"].decode("latin-1").partition("?")
    method = parsed["method"].decode("latin-1")
    if (method, path) not in addresses or parsed["minor_version"] != 1 or not _is_plain(query):
        return None
    environ = _told_headers(parsed["headers"])
    body = data[parsed["consumed"] :]
    if environ is None or not _is_whole(environ, method, body):
        return None
    environ |= {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REMOTE_ADDR": str(client[0] if isinstance(client, tuple) else client),
        "wsgi.input": io.BytesIO(body),
    }
    return environ


def _is_plain(query: str) -> bool:
    return query.isascii() and query.isprintable() and "#" not in query and " " not in query


def _told_headers(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, Any] | None:
    """Return the headers that our addresses look at, or None when one is unusual."""
    said = {name.lower(): value for name, value in headers}
    connection = said.get(b"connection", b"keep-alive")
    if (
        len(said) < len(headers)
        or not _UNUSUAL.isdisjoint(said)
        or connection.lower() != b"keep-alive"
    ):
        return None
    return {told: said[name].decode("latin-1") for name, told in _TOLD.items() if name in said}


def _is_whole(environ: dict[str, Any], method: str, body: bytes) -> bool:
    length = environ.get("CONTENT_LENGTH")
    if length is None:
        return method == "GET" and not body
    return method != "GET" and length.isascii() and length.isdigit() and int(length) == len(body)


def response_bytes(answer: Answered, *, unix_seconds: int) -> bytes:
    """Return an answer as it goes over a connection that stays open.

    Args:
        answer: Its headers are of our own making, or were checked.
        unix_seconds: Time of the answer.
    """
    status, headers, body = answer
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    head = f"HTTP/1.1 {status}\r\n{_common(unix_seconds)}{lines}\r\n"
    return head.encode("latin-1") + body


@functools.lru_cache(maxsize=2)
def _common(unix_seconds: int) -> str:
    date = formatdate(unix_seconds, usegmt=True)
    return f"Server: gunicorn\r\nDate: {date}\r\nConnection: keep-alive\r\n"
