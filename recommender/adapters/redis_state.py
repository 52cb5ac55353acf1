"""Stream and hot state in one Redis or Valkey server.

In come accepted events; out go stream entries for the ingester and what the next request must
know of a visitor. Every write is one round trip, the stream entry first, and is never retried
here: the caller knows whether sending again is safe. Driver errors leave this file as
UnavailableError. Must not know what the events mean.

Keys: those of `redis_stream`, `recent:SHOP:VISITOR` list of steps, newest first, each
`ITEM NUL KIND SECONDS` with a letter for the kind, `pages:SHOP:VISITOR` counter,
`exposed:SHOP:VISITOR:PLACEMENT` flag, `latest:SHOP` list of entries, newest first,
`catalogues` sorted set of shops by catalogue revision.
"""

import contextlib
import functools
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recommender.adapters import redis_stream as stream
from recommender.adapters.event_codec import decode_events, encode_events
from recommender.adapters.redis_exchange import Command, GroupedExchange, look_up, raise_refusal
from recommender.adapters.visitor_keys import (
    devices_key,
    exposed_key,
    latest_key,
    pages_key,
    recent_key,
)
from recommender.errors import InvalidInputError, UnavailableError
from recommender.paths import DAY_SECONDS, Path, joined, packed_step
from recommender.ports import Backlog, Batch, StreamEntry, Visit, VisitorState, WhoAsks
from recommender.records import Event

CONNECT_SECONDS = 0.2
REPLY_SECONDS = 1.0
MAX_BLOCK_MS = 10_000
SETTINGS_CHECK_SECONDS = 30.0

RECENT_STEPS = 64
"""Steps kept of a path: about fifty items, some of them looked at again."""
RECENT_SECONDS = 30 * DAY_SECONDS
PAGES_SECONDS = DAY_SECONDS
EXPOSED_SECONDS = DAY_SECONDS
LATEST_EVENTS = 50
MAX_GLANCES = 100
GLANCES_A_SECOND = 10
"""How often the newest events are noted for the shop's technician."""

DURABLE_SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
}

_CATALOGUES = "catalogues"
_NOBODY: tuple[Any, ...] = ((), None, None, None)


class RedisState:
    """`ports.EventStream` and `ports.HotState` on one server; connects when first used.

    Safe for threads and after fork.

    Args:
        redis_url: `unix://`, `redis://` or `rediss://` URL; with an empty one every call raises
            UnavailableError.
        write_seconds: Longest wait for the answer to a write.
    """

    def __init__(self, redis_url: str, *, write_seconds: float = REPLY_SECONDS) -> None:
        self._url = redis_url
        self._write_seconds = write_seconds
        self._settings_hold_until = 0.0
        self._glances: dict[str, tuple[float, float]] = {}
        self._writes = GroupedExchange(lambda: self._writer)

    @functools.cached_property
    def _writer(self) -> "redis.Redis":
        # Behind the address may be another server at any moment: each connection is examined
        # before it carries an event.
        return open_client(self._url, self._write_seconds, _examine_connection)

    @functools.cached_property
    def _client(self) -> "redis.Redis":
        return open_client(self._url, REPLY_SECONDS, None)

    @functools.cached_property
    def _reader(self) -> "redis.Redis":
        return open_client(self._url, REPLY_SECONDS + MAX_BLOCK_MS / 1000, None)

    def accept(self, events: Sequence[Event], visits: Mapping[str, Visit]) -> None:
        """Store events durably, then remember what each visitor just did."""
        (error,) = self.accept_each([Batch(events, visits)])
        if error is not None:
            raise error

    def accept_each(self, batches: Sequence[Batch]) -> list[UnavailableError | None]:
        """Store batches in one round trip; return for each why it is not stored."""
        commands = [self._batch_commands(batch) for batch in batches]
        try:
            with driver_errors():
                self._check_settings()
        except UnavailableError as error:
            return [error] * len(batches)
        return [_refusal(outcome) for outcome in self._writes.exchange_each(commands)]

    def _batch_commands(self, batch: Batch) -> list[Command]:
        shop_id = batch.events[0].shop_id
        entry = encode_events(batch.events)
        commands = entry_commands(batch.events, entry, shown=self._is_shown(shop_id))
        for visitor, visit in batch.visits.items():
            commands += visit_commands(shop_id, visitor, visit)
        return commands

    def _is_shown(self, shop_id: str) -> bool:
        """Tell whether a technician could follow: a busy shop's list would only cost the server."""
        now = time.monotonic()
        left, at = self._glances.get(shop_id, (float(MAX_GLANCES), now))
        left = min(float(MAX_GLANCES), left + (now - at) * GLANCES_A_SECOND)
        self._glances[shop_id] = (max(left - 1, 0.0), now)
        return left >= 1

    def record_exposure(self, event: Event) -> None:
        """Store the exposure durably and mark the visitor as exposed, together or not at all."""
        commands = entry_commands([event], encode_events([event]))
        if event.visitor:
            key = exposed_key(event.shop_id, event.visitor, event.placement)
            commands.append(("SET", key, "1", "EX", str(EXPOSED_SECONDS)))
        with driver_errors():
            self._check_settings()
            self._writes.exchange([("MULTI",), *commands, ("EXEC",)])

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]:
        """Return at most `limit` entries behind position `after`, oldest first."""
        with driver_errors():
            return stream.read_entries(self._reader, after, limit, min(block_ms, MAX_BLOCK_MS))

    def epoch(self) -> str:
        """Return the name of the stretch in which positions grow and can be compared."""
        with driver_errors():
            return stream.read_epoch(self._client)

    def trim(self, through: int, epoch: str = "") -> None:
        """Forget entries up to and including position `through`, if `epoch` is not over."""
        with driver_errors():
            stream.trim_entries(self._client, through, epoch)

    def pending(self) -> int:
        """Return the number of entries not yet trimmed."""
        with driver_errors():
            length: Any = self._client.xlen(stream.STREAM)
        return int(length)

    def backlog(self) -> Backlog:
        """Return how much waits, and how long already."""
        with driver_errors():
            return stream.read_backlog(self._client)

    def claim(self, owner: str, seconds: float) -> str:
        """Let `owner` read alone for the next `seconds`, unless another does; return who reads."""
        with driver_errors():
            return stream.claim_reading(self._client, owner, seconds)

    def release(self, owner: str) -> None:
        """End a claim, so that the next one may read at once."""
        with driver_errors():
            stream.release_reading(self._client, owner)

    def payload(self, event: Event) -> bytes:
        """Return a stream entry with this event alone, for its rejection record."""
        return encode_events([event])

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]:
        """Return each one's state, or why it cannot be read, in one round trip for all."""
        return self._read_states(self._client, asked)

    def _read_states(
        self, client: "redis.Redis", asked: Sequence[WhoAsks]
    ) -> list[VisitorState | UnavailableError]:
        shops = list(dict.fromkeys([who.shop_id for who in asked]))
        try:
            with driver_errors():
                replies = look_up(client, _state_commands(shops, asked))
        except UnavailableError as error:
            return [error] * len(asked)
        revisions = dict(zip(shops, replies, strict=False))
        flags, *paths = replies[len(shops) :] or [()]
        if isinstance(flags, redis.ResponseError):
            flags = [flags] * len(paths) * 3
        told = zip(paths, flags[0::3], flags[1::3], flags[2::3], strict=True)
        return [
            _read_state(client, who, revisions[who.shop_id], next(told) if who.visitor else _NOBODY)
            for who in asked
        ]

    def announce_catalogue(self, shop_id: str, revision: int) -> None:
        """Tell every worker that the shop's catalogue reached `revision`; it never goes back."""
        with driver_errors():
            self._client.zadd(_CATALOGUES, {shop_id: revision}, gt=True)

    def latest_events(self, shop_id: str, limit: int) -> list[Event]:
        """Return the newest accepted events of a shop, newest first; at most 50 are kept."""
        with driver_errors():
            found: Any = self._client.lrange(latest_key(shop_id), 0, LATEST_EVENTS - 1)
        newest_first = (event for raw in found for event in reversed(_readable(raw)))
        return list(itertools.islice(newest_first, min(limit, LATEST_EVENTS)))

    def ping(self) -> None:
        """Raise UnavailableError unless the server answers and its durability settings hold."""
        with driver_errors():
            self._settings_hold_until = 0.0
            self._check_settings()

    def _check_settings(self) -> None:
        if time.monotonic() < self._settings_hold_until:
            return
        pipeline = self._writer.pipeline(transaction=False)
        for name in DURABLE_SETTINGS:
            pipeline.config_get(name)
        _require_durable([_setting(reply) for reply in pipeline.execute()])
        self._settings_hold_until = time.monotonic() + SETTINGS_CHECK_SECONDS


class _NotDurableError(redis.RedisError):
    """A driver's error, so that the driver gives up the connection on which it is raised."""


def open_client(
    url: str, reply_seconds: float, on_connect: Callable[[Any], None] | None
) -> "redis.Redis":
    """Return a client that sends nothing twice.

    Args:
        url: As for `RedisState`.
        reply_seconds: Longest wait for a reply.
        on_connect: Called with each new connection before its first command.
    """
    if not url:
        raise UnavailableError(
            "No Redis server is named: set RECOMMENDER_REDIS_URL, or run `recommender up`",
            code="no-redis-server",
        )
    return redis.Redis.from_url(
        url,
        # redis-py tries ten times by default, and a write whose reply was late is then stored
        # twice.
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=reply_seconds,
        protocol=2,
        driver_info=None,
        redis_connect_func=on_connect,
    )


@contextlib.contextmanager
def driver_errors() -> Iterator[None]:
    """Turn the driver's errors into UnavailableError."""
    try:
        yield
    except redis.RedisError as error:
        raise _told(error) from error


def _refusal(outcome: list[Any] | Exception) -> UnavailableError | None:
    if isinstance(outcome, redis.RedisError):
        return _told(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return None


def _told(error: redis.RedisError) -> UnavailableError:
    if isinstance(error, _NotDurableError):
        told = UnavailableError(str(error), code="redis-not-durable")
    else:
        told = UnavailableError(f"Redis does not answer: {error}", code="redis-unavailable")
    told.__cause__ = error
    return told


def _examine_connection(connection: Any) -> None:
    connection.on_connect()
    found = []
    for name in DURABLE_SETTINGS:
        connection.send_command("CONFIG", "GET", name)
        found.append(_setting(connection.read_response()))
    _require_durable(found)


def _setting(reply: Any) -> str:
    # A mapping where the client has decoded the reply, else name and value in turn.
    values = list(reply.values()) if isinstance(reply, dict) else reply[1::2]
    value = values[0] if values else "missing"
    return value.decode() if isinstance(value, bytes) else str(value)


def _require_durable(found: Sequence[str]) -> None:
    for (name, wanted), value in zip(DURABLE_SETTINGS.items(), found, strict=True):
        if value != wanted:
            raise _NotDurableError(
                f"Redis is set to {name} {value}; acknowledged events are only safe with "
                f"{name} {wanted}"
            )


def entry_commands(events: Sequence[Event], entry: bytes, *, shown: bool = True) -> list[Command]:
    """Return the commands that store an entry, and show its events to the shop's technician."""
    commands: list[Command] = [("XADD", stream.STREAM, "*", stream.FIELD, entry)]
    if events and shown:
        key = latest_key(events[0].shop_id)
        fits = len(events) <= LATEST_EVENTS
        newest = entry if fits else encode_events(events[-LATEST_EVENTS:])
        commands += [("LPUSH", key, newest), ("LTRIM", key, "0", str(LATEST_EVENTS - 1))]
    return commands


def visit_commands(shop_id: str, visitor: str, visit: Visit) -> Iterator[Command]:
    """Yield the commands that make the next request know what a visitor just did."""
    if visit.steps:
        key = recent_key(shop_id, visitor)
        # LPUSH of the oldest first leaves the newest in front.
        yield ("LPUSH", key, *map(packed_step, visit.steps[-RECENT_STEPS:]))
        yield ("LTRIM", key, "0", str(RECENT_STEPS - 1))
        yield ("EXPIRE", key, str(RECENT_SECONDS))
    if visit.page_views:
        key = pages_key(shop_id, visitor)
        yield ("INCRBY", key, str(visit.page_views))
        yield ("EXPIRE", key, str(PAGES_SECONDS))


def _state_commands(shops: Sequence[str], asked: Sequence[WhoAsks]) -> list[Command]:
    """Return what asks for shops' revisions, then for all visitors' flags, then for each path."""
    commands: list[Command] = [("ZSCORE", _CATALOGUES, shop_id) for shop_id in shops]
    if known := [who for who in asked if who.visitor]:
        commands.append(("MGET", *itertools.chain.from_iterable(map(_flag_keys, known))))
        commands += [_read_steps(who.shop_id, who.visitor) for who in known]
    return commands


def _flag_keys(who: WhoAsks) -> tuple[str, str, str]:
    shop_id, visitor, placement = who
    return (
        exposed_key(shop_id, visitor, placement),
        pages_key(shop_id, visitor),
        devices_key(shop_id, visitor),
    )


def _read_state(
    client: "redis.Redis", who: WhoAsks, revision: Any, told: Sequence[Any]
) -> VisitorState | UnavailableError:
    """Return the state that is told by the replies to `_state_commands`.

    Args:
        told: The path, and the values of `_flag_keys`.
    """
    steps, exposed, pages, devices = told
    try:
        with driver_errors():
            raise_refusal((revision, *told))
            # Only where a customer logged in: what the other browsers saw costs a second trip.
            others = devices.decode().split(",") if devices else ()
            elsewhere = others and look_up(client, [_read_steps(who.shop_id, o) for o in others])
            raise_refusal(elsewhere)
    except UnavailableError as error:
        return error
    recent = Path.of(steps)
    return VisitorState(
        recent=joined([recent, *map(Path.of, elsewhere)], RECENT_STEPS) if others else recent,
        exposed=exposed is not None,
        catalogue_revision=int(revision or 0),
        page_views=int(pages or 0),
    )


def _read_steps(shop_id: str, visitor: str) -> Command:
    return ("LRANGE", recent_key(shop_id, visitor), "0", str(RECENT_STEPS - 1))


def _readable(raw: bytes) -> tuple[Event, ...]:
    # The list serves a technician's eyes: what an older release wrote is not worth an error.
    with contextlib.suppress(InvalidInputError):
        return decode_events(raw)
    return ()
