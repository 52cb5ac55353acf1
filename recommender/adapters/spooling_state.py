"""The stream and hot state as web workers use them: also while the server is away.

In come the same calls as for `RedisState`; events whose server does not answer, or refuses, go to
the spool on this machine's disk and are brought back later, with the ids they have. Must not know
HTTP.
"""

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import redis

from recommender.adapters.breaker import Breaker
from recommender.adapters.event_codec import decode_events, encode_events
from recommender.adapters.redis_exchange import Command, exchange
from recommender.adapters.redis_state import (
    REPLY_SECONDS,
    RedisState,
    driver_errors,
    entry_commands,
    open_client,
    visit_commands,
)
from recommender.adapters.redis_stream import STREAM
from recommender.adapters.spool import Spool
from recommender.errors import InvalidInputError, UnavailableError
from recommender.events.visits import visits_of
from recommender.ports import Batch, VisitorState, WhoAsks
from recommender.records import Event
from recommender.telemetry import EVENTS_TOTAL, SPOOL_BYTES, STREAM_FULL_SHARE, get_logger

WRITE_SECONDS = 0.3
"""How long a shopper's event waits for the server before the disk here takes it."""
CROWDED_SHARE = 0.6
"""Above this nothing is brought back: what arrives now goes first."""

_UNAVAILABLE = "redis-unavailable"
_MAX_KNOWN_EXPOSED = 100_000


class SpoolingState(RedisState):
    """`RedisState` that takes events while its server is away, and lets no shopper wait for it.

    Args:
        redis_url: As for `RedisState`.
        spool: Where events wait meanwhile.
        read_seconds: Longest wait for what a slate would like to know.
        monotonic: Clock in seconds.
    """

    def __init__(
        self,
        redis_url: str,
        spool: Spool,
        *,
        read_seconds: float = REPLY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(redis_url, write_seconds=WRITE_SECONDS)
        self.spool = spool
        self.full_share = 0.0
        self._stream_full_share = 0.0
        self._read_seconds = min(read_seconds, REPLY_SECONDS)
        self._breaker = Breaker(monotonic)
        self._exposed_meanwhile: set[tuple[str, str, str]] = set()

    @functools.cached_property
    def _shoppers_reader(self) -> "redis.Redis":
        return open_client(self._url, self._read_seconds, None)

    def accept_each(self, batches: Sequence[Batch]) -> list[UnavailableError | None]:
        """Store batches durably: in the stream, else in the spool.

        Returns:
            For each why it is in neither; `spool-full`, `spool-failed`, or `redis-not-durable`.
        """
        outcomes: list[UnavailableError | None] = [_away() for _ in batches]
        if self._breaker.may_try():
            outcomes = super().accept_each(batches)
            self._heard(outcomes)
        lost = [place for place, error in enumerate(outcomes) if error and _is_away(error)]
        if lost:
            refusal = self._spool_each([batches[place].events for place in lost])
            for place in lost:
                outcomes[place] = refusal
        return outcomes

    def _heard(self, outcomes: Sequence[UnavailableError | None]) -> None:
        if None in outcomes:
            self._answered()
        elif outcomes and outcomes[0]:
            self._note(outcomes[0])

    def record_exposure(self, event: Event) -> None:
        """Store the exposure durably, here or there; while the server is away once a visitor."""
        store = super().record_exposure
        if not self._breaker.is_doubtful and self._reaches(lambda: store(event)):
            return
        key = (event.shop_id, event.visitor, event.placement)
        if key in self._exposed_meanwhile:
            return
        if refusal := self._spool_each([[event]]):
            raise refusal
        if len(self._exposed_meanwhile) < _MAX_KNOWN_EXPOSED:
            self._exposed_meanwhile.add(key)

    def visitor_states(self, asked: Sequence[WhoAsks]) -> list[VisitorState | UnavailableError]:
        """Return each one's state, or why it cannot be read; at once while the server is away."""
        if self._breaker.is_open:
            return [_away() for _ in asked]
        states = self._read_states(self._shoppers_reader, asked)
        if states and isinstance(states[0], UnavailableError):
            self._note(states[0])
        return states

    def add_counts(self, minute: int, amounts: Mapping[str, int]) -> dict[str, int]:
        """Add amounts by name to a minute's counts, and return the sums; they live two minutes."""
        if self._breaker.is_open:
            raise _away()
        key = f"limits:{minute}"
        commands: list[Command] = [("HINCRBY", key, name, str(n)) for name, n in amounts.items()]
        with driver_errors():
            sums = exchange(self._client, [*commands, ("EXPIRE", key, "120")])
        return dict(zip(amounts, sums, strict=False))

    def look(self) -> None:
        """Ask whether the server is back, and how full stream and spool are."""
        spooled_bytes = self.spool.size_bytes()
        SPOOL_BYTES.set(spooled_bytes)
        try:
            self.ping()
            self._stream_full_share = self._measure_stream()
            self._answered()
        except UnavailableError as error:
            self._note(error)
        self.full_share = max(self._stream_full_share, spooled_bytes / self.spool.limit_bytes)
        STREAM_FULL_SHARE.set(self.full_share)

    def bring_back(self) -> int:
        """Bring what is in the spool into the stream, and return how many entries that were.

        An entry whose first reply was lost is in the stream already; then it is there twice, and
        the event log counts its events once.

        Raises:
            UnavailableError: The server went away again; the rest stays.
        """
        if self._breaker.is_open or self._stream_full_share > CROWDED_SHARE:
            return 0
        entries = self.spool.drain(self._restore)
        if entries:
            get_logger().info("spool-brought-back", entries=entries)
        return entries

    def _restore(self, entries: Sequence[bytes]) -> None:
        commands = [command for entry in entries for command in _restoring_commands(entry)]
        with driver_errors():
            self._check_settings()
            exchange(self._writer, commands)

    def _reaches(self, write: Callable[[], None]) -> bool:
        try:
            write()
        except UnavailableError as error:
            if not _is_away(error):
                raise
            self._note(error)
            return False
        self._answered()
        return True

    def _spool_each(self, batches: Sequence[Sequence[Event]]) -> UnavailableError | None:
        """Put batches into the spool, all or, with the reason, none."""
        try:
            self.spool.append(*map(encode_events, batches))
        except UnavailableError as error:
            return error
        EVENTS_TOTAL.labels("spooled", "").inc(sum(map(len, batches)))
        return None

    def _answered(self) -> None:
        if self._breaker.is_doubtful:
            self._breaker.succeeded()
            self._exposed_meanwhile.clear()

    def _note(self, error: UnavailableError) -> None:
        # A refusal is an answer: asking again costs nobody time.
        if _is_away(error) and not isinstance(error.__cause__, redis.ResponseError):
            self._breaker.failed()

    def _measure_stream(self) -> float:
        """Return how much of the memory that the stream may take it has taken, 0–1."""
        with driver_errors():
            memory: Any = self._client.info("memory")
            stream_bytes: Any = self._client.memory_usage(STREAM, samples=5)
        limit = memory.get("maxmemory") or memory.get("total_system_memory") or 0
        taken = int(stream_bytes or 0)
        # What the visitors' state takes is not the stream's, and shedding events frees none of it.
        room = limit - max(0, memory["used_memory"] - taken)
        return min(1.0, taken / room) if room > 0 else 1.0


def _away() -> UnavailableError:
    return UnavailableError("Redis did not answer a moment ago", code=_UNAVAILABLE)


def _is_away(error: UnavailableError) -> bool:
    return error.code == _UNAVAILABLE


def _restoring_commands(entry: bytes) -> list[Command]:
    try:
        events = decode_events(entry)
    except InvalidInputError:
        # Of another release, say: the ingester keeps it with the reason.
        events = ()
    commands = entry_commands(events, entry)
    for visitor, visit in visits_of(events).items():
        commands += visit_commands(events[0].shop_id, visitor, visit)
    return commands
