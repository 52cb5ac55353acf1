"""Several reads in one round trip, for the one request that every page of a shop makes.

`Redis.pipeline` does the same at more than twice the processor time (docs/decisions/0012). Only
for commands that change nothing: nobody can tell which of them ran when the connection breaks.
"""

import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import redis

Command = Sequence[str]


class _OwnConnections(threading.local):
    """One connection of this thread to each server: a pool's bookkeeping costs more than a read."""

    def __init__(self) -> None:
        self.by_pool: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


_OWN = _OwnConnections()


def read_together(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    """Return the replies of some commands in their order, as the server sent them.

    Raises:
        redis.RedisError: A command failed, or the server does not answer.
    """
    pool, packed = client.connection_pool, [b"".join(map(_packed, commands))]
    connection = _OWN.by_pool.get(pool)
    # A forked process must not speak on its parent's connection.
    if connection is not None and connection.pid == os.getpid():
        try:
            return _exchange(connection, packed, len(commands))
        except redis.ConnectionError:
            # The server, or something between, closed it since.
            pass
    connection = _OWN.by_pool[pool] = pool.make_connection()
    return _exchange(connection, packed, len(commands))


def _exchange(connection: Any, packed: list[bytes], n: int) -> list[Any]:
    try:
        connection.send_packed_command(packed)
        return [connection.read_response() for _ in range(n)]
    except BaseException:
        # Replies still on their way would answer the next one's questions.
        connection.disconnect()
        raise


def _packed(command: Command) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(
        [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    )
