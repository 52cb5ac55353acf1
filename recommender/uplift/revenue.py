"""Exposures and orders → daily sums per arm. Pure, whole numbers only.

An order counts for the visitor's arm when it was placed at or after the first exposure. Its
counted value is min(cap, net − refunds so far), never below 0: refunds come off the true price
first, so that a capped order and its partial refund agree with what the shop kept. A refund
changes the revenue of the day it was made and follows the order's visitor.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from recommender.records import Arm, DailySum, OrderKind
from recommender.uplift.days import local_day

# Why an order is in neither arm.
NO_VISITOR = "no-visitor"
NOT_EXPOSED = "not-exposed"
BEFORE_EXPOSURE = "before-exposure"
UNKNOWN_ORDER = "refund-of-unknown-order"


class Exposure(NamedTuple):
    """A visitor's first exposure."""

    stratum: int
    arm: Arm
    exposed_at: dt.datetime


class MoneyFact(NamedTuple):
    """An order or a refund, as much of it as counting needs."""

    kind: OrderKind
    order_id: str
    net_minor: int
    placed_at: dt.datetime
    visitor: str


class Cell(NamedTuple):
    """One row of the daily table."""

    day: dt.date
    stratum: int
    arm: Arm


@dataclass(slots=True)
class Excluded:
    """Orders that count in neither arm, for one reason."""

    orders: int = 0
    revenue_minor: int = 0


class CountedOrder(NamedTuple):
    """An order that counts, with the revenue left of it at the window's end."""

    order_id: str
    visitor: str
    arm: Arm
    placed_at: dt.datetime
    value_minor: int


@dataclass(slots=True)
class Revenue:
    """What the orders of a window came to."""

    growth: dict[Cell, "Growth"] = field(default_factory=lambda: defaultdict(Growth))
    counted: list[CountedOrder] = field(default_factory=list)
    excluded: dict[str, Excluded] = field(default_factory=lambda: defaultdict(Excluded))


@dataclass(slots=True)
class Growth:
    """What a day added to one cell."""

    orders: int = 0
    converted: int = 0
    revenue_minor: int = 0
    revenue_squares: int = 0


class _Change(NamedTuple):
    day: dt.date
    change_minor: int
    is_order: bool


def count_revenue(
    facts: Iterable[MoneyFact],
    exposures: Mapping[str, Exposure],
    links: Mapping[str, str],
    *,
    order_cap_minor: int,
    timezone: str,
) -> Revenue:
    """Count orders and refunds into days and arms.

    Args:
        facts: Orders and refunds of the window, in any order.
        exposures: Visitor → first exposure, at least of all visitors who ordered.
        links: Order → visitor whose browser saw it; used where the order names no visitor.
        order_cap_minor: Revenue of one order above this does not count; 0 means no cap.
        timezone: The shop's time zone.
    """
    revenue = Revenue()
    orders, refunds = _split(facts)
    changes: dict[str, list[_Change]] = defaultdict(list)
    for order_id, order in orders.items():
        visitor = order.visitor or links.get(order_id, "")
        exposure = exposures.get(visitor)
        reason = _why_not(order, visitor, exposure)
        if reason or exposure is None:
            _exclude(revenue, reason, order.net_minor)
            continue
        steps = list(_values(order, refunds.get(order_id, []), order_cap_minor, timezone))
        changes[visitor] += steps
        value = sum(step.change_minor for step in steps)
        revenue.counted.append(
            CountedOrder(order_id, visitor, exposure.arm, order.placed_at, value)
        )
    for order_id in refunds.keys() - orders.keys():
        for refund in refunds[order_id]:
            _exclude(revenue, UNKNOWN_ORDER, -refund.net_minor)
    for visitor, steps in changes.items():
        _add_visitor(revenue, exposures[visitor], steps)
    return revenue


def daily_sums(visitors: Mapping[Cell, int], revenue: Revenue) -> list[DailySum]:
    """Join visitors and revenue of the same day, stratum and arm; sorted."""
    cells = sorted(visitors.keys() | revenue.growth.keys())
    return [_daily_sum(cell, visitors.get(cell, 0), revenue.growth.get(cell)) for cell in cells]


def _daily_sum(cell: Cell, visitors: int, growth: Growth | None) -> DailySum:
    growth = growth or Growth()
    return DailySum(
        day=cell.day,
        stratum=cell.stratum,
        arm=cell.arm,
        visitors=visitors,
        orders=growth.orders,
        converted=growth.converted,
        revenue_minor=growth.revenue_minor,
        revenue_squares=growth.revenue_squares,
    )


def _split(
    facts: Iterable[MoneyFact],
) -> tuple[dict[str, MoneyFact], dict[str, list[MoneyFact]]]:
    orders: dict[str, MoneyFact] = {}
    refunds: dict[str, list[MoneyFact]] = defaultdict(list)
    for fact in facts:
        if fact.kind is OrderKind.ORDER:
            orders[fact.order_id] = fact
        else:
            refunds[fact.order_id].append(fact)
    return orders, refunds


def _why_not(order: MoneyFact, visitor: str, exposure: Exposure | None) -> str:
    if not visitor:
        return NO_VISITOR
    if exposure is None:
        return NOT_EXPOSED
    return BEFORE_EXPOSURE if order.placed_at < exposure.exposed_at else ""


def _exclude(revenue: Revenue, reason: str, net_minor: int) -> None:
    revenue.excluded[reason].orders += 1
    revenue.excluded[reason].revenue_minor += net_minor


def _values(
    order: MoneyFact, refunds: list[MoneyFact], cap_minor: int, timezone: str
) -> Iterator[_Change]:
    """Yield the order's value and each refund's change of it."""
    kept_minor = order.net_minor
    counted_minor = _counted(kept_minor, cap_minor)
    yield _Change(local_day(order.placed_at, timezone), counted_minor, is_order=True)
    for refund in sorted(refunds, key=lambda fact: fact.placed_at):
        kept_minor -= refund.net_minor
        left_minor = _counted(kept_minor, cap_minor)
        # A shop's clock may date a refund before its order; it cannot come off earlier.
        day = local_day(max(refund.placed_at, order.placed_at), timezone)
        yield _Change(day, left_minor - counted_minor, is_order=False)
        counted_minor = left_minor


def _counted(kept_minor: int, cap_minor: int) -> int:
    return max(0, min(kept_minor, cap_minor) if cap_minor else kept_minor)


def _add_visitor(revenue: Revenue, exposure: Exposure, steps: list[_Change]) -> None:
    """Add one visitor's days; squares grow by (revenue so far)² at the day's end."""
    total_minor, has_ordered = 0, False
    for step in sorted(steps, key=lambda step: (step.day, not step.is_order)):
        growth = revenue.growth[Cell(step.day, exposure.stratum, exposure.arm)]
        before_minor, total_minor = total_minor, total_minor + step.change_minor
        growth.revenue_minor += step.change_minor
        growth.revenue_squares += total_minor**2 - before_minor**2
        growth.orders += step.is_order
        growth.converted += step.is_order and not has_ordered
        has_ordered |= step.is_order
