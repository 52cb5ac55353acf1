"""Link orders to visitors (verb): for the measurement, and as a report for the shop."""

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from recommender import tables
from recommender.events.order_links import (
    Link,
    LinkableOrder,
    LinkedBy,
    first_page_at,
    link_order,
    sightings,
)
from recommender.ports import EventLog
from recommender.records import OrderKind

if TYPE_CHECKING:
    from ibis.expr.types import Table

REPORT_DAYS = 30
_SHOWN = 20
_COLUMNS = (
    "order_id",
    "placed_at",
    "net_minor",
    "visitor",
    "order_number",
    "cart_key",
    "checkout_key",
    "email_key",
)


@dataclass(frozen=True, slots=True)
class LinkReport:
    """How the orders of a stretch of time found their visitors.

    Attributes:
        orders: Number by `LinkedBy`.
        net_minor: Net revenue by `LinkedBy`.
        examples: Newest unlinked orders: order, instant, reason.
    """

    starts_at: dt.datetime
    ends_at: dt.datetime
    orders: Mapping[str, int]
    net_minor: Mapping[str, int]
    examples: Sequence[tuple[str, str, str]]

    @property
    def total(self) -> int:
        """Return the number of orders."""
        return sum(self.orders.values())

    @property
    def unlinked_share(self) -> float | None:
        """Return the share of orders without a visitor, 0–1; None without orders."""
        if not self.total:
            return None
        linked = sum(self.orders.get(how.value, 0) for how in LinkedBy if how.is_linked)
        return 1 - linked / self.total


def find_links(
    shop_id: str,
    *,
    events: "Table",
    database: sa.Engine,
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    unstated_only: bool = False,
) -> dict[str, Link]:
    """Return the link of every order placed in [starts_at, ends_at), by order id.

    Args:
        events: The shop's event log.
        unstated_only: Leave out the orders that state their visitor themselves.
    """
    orders = _read_orders(shop_id, database, starts_at, ends_at, unstated_only=unstated_only)
    if all(order.visitor for order in orders):
        return {order.order_id: Link(order.visitor, LinkedBy.STATED) for order in orders}
    seen, first_page = sightings(events, orders), first_page_at(events)
    return {order.order_id: link_order(order, seen, first_page) for order in orders}


def report_links(
    shop_id: str,
    *,
    event_log: EventLog,
    database: sa.Engine,
    now: dt.datetime,
    days: int = REPORT_DAYS,
) -> LinkReport:
    """Count how the orders of the last days found their visitors; stored for the console."""
    starts_at, events = now - dt.timedelta(days=days), event_log.events(shop_id)
    links = find_links(shop_id, events=events, database=database, starts_at=starts_at, ends_at=now)
    orders, revenue = Counter[str](), Counter[str]()
    examples: list[tuple[str, str, str]] = []
    for order in reversed(_read_orders(shop_id, database, starts_at, now)):
        link = links.get(order.order_id)
        if link is None:  # placed while we looked
            continue
        orders[link.how.value] += 1
        revenue[link.how.value] += order.net_minor
        if not link.visitor and len(examples) < _SHOWN:
            name = order.order_number or order.order_id
            examples.append((name, order.placed_at.isoformat(), link.how.value))
    report = LinkReport(starts_at, now, dict(orders), dict(revenue), examples)
    row = {"shop_id": shop_id, "report": as_json(report), "linked_at": now}
    with database.begin() as connection:
        tables.upsert(connection, tables.link_reports, [row])
    return report


def read_link_report(shop_id: str, *, database: sa.Engine) -> LinkReport | None:
    """Return the report stored last; None before the first."""
    columns = tables.link_reports.c
    query = sa.select(columns.report).where(columns.shop_id == shop_id)
    with database.connect() as connection:
        told = connection.execute(query).scalar_one_or_none()
    if told is None:
        return None
    return LinkReport(
        starts_at=dt.datetime.fromisoformat(told["starts_at"]),
        ends_at=dt.datetime.fromisoformat(told["ends_at"]),
        orders=told["orders"],
        net_minor=told["net_minor"],
        examples=[(one[0], one[1], one[2]) for one in told["examples"]],
    )


def as_json(report: LinkReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "starts_at": report.starts_at.isoformat(),
        "ends_at": report.ends_at.isoformat(),
        "total": report.total,
        "unlinked_share": report.unlinked_share,
        "orders": dict(report.orders),
        "net_minor": dict(report.net_minor),
        "examples": [list(one) for one in report.examples],
    }


def _read_orders(
    shop_id: str,
    database: sa.Engine,
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    *,
    unstated_only: bool = False,
) -> list[LinkableOrder]:
    orders = tables.orders.c
    query = (
        sa.select(*(orders[name] for name in _COLUMNS))
        .where(
            orders.shop_id == shop_id,
            orders.kind == OrderKind.ORDER.value,
            orders.placed_at >= starts_at,
            orders.placed_at < ends_at,
        )
        .order_by(orders.placed_at, orders.order_id)
    )
    if unstated_only:
        query = query.where(orders.visitor == "")
    with database.connect() as connection:
        return [LinkableOrder(**row._mapping) for row in connection.execute(query)]
