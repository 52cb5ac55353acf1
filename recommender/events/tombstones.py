"""Tombstones of erased visitors: what they did until then never enters a store again (verb).

Whatever still waits somewhere (stream, spool, a rejection that is replayed, a restored backup)
passes the ingester, which asks here. An erasure covers what happened until it was asked for; what
a browser does afterwards is new, under the consent that the shopper gives or not.
"""

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa
from msgspec.structs import replace

from recommender import tables
from recommender.records import Event, EventType

_OVERLAP = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """An erasure: all of this visitor until `requested_at`."""

    shop_id: str
    visitor: str
    requested_at: dt.datetime


class Tombstones:
    """The erasures so far, by shop and visitor; reads only what came since it looked last."""

    def __init__(self, database: sa.Engine) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._until: dict[tuple[str, str], dt.datetime] = {}

    def without_erased(self, events: Sequence[Event]) -> list[Event]:
        """Return the events that may be stored, as of this instant.

        A shop's order stays, without its visitor: it is the shop's own record.

        Raises:
            sqlalchemy.exc.OperationalError: The database does not answer.
        """
        self._look()
        return without_erased(events, self._until)

    def _look(self) -> None:
        erasures = tables.erasures.c
        query = sa.select(erasures.shop_id, erasures.visitor, erasures.requested_at)
        with self._lock:
            if self._until:
                # Two transactions may end in another order than their times say.
                query = query.where(erasures.requested_at > max(self._until.values()) - _OVERLAP)
            with self._database.connect() as connection:
                rows = connection.execute(query).all()
            self._until |= {(row.shop_id, row.visitor): row.requested_at for row in rows}


def without_erased(
    events: Sequence[Event], erased_until: Mapping[tuple[str, str], dt.datetime]
) -> list[Event]:
    """Return the events without those of erased visitors; an order only loses its visitor.

    Args:
        events: Of any shops.
        erased_until: Shop and visitor → instant of the erasure.
    """
    if not erased_until:
        return list(events)
    kept = []
    for event in events:
        until = erased_until.get((event.shop_id, event.visitor))
        if until is None or event.occurred_at > until:
            kept.append(event)
        elif event.type is EventType.ORDER:
            kept.append(replace(event, visitor=""))
    return kept


def store_tombstones(connection: sa.Connection, tombstones: Sequence[Tombstone]) -> None:
    """Store erasures as not finished; of two for one visitor the later one counts."""
    unfinished = {"swept_at": None, "finished_at": None}
    newest_last = sorted(tombstones, key=lambda one: one.requested_at)
    rows = {(one.shop_id, one.visitor): asdict(one) | unfinished for one in newest_last}
    tables.upsert(connection, tables.erasures, list(rows.values()))


def read_tombstones(
    connection: sa.Connection, *wanted: "sa.ColumnElement[bool]"
) -> list[Tombstone]:
    """Return the erasures that fit all conditions, oldest first."""
    erasures = tables.erasures.c
    query = sa.select(erasures.shop_id, erasures.visitor, erasures.requested_at).where(*wanted)
    rows = connection.execute(query.order_by(erasures.requested_at, erasures.visitor))
    return [Tombstone(**row._mapping) for row in rows]
