"""Several commands in one round trip, for the requests that every page of a shop makes.

`Redis.pipeline` does the same at more than twice the processor time (docs/decisions/0012).
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import hiredis
import redis

Command = tuple[str | bytes, ...]


def exchange(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    """Send commands once and return their replies in order, as the server sent them.

    A command that the server refuses does not stop those behind it, unless they stand between
    MULTI and EXEC.

    Raises:
        redis.ResponseError: The server refused a command; of several refusals the first.
        redis.RedisError: The server does not answer; nobody can tell which commands ran.
    """
    replies = _ask(client, commands)
    raise_refusal(replies)
    return replies


def look_up(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    """As `exchange`, on a connection of this thread; only for commands that change nothing.

    A pool's bookkeeping costs more than the read itself. A connection that was closed meanwhile is
    opened again, and the commands repeated.

    Returns:
        Refusals stand among the replies.
    """
    pool = client.connection_pool
    connection = _OWN.by_pool.get(pool)
    # A forked process must not speak on its parent's connection.
    if connection is not None and connection.pid == os.getpid():
        with contextlib.suppress(redis.ConnectionError):
            return _ask_on(connection, commands)
    connection = _OWN.by_pool[pool] = _opened(client)
    return _ask_on(connection, commands)


def _opened(client: "redis.Redis") -> Any:
    """Return a connection beside the pool, which counts those that it makes itself."""
    pool = client.connection_pool
    return pool.connection_class(**pool.connection_kwargs)


class _OwnConnections(threading.local):
    """One connection of this thread to each server."""

    def __init__(self) -> None:
        self.by_pool: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


_OWN = _OwnConnections()


class GroupedExchange:
    """Exchanges of several threads in one: while one is on its way, the next ones gather.

    The server syncs its disk before it answers, so they would wait for each other anyway; together
    they cost it, and us, one packet.

    Args:
        client: Returns the client; asked at the first exchange.
    """

    def __init__(self, client: Callable[[], "redis.Redis"]) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._is_busy = False
        self._connection: Any = None

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """As the function of this name. When the server does not answer, all that wait are told."""
        (outcome,) = self.exchange_each([commands])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def exchange_each(self, commands: Sequence[Sequence[Command]]) -> "list[list[Any] | Exception]":
        """Send several lists of commands once; return for each its replies, or what went wrong."""
        asked = [_Asked(one) for one in commands]
        if not asked:
            return []
        with self._lock:
            self._waiting += asked
            leads = not self._is_busy
            self._is_busy = True
        if not leads:
            asked[0].turn.acquire()
        # They wait side by side, so whoever leads for the first leads for all.
        if asked[0].outcome is None:
            self._lead()
        return [one.outcome for one in asked if one.outcome is not None]

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        try:
            commands = [one for asked in group for one in asked.commands]
            replies = _ask_on(self._living_connection(), commands)
        except BaseException as error:
            with self._lock:
                group, self._waiting = group + self._waiting, []
            # What ends the leading thread is no reason to end the others.
            told = error if isinstance(error, Exception) else redis.ConnectionError("interrupted")
            for asked in group:
                asked.outcome = told
        else:
            for asked in group:
                asked.take(replies[: len(asked.commands)])
                replies = replies[len(asked.commands) :]
        with self._lock:
            # The first of those who came meanwhile leads them.
            self._is_busy = bool(self._waiting)
            woken = group + self._waiting[:1]
        for asked in woken:
            asked.turn.release()

    def _living_connection(self) -> Any:
        """Return the connection of those who lead; what stores something is sent only once."""
        connection = self._connection
        if connection is not None and connection.pid == os.getpid():
            with contextlib.suppress(redis.ConnectionError):
                if not connection.can_read():
                    return connection
            connection.disconnect()
        self._connection = _opened(self._client())
        return self._connection


@dataclass(slots=True)
class _Asked:
    """One caller's commands, and what came of them; `turn` is held until it may go on."""

    commands: Sequence[Command]
    outcome: list[Any] | Exception | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.turn.acquire()

    def take(self, replies: list[Any]) -> None:
        """Note the replies to these commands; of several refusals the first counts."""
        self.outcome = next(
            (one for one in replies if isinstance(one, redis.ResponseError)), replies
        )


def _ask(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    pool = client.connection_pool
    connection = pool.get_connection()
    try:
        return _ask_on(connection, commands)
    finally:
        pool.release(connection)


def _ask_on(connection: Any, commands: Sequence[Command]) -> list[Any]:
    try:
        packed = [hiredis.pack_command(command) for command in commands]  # type: ignore[arg-type]
        connection.send_packed_command([b"".join(packed)])
        return [_reply(connection) for _ in commands]
    except BaseException:
        # Replies still on their way would answer the next one's questions.
        connection.disconnect()
        raise


def raise_refusal(replies: Sequence[Any]) -> None:
    """Raise the first refusal among replies."""
    for reply in replies:
        if isinstance(reply, redis.ResponseError):
            raise reply


def _reply(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as refusal:
        return refusal
