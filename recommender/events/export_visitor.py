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
from recommender.events.subjects import Subject, names_any
from recommender.ports import EventLog, StreamEntry
from recommender.records import EventType

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
    rows = _rows(database, subject)
    return {
        "shop_id": shop_id,
        "visitors": list(own),
        "shared_browsers": len(subject.shared),
        "exported_at": now,
        "hot_state": {one: dict(hot_state.held(shop_id, one)) for one in own},
        "waiting": _waiting(stream, shop_id, own),
        "events": _logged(event_log, shop_id, own, [row["order_id"] for row in rows["orders"]]),
        **rows,
        "model_past": {one: list(pasts.past(shop_id, one)) for one in own},
    }


def _logged(
    event_log: EventLog, shop_id: str, visitors: Sequence[str], order_ids: Sequence[str]
) -> list[dict[str, Any]]:
    events = event_log.events(shop_id)
    is_theirs = events.visitor.isin(list(visitors))
    if order_ids:
        # What was bought stands in the order's event, also of an order without a browser.
        is_order = events.type == EventType.ORDER.value
        is_theirs |= is_order & events.order_id.isin(list(order_ids))
    own = events.filter(is_theirs).order_by("occurred_at", "event_id")
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
    queries = {
        "orders": sa.select(*facts).where(facts.shop_id == shop_id, _is_order_of(own, shop_id)),
        "logins": sa.select(*tables.merges.c).where(
            merges.shop_id == shop_id, sa.or_(merges.visitor.in_(own), merges.person.in_(own))
        ),
        "rejections": sa.select(*rejections).where(
            rejections.shop_id == shop_id, names_any(rejections.payload, own)
        ),
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


def _is_order_of(own: Sequence[str], shop_id: str) -> "sa.ColumnElement[bool]":
    """Match orders of a browser, or that name the customer, and what was told of them later."""
    facts = tables.order_facts.c
    is_named = sa.or_(facts.visitor.in_(own), names_any(facts.marks, own))
    order_ids = sa.select(facts.order_id).where(facts.shop_id == shop_id, is_named)
    return sa.or_(is_named, sa.and_(facts.visitor == "", facts.order_id.in_(order_ids)))


def _plain(row: sa.Row[Any]) -> dict[str, Any]:
    # Names of columns are texts of a kind of their own, which JSON does not take.
    return {str(name): value for name, value in row._mapping.items()}


def _is_named(body: object, subject: Subject) -> bool:
    return isinstance(body, dict) and subject.is_named_in(
        body.get("visitor_id"), body.get("customer_id")
    )
