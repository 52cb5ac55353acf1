"""How visitors behave with and without recommendations. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from recommender.records import EventType
from recommender.uplift.days import Window

if TYPE_CHECKING:
    from ibis.expr.types import Table

VISIT_GAP_SECONDS = 1_800
"""Half an hour of silence ends a visit, as in Google Analytics."""
HEAD_SHARE = 0.2
"""The best-selling fifth of the items sold is the head; all others are the tail."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What one arm did since the contract began; ratios are None while nothing is counted.

    Attributes:
        visits: Visits during or after the first exposure in which a page was seen.
        pages: Pages seen in these visits.
        converted: Visitors who ordered.
        revenue_minor: Net revenue, refunds subtracted.
        units: Units sold.
        tail_units: Units sold of items outside the best-selling fifth.
    """

    visitors: int
    visits: int
    pages: int
    orders: int
    converted: int
    revenue_minor: int
    units: int
    tail_units: int

    @property
    def pages_per_visit(self) -> float | None:
        return _ratio(self.pages, self.visits)

    @property
    def conversion_rate(self) -> float | None:
        return _ratio(self.converted, self.visitors)

    @property
    def average_basket_minor(self) -> float | None:
        return _ratio(self.revenue_minor, self.orders)

    @property
    def tail_share(self) -> float | None:
        return _ratio(self.tail_units, self.units)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def by_visitor(events: "Table", entered: "Table", window: Window) -> "Table":
    """Count visits and pages of visitors: stratum, arm, visitor, visits, pages.

    A visit is a row of pages with less than half an hour between them. It counts whole when the
    visitor entered in it or before it: cutting it there would count fewer pages for whoever leaves
    at once. A page is a `page_view`, or a `view_item` where a shop reports only those. Clicks and
    impressions do not prolong a visit: one arm has more of them than the other.

    Args:
        entered: visitor, stratum, arm and entered_us, see `exposures.exposed`.
    """
    seen = events.filter(
        events.visitor != "",
        events.type.isin([EventType.PAGE_VIEW.value, EventType.VIEW_ITEM.value]),
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    ).select("visitor", "type", "event_id", at=events.occurred_at.epoch_seconds())
    known = entered.select("visitor", "stratum", "arm", entered=entered.entered_us // 1_000_000)
    visits = _number_visits(seen.inner_join(known, "visitor"))
    visits = visits.group_by("stratum", "arm", "visitor", "entered", "visit").aggregate(
        page_views=(visits.type == EventType.PAGE_VIEW.value).sum(),
        item_views=(visits.type == EventType.VIEW_ITEM.value).sum(),
        last=visits["at"].max(),
    )
    import ibis

    visits = visits.filter(visits["last"] + VISIT_GAP_SECONDS >= visits.entered)
    visits = visits.mutate(pages=ibis.greatest(visits.page_views, visits.item_views))
    return visits.group_by("stratum", "arm", "visitor").aggregate(
        visits=visits.count(), pages=visits.pages.sum()
    )


def visit_moments(visits: "Table") -> "Table":
    """Sum visits and pages of visitors, their squares and products, by stratum and arm."""
    visits = visits.mutate(visits=visits.visits.cast("int64"), pages=visits.pages.cast("int64"))
    a, b = visits.pages, visits.visits
    return visits.group_by("stratum", "arm").aggregate(
        a=a.sum(), b=b.sum(), aa=(a * a).sum(), bb=(b * b).sum(), ab=(a * b).sum()
    )


def _number_visits(seen: "Table") -> "Table":
    import ibis

    in_order = ibis.window(group_by="visitor", order_by=["at", "event_id"])
    gap = seen["at"] - seen["at"].lag().over(in_order)
    begins = seen.mutate(begins=ibis.ifelse(gap > VISIT_GAP_SECONDS, 1, 0))
    so_far = ibis.window(
        group_by="visitor", order_by=["at", "event_id"], preceding=None, following=0
    )
    return begins.mutate(visit=begins.begins.sum().over(so_far))


def head_items(units: Mapping[str, int]) -> set[str]:
    """Return the best-selling fifth of the items sold, at least one; ties by id."""
    ranked = sorted(units, key=lambda item_id: (-units[item_id], item_id))
    return set(ranked[: ceil(HEAD_SHARE * len(ranked))])


def last_click_minor(
    clicked: Iterable[tuple[str, str]],
    lines: Iterable[tuple[str, str, int, int | None]],
    net_minor: Mapping[str, int],
) -> int:
    """Return the revenue that last-click attribution would claim, minor units.

    Each order's net revenue is split over its lines by value (by quantity where a price is
    missing), and the clicked lines' part is claimed.

    Args:
        clicked: (order, item) whose recommendation was clicked before.
        lines: (order, item, quantity, price in minor units) of these orders.
        net_minor: Order → revenue left of it.
    """
    clicks = set(clicked)
    by_order: dict[str, list[tuple[str, int, int | None]]] = {}
    for order_id, item_id, quantity, price_minor in lines:
        by_order.setdefault(order_id, []).append((item_id, quantity, price_minor))
    total = 0
    for order_id, own in by_order.items():
        weights = _weights(own)
        claimed = sum(weight for item_id, weight in weights if (order_id, item_id) in clicks)
        total += net_minor[order_id] * claimed // sum(weight for _, weight in weights)
    return total


def _weights(lines: list[tuple[str, int, int | None]]) -> list[tuple[str, int]]:
    values = [(item_id, quantity * (price or 0)) for item_id, quantity, price in lines]
    if all(price is not None for _, _, price in lines) and any(value for _, value in values):
        return values
    return [(item_id, quantity) for item_id, quantity, _ in lines]
