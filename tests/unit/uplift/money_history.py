"""Orders of a few visitors, told as tables, and counted the slow way."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recommender.records import Arm, DailySum, OrderKind
from recommender.uplift.days import Calendar, local_day, microseconds
from recommender.uplift.facts import Facts, Owner, make_facts, with_owners
from recommender.uplift.revenue import ARMS, Cell, Entrants, Revenue, count_revenue, daily_sums

PARIS = "Europe/Paris"
FIRST = dt.date(2027, 3, 1)
LAST = dt.date(2027, 4, 30)
NOON = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


class Entry(NamedTuple):
    """When a visitor entered, in which stratum and arm."""

    stratum: int
    arm: Arm
    at: dt.datetime
    placement: int = 0


class Fact(NamedTuple):
    kind: OrderKind
    order_id: str
    net_minor: int
    at: dt.datetime
    visitor: str


@dataclass
class Terms:
    cap_minor: int = 0
    timezone: str = PARIS
    frozen: Collection[dt.date] = ()
    last: dt.date = LAST
    month_cap_minor: int = 0


def order(order_id: str, net_minor: int, at: dt.datetime, visitor: str = "") -> Fact:
    return Fact(OrderKind.ORDER, order_id, net_minor, at, visitor)


def refund(order_id: str, net_minor: int, at: dt.datetime) -> Fact:
    return Fact(OrderKind.REFUND, order_id, net_minor, at, "")


def entrants_of(entries: Mapping[str, Entry]) -> Entrants:
    def numbers(values: Sequence[int]) -> np.ndarray:
        return np.array(values, np.int64)

    own = list(entries.values())
    return Entrants(
        place={visitor: place for place, visitor in enumerate(entries)},
        stratum=numbers([entry.stratum for entry in own]),
        arm=numbers([ARMS.index(entry.arm) for entry in own]),
        entered_us=numbers([microseconds(entry.at) for entry in own]),
        placement=numbers([entry.placement for entry in own]),
    )


def facts_of(facts: Sequence[Fact], links: Mapping[str, Owner] | None = None) -> Facts:
    return with_owners(make_facts(facts), links or {})


def calendar_of(terms: Terms) -> Calendar:
    return Calendar(FIRST, terms.last, terms.timezone)


def count(
    facts: Sequence[Fact],
    entries: Mapping[str, Entry],
    terms: Terms | None = None,
    links: Mapping[str, Owner] | None = None,
) -> Revenue:
    terms = terms or Terms()
    return count_revenue(
        facts_of(facts, links),
        entrants_of(entries),
        order_cap_minor=terms.cap_minor,
        visitor_month_cap_minor=terms.month_cap_minor,
        calendar=calendar_of(terms),
        frozen=terms.frozen,
    )


def sums_of(
    facts: Sequence[Fact], entries: Mapping[str, Entry], terms: Terms | None = None
) -> list[DailySum]:
    """Daily sums, with exactly the visitors of `entries`."""
    terms = terms or Terms()
    visitors: dict[Cell, int] = defaultdict(int)
    for entry in entries.values():
        day = local_day(entry.at, terms.timezone)
        if day not in terms.frozen:
            visitors[Cell(day, entry.stratum, entry.arm)] += 1
    return daily_sums(visitors, count(facts, entries, terms), calendar_of(terms))


def _open_day(day: dt.date, terms: Terms) -> dt.date:
    while day in terms.frozen:
        day += DAY
    return day


def _capped(kept_minor: int, terms: Terms) -> int:
    return max(0, min(kept_minor, terms.cap_minor) if terms.cap_minor else kept_minor)


def slow_sums(facts: Sequence[Fact], entries: Mapping[str, Entry], terms: Terms) -> list[DailySum]:
    """The same by loops over visitors and days, as the definition reads."""
    cells: dict[Cell, list[int]] = defaultdict(lambda: [0] * 8)
    refunds = [fact for fact in facts if fact.kind is OrderKind.REFUND]
    for visitor, entry in entries.items():
        entered = local_day(entry.at, terms.timezone)
        if entered in terms.frozen:
            continue
        own = [f for f in facts if f.kind is OrderKind.ORDER and f.visitor == visitor]
        x = 0
        for fact in own:
            if entry.at - 90 * DAY <= fact.at < entry.at:
                early = sum(
                    r.net_minor for r in refunds if r.order_id == fact.order_id and r.at < entry.at
                )
                x += _capped(fact.net_minor - early, terms)
        cell = cells[Cell(entered, entry.stratum, entry.arm)]
        cell[0] += 1
        cell[5] += x
        cell[6] += x * x
        spent, has_bought = 0, False
        day = FIRST
        while day <= terms.last:
            before, bought = spent, 0
            months: dict[tuple[int, int], int] = defaultdict(int)
            for fact in own:
                placed = local_day(fact.at, terms.timezone)
                if fact.at < entry.at or placed in terms.frozen or placed > day:
                    continue
                bought += placed == day
                back = sum(
                    r.net_minor
                    for r in refunds
                    if r.order_id == fact.order_id
                    and _open_day(local_day(max(r.at, fact.at), terms.timezone), terms) <= day
                )
                months[placed.year, placed.month] += _capped(fact.net_minor - back, terms)
            limit = terms.month_cap_minor
            spent = sum(min(one, limit or one) for one in months.values())
            if spent != before or bought:
                cell = cells[Cell(day, entry.stratum, entry.arm)]
                cell[1] += bought
                cell[2] += bool(bought) and not has_bought
                cell[3] += spent - before
                cell[4] += spent**2 - before**2
                cell[7] += x * (spent - before)
                has_bought |= bool(bought)
            day += DAY
    return [DailySum(*cell, *cells[cell]) for cell in sorted(cells)]
