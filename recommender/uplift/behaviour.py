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


def count_visits(events: "Table", exposures: "Table", window: Window) -> "Table":
    """Count visits and pages of exposed visitors: arm, visits, pages.

    A visit counts whole when it lasted until the exposure or began later: cutting it at the
    exposure would count fewer pages for whoever leaves at once. A page is a `page_view`, or a
    `view_item` where a shop reports only those.
    """
    activity = events.filter(
        events.visitor != "",
        events.type != EventType.ORDER.value,
        events.occurred_at >= window.start,
        events.occurred_at < window.end,
    ).inner_join(exposures.select("visitor", "exposed_at", exposed_arm="arm"), "visitor")
    visits = _number_visits(activity)
    visits = visits.group_by("exposed_arm", "visitor", "visit").aggregate(
        page_views=(visits.type == EventType.PAGE_VIEW.value).sum(),
        item_views=(visits.type == EventType.VIEW_ITEM.value).sum(),
        after_exposure=(visits.occurred_at >= visits.exposed_at).any(),
    )
    import ibis

    visits = visits.mutate(pages=ibis.greatest(visits.page_views, visits.item_views))
    visits = visits.filter(visits.after_exposure, visits.pages > 0)
    return visits.group_by(arm=visits.exposed_arm).aggregate(
        visits=visits.count(), pages=visits.pages.sum()
    )


def _number_visits(activity: "Table") -> "Table":
    import ibis

    in_order = ibis.window(group_by="visitor", order_by=["occurred_at", "event_id"])
    seconds = activity.occurred_at.epoch_seconds()
    gap = seconds - seconds.lag().over(in_order)
    begins = activity.mutate(begins=ibis.ifelse(gap > VISIT_GAP_SECONDS, 1, 0))
    so_far = ibis.window(
        group_by="visitor", order_by=["occurred_at", "event_id"], preceding=None, following=0
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
