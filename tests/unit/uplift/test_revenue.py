import datetime as dt
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from money_history import (
    DAY,
    FIRST,
    LAST,
    NOON,
    PARIS,
    Entry,
    Fact,
    Terms,
    calendar_of,
    count,
    entrants_of,
    facts_of,
    order,
    refund,
    slow_sums,
    sums_of,
)

from recommender.records import Arm, DailySum
from recommender.uplift import revenue
from recommender.uplift.days import local_day, microseconds
from recommender.uplift.facts import Owner
from recommender.uplift.revenue import count_revenue

TREATED = {"a": Entry(1, Arm.TREATMENT, NOON)}
SECOND = dt.timedelta(seconds=1)


def on(rows: list[DailySum], day: int, month: int = 3) -> DailySum:
    (row,) = [row for row in rows if row.day == dt.date(2027, month, day)]
    return row


def test_squares_grow_by_what_the_visitor_has_spent_so_far() -> None:
    rows = sums_of([order("1", 300, NOON, "a"), order("2", 400, NOON + DAY, "a")], TREATED)
    assert on(rows, 1).revenue_squares == 300**2
    # (300 + 400)² − 300² = 490,000 − 90,000
    assert on(rows, 2).revenue_squares == 400_000
    assert (on(rows, 1).converted, on(rows, 2).converted) == (1, 0)
    assert (on(rows, 1).orders, on(rows, 2).orders) == (1, 1)


def test_a_refund_counts_on_the_day_it_was_made() -> None:
    rows = sums_of([order("1", 300, NOON, "a"), refund("1", 100, NOON + 3 * DAY)], TREATED)
    assert on(rows, 1).revenue_minor == 300
    assert on(rows, 4).revenue_minor == -100
    # 200² − 300² = 40,000 − 90,000
    assert on(rows, 4).revenue_squares == -50_000
    assert on(rows, 4).orders == 0


@pytest.mark.parametrize(
    ("net", "cap", "refunds", "left"),
    [
        (500, 0, [600], 0),  # never more back than was paid
        (500, 0, [200, 200], 100),
        (5_000, 1_000, [], 1_000),
        (5_000, 1_000, [4_500], 500),  # the shop kept 500
        (5_000, 1_000, [3_000], 1_000),  # the shop kept 2,000, of which 1,000 count
        (5_000, 1_000, [4_500, 900], 0),
    ],
)
def test_an_order_counts_what_the_shop_kept_up_to_the_cap(
    net: int, cap: int, refunds: list[int], left: int
) -> None:
    facts = [order("1", net, NOON, "a")]
    facts += [refund("1", size, NOON + (i + 1) * DAY) for i, size in enumerate(refunds)]
    rows = sums_of(facts, TREATED, Terms(cap_minor=cap))
    assert sum(row.revenue_minor for row in rows) == left
    assert count(facts, TREATED, Terms(cap_minor=cap)).counted.value_minor.tolist() == [left]


def test_a_refund_dated_before_its_order_comes_off_on_the_orders_day() -> None:
    rows = sums_of([order("1", 300, NOON + DAY, "a"), refund("1", 300, NOON)], TREATED)
    assert on(rows, 2).revenue_minor == 0
    assert on(rows, 1).revenue_minor == 0


def test_what_counts_in_no_arm_is_told_with_its_reason() -> None:
    facts = [
        order("1", 100, NOON - SECOND, "a"),
        order("2", 200, NOON),
        order("3", 400, NOON, "stranger"),
        refund("4", 800, NOON),
        order("5", 1_600, NOON, "a"),
        order("6", 3_200, NOON + DAY, "a"),
    ]
    result = count(facts, TREATED, Terms(frozen=[FIRST + DAY]))
    assert {reason: (e.orders, e.revenue_minor) for reason, e in result.excluded.items()} == {
        revenue.BEFORE_EXPOSURE: (1, 100),
        revenue.NO_VISITOR: (1, 200),
        revenue.NOT_EXPOSED: (1, 400),
        revenue.UNKNOWN_ORDER: (1, -800),
        revenue.FROZEN: (1, 3_200),
    }
    assert result.counted.order_id.tolist() == ["5"]


def test_a_browser_links_an_order_that_names_no_visitor() -> None:
    facts = [order("1", 100, NOON), order("2", 200, NOON, "a")]
    entries = TREATED | {"b": Entry(1, Arm.CONTROL, NOON)}
    seen = Owner("b", microseconds(NOON))
    result = count(facts, entries, links={"1": seen, "2": seen})
    arms = dict(zip(result.counted.order_id, result.counted.entrant.tolist(), strict=True))
    # The shop's own word about order 2 goes before the browser's.
    assert arms == {"1": 1, "2": 0}


@pytest.mark.parametrize(
    ("timezone", "at", "day"),
    [
        ("Europe/Paris", "2027-03-27T22:59:59+00:00", 27),
        ("Europe/Paris", "2027-03-27T23:00:00+00:00", 28),  # midnight at UTC+1
        ("Europe/Paris", "2027-03-28T21:59:59+00:00", 28),
        ("Europe/Paris", "2027-03-28T22:00:00+00:00", 29),  # a day of 23 hours, then UTC+2
        ("Asia/Kathmandu", "2027-03-27T18:14:59+00:00", 27),
        ("Asia/Kathmandu", "2027-03-27T18:15:00+00:00", 28),  # UTC+5:45
    ],
)
def test_days_are_the_shops(timezone: str, at: str, day: int) -> None:
    facts = [order("1", 100, dt.datetime.fromisoformat(at), "a")]
    rows = sums_of(facts, TREATED, Terms(timezone=timezone))
    assert [row.day.day for row in rows if row.orders] == [day]


def test_what_was_spent_before_is_the_covariate() -> None:
    facts = [
        order("too old", 9_000, NOON - 90 * DAY - SECOND, "a"),
        order("oldest", 100, NOON - 90 * DAY, "a"),
        order("capped", 5_000, NOON - DAY, "a"),
        order("given back", 700, NOON - DAY, "a"),
        refund("given back", 300, NOON - SECOND),
        refund("given back", 300, NOON),  # no longer before
        order("after", 50, NOON + DAY, "a"),
    ]
    rows = sums_of(facts, TREATED, Terms(cap_minor=1_000))
    x = 100 + 1_000 + 400
    assert (on(rows, 1).covariate_minor, on(rows, 1).covariate_squares) == (x, x**2)
    assert (on(rows, 2).covariate_minor, on(rows, 2).covariate_products) == (0, x * 50)


def test_an_order_found_later_is_no_covariate() -> None:
    facts = [order("1", 100, NOON - DAY)]
    early = Owner("a", microseconds(NOON - SECOND))
    late = Owner("a", microseconds(NOON))
    assert count(facts, TREATED, links={"1": early}).covariate_minor.tolist() == [100]
    assert count(facts, TREATED, links={"1": late}).covariate_minor.tolist() == [0]


def test_frozen_days_take_their_entries_and_orders_along() -> None:
    entries = TREATED | {"late": Entry(1, Arm.TREATMENT, NOON + DAY)}
    facts = [
        order("kept", 1_000, NOON, "a"),
        order("frozen", 500, NOON + DAY, "a"),
        refund("frozen", 500, NOON + 2 * DAY),
        refund("kept", 400, NOON + DAY),
        order("of who came then", 250, NOON + 5 * DAY, "late"),
    ]
    rows = sums_of(facts, entries, Terms(frozen=[FIRST + DAY]))
    treated = Arm.TREATMENT
    assert rows == [
        DailySum(FIRST, 1, treated, 1, 1, 1, 1_000, 1_000**2),
        # The refund of a frozen day comes off on the next one: 600² − 1000².
        DailySum(FIRST + 2 * DAY, 1, treated, 0, 0, 0, -400, -640_000),
    ]


def test_a_refund_waits_while_the_freeze_lasts() -> None:
    facts = [order("1", 1_000, NOON, "a"), refund("1", 400, NOON + DAY)]
    frozen = Terms(frozen=[FIRST + DAY], last=FIRST + DAY)
    assert sum(row.revenue_minor for row in sums_of(facts, TREATED, frozen)) == 1_000


def test_sums_beyond_64_bits_are_exact() -> None:
    huge = 10**12
    facts = [order(str(i), huge, NOON, "a") for i in range(3)]
    facts.append(order("before", huge, NOON - DAY, "a"))
    row = on(sums_of(facts, TREATED), 1)
    assert row.revenue_squares == (3 * huge) ** 2
    assert row.covariate_squares == huge**2
    assert row.covariate_products == 3 * huge**2


History = tuple[list[Fact], dict[str, Entry]]


@st.composite
def histories(draw: st.DrawFn) -> History:
    hours = st.integers(0, 24 * 40)
    entries = {
        visitor: Entry(
            draw(st.integers(1, 2)),
            draw(st.sampled_from(list(Arm))),
            NOON + dt.timedelta(hours=draw(hours)),
        )
        for visitor in "abc"
    }
    facts = []
    for number in range(draw(st.integers(0, 8))):
        at = NOON + dt.timedelta(hours=draw(hours))
        visitor = draw(st.sampled_from(["a", "b", "c", "stranger", ""]))
        facts.append(order(str(number), draw(st.integers(0, 10**6)), at, visitor))
        for _ in range(draw(st.integers(0, 2))):
            at = NOON + dt.timedelta(hours=draw(hours))
            facts.append(refund(str(number), draw(st.integers(0, 10**6)), at))
    return facts, entries


month_caps = st.sampled_from([0, 1, 300_000, 900_000])
frozen_days = st.frozensets(st.integers(0, 45).map(lambda days: FIRST + days * DAY), max_size=6)


@given(histories(), st.integers(0, 10**6), month_caps, frozen_days)
def test_sums_are_what_the_definition_says(
    history: History, cap: int, month_cap: int, frozen: frozenset[dt.date]
) -> None:
    terms = Terms(cap_minor=cap, month_cap_minor=month_cap, frozen=frozen)
    assert sums_of(*history, terms) == slow_sums(*history, terms)


@given(histories(), st.integers(0, 10**6), month_caps, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    history: History, cap: int, month_cap: int, rng: random.Random
) -> None:
    facts, entries = history
    shuffled = rng.sample(facts, len(facts))
    terms = Terms(cap_minor=cap, month_cap_minor=month_cap)
    assert sums_of(facts, entries, terms) == sums_of(shuffled, entries, terms)
    assert count(facts, entries, terms).excluded == count(shuffled, entries, terms).excluded


@given(histories(), st.integers(0, 10**6), month_caps, st.integers(0, 40), frozen_days)
def test_a_day_depends_on_nothing_later(
    history: History, cap: int, month_cap: int, days: int, frozen: frozenset[dt.date]
) -> None:
    facts, entries = history
    last = FIRST + days * DAY
    known = [fact for fact in facts if local_day(fact.at, PARIS) <= last]
    present = {name: entry for name, entry in entries.items() if local_day(entry.at, PARIS) <= last}
    terms = Terms(cap_minor=cap, month_cap_minor=month_cap, frozen=frozen)
    early = sums_of(known, present, replace(terms, last=last))
    late = sums_of(facts, entries, terms)
    assert early == [row for row in late if row.day <= last]


def test_the_window_ends_with_its_last_day() -> None:
    assert sums_of([order("1", 5, NOON + 90 * DAY, "a")], TREATED) == sums_of([], TREATED)
    assert (NOON + 90 * DAY).date() > LAST


def test_a_visitors_month_counts_its_cap_at_most_however_it_was_split() -> None:
    """March comes to 900, of which 700 count; April begins anew; March's refund stays March's."""
    april = NOON + 40 * DAY
    facts = [
        order("1", 500, NOON, "a"),
        order("2", 400, NOON + DAY, "a"),
        order("3", 600, april, "a"),
        refund("1", 300, april),
    ]
    rows = sums_of(facts, TREATED, Terms(month_cap_minor=700))
    spent = {row.day: row.revenue_minor for row in rows if row.revenue_minor}
    # 900 less 300 is 600: the refund takes 100 off what counted.
    assert spent == {NOON.date(): 500, (NOON + DAY).date(): 200, april.date(): 600 - 100}
    assert sum(row.revenue_squares for row in rows) == 1_200**2


def test_until_an_exposure_refunds_that_were_known_then_come_off() -> None:
    """A refund made later may depend on the arm; one made before cannot."""
    entries = {"a": Entry(1, Arm.TREATMENT, NOON)}
    facts = [
        order("1", 500, NOON, "a"),
        refund("1", 200, NOON + DAY),
        refund("1", 100, NOON + 3 * DAY),
    ]
    terms = Terms()
    revenue = count_revenue(
        facts_of(facts),
        entrants_of(entries),
        order_cap_minor=0,
        calendar=calendar_of(terms),
        until_us=np.array([microseconds(NOON + 2 * DAY)]),
    )
    assert revenue.steps.change_minor.tolist() == [500, -200]
