"""Entries and orders → daily sums per arm. Pure, whole numbers only.

An order counts for the visitor's arm when it was placed at or after the visitor entered. Its
counted value is min(cap, net − refunds so far), never below 0: refunds come off the true price
first, so that a capped order and its partial refund agree with what the shop kept. A refund
changes the revenue of the day it was made and follows the order's visitor.

On a frozen day nobody enters and no order counts; a refund made on it, of an order that counts,
comes off on the next day that is not frozen. What a rule removed (`Facts.removed`) counts nowhere.

A cap per visitor and month limits what the orders placed in a month come to together, refunds of
them taken off whenever they are made.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommender.records import Arm, DailySum
from recommender.uplift.days import DAY_US, Calendar
from recommender.uplift.exact import Numbers, products, running, sums_by
from recommender.uplift.facts import KEPT, REMOVALS, Facts, Texts, Whole, code_of

# Why an order is in neither arm.
NO_VISITOR = "no-visitor"
NOT_EXPOSED = "not-exposed"
BEFORE_EXPOSURE = "before-exposure"
UNKNOWN_ORDER = "refund-of-unknown-order"
FROZEN = "frozen-day"

ARMS = (Arm.CONTROL, Arm.TREATMENT)
COVARIATE_DAYS = 90
"""How long before the first exposure what a visitor spent is a covariate."""


class Cell(NamedTuple):
    """One row of the daily table."""

    day: dt.date
    stratum: int
    arm: Arm


@dataclass(frozen=True, slots=True, eq=False)
class Entrants:
    """Visitors who ordered, before or after they entered; all arrays have one length.

    Attributes:
        place: Visitor → place in the arrays.
        arm: Place in `ARMS`.
        entered_us: When the visitor entered the experiment.
        placement: Place in `exposures.PLACEMENTS` of the first exposure.
    """

    place: Mapping[str, int]
    stratum: Whole
    arm: Whole
    entered_us: Whole
    placement: Whole


@dataclass(slots=True)
class Excluded:
    """Orders that count in neither arm, for one reason."""

    orders: int = 0
    revenue_minor: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CountedOrders:
    """Orders that count, with the revenue left of each at the window's end.

    Attributes:
        value_minor: After the cap of an order; that of a visitor's month belongs to no order.
    """

    order_id: Texts
    entrant: Whole
    placed_us: Whole
    value_minor: Whole


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Changes of what visitors have spent, by entrant, then day, orders before refunds.

    Attributes:
        entrant: Place in `Entrants`.
        day: Place in the calendar.
        change_minor: By how much the visitor's revenue changes.
        is_order: Whether an order is the cause; otherwise a refund.
    """

    entrant: Whole
    day: Whole
    change_minor: Whole
    is_order: NDArray[np.bool_]

    def where(self, mask: NDArray[np.bool_]) -> "Steps":
        """Return some of the steps."""
        return Steps(
            self.entrant[mask], self.day[mask], self.change_minor[mask], self.is_order[mask]
        )


@dataclass(frozen=True, slots=True, eq=False)
class Revenue:
    """What the orders of a window came to.

    Attributes:
        entered: Day of entry by entrant; outside the calendar for whoever counts in no arm.
        covariate_minor: By entrant, see `covariates`.
        excluded: Reason → orders that count in neither arm.
    """

    entrants: Entrants
    entered: Whole
    covariate_minor: Whole
    steps: Steps
    counted: CountedOrders
    excluded: dict[str, Excluded] = field(default_factory=dict)


def count_revenue(
    facts: Facts,
    entrants: Entrants,
    *,
    order_cap_minor: int,
    calendar: Calendar,
    visitor_month_cap_minor: int = 0,
    frozen: Collection[dt.date] = (),
    until_us: Whole | None = None,
) -> Revenue:
    """Count orders and refunds into days and arms.

    Args:
        facts: Orders of the calendar, and of `COVARIATE_DAYS` before it, with their refunds.
        entrants: At least all visitors who ordered and entered.
        order_cap_minor: Revenue of one order above this does not count; 0 means no cap.
        visitor_month_cap_minor: Revenue above this, of the orders that one visitor places in one
            month, does not count; 0 means no cap.
        frozen: Days of the calendar that count in neither arm.
        until_us: By entrant, the instant from which neither orders nor refunds count: what follows
            it may depend on the arm.
    """
    entrant = np.array([entrants.place.get(one, -1) for one in facts.visitor], np.int64)
    open_days = _open_days(calendar, frozen)
    entered = calendar.number(entrants.entered_us)
    # One entry more, for whoever has none.
    entered_open = np.append(open_days[entered] == entered, False)
    entered_us = np.append(entrants.entered_us, 0)[entrant]
    day = calendar.number(facts.placed_us)
    in_window = (day >= 0) & (day < len(calendar))
    reasons = (
        *((reason.value, facts.removed == code_of(reason)) for reason in REMOVALS),
        (NO_VISITOR, facts.visitor == ""),
        (NOT_EXPOSED, entrant < 0),
        (BEFORE_EXPOSURE, facts.placed_us < entered_us),
        (FROZEN, ~entered_open[entrant] | (open_days[day] != day)),
    )
    counts, excluded = _exclude(facts, in_window, reasons)
    refunds = np.append(counts, False)[facts.refund_of]
    if until_us is not None:
        until = np.append(until_us, 0)[entrant]
        counts &= facts.placed_us < until
        refunds &= facts.refunded_us < np.append(until, 0)[facts.refund_of]
        refunds &= np.append(counts, False)[facts.refund_of]
    _exclude_refunds(facts, in_window, calendar, excluded)
    caps = order_cap_minor, visitor_month_cap_minor
    steps, value_minor = _steps(facts, counts, refunds, entrant, caps, calendar, open_days)
    return Revenue(
        entrants=entrants,
        entered=np.where(entered_open[:-1], entered, -1),
        covariate_minor=covariates(facts, entrants, entrant, order_cap_minor),
        steps=steps,
        counted=CountedOrders(
            facts.order_id[counts], entrant[counts], facts.placed_us[counts], value_minor
        ),
        excluded=excluded,
    )


def _exclude(
    facts: Facts, in_window: NDArray[np.bool_], reasons: Iterable[tuple[str, NDArray[np.bool_]]]
) -> tuple[NDArray[np.bool_], dict[str, Excluded]]:
    """Return which orders count, and the others by the first reason that applies."""
    counts, excluded = in_window.copy(), {}
    for reason, applies in reasons:
        told = counts & applies
        if told.any():
            excluded[reason] = Excluded(int(told.sum()), int(facts.net_minor[told].sum()))
        counts &= ~applies
    return counts, excluded


def covariates(facts: Facts, entrants: Entrants, entrant: Whole, cap_minor: int) -> Whole:
    """Return what each entrant spent within `COVARIATE_DAYS` before entering, minor units.

    Only what was so, and was known, strictly before the entry: an order's refunds made until then
    are subtracted, later ones are not, and an order that found its visitor later does not count.
    What follows the entry may depend on the arm.
    """
    entered_us = np.append(entrants.entered_us, 0)[entrant]
    counts = (entrant >= 0) & (facts.placed_us < entered_us) & (facts.known_us < entered_us)
    counts &= (facts.placed_us >= entered_us - COVARIATE_DAYS * DAY_US) & (facts.removed == KEPT)
    kept_minor = facts.net_minor.copy()
    of = facts.refund_of
    early = (of >= 0) & (facts.refunded_us < np.append(entered_us, 0)[of])
    np.subtract.at(kept_minor, of[early], facts.refund_minor[early])
    value_minor = np.where(counts, _counted(kept_minor, cap_minor), 0)
    total = np.zeros(len(entrants.entered_us), np.int64)
    np.add.at(total, entrant[counts], value_minor[counts])
    return total


def daily_sums(
    visitors: Mapping[Cell, int], revenue: Revenue, calendar: Calendar
) -> list[DailySum]:
    """Join visitors, covariates and revenue of the same day, stratum and arm; sorted."""
    numbers: dict[Cell, dict[str, int]] = {
        cell: {"visitors": count} for cell, count in visitors.items() if count
    }
    for cells, columns in (_growth(revenue), _entries(revenue)):
        for place, (day, stratum, arm) in enumerate(cells.tolist()):
            own = numbers.setdefault(Cell(calendar.days[day], stratum, ARMS[arm]), {})
            own |= {name: int(column[place]) for name, column in columns.items()}
    # A refund of what the cap had cut off changes nothing.
    told = [cell for cell, own in numbers.items() if any(own.values())]
    return [_daily_sum(cell, numbers[cell]) for cell in sorted(told)]


def _daily_sum(cell: Cell, numbers: Mapping[str, int]) -> DailySum:
    names = ("visitors", "orders", "converted", "revenue_minor", "revenue_squares")
    return DailySum(cell.day, cell.stratum, cell.arm, **dict.fromkeys(names, 0) | dict(numbers))


def _growth(revenue: Revenue) -> tuple[NDArray[np.int64], dict[str, Numbers]]:
    """Return what each day added: squares grow by (revenue so far)² at the day's end."""
    steps = revenue.steps
    before, after = running(steps.entrant, steps.change_minor)
    first = _is_first_order(steps)
    covariate = revenue.covariate_minor[steps.entrant]
    return _by_cell(
        revenue.entrants,
        steps.entrant,
        steps.day,
        orders=steps.is_order.astype(np.int64),
        converted=first.astype(np.int64),
        revenue_minor=steps.change_minor,
        revenue_squares=products(after, after) - products(before, before),
        covariate_products=products(covariate, steps.change_minor),
    )


def _entries(revenue: Revenue) -> tuple[NDArray[np.int64], dict[str, Numbers]]:
    entrant = np.flatnonzero((revenue.entered >= 0) & (revenue.covariate_minor > 0))
    covariate = revenue.covariate_minor[entrant]
    return _by_cell(
        revenue.entrants,
        entrant,
        revenue.entered[entrant],
        covariate_minor=covariate,
        covariate_squares=products(covariate, covariate),
    )


def _by_cell(
    entrants: Entrants, entrant: Whole, day: Whole, **columns: Numbers
) -> tuple[NDArray[np.int64], dict[str, Numbers]]:
    """Sum columns by (day, stratum, arm)."""
    stratum, arm = entrants.stratum[entrant], entrants.arm[entrant]
    strata = int(stratum.max(initial=0)) + 1
    keys, sums = sums_by((day * strata + stratum) * len(ARMS) + arm, *columns.values())
    cells = np.stack(
        [keys // (strata * len(ARMS)), keys // len(ARMS) % strata, keys % len(ARMS)], axis=1
    )
    return cells, dict(zip(columns, sums, strict=True))


def _is_first_order(steps: Steps) -> NDArray[np.bool_]:
    earlier, _ = running(steps.entrant, steps.is_order.astype(np.int64))
    first: NDArray[np.bool_] = steps.is_order & (earlier == 0)
    return first


def _open_days(calendar: Calendar, frozen: Collection[dt.date]) -> Whole:
    """Return for each day itself, or the next one that is not frozen; one day after the last."""
    days = np.arange(len(calendar) + 2)
    for place in range(len(calendar) - 1, -1, -1):
        if calendar.days[place] in frozen:
            days[place] = days[place + 1]
    # The last place, which -1 finds, is no day.
    days[-1] = len(calendar)
    return days


def _exclude_refunds(
    facts: Facts,
    in_window: NDArray[np.bool_],
    calendar: Calendar,
    excluded: dict[str, Excluded],
) -> None:
    """List refunds of orders that the window does not have."""
    day = calendar.number(facts.refunded_us)
    strange = ~np.append(in_window, False)[facts.refund_of] & (day >= 0) & (day < len(calendar))
    if strange.any():
        net_minor = -int(facts.refund_minor[strange].sum())
        excluded[UNKNOWN_ORDER] = Excluded(int(strange.sum()), net_minor)


def _steps(
    facts: Facts,
    counts: NDArray[np.bool_],
    refunds: NDArray[np.bool_],
    entrant: Whole,
    caps_minor: tuple[int, int],
    calendar: Calendar,
    open_days: Whole,
) -> tuple[Steps, Whole]:
    """Return each counted order's value and each refund's change of it, and what is left.

    Args:
        counts: By order.
        refunds: By refund, whether it comes off.
        caps_minor: Of an order, and of a visitor's month.
    """
    orders, told = np.flatnonzero(counts), np.flatnonzero(refunds)
    of = np.r_[orders, facts.refund_of[told]]
    is_order = np.arange(len(of)) < len(orders)
    # A shop's clock may date a refund before its order; it cannot come off earlier.
    at_us = np.maximum(np.r_[facts.placed_us[orders], facts.refunded_us[told]], facts.placed_us[of])
    net_minor = np.r_[facts.net_minor[orders], -facts.refund_minor[told]]
    sequence = np.lexsort((net_minor, at_us, ~is_order, of))
    of, is_order, at_us = of[sequence], is_order[sequence], at_us[sequence]
    _, kept = running(of, net_minor[sequence])
    counted = _counted(kept, caps_minor[0])
    change = counted - np.where(is_order, 0, np.r_[0, counted[:-1]])
    day = open_days[calendar.number(at_us)]
    known = day < len(calendar)
    value = np.zeros(len(facts), np.int64)
    np.add.at(value, of[known], change[known])
    if caps_minor[1]:
        month = calendar.month_numbers()[calendar.number(facts.placed_us[of])]
        owner = entrant[of] * (int(month.max(initial=0)) + 1) + month
        change = _capped_together(owner, at_us, change, is_order, caps_minor[1])
    steps = Steps(entrant[of], day, change, is_order).where(known)
    return _in_order(steps), value[orders]


def _capped_together(
    owner: Whole, at_us: Whole, change_minor: Whole, is_order: NDArray[np.bool_], cap_minor: int
) -> Whole:
    """Return the changes such that no owner's sum, at any time, counts more than the cap."""
    sequence = np.lexsort((~is_order, at_us, owner))
    before, after = running(owner[sequence], change_minor[sequence])
    capped = np.empty_like(change_minor)
    capped[sequence] = (np.minimum(after, cap_minor) - np.minimum(before, cap_minor)).astype(
        np.int64
    )
    return capped


def _in_order(steps: Steps) -> Steps:
    order = np.lexsort((~steps.is_order, steps.day, steps.entrant))
    return Steps(
        steps.entrant[order], steps.day[order], steps.change_minor[order], steps.is_order[order]
    )


def _counted(kept_minor: Numbers, cap_minor: int) -> Whole:
    # One order never outgrows 64 bits, whatever many of them come to.
    capped = np.minimum(kept_minor, cap_minor) if cap_minor else kept_minor
    return np.maximum(capped, 0).astype(np.int64)
