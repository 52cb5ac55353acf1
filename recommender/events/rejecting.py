"""Keeps what was acknowledged and can never be stored (verb): its bytes, whose it is, and why."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from recommender import tables
from recommender.crash_points import crash_point
from recommender.ports import RefusedEvent, StreamEntry
from recommender.telemetry import EVENTS_TOTAL, get_logger

_SHOP_ID = re.compile(rb'"shop_id": ?"([^"\\]{1,40})"')


def refused_of(entry: StreamEntry) -> Sequence[RefusedEvent]:
    """Return what of an entry cannot be read; a damaged entry as a whole, as one event."""
    if not entry.damaged:
        return entry.refused
    found = _SHOP_ID.search(entry.raw)
    shop_id = found.group(1).decode("utf-8", "replace") if found else ""
    return [RefusedEvent(shop_id, "", "damaged-entry", entry.damaged, entry.raw)]


def rejection_id(event: RefusedEvent, position: int) -> str:
    """Return the key of a rejection: an event that is sent or read again is rejected once."""
    named = f"{event.shop_id}\x1f{event.event_id}".encode()
    unnamed = f"{position}\x1f".encode() + event.payload
    content = named if event.shop_id and event.event_id else unnamed
    return hashlib.sha256(content).hexdigest()[:40]


class Rejecter:
    """Writes rejections; a second time changes nothing.

    Args:
        now: When the events are rejected.

    Attributes:
        rejected: How many events were given so far.
    """

    def __init__(self, database: sa.Engine, now: datetime) -> None:
        self._database = database
        self._now = now
        self.rejected = 0

    def reject(self, events: Sequence[RefusedEvent], position: int) -> None:
        """Record why events of the entry at `position` are not in the event log."""
        for event in events:
            self._reject(event, position)
        self.rejected += len(events)
        if events:
            crash_point("ingest-rejected")

    def _reject(self, event: RefusedEvent, position: int) -> None:
        row = {
            "rejection_id": rejection_id(event, position),
            "code": event.code,
            "detail": event.detail[:500],
            # PostgreSQL stores no NUL in a text.
            "payload": event.payload.decode("utf-8", "backslashreplace").replace("\0", "\\x00"),
            "received_at": self._now,
        }
        with self._database.begin() as connection:
            shop_id = _known_shop(connection, event.shop_id)
            rows = [{"shop_id": shop_id, **row}]
            is_new = tables.insert_ignore(connection, tables.rejections, rows)
        if is_new:
            EVENTS_TOTAL.labels("rejected", event.code).inc()
            get_logger().error(
                "event-rejected", shop_id=shop_id, event_id=event.event_id, code=event.code
            )


def _known_shop(connection: sa.Connection, named: str) -> str | None:
    shop_id = tables.shops.c.shop_id
    # A text with NUL would be an error to PostgreSQL, and is nobody's name.
    known: str | None = connection.scalar(
        sa.select(shop_id).where(shop_id == named.replace("\0", ""))
    )
    return known
