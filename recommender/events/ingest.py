"""Moves acknowledged events from the stream into the event log, each exactly once.

The read position lies in the event log, in the same commit as the events behind it; the stream is
trimmed afterwards. Whatever ends this process, and wherever, the next one goes on from what was
committed. An entry that cannot be read or stored goes to `rejections` with its bytes and the
reason, and holds up nobody.
"""

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import sqlalchemy as sa

from recommender import tables
from recommender.errors import InconsistentError, InvalidInputError, UnavailableError
from recommender.ports import EventLog, EventStream, StreamEntry
from recommender.telemetry import EVENTS_TOTAL, STREAM_PENDING, get_logger

WRITER = "ingest"
MAX_EVENTS = 20_000
MAX_ENTRIES = 20_000
PAGE_ENTRIES = 500
BLOCK_MS = 1_000
# Under load commits happen this often: fewer and larger files, and still well below the five
# seconds within which an event shall be in the log.
LINGER_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 5.0

_SHOP_ID = re.compile(rb'"shop_id": ?"([^"\\]{1,40})"')


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one round did.

    Attributes:
        entries: Stream entries that are done with, by storing or rejecting.
        events: Events stored.
        rejected: Entries rejected.
        position: Committed position after the round.
        is_full: Whether the round ended at its limit, so that more is waiting.
    """

    entries: int
    events: int
    rejected: int
    position: int
    is_full: bool


def run(
    stream: EventStream,
    event_log: EventLog,
    *,
    database: sa.Engine,
    now: Callable[[], datetime],
    stop: threading.Event,
    writer: str = WRITER,
) -> None:
    """Ingest until `stop` is set; finishes the batch in hand.

    A stream, log or database that does not answer is waited for; so is another ingester under
    the same name, which takes turns with this one.
    """
    log = get_logger()
    pause_seconds = FIRST_PAUSE_SECONDS
    while not stop.is_set():
        started = monotonic()
        try:
            report = ingest_once(
                stream,
                event_log,
                database=database,
                writer=writer,
                now=now,
                limit=MAX_ENTRIES,
                block_ms=BLOCK_MS,
            )
            STREAM_PENDING.set(stream.pending())
        except (UnavailableError, InconsistentError, sa.exc.OperationalError) as error:
            log.warning("ingest-waits", reason=str(error), seconds=pause_seconds)
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, MAX_PAUSE_SECONDS)
            continue
        pause_seconds = FIRST_PAUSE_SECONDS
        if report.entries and not report.is_full:
            stop.wait(max(0.0, started + LINGER_SECONDS - monotonic()))


def ingest_once(
    stream: EventStream,
    event_log: EventLog,
    *,
    database: sa.Engine,
    writer: str,
    now: Callable[[], datetime],
    limit: int,
    block_ms: int,
) -> IngestReport:
    """Read what follows the committed position, store it, and trim the stream.

    Args:
        stream: Where acknowledged events wait.
        event_log: Where they go; also knows how far `writer` came.
        database: Control data, for rejections.
        writer: Name of this reader of the stream, the same after every restart.
        now: Clock.
        limit: Most entries in this round; about `MAX_EVENTS` events end it earlier.
        block_ms: Longest wait for a first entry.

    Raises:
        UnavailableError: Stream or log does not answer; call again later.
        InconsistentError: Another process ingests under this name; call again later.
    """
    after = event_log.committed_position(writer)
    if after:
        # An earlier run may have ended between its commit and this.
        stream.trim(after)
    entries, is_full = _gather(stream, after, limit, block_ms)
    if not entries:
        return IngestReport(0, 0, 0, after, is_full=False)
    rejected = _store(entries, event_log, writer, _Rejecter(database, now))
    position = entries[-1].position
    stream.trim(position)
    stored = sum(len(entry.events) for entry in entries if entry.position not in rejected)
    EVENTS_TOTAL.labels("stored", "").inc(stored)
    return IngestReport(len(entries), stored, len(rejected), position, is_full)


def _gather(
    stream: EventStream, after: int, limit: int, block_ms: int
) -> tuple[list[StreamEntry], bool]:
    entries: list[StreamEntry] = []
    events = 0
    while events < MAX_EVENTS and len(entries) < limit:
        page_limit = min(PAGE_ENTRIES, limit - len(entries))
        page = stream.read(after, page_limit, 0 if entries else block_ms)
        entries += page
        events += sum(len(entry.events) for entry in page)
        if len(page) < page_limit:
            return entries, False
        after = page[-1].position
    return entries, True


def _store(
    entries: Sequence[StreamEntry], event_log: EventLog, writer: str, rejecter: "_Rejecter"
) -> set[int]:
    """Store or reject all entries, in stream order; return the positions of the rejected."""
    damaged = [entry for entry in entries if entry.damaged]
    for entry in damaged:
        rejecter.reject(entry, "damaged-entry", entry.damaged)
    events = [event for entry in entries for event in entry.events]
    try:
        event_log.append(events, writer, entries[-1].position)
    except InvalidInputError as error:
        return _store_halves(entries, event_log, writer, rejecter, error)
    return {entry.position for entry in damaged}


def _store_halves(
    entries: Sequence[StreamEntry],
    event_log: EventLog,
    writer: str,
    rejecter: "_Rejecter",
    error: InvalidInputError,
) -> set[int]:
    if len(entries) > 1:
        middle = len(entries) // 2
        first = _store(entries[:middle], event_log, writer, rejecter)
        return first | _store(entries[middle:], event_log, writer, rejecter)
    (poison,) = entries
    rejecter.reject(poison, error.code, str(error))
    event_log.append([], writer, poison.position)
    return {poison.position}


class _Rejecter:
    def __init__(self, database: sa.Engine, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def reject(self, entry: StreamEntry, code: str, reason: str) -> None:
        """Record why an entry is not in the event log; a second time changes nothing."""
        EVENTS_TOTAL.labels("rejected", code).inc()
        # PostgreSQL stores no NUL in a text.
        payload = entry.raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        row = {
            "rejection_id": f"stream-{entry.position}",
            "code": code,
            "detail": reason[:500],
            "payload": payload,
            "received_at": self._now(),
        }
        with self._database.begin() as connection:
            shop_id = _known_shop(connection, entry)
            tables.insert_ignore(connection, tables.rejections, [{"shop_id": shop_id, **row}])
        get_logger().error("entry-rejected", shop_id=shop_id, position=entry.position, code=code)


def _known_shop(connection: sa.Connection, entry: StreamEntry) -> str | None:
    """Return the shop that sent an entry; of a damaged one, the shop its bytes still name."""
    if entry.events:
        named = entry.events[0].shop_id
    else:
        found = _SHOP_ID.search(entry.raw)
        named = found.group(1).decode("utf-8", "replace") if found else ""
    shop_id = tables.shops.c.shop_id
    known: str | None = connection.scalar(sa.select(shop_id).where(shop_id == named))
    return known
