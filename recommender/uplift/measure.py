"""Measure a shop (verb): event log and orders → daily sums, behaviour, and what did not count."""

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from recommender.errors import InconsistentError
from recommender.ports import EventLog
from recommender.records import Arm, Contract, DailySum, Shop
from recommender.uplift import sales
from recommender.uplift.behaviour import (
    Behaviour,
    by_visitor,
    head_items,
    last_click_minor,
    visit_moments,
)
from recommender.uplift.checks import day_facts, failed_aa_days
from recommender.uplift.cuts import (
    Group,
    OrderValues,
    Visitors,
    by_cell,
    make_moments,
    standard_views,
    whole_view,
)
from recommender.uplift.exposures import entries, exposed, outside
from recommender.uplift.facts import Removal
from recommender.uplift.freezing import DayFacts, frozen_days
from recommender.uplift.metrics import Moments, Pair
from recommender.uplift.persons import on_several_browsers
from recommender.uplift.reading import (
    Entered,
    World,
    has_more,
    read_contamination,
    read_entered,
    read_world,
    without,
)
from recommender.uplift.removal import count_removed, staff_only, without_staff
from recommender.uplift.removed import Removed
from recommender.uplift.revenue import ARMS, Revenue, count_revenue, daily_sums
from recommender.uplift.stored import Measurement, store_measurement
from recommender.uplift.views import View, ViewKind

if TYPE_CHECKING:
    from ibis.expr.types import Table


def measure(
    shop: Shop,
    *,
    event_log: EventLog,
    database: sa.Engine,
    contract: Contract,
    through: dt.date,
    now: dt.datetime,
) -> list[DailySum]:
    """Recompute a shop's daily sums and behaviour and store them in one transaction.

    What was stored of the shop before is replaced: late orders, refunds and erased visitors change
    earlier days.

    Args:
        contract: Its first day begins the measurement, its order cap applies.
        through: Last day counted, in the shop's time zone.

    Returns:
        The stored rows, sorted.
    """
    result = collect(
        shop, event_log=event_log, database=database, contract=contract, through=through
    )
    with database.begin() as connection:
        store_measurement(connection, shop.shop_id, result, now)
    return result.sums


def collect(
    shop: Shop,
    *,
    event_log: EventLog,
    database: sa.Engine,
    contract: Contract,
    through: dt.date,
    sealed_through: dt.date | None = None,
) -> Measurement:
    """Compute what `measure` stores, without storing it; arguments as there.

    A day's row depends on nothing later than that day, so a measurement through a later day
    agrees with this one on all days of this one, unless a visitor turned out to be a program or
    two browsers to be one person's.

    Args:
        sealed_through: Last day of the event log (UTC) that is read; None for all of it.

    Raises:
        InconsistentError: The contract's currency is not the shop's, or exposures name a stratum
            that the shop never had.
    """
    if contract.currency != shop.currency:
        raise InconsistentError(f"The contract of {shop.shop_id} is in {contract.currency}")
    world = read_world(
        shop,
        contract,
        event_log=event_log,
        database=database,
        through=through,
        sealed_through=sealed_through,
    )
    return _Measuring(shop, contract, world).result()


class _Measuring:
    """One measurement on its way."""

    def __init__(self, shop: Shop, contract: Contract, world: World) -> None:
        self.shop, self.contract, self.world = shop, contract, world
        everybody = entries(world.everybody, world.span)
        entered = without(everybody, world.programs)
        self.all_exposed = exposed(everybody)
        self.exposed = without_staff(exposed(entered), world.staff)
        self.billed = read_entered(self.exposed, world)
        # Whoever is exposed at once is no more to tell of than the exposed are.
        self.assigned = (
            read_entered(without_staff(entered, world.staff), world)
            if has_more(entered, world)
            else None
        )
        self.frozen = frozen_days(self._day_facts(), shop.strata)
        self.frozen_on = {day.day for day in self.frozen}

    def result(self) -> Measurement:
        """Return everything that leaves the shoppers' data."""
        world, revenue = self.world, self._count(self.billed)
        visitors = self._open(self.billed.visitors)
        sums = daily_sums(by_cell(visitors), revenue, world.calendar)
        lines = sales.order_lines(world.people, world.span)
        values = _order_values(world, lines, revenue)
        moments = make_moments(visitors, revenue, values, self._pages())
        return Measurement(
            sums=sums,
            behaviour={arm: _behave(arm, sums, moments, revenue, values) for arm in Arm},
            excluded=revenue.excluded,
            last_click_minor=_last_click(world, lines, revenue),
            in_both_arms=self._in_both_arms(),
            frozen=self.frozen,
            views=tuple(self._views(visitors, revenue)),
            moments=moments,
            on_several_browsers=_several_browsers(world),
            removed=self._removed(),
            rules=world.rules,
        )

    def _removed(self) -> tuple[Removed, ...]:
        world, out = self.world, {}
        if world.staff is not None:
            people = without(self.all_exposed, world.programs)
            out[Removal.STAFF] = read_entered(staff_only(people, world.staff), world)
        if world.programs.num_rows:
            met = self.all_exposed.semi_join(ibis.memtable(world.programs), "visitor")
            out[Removal.PROGRAM] = read_entered(met, world)
        return count_removed(
            world.facts,
            world.calendar,
            {reason: who.visitors for reason, who in out.items()},
            [self.billed.entrants, *(who.entrants for who in out.values())],
        )

    def _count(self, who: Entered) -> Revenue:
        return count_revenue(
            self.world.facts,
            who.entrants,
            order_cap_minor=self.contract.order_cap_minor,
            visitor_month_cap_minor=self.contract.visitor_month_cap_minor,
            calendar=self.world.calendar,
            frozen=self.frozen_on,
        )

    def _untriggered(self, who: Entered) -> Revenue:
        """Return what visitors spent before a first exposure, frozen days and all."""
        return count_revenue(
            self.world.facts,
            who.entrants,
            order_cap_minor=self.contract.order_cap_minor,
            visitor_month_cap_minor=self.contract.visitor_month_cap_minor,
            calendar=self.world.calendar,
            until_us=who.exposed_us,
        )

    def _open(self, visitors: Visitors) -> Visitors:
        return {key: n for key, n in visitors.items() if key[0].day not in self.frozen_on}

    def _day_facts(self) -> list[DayFacts]:
        world = self.world
        failed: set[dt.date] = set()
        if self.assigned is not None:
            revenue = self._untriggered(self.assigned)
            sums = daily_sums(by_cell(self.assigned.visitors), revenue, world.calendar)
            failed = failed_aa_days(sums, n_star=self.contract.n_star)
        return day_facts(
            by_cell(self.billed.visitors),
            read_contamination(self.exposed, world),
            world.facts,
            world.calendar,
            failed,
        )

    def _in_both_arms(self) -> int:
        both = self.exposed.filter(self.exposed.in_both_arms)
        return len(self.world.read(both.select("visitor")))

    def _views(self, visitors: Visitors, revenue: Revenue) -> Iterator[View]:
        calendar = self.world.calendar
        yield from standard_views(visitors, revenue, calendar)
        if self.assigned is not None:
            everybody = self._open(self.assigned.visitors)
            intended = self._count(self.assigned)
            yield whole_view(ViewKind.INTENTION_TO_TREAT, everybody, intended, calendar)
            alike = self._untriggered(self.assigned)
            yield whole_view(ViewKind.UNTRIGGERED, self.assigned.visitors, alike, calendar)

    def _pages(self) -> dict[Group, Pair]:
        """Return pages and visits of those who did not enter on a frozen day."""
        stretches = [self.world.calendar.bounds_us(day) for day in sorted(self.frozen_on)]
        visits = by_visitor(self.world.people, outside(self.exposed, stretches), self.world.span)
        return {
            (row.pop("stratum"), ARMS[row.pop("arm")]): Pair(**{k: int(v) for k, v in row.items()})
            for row in self.world.rows(visit_moments(visits))
        }


def _order_values(world: World, lines: "Table", revenue: Revenue) -> OrderValues:
    """Return what the lines of each counted order come to; 0 where the log has none."""
    head = head_items(
        {row["item_id"]: row["units"] for row in world.rows(sales.units_by_item(lines))}
    )
    known = world.read(sales.order_values(lines, head))
    ids = pa.array(revenue.counted.order_id, pa.string())
    place = pc.index_in(ids, value_set=known["order_id"])
    columns = {}
    for field in dataclasses.fields(OrderValues):
        column = known[field.name].cast(pa.int64()).take(place)
        columns[field.name] = column.fill_null(0).combine_chunks().to_numpy(zero_copy_only=False)
    return OrderValues(**columns)


def _behave(
    arm: Arm,
    sums: Iterable[DailySum],
    moments: Iterable[Moments],
    revenue: Revenue,
    values: OrderValues,
) -> Behaviour:
    own = [row for row in sums if row.arm is arm]
    pages = [one.pages for one in moments if one.arm is arm]
    is_own = revenue.entrants.arm[revenue.counted.entrant] == ARMS.index(arm)
    return Behaviour(
        visitors=sum(row.visitors for row in own),
        visits=sum(pair.b for pair in pages),
        pages=sum(pair.a for pair in pages),
        orders=sum(row.orders for row in own),
        converted=sum(row.converted for row in own),
        revenue_minor=sum(row.revenue_minor for row in own),
        units=int(values.units[is_own].sum()),
        tail_units=int(values.tail_units[is_own].sum()),
    )


def _last_click(world: World, lines: "Table", revenue: Revenue) -> int:
    counted = revenue.counted
    treated = revenue.entrants.arm[counted.entrant] == ARMS.index(Arm.TREATMENT)
    ids = counted.order_id[treated]
    names = np.array([*revenue.entrants.place, ""], np.object_)
    orders = {
        "order_id": pa.array(ids, pa.string()),
        "visitor": pa.array(names[counted.entrant[treated]], pa.string()),
        "placed_seconds": pa.array(counted.placed_us[treated] // 1_000_000),
    }
    pairs = world.rows(sales.clicked_lines(world.people, lines, pa.table(orders), world.span))
    clicked = [(row["order_id"], row["item_id"]) for row in pairs]
    own_lines = world.rows(sales.lines_of(lines, sorted({order_id for order_id, _ in clicked})))
    return last_click_minor(
        clicked,
        [
            (row["order_id"], row["item_id"], row["quantity"], row["price_minor"])
            for row in own_lines
        ],
        dict(zip(ids, counted.value_minor[treated].tolist(), strict=True)),
    )


def _several_browsers(world: World) -> int:
    if not world.merges:
        return 0
    people = on_several_browsers(world.browsers, world.merges, world.span)
    return int(people.to_pyarrow().as_py())
