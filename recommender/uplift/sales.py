"""What was ordered, and clicked before: Ibis expressions over the event log. Pure."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from recommender.records import EventType
from recommender.uplift.days import Window

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


def order_values(lines: "Table", head: Iterable[str]) -> "Table":
    """Return what the lines of each order come to, in all and outside the best sellers.

    Columns: order_id, units, tail_units, sold_minor, tail_minor; a line without a price is worth
    nothing in either.
    """
    best = ibis.memtable(pa.table({"best": pa.array(sorted(head), pa.string())}))
    lines = lines.left_join(best, lines.item_id == best.best)
    is_tail = lines.best.isnull()
    quantity = lines.quantity.cast("int64")
    value = (quantity * lines.price_minor).fill_null(0)
    return lines.group_by("order_id").aggregate(
        units=quantity.sum(),
        tail_units=quantity.sum(where=is_tail).fill_null(0),
        sold_minor=value.sum(),
        tail_minor=value.sum(where=is_tail).fill_null(0),
    )


def clicked_lines(events: "Table", lines: "Table", orders: pa.Table, window: Window) -> "Table":
    """Return the ordered items whose recommendation was clicked before: order_id, item_id.

    Args:
        orders: Orders asked about: order_id, visitor, placed_seconds.
    """
    events = _within(events, window, EventType.SELECT_ITEM)
    events = events.filter(events.slate_id != "", events.visitor != "")
    clicks = events.select(
        "visitor", clicked=events.occurred_at.epoch_seconds(), item=events.items.unnest()
    )
    clicks = clicks.select("visitor", "clicked", item_id=clicks.item.item_id)
    ordered = lines.inner_join(ibis.memtable(orders), "order_id")
    pairs = ordered.inner_join(clicks, ["visitor", "item_id"])
    age = pairs.placed_seconds - pairs.clicked
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
