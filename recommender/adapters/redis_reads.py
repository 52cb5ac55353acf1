"""Several reads in one round trip, for the one request that every page of a shop makes.

`Redis.pipeline` does the same at more than twice the processor time (docs/decisions/0012). Only
for commands that change nothing: nobody can tell which of them ran when the connection breaks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import redis

Command = Sequence[str]


def read_together(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    """Return the replies of some commands in their order, as the server sent them.

    Raises:
        redis.RedisError: A command failed, or the server does not answer.
    """
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        connection.send_packed_command([b"".join(map(_packed, commands))])  # type: ignore[no-untyped-call]
        return [connection.read_response() for _ in commands]
    except BaseException:
        # Replies still on their way would answer the next one's questions.
        connection.disconnect()  # type: ignore[no-untyped-call]
        raise
    finally:
        pool.release(connection)


def _packed(command: Command) -> bytes:
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(
        [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    )
