"""All that is held of a subject, as one JSON object (verb): what a shop hands to its shopper.

In comes a subject, out go plain values by store. Visitors stand there as we hold them, by their
keyed hashes.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import sqlalchemy as sa

from recommender import tables
from recommender.errors import UnavailableError
from recommender.events.subjects import Subject
from recommender.ports import EventLog, StreamEntry

_PAGE_ENTRIES = 500


class HotTraces(Protocol):
    """What an export needs of the hot state."""

    def held(self, shop_id: str, visitor: str) -> Mapping[str, Any]: ...


class Waiting(Protocol):
    """What an export needs of the stream."""

    def read(self, after: int, limit: int, block_ms: int = 0) -> list[StreamEntry]: ...


class Pasts(Protocol):
    """What an export needs of the published model."""

    def past(self, shop_id: str, visitor: str) -> Sequence[Mapping[str, Any]]: ...


def export_visitor(
    subject: Subject,
    *,
    database: sa.Engine,
    event_log: EventLog,
    stream: Waiting,
    hot_state: HotTraces,
    pasts: Pasts,
    now: dt.datetime,
) -> dict[str, Any]:
    """Return everything held of a subject, browsers shared with others left out but named.

    Raises:
        UnavailableError: A store does not answer; an export is whole or it is none.
    """
    shop_id, own = subject.shop.shop_id, subject.alone
    return {
        "shop_id": shop_id,
        "visitors": list(own),
        "shared_browsers": len(subject.shared),
        "exported_at": now,
        "hot_state": {one: dict(hot_state.held(shop_id, one)) for one in own},
        "waiting": _waiting(stream, shop_id, own),
        "events": _logged(event_log, shop_id, own),
        **_rows(database, subject),
        "model_past": {one: list(pasts.past(shop_id, one)) for one in own},
    }


def _logged(event_log: EventLog, shop_id: str, visitors: Sequence[str]) -> list[dict[str, Any]]:
    events = event_log.events(shop_id)
    own = events.filter(events.visitor.isin(list(visitors))).order_by("occurred_at", "event_id")
    rows: list[dict[str, Any]] = own.to_pyarrow().to_pylist()
    return rows


def _waiting(stream: Waiting, shop_id: str, visitors: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while page := stream.read(after, _PAGE_ENTRIES):
        after = page[-1].position
        found += [
            {"event_id": event.event_id, "type": event.type, "occurred_at": event.occurred_at}
            for entry in page
            for event in entry.events
            if event.shop_id == shop_id and event.visitor in visitors
        ]
    return found


def _rows(database: sa.Engine, subject: Subject) -> dict[str, Any]:
    own, shop_id = subject.alone, subject.shop.shop_id
    facts, merges, rejections = tables.order_facts.c, tables.merges.c, tables.rejections.c
    named = sa.or_(*[rejections.payload.contains(one, autoescape=True) for one in own])
    queries = {
        "orders": sa.select(*tables.order_facts.c).where(
            facts.shop_id == shop_id, facts.visitor.in_(own)
        ),
        "logins": sa.select(*tables.merges.c).where(
            merges.shop_id == shop_id, sa.or_(merges.visitor.in_(own), merges.person.in_(own))
        ),
        "rejections": sa.select(*tables.rejections.c).where(rejections.shop_id == shop_id, named),
        "order_conflicts": sa.select(*tables.order_conflicts.c).where(
            tables.order_conflicts.c.shop_id == shop_id
        ),
    }
    try:
        with database.connect() as connection:
            found = {
                name: [_plain(row) for row in connection.execute(query)]
                for name, query in queries.items()
            }
    except sa.exc.OperationalError as error:
        raise UnavailableError(
            "The control database does not answer", code="database-unavailable"
        ) from error
    told = [row | {"body": json.loads(row["body"])} for row in found["order_conflicts"]]
    return found | {"order_conflicts": [row for row in told if _is_named(row["body"], subject)]}


def _plain(row: sa.Row[Any]) -> dict[str, Any]:
    # Names of columns are texts of a kind of their own, which JSON does not take.
    return {str(name): value for name, value in row._mapping.items()}


def _is_named(body: object, subject: Subject) -> bool:
    return isinstance(body, dict) and subject.is_named_in(
        body.get("visitor_id"), body.get("customer_id")
    )
