"""The reading side of the stream in Redis: entries, positions, who reads, and how much waits.

In comes a client; out go stream entries with positions. A position holds within one *epoch*: one
run of one server over one set of data. Ids made in different epochs cannot be compared, because
the clock of another server, or of the same one after a restart, may stand behind. Driver errors
pass through; `redis_state` turns them into ours.

Keys: `events` the stream (field `e`), `events:epoch` a random name that vanishes with the data,
`events:reader` who reads, expiring.
"""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recommender.adapters.event_codec import decode_entry
from recommender.errors import InconsistentError, InvalidInputError
from recommender.ports import Backlog, StreamEntry

if TYPE_CHECKING:
    import redis

STREAM = "events"
FIELD = b"e"
_EPOCH = "events:epoch"
_READER = "events:reader"

# A position is the stream id `ms-sequence` as one number below 2⁶³. 42 bits of milliseconds last
# until the year 2109; 21 bits of sequence because the sequence runs on, within one millisecond,
# while the server's clock is set back.
_SEQUENCE_BITS = 21
_SEQUENCE_MASK = (1 << _SEQUENCE_BITS) - 1


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


def read_entries(client: "redis.Redis", after: int, limit: int, block_ms: int) -> list[StreamEntry]:
    """Return at most `limit` entries behind position `after`, oldest first."""
    reply: Any = client.xread({STREAM: _stream_id(after)}, count=limit, block=block_ms or None)
    return [_entry(stream_id, fields) for _, found in reply for stream_id, fields in found]


def read_epoch(client: "redis.Redis") -> str:
    """Return the name of the epoch in which positions grow now."""
    pipeline = client.pipeline(transaction=True)
    pipeline.set(_EPOCH, secrets.token_hex(4), nx=True)
    pipeline.get(_EPOCH)
    pipeline.info("server")
    _, data, server = pipeline.execute()
    return _epoch(data, server)


def trim_entries(client: "redis.Redis", through: int, epoch: str) -> None:
    """Forget entries up to and including position `through` of an epoch; an empty one is any.

    Raises:
        InconsistentError: The epoch is over; nothing was forgotten.
    """
    with client.pipeline(transaction=True) as pipeline:
        if epoch:
            # A watched connection is not opened anew: the server that answers here is the one
            # that trims.
            pipeline.watch(_EPOCH)  # type: ignore[no-untyped-call]
            if _epoch(pipeline.get(_EPOCH), pipeline.info("server")) != epoch:
                raise InconsistentError(
                    "Redis was started again, or its data replaced, meanwhile",
                    code="stream-replaced",
                )
            pipeline.multi()
        pipeline.xtrim(STREAM, minid=_stream_id(through + 1), approximate=False)
        pipeline.execute()


def read_backlog(client: "redis.Redis") -> Backlog:
    """Return how much waits in the stream, and how long already."""
    pipeline = client.pipeline(transaction=True)
    pipeline.xlen(STREAM)
    pipeline.xrange(STREAM, count=1)
    pipeline.time()
    entries, oldest, (seconds, microseconds) = pipeline.execute()
    if not oldest:
        return Backlog(0, 0.0)
    made_ms = int(oldest[0][0].partition(b"-")[0])
    return Backlog(entries, max(0.0, seconds + microseconds / 1e6 - made_ms / 1e3))


def claim_reading(client: "redis.Redis", owner: str, seconds: float) -> str:
    """Let `owner` read alone for the next `seconds`, unless another does; return who reads."""
    milliseconds = int(seconds * 1000)
    holder: Any = client.set(_READER, owner, nx=True, px=milliseconds, get=True)
    if holder is None or holder == owner.encode():
        # Were it lost between these two lines, two would read for a while, and one be refused.
        client.pexpire(_READER, milliseconds)
        return owner
    return str(holder.decode())


def release_reading(client: "redis.Redis", owner: str) -> None:
    """Let the next one read at once, if `owner` has the claim."""
    if client.get(_READER) == owner.encode():
        client.delete(_READER)


def _epoch(data: Any, server: Mapping[str, Any]) -> str:
    name = b"" if data is None else data
    return f"{str(server['run_id'])[:12]}-{name.decode()}"


def _stream_id(position: int) -> str:
    return f"{position >> _SEQUENCE_BITS}-{position & _SEQUENCE_MASK}"


def _entry(stream_id: bytes, fields: Mapping[bytes, bytes]) -> StreamEntry:
    position = position_of(stream_id.decode())
    raw = fields.get(FIELD, b"")
    try:
        events, refused = decode_entry(raw)
    except InvalidInputError as error:
        return StreamEntry(position, (), raw, damaged=str(error))
    return StreamEntry(position, events, raw, refused=refused)
