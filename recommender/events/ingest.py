"""Moves acknowledged events from the stream into the event log, each exactly once.

The read position lies in the event log, in the same commit as the events behind it; the stream is
trimmed afterwards. Whatever ends this process, and wherever, the next one goes on from what was
committed. Positions of one epoch of the stream say nothing in another, so each epoch has its own,
from 0. What can never be stored goes to `rejections`, each event with its bytes and the reason,
and holds up nobody.
"""

import contextlib
import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import sqlalchemy as sa

from recommender.crash_points import crash_point
from recommender.errors import InconsistentError, InvalidInputError, UnavailableError
from recommender.events.rejecting import Rejecter, refused_of
from recommender.events.tombstones import Tombstones
from recommender.ports import EventLog, EventStream, RefusedEvent, StreamEntry
from recommender.records import Event
from recommender.telemetry import EVENTS_TOTAL, get_logger

WRITER = "ingest"
MAX_EVENTS = 20_000
MAX_ENTRIES = 20_000
PAGE_ENTRIES = 500
BLOCK_MS = 1_000
# Under load commits happen this often: fewer and larger files, and still well below the five
# seconds within which an event shall be in the log.
LINGER_SECONDS = 1.0
FIRST_PAUSE_SECONDS = 0.1
MAX_PAUSE_SECONDS = 2.0
# Longer than a round takes, so that a reader at work keeps its claim; others wait as long for one
# that died.
CLAIM_SECONDS = 3.0
STANDBY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What one round did.

    Attributes:
        entries: Stream entries that are done with, by storing or rejecting.
        events: Events stored.
        rejected: Events rejected; an entry of which nothing can be read counts as one.
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

    A stream, log or database that does not answer is waited for. Of several ingesters one works
    and the others stand by; when it ends, however, another goes on within `STANDBY_SECONDS`, and
    when its machine ends within `CLAIM_SECONDS` besides.
    """
    owner = f"{platform.node()}:{os.getpid()}:{threading.get_ident()}"
    pause_seconds, tombstones = FIRST_PAUSE_SECONDS, Tombstones(database)
    while not stop.is_set():
        started = monotonic()
        try:
            reader = stream.claim(owner, CLAIM_SECONDS)
            if reader != owner:
                _stand_by(reader, stream, stop)
                continue
            report = ingest_once(
                stream,
                event_log,
                database=database,
                writer=writer,
                now=now,
                limit=MAX_ENTRIES,
                block_ms=BLOCK_MS,
                tombstones=tombstones,
            )
        except (UnavailableError, InconsistentError, sa.exc.OperationalError) as error:
            get_logger().warning("ingest-waits", reason=str(error), seconds=pause_seconds)
            stop.wait(pause_seconds)
            pause_seconds = min(pause_seconds * 2, MAX_PAUSE_SECONDS)
            continue
        pause_seconds = FIRST_PAUSE_SECONDS
        if report.entries and not report.is_full:
            stop.wait(max(0.0, started + LINGER_SECONDS - monotonic()))
    with contextlib.suppress(UnavailableError):
        stream.release(owner)


def _stand_by(reader: str, stream: EventStream, stop: threading.Event) -> None:
    """Wait a little for the one who reads; not at all for a process of this machine that died."""
    node, pid, _ = reader.rsplit(":", 2)
    if node == platform.node() and not _is_alive(int(pid)):
        stream.release(reader)
    else:
        stop.wait(STANDBY_SECONDS)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def ingest_once(
    stream: EventStream,
    event_log: EventLog,
    *,
    database: sa.Engine,
    writer: str,
    now: Callable[[], datetime],
    limit: int,
    block_ms: int,
    tombstones: Tombstones | None = None,
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
        tombstones: Who was erased, as far as this process knows already.

    Raises:
        UnavailableError: Stream or log does not answer; call again later.
        InconsistentError: Another process ingests under this name, or the stream was replaced;
            call again later.
    """
    epoch = stream.epoch()
    writer = writer_in(epoch, writer)
    after = event_log.committed_position(writer)
    if after:
        # An earlier run may have ended between its commit and this.
        stream.trim(after, epoch)
    entries, is_full = _gather(stream, after, limit, block_ms)
    if not entries:
        return IngestReport(0, 0, 0, after, is_full=False)
    crash_point("ingest-read")
    position = entries[-1].position
    rejecter = Rejecter(database, now())
    for entry in entries:
        rejecter.reject(refused_of(entry), entry.position)
    # Asked after reading: what an erasure of this instant misses here, its own sweep finds.
    told = [event for entry in entries for event in entry.events]
    events = (tombstones or Tombstones(database)).without_erased(told)
    EVENTS_TOTAL.labels("erased", "").inc(len(told) - len(events))
    try:
        event_log.append(events, writer, position)
    except InvalidInputError:
        events, poison = _part(events, stream, event_log)
        rejecter.reject(poison, position)
        event_log.append(events, writer, position)
    crash_point("ingest-synced")
    stream.trim(position, epoch)
    crash_point("ingest-trimmed")
    EVENTS_TOTAL.labels("stored", "").inc(len(events))
    return IngestReport(len(entries), len(events), rejecter.rejected, position, is_full)


def writer_in(epoch: str, writer: str = WRITER) -> str:
    """Return the name under which the positions of an epoch are committed."""
    return f"{writer}:{epoch}"


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


def _part(
    events: Sequence[Event], stream: EventStream, event_log: EventLog
) -> tuple[list[Event], list[RefusedEvent]]:
    """Part the events that can be stored from those that never can, in stream order."""
    poison = dict(_find_poison(events, event_log))
    good = [event for index, event in enumerate(events) if index not in poison]
    refused = [
        RefusedEvent(
            events[index].shop_id,
            events[index].event_id,
            error.code,
            str(error),
            stream.payload(events[index]),
        )
        for index, error in poison.items()
    ]
    return good, refused


def _find_poison(
    events: Sequence[Event], event_log: EventLog, first: int = 0
) -> Iterator[tuple[int, InvalidInputError]]:
    """Yield place and reason of each event that cannot be stored, halving where one is."""
    try:
        event_log.check(events)
    except InvalidInputError as error:
        if len(events) == 1:
            yield first, error
            return
        middle = len(events) // 2
        yield from _find_poison(events[:middle], event_log, first)
        yield from _find_poison(events[middle:], event_log, first + middle)
