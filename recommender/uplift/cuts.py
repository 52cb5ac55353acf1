"""Orders of entrants → totals and moments of a cut of the experiment. Pure, whole numbers."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.records import Arm
from recommender.uplift.days import Calendar
from recommender.uplift.estimate import ArmTotal, StratumTotal
from recommender.uplift.exact import Numbers, products, sums_by
from recommender.uplift.exposures import PLACEMENTS
from recommender.uplift.facts import Whole
from recommender.uplift.metrics import Moments, Pair
from recommender.uplift.revenue import ARMS, Cell, Entrants, Revenue, Steps
from recommender.uplift.views import TRAILING_DAYS, View, ViewKind

Group = tuple[int, Arm]
"""Stratum and arm."""
Visitors = Mapping[tuple[Cell, int], int]
"""Day, stratum and arm of entry, and place in `PLACEMENTS` → visitors."""


@dataclass(frozen=True, slots=True, eq=False)
class OrderValues:
    """What the lines of each counted order come to; arrays in the order of `Revenue.counted`.

    Attributes:
        sold_minor: Value of all lines with a price.
        tail_minor: Of those outside the best-selling fifth of the items.
    """

    units: Whole
    tail_units: Whole
    sold_minor: Whole
    tail_minor: Whole


def by_cell(visitors: Visitors) -> dict[Cell, int]:
    """Add up the placements of each day, stratum and arm."""
    cells: dict[Cell, int] = {}
    for (cell, _), count in visitors.items():
        cells[cell] = cells.get(cell, 0) + count
    return cells


def standard_views(visitors: Visitors, revenue: Revenue, calendar: Calendar) -> Iterator[View]:
    """Yield the trailing quarter, each month and each placement."""
    cut = _Cut(visitors, revenue, calendar)
    last = len(calendar) - 1
    yield View(ViewKind.TRAILING, "", cut.of_days(max(0, last - TRAILING_DAYS + 1), last))
    for name, first, end in _months(calendar):
        yield View(ViewKind.MONTH, name, cut.of_days(first, end))
    for place in sorted({place for _, place in visitors}):
        yield View(ViewKind.PLACEMENT, PLACEMENTS[place], cut.of_placement(place))


def whole_view(kind: ViewKind, visitors: Visitors, revenue: Revenue, calendar: Calendar) -> View:
    """Return the view of everybody who entered, over all days."""
    return View(kind, "", _Cut(visitors, revenue, calendar).of_days(0, len(calendar) - 1))


@dataclass(frozen=True, slots=True, eq=False)
class _Cut:
    visitors: Visitors
    revenue: Revenue
    calendar: Calendar

    def of_days(self, first: int, last: int) -> tuple[StratumTotal, ...]:
        """Return revenue of some days, of all who entered until the last of them."""
        end = self.calendar.days[last]
        visitors = _grouped(
            (cell, count) for (cell, _), count in self.visitors.items() if cell.day <= end
        )
        steps = self.revenue.steps
        is_meant = (steps.day >= first) & (steps.day <= last)
        has_entered = (self.revenue.entered >= 0) & (self.revenue.entered <= last)
        return _totals(visitors, self.revenue, steps.where(is_meant), has_entered)

    def of_placement(self, place: int) -> tuple[StratumTotal, ...]:
        """Return all revenue of those who entered in one placement."""
        visitors = _grouped(
            (cell, count) for (cell, at), count in self.visitors.items() if at == place
        )
        entered_here = self.revenue.entrants.placement == place
        steps = self.revenue.steps
        has_entered = (self.revenue.entered >= 0) & entered_here
        return _totals(
            visitors, self.revenue, steps.where(entered_here[steps.entrant]), has_entered
        )


def make_moments(
    visitors: Visitors, revenue: Revenue, values: OrderValues, pages: Mapping[Group, Pair]
) -> tuple[Moments, ...]:
    """Return the moments of every stratum and arm that has visitors.

    Args:
        pages: Pages and visits of each visitor, summed.
    """
    entrants, steps = revenue.entrants, revenue.steps
    buyers, (spent, orders) = sums_by(
        steps.entrant, steps.change_minor, steps.is_order.astype(np.int64)
    )
    basket = pair_sums(entrants, buyers, spent, orders)
    converted = pair_sums(entrants, buyers, np.ones_like(buyers), np.zeros_like(buyers))
    sellers, (tail, sold) = sums_by(revenue.counted.entrant, values.tail_minor, values.sold_minor)
    tails = pair_sums(entrants, sellers, tail, sold)
    return tuple(
        Moments(
            stratum=group[0],
            arm=group[1],
            visitors=count,
            converted=converted.get(group, Pair()).a,
            basket=basket.get(group, Pair()),
            pages=pages.get(group, Pair()),
            tail=tails.get(group, Pair()),
        )
        for group, count in sorted(
            _grouped((cell, count) for (cell, _), count in visitors.items()).items()
        )
    )


def pair_sums(entrants: Entrants, entrant: Whole, a: Numbers, b: Numbers) -> dict[Group, Pair]:
    """Sum pairs of numbers of entrants, each at most once, over strata and arms."""
    groups, (sum_a, sum_b, aa, bb, ab) = sums_by(
        _group_keys(entrants, entrant), a, b, products(a, a), products(b, b), products(a, b)
    )
    return {
        _group(key): Pair(*(int(column[place]) for column in (sum_a, sum_b, aa, bb, ab)))
        for place, key in enumerate(groups.tolist())
    }


def _totals(
    visitors: Mapping[Group, int], revenue: Revenue, steps: Steps, has_entered: NDArray[np.bool_]
) -> tuple[StratumTotal, ...]:
    entrants = revenue.entrants
    buyers, (spent, orders) = sums_by(
        steps.entrant, steps.change_minor, steps.is_order.astype(np.int64)
    )
    paid = pair_sums(entrants, buyers, spent, orders)
    bought = pair_sums(entrants, buyers, (orders > 0).astype(np.int64), np.zeros_like(buyers))
    covariate = revenue.covariate_minor
    crossed = pair_sums(entrants, buyers, spent, covariate[buyers])
    known = np.flatnonzero(has_entered & (covariate > 0))
    before = pair_sums(entrants, known, covariate[known], np.zeros_like(known))
    none = Pair()

    def total(group: Group) -> ArmTotal:
        return ArmTotal(
            visitors=visitors.get(group, 0),
            orders=paid.get(group, none).b,
            converted=bought.get(group, none).a,
            revenue_minor=paid.get(group, none).a,
            revenue_squares=paid.get(group, none).aa,
            covariate_minor=before.get(group, none).a,
            covariate_squares=before.get(group, none).aa,
            covariate_products=crossed.get(group, none).ab,
        )

    return tuple(
        StratumTotal(stratum, total((stratum, Arm.TREATMENT)), total((stratum, Arm.CONTROL)))
        for stratum in sorted({stratum for stratum, _ in visitors})
    )


def _grouped(counts: Iterable[tuple[Cell, int]]) -> dict[Group, int]:
    groups: dict[Group, int] = {}
    for cell, count in counts:
        group = cell.stratum, cell.arm
        groups[group] = groups.get(group, 0) + count
    return groups


def _group_keys(entrants: Entrants, entrant: Whole) -> NDArray[np.int64]:
    return entrants.stratum[entrant] * len(ARMS) + entrants.arm[entrant]


def _group(key: int) -> Group:
    stratum, arm = divmod(key, len(ARMS))
    return stratum, ARMS[arm]


def _months(calendar: Calendar) -> Iterator[tuple[str, int, int]]:
    """Yield each month with the places of its first and last day."""
    first = 0
    for place, day in enumerate(calendar.days):
        is_last = place == len(calendar) - 1 or (day + dt.timedelta(days=1)).month != day.month
        if is_last:
            yield f"{day:%Y-%m}", first, place
            first = place + 1
