"""Stream and hot state in one Redis or Valkey server.

In come accepted events; out go stream entries for the ingester and what the next request must
know of a visitor. Every write is one MULTI and is never retried here: the caller knows whether
sending again is safe. Driver errors leave this file as UnavailableError. Must not know what the
events mean.

Keys: `events` the stream (field `e`), `recent:SHOP:VISITOR` list of steps, newest first, each
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

from recommender.adapters.event_codec import decode_events, encode_events
from recommender.adapters.redis_reads import Command, read_together
from recommender.errors import InconsistentError, InvalidInputError, UnavailableError
from recommender.ports import PathKind, PathStep, StreamEntry, Visit, VisitorState
from recommender.records import Event

CONNECT_SECONDS = 0.2
REPLY_SECONDS = 1.0
MAX_BLOCK_MS = 10_000
SETTINGS_CHECK_SECONDS = 30.0

DAY_SECONDS = 86_400
RECENT_STEPS = 64
"""Steps kept of a path: about fifty items, some of them looked at again."""
RECENT_SECONDS = 30 * DAY_SECONDS
PAGES_SECONDS = DAY_SECONDS
EXPOSED_SECONDS = DAY_SECONDS
LATEST_EVENTS = 50

DURABLE_SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
}

_STREAM = "events"
_FIELD = b"e"
_CATALOGUES = "catalogues"
_KINDS = {"v": PathKind.VIEW, "c": PathKind.CART, "o": PathKind.ORDER}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}

# A position is the stream id `ms-sequence` as one number below 2⁶³. 42 bits of milliseconds last
# until the year 2109; 21 bits of sequence because the sequence runs on, within one millisecond,
# while the server's clock is set back.
_SEQUENCE_BITS = 21
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1


class RedisState:
    """`ports.EventStream` and `ports.HotState` on one server; connects when first used.

    Safe for threads and after fork.

    Args:
        redis_url: `unix://`, `redis://` or `rediss://` URL; with an empty one every call raises
            UnavailableError.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._settings_hold_until = 0.0

    @functools.cached_property
    def _writer(self) -> "redis.Redis":
        # Behind the address may be another server at any moment: each connection is examined
        # before it carries an event.
        return _open_client(self._url, REPLY_SECONDS, _examine_connection)

    @functools.cached_property
    def _client(self) -> "redis.Redis":
        return _open_client(self._url, REPLY_SECONDS, None)

    @functools.cached_property
    def _reader(self) -> "redis.Redis":
        return _open_client(self._url, REPLY_SECONDS + MAX_BLOCK_MS / 1000, None)

    def accept(self, events: Sequence[Event], visits: Mapping[str, Visit]) -> None:
        """Store events durably, then remember what each visitor just did."""
        entry = encode_events(events)
        with _driver_errors():
            self._check_settings()
            pipeline = self._writer.pipeline(transaction=True)
            _add_entry(pipeline, events, entry)
            for visitor, visit in visits.items():
                _remember(pipeline, events[0].shop_id, visitor, visit)
            pipeline.execute()

    def record_exposure(self, event: Event) -> None:
        """Store the exposure durably and mark the visitor as exposed, together or not at all."""
        entry = encode_events([event])
        with _driver_errors():
            self._check_settings()
            pipeline = self._writer.pipeline(transaction=True)
            _add_entry(pipeline, [event], entry)
            if event.visitor:
                key = _exposed_key(event.shop_id, event.visitor, event.placement)
                pipeline.set(key, 1, ex=EXPOSED_SECONDS)
            pipeline.execute()

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]:
        """Return at most `limit` entries behind position `after`, oldest first."""
        with _driver_errors():
            reply: Any = self._reader.xread(
                {_STREAM: _stream_id(after)},
                count=limit,
                block=min(block_ms, MAX_BLOCK_MS) or None,
            )
        return [_entry(stream_id, fields) for _, found in reply for stream_id, fields in found]

    def trim(self, through: int) -> None:
        """Forget entries up to and including position `through`."""
        with _driver_errors():
            self._client.xtrim(_STREAM, minid=_stream_id(through + 1), approximate=False)

    def pending(self) -> int:
        """Return the number of entries not yet trimmed."""
        with _driver_errors():
            length: Any = self._client.xlen(_STREAM)
        return int(length)

    def visitor_state(self, shop_id: str, visitor: str, placement: str) -> VisitorState:
        """Return one visitor's state in one round trip; `visitor` may be empty."""
        commands: list[Command] = [("ZSCORE", _CATALOGUES, shop_id)]
        if visitor:
            exposed_key = _exposed_key(shop_id, visitor, placement)
            commands += [
                ("LRANGE", _recent_key(shop_id, visitor), "0", str(RECENT_STEPS - 1)),
                ("MGET", exposed_key, _pages_key(shop_id, visitor)),
            ]
        with _driver_errors():
            revision, *known = read_together(self._client, commands)
        steps, (exposed, pages) = known or ((), (None, None))
        return VisitorState(
            recent=_path(steps),
            exposed=exposed is not None,
            catalogue_revision=int(revision or 0),
            page_views=int(pages or 0),
        )

    def announce_catalogue(self, shop_id: str, revision: int) -> None:
        """Tell every worker that the shop's catalogue reached `revision`; it never goes back."""
        with _driver_errors():
            self._client.zadd(_CATALOGUES, {shop_id: revision}, gt=True)

    def latest_events(self, shop_id: str, limit: int) -> list[Event]:
        """Return the newest accepted events of a shop, newest first; at most 50 are kept."""
        with _driver_errors():
            found: Any = self._client.lrange(f"latest:{shop_id}", 0, LATEST_EVENTS - 1)
        newest_first = (event for raw in found for event in reversed(_readable(raw)))
        return list(itertools.islice(newest_first, min(limit, LATEST_EVENTS)))

    def ping(self) -> None:
        """Raise UnavailableError unless the server answers and its durability settings hold."""
        with _driver_errors():
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


def position_of(stream_id: str) -> int:
    """Return the position of a stream id `ms-sequence`; order is kept.

    Raises:
        InconsistentError: The sequence ran out of its bits, because the server's clock stands
            far behind its own newest entry.
    """
    milliseconds, _, sequence = stream_id.partition("-")
    if int(sequence) > _SEQUENCE_MASK:
        raise InconsistentError(
            f"Stream id {stream_id} has no position: the Redis server's clock went back",
            code="stream-clock",
        )
    return (int(milliseconds) << _SEQUENCE_BITS) | int(sequence)


def _stream_id(position: int) -> str:
    return f"{position >> _SEQUENCE_BITS}-{position & _SEQUENCE_MASK}"


def _open_client(
    url: str, reply_seconds: float, on_connect: Callable[[Any], None] | None
) -> "redis.Redis":
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
def _driver_errors() -> Iterator[None]:
    try:
        yield
    except _NotDurableError as error:
        raise UnavailableError(str(error), code="redis-not-durable") from error
    except redis.RedisError as error:
        raise UnavailableError(
            f"Redis does not answer: {error}", code="redis-unavailable"
        ) from error


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


def _add_entry(pipeline: Any, events: Sequence[Event], entry: bytes) -> None:
    pipeline.xadd(_STREAM, {_FIELD: entry})
    key = f"latest:{events[0].shop_id}"
    fits = len(events) <= LATEST_EVENTS
    pipeline.lpush(key, entry if fits else encode_events(events[-LATEST_EVENTS:]))
    pipeline.ltrim(key, 0, LATEST_EVENTS - 1)


def _remember(pipeline: Any, shop_id: str, visitor: str, visit: Visit) -> None:
    if visit.steps:
        key = _recent_key(shop_id, visitor)
        # LPUSH of the oldest first leaves the newest in front.
        pipeline.lpush(key, *map(_packed, visit.steps[-RECENT_STEPS:]))
        pipeline.ltrim(key, 0, RECENT_STEPS - 1)
        pipeline.expire(key, RECENT_SECONDS)
    if visit.page_views:
        key = _pages_key(shop_id, visitor)
        pipeline.incrby(key, visit.page_views)
        pipeline.expire(key, PAGES_SECONDS)


def _packed(step: PathStep) -> str:
    # No item id has a NUL: events with one are rejected.
    return f"{step.item_id}\0{_LETTERS[step.kind]}{step.at_seconds}"


def _path(packed: Sequence[bytes]) -> tuple[PathStep, ...]:
    path: dict[tuple[str, PathKind, int], PathStep] = {}
    for raw in packed:
        item_id, _, told = raw.decode().partition("\0")
        # An earlier release kept the bare id.
        kind = _KINDS[told[0]] if told else PathKind.VIEW
        at_seconds = int(told[1:]) if told else 0
        # A page that is loaded again and again is one step, as it is one interaction.
        path.setdefault(
            (item_id, kind, at_seconds // DAY_SECONDS), PathStep(item_id, kind, at_seconds)
        )
    return tuple(path.values())


def _entry(stream_id: bytes, fields: Mapping[bytes, bytes]) -> StreamEntry:
    position = position_of(stream_id.decode())
    raw = fields.get(_FIELD, b"")
    try:
        return StreamEntry(position, decode_events(raw), raw)
    except InvalidInputError as error:
        return StreamEntry(position, (), raw, damaged=str(error))


def _readable(raw: bytes) -> tuple[Event, ...]:
    # The list serves a technician's eyes: what an older release wrote is not worth an error.
    with contextlib.suppress(InvalidInputError):
        return decode_events(raw)
    return ()


def _recent_key(shop_id: str, visitor: str) -> str:
    return f"recent:{shop_id}:{visitor}"


def _pages_key(shop_id: str, visitor: str) -> str:
    return f"pages:{shop_id}:{visitor}"


def _exposed_key(shop_id: str, visitor: str, placement: str) -> str:
    return f"exposed:{shop_id}:{visitor}:{placement}"
