"""What was ordered, and clicked before: Ibis expressions over the event log. Pure."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from recommender.records import Arm, EventType
from recommender.uplift.days import Window
from recommender.uplift.revenue import CountedOrder

if TYPE_CHECKING:
    from ibis.expr.types import Table

CLICK_DAYS = 7
"""How long last-click attribution remembers. Source: Mapp, Zubi; others are shorter."""


def order_lines(events: "Table", window: Window) -> "Table":
    """Return what was sold: order_id, item_id, quantity, price_minor."""
    orders = _within(events, window, EventType.ORDER)
    lines = orders.select("order_id", item=orders.items.unnest())
    return lines.select(
        "order_id",
        item_id=lines.item.item_id,
        quantity=lines.item.quantity,
        price_minor=lines.item.price_minor,
    )


def units_by_item(lines: "Table") -> "Table":
    """Count units sold: item_id, units."""
    return lines.group_by("item_id").aggregate(units=lines.quantity.sum())


def units_by_arm(lines: "Table", orders: Sequence[CountedOrder]) -> "Table":
    """Count units sold in counted orders: arm, item_id, units."""
    joined = lines.inner_join(_order_table(orders), "order_id")
    return joined.group_by("arm", "item_id").aggregate(units=joined.quantity.sum())


def clicked_lines(
    events: "Table", lines: "Table", orders: Sequence[CountedOrder], window: Window
) -> "Table":
    """Return the ordered items whose recommendation was clicked before: order_id, item_id."""
    events = _within(events, window, EventType.SELECT_ITEM)
    events = events.filter(events.slate_id != "", events.visitor != "")
    clicks = events.select(
        "visitor", clicked=events.occurred_at.epoch_seconds(), item=events.items.unnest()
    )
    clicks = clicks.select("visitor", "clicked", item_id=clicks.item.item_id)
    ordered = lines.inner_join(_order_table(orders), "order_id")
    pairs = ordered.inner_join(clicks, ["visitor", "item_id"])
    age = pairs.placed - pairs.clicked
    recent = pairs.filter(age >= 0, age <= CLICK_DAYS * 86_400)
    return recent.select("order_id", "item_id").distinct()


def lines_of(lines: "Table", order_ids: Iterable[str]) -> "Table":
    """Return the lines of some orders."""
    wanted = ibis.memtable(pa.table({"order_id": pa.array(order_ids, pa.string())}))
    return lines.semi_join(wanted, "order_id")


def _within(events: "Table", window: Window, kind: EventType) -> "Table":
    return events.filter(
        events.type == kind.value,
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    )


def _order_table(orders: Sequence[CountedOrder]) -> "Table":
    columns = {
        "order_id": pa.array([order.order_id for order in orders], pa.string()),
        "visitor": pa.array([order.visitor for order in orders], pa.string()),
        "arm": pa.array([order.arm.value for order in orders], pa.string()),
        "placed": pa.array([int(order.placed_at.timestamp()) for order in orders], pa.int64()),
    }
    return ibis.memtable(pa.table(columns))


def treated(orders: Iterable[CountedOrder]) -> list[CountedOrder]:
    """Return the orders of visitors with recommendations."""
    return [order for order in orders if order.arm is Arm.TREATMENT]
