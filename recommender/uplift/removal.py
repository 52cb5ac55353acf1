"""Who and what the shop's exclusions take out of both arms, and how much that was. Pure.

A visitor is judged by the version that governs the day of entry, an order by the one that governs
the day it was placed on: what was measured before a version governs stays as it was.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pyarrow as pa

from recommender.events.order_marks import mark_key
from recommender.shops.exclusions import Timeline
from recommender.uplift.cuts import Visitors
from recommender.uplift.days import Calendar, day_start, microseconds
from recommender.uplift.facts import KEPT, REMOVALS, Facts, Removal, with_removed
from recommender.uplift.removed import Removed
from recommender.uplift.revenue import ARMS, Entrants

if TYPE_CHECKING:
    from ibis.expr.types import Table

_ALWAYS_US = np.iinfo(np.int64).min
_FOR_EVER_US = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Governed:
    """Keys that exclude within [from_us, until_us).

    Attributes:
        staff: Keyed hashes of people.
        marks: Keyed hashes of marks.
    """

    from_us: int
    until_us: int
    staff: frozenset[str]
    marks: frozenset[str]


def governed(timeline: Timeline, timezone: str, visitor_key: bytes) -> tuple[Governed, ...]:
    """Return which keys exclude when, without the stretches in which none does."""
    found = (
        Governed(
            from_us=_ALWAYS_US if one.first is None else _start_us(one.first, timezone),
            until_us=_FOR_EVER_US
            if one.last is None
            else _start_us(one.last + dt.timedelta(days=1), timezone),
            staff=frozenset(one.rules.staff),
            marks=frozenset(mark_key(visitor_key, mark) for mark in one.rules.marks),
        )
        for one in timeline.stretches()
    )
    return tuple(one for one in found if one.staff or one.marks)


def _start_us(day: dt.date, timezone: str) -> int:
    return microseconds(day_start(day, timezone))


def staff_table(rules: Sequence[Governed]) -> pa.Table | None:
    """Return who is staff when: person, from_us, until_us; None while nobody is."""
    rows = [
        {"person": person, "from_us": one.from_us, "until_us": one.until_us}
        for one in rules
        for person in sorted(one.staff)
    ]
    return pa.Table.from_pylist(rows) if rows else None


def without_staff(entered: "Table", staff: pa.Table | None) -> "Table":
    """Return those of whoever entered who were nobody's staff on that day."""
    if staff is None:
        return entered
    known = ibis.memtable(staff)
    return entered.anti_join(known, _is_staff(entered, known))


def staff_only(entered: "Table", staff: pa.Table) -> "Table":
    """Return those of whoever entered whom `without_staff` leaves out."""
    known = ibis.memtable(staff)
    return entered.semi_join(known, _is_staff(entered, known))


def _is_staff(entered: "Table", known: "Table") -> list[object]:
    return [
        entered.visitor == known.person,
        entered.entered_us >= known.from_us,
        entered.entered_us < known.until_us,
    ]


def with_exclusions(
    facts: Facts, rules: Sequence[Governed], keys: Mapping[str, Collection[str]]
) -> Facts:
    """Return the facts with the orders taken out that the shop's exclusions mean.

    Args:
        keys: Order → the keys it carries, where a version names one.
    """
    people = frozenset().union(*(one.staff for one in rules))
    reasons: dict[int, Removal] = {}
    for place, (order_id, visitor) in enumerate(zip(facts.order_id, facts.visitor, strict=True)):
        if order_id in keys or visitor in people:
            reason = _reason(facts.placed_us[place], {visitor, *keys.get(order_id, ())}, rules)
            if reason is not None:
                reasons[place] = reason
    return with_removed(facts, reasons)


def _reason(placed_us: int, keys: set[str], rules: Sequence[Governed]) -> Removal | None:
    for one in rules:
        if one.from_us <= placed_us < one.until_us:
            if keys & one.staff:
                return Removal.STAFF
            return Removal.NO_SALE if keys & one.marks else None
    return None


def count_removed(
    facts: Facts,
    calendar: Calendar,
    visitors: Mapping[Removal, Visitors],
    entrants: Sequence[Entrants],
) -> tuple[Removed, ...]:
    """Return what was removed by reason, stratum and arm, sorted.

    Args:
        visitors: Who was taken out, by reason.
        entrants: Whose arm is known, those taken out among them; the first one that knows counts.
    """
    people: Counter[tuple[str, int, str]] = Counter()
    for reason, groups in visitors.items():
        for (cell, _), count in groups.items():
            people[reason.value, cell.stratum, cell.arm.value] += count
    orders: Counter[tuple[str, int, str]] = Counter()
    revenue_minor: Counter[tuple[str, int, str]] = Counter()
    day = calendar.number(facts.placed_us)
    is_meant = (facts.removed != KEPT) & (day >= 0) & (day < len(calendar))
    for place in np.flatnonzero(is_meant).tolist():
        reason = REMOVALS[int(facts.removed[place]) - 1]
        key = reason.value, *_group(facts.visitor[place], entrants)
        orders[key] += 1
        revenue_minor[key] += int(facts.net_minor[place])
    return tuple(
        Removed(*key, people[key], orders[key], revenue_minor[key])
        for key in sorted({*people, *orders})
    )


def _group(visitor: str, entrants: Sequence[Entrants]) -> tuple[int, str]:
    for one in entrants:
        place = one.place.get(visitor)
        if place is not None:
            return int(one.stratum[place]), ARMS[int(one.arm[place])].value
    return 0, ""
