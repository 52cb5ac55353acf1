"""Store what was rejected, once a later release can (verb): same ids, exactly once.

In come rejections; what can be stored now goes into the event log, and the rejection keeps the
instant. Events keep the day they had, so a copy that came another way meets them there.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from recommender import tables
from recommender.crash_points import crash_point
from recommender.errors import InvalidInputError
from recommender.ports import EventLog
from recommender.records import Event

REPLAYED_TOGETHER = 500

Decode = Callable[[bytes], Sequence[Event]]
"""Stream entry → its events; raises InvalidInputError."""


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """One row of table `rejections`."""

    rejection_id: str
    shop_id: str
    code: str
    detail: str
    payload: str
    received_at: dt.datetime
    replayed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        events: Events stored.
        replayed: Rejections that are done with.
        still_rejected: Rejection → why it cannot be stored yet.
    """

    events: int
    replayed: int
    still_rejected: dict[str, str]


def read_rejected(
    shop_id: str, *, database: sa.Engine, waiting: bool = True, limit: int | None = None
) -> list[RejectedEvent]:
    """Return what was rejected after it was acknowledged, oldest first.

    Args:
        waiting: Only what was not replayed yet.
    """
    rows = tables.rejections.c
    query = sa.select(tables.rejections).where(rows.shop_id == shop_id)
    if waiting:
        query = query.where(rows.replayed_at.is_(None))
    query = query.order_by(rows.received_at, rows.rejection_id).limit(limit)
    with database.connect() as connection:
        return [RejectedEvent(**row._mapping) for row in connection.execute(query)]


def replay(
    shop_id: str,
    *,
    decode: Decode,
    event_log: EventLog,
    database: sa.Engine,
    now: dt.datetime,
) -> ReplayReport:
    """Store all rejected events of a shop that this release can store.

    Ends anywhere and can be called again: events that were stored are recognised by their ids.

    Args:
        decode: Of the release at hand.

    Raises:
        UnavailableError: The log does not answer; call again.
        InconsistentError: Another process replays this shop; call again.
    """
    events = replayed = 0
    still: dict[str, str] = {}
    waiting = read_rejected(shop_id, database=database)
    for first in range(0, len(waiting), REPLAYED_TOGETHER):
        group: dict[str, Sequence[Event]] = {}
        for rejected in waiting[first : first + REPLAYED_TOGETHER]:
            try:
                group[rejected.rejection_id] = _readable(rejected, shop_id, decode, event_log)
            except InvalidInputError as error:
                still[rejected.rejection_id] = str(error)
        if group:
            events += _store(shop_id, list(group.values()), event_log)
            crash_point("replay-stored")
            _mark(list(group), database, now)
            replayed += len(group)
    return ReplayReport(events, replayed, still)


def _readable(
    rejected: RejectedEvent, shop_id: str, decode: Decode, event_log: EventLog
) -> Sequence[Event]:
    events = decode(rejected.payload.encode())
    event_log.check(events)
    if any(event.shop_id != shop_id for event in events):
        raise InvalidInputError("it names another shop", code="wrong-shop")
    return events


def _store(shop_id: str, groups: Sequence[Sequence[Event]], event_log: EventLog) -> int:
    writer = f"replay:{shop_id}"
    events = [event for group in groups for event in group]
    event_log.append(events, writer, event_log.committed_position(writer) + 1)
    return len(events)


def _mark(rejection_ids: Sequence[str], database: sa.Engine, now: dt.datetime) -> None:
    rows = tables.rejections
    values: dict[str, Any] = {"replayed_at": now}
    with database.begin() as connection:
        connection.execute(
            rows.update().where(rows.c.rejection_id.in_(rejection_ids)).values(values)
        )
