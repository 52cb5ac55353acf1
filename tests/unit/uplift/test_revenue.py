import datetime as dt
import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.records import Arm, OrderKind
from recommender.uplift import revenue
from recommender.uplift.revenue import Cell, Exposure, MoneyFact, count_revenue, daily_sums

PARIS = "Europe/Paris"
NOON = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def order(order_id: str, net_minor: int, at: dt.datetime, visitor: str = "") -> MoneyFact:
    return MoneyFact(OrderKind.ORDER, order_id, net_minor, at, visitor)


def refund(order_id: str, net_minor: int, at: dt.datetime) -> MoneyFact:
    return MoneyFact(OrderKind.REFUND, order_id, net_minor, at, "")


def count(facts: list[MoneyFact], exposures: dict[str, Exposure], **more: Any) -> revenue.Revenue:
    arguments = {"links": {}, "order_cap_minor": 0, "timezone": PARIS} | more
    return count_revenue(facts, exposures, **arguments)


def cell(day: int, arm: Arm = Arm.TREATMENT, stratum: int = 1) -> Cell:
    return Cell(dt.date(2027, 3, day), stratum, arm)


TREATED = {"a": Exposure(1, Arm.TREATMENT, NOON)}


def test_squares_grow_by_what_the_visitor_has_spent_so_far() -> None:
    facts = [order("1", 300, NOON, "a"), order("2", 400, NOON + DAY, "a")]
    growth = count(facts, TREATED).growth
    assert growth[cell(1)].revenue_squares == 300**2
    # (300 + 400)² − 300² = 490,000 − 90,000
    assert growth[cell(2)].revenue_squares == 400_000
    assert (growth[cell(1)].converted, growth[cell(2)].converted) == (1, 0)
    assert (growth[cell(1)].orders, growth[cell(2)].orders) == (1, 1)


def test_a_refund_counts_on_the_day_it_was_made() -> None:
    facts = [order("1", 300, NOON, "a"), refund("1", 100, NOON + 3 * DAY)]
    growth = count(facts, TREATED).growth
    assert growth[cell(1)].revenue_minor == 300
    assert growth[cell(4)].revenue_minor == -100
    # 200² − 300² = 40,000 − 90,000
    assert growth[cell(4)].revenue_squares == -50_000
    assert growth[cell(4)].orders == 0


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
    result = count(facts, TREATED, order_cap_minor=cap)
    assert sum(growth.revenue_minor for growth in result.growth.values()) == left
    assert result.counted[0].value_minor == left


def test_a_refund_dated_before_its_order_comes_off_on_the_orders_day() -> None:
    facts = [order("1", 300, NOON + DAY, "a"), refund("1", 300, NOON)]
    growth = count(facts, TREATED).growth
    assert list(growth) == [cell(2)]
    assert growth[cell(2)].revenue_minor == 0


def test_what_counts_in_no_arm_is_told_with_its_reason() -> None:
    facts = [
        order("1", 100, NOON - dt.timedelta(seconds=1), "a"),
        order("2", 200, NOON),
        order("3", 400, NOON, "stranger"),
        refund("4", 800, NOON),
        order("5", 1_600, NOON, "a"),
    ]
    result = count(facts, TREATED)
    assert {reason: (e.orders, e.revenue_minor) for reason, e in result.excluded.items()} == {
        revenue.BEFORE_EXPOSURE: (1, 100),
        revenue.NO_VISITOR: (1, 200),
        revenue.NOT_EXPOSED: (1, 400),
        revenue.UNKNOWN_ORDER: (1, -800),
    }
    assert [counted.order_id for counted in result.counted] == ["5"]


def test_the_browser_links_an_order_that_names_no_visitor() -> None:
    facts = [order("1", 100, NOON), order("2", 200, NOON, "a")]
    exposures = TREATED | {"b": Exposure(1, Arm.CONTROL, NOON)}
    result = count(facts, exposures, links={"1": "b", "2": "b"})
    arms = {counted.order_id: counted.arm for counted in result.counted}
    # The shop's own word about order 2 goes before the browser's.
    assert arms == {"1": Arm.CONTROL, "2": Arm.TREATMENT}


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
    assert list(count(facts, TREATED, timezone=timezone).growth) == [cell(day)]


def test_visitors_and_revenue_meet_in_one_sorted_table() -> None:
    result = count([order("1", 300, NOON + DAY, "a")], TREATED)
    rows = daily_sums({cell(1): 5, cell(1, Arm.CONTROL): 4}, result)
    assert [(row.day.day, row.arm, row.visitors, row.revenue_minor) for row in rows] == [
        (1, Arm.CONTROL, 4, 0),
        (1, Arm.TREATMENT, 5, 0),
        (2, Arm.TREATMENT, 0, 300),
    ]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[MoneyFact], dict[str, Exposure]]:
    hours = st.integers(0, 24 * 40)
    exposures = {
        visitor: Exposure(
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
    return facts, exposures


@given(histories(), st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(
    history: tuple[list[MoneyFact], dict[str, Exposure]], cap: int, rng: random.Random
) -> None:
    facts, exposures = history
    shuffled = rng.sample(facts, len(facts))
    one = count(facts, exposures, order_cap_minor=cap)
    other = count(shuffled, exposures, order_cap_minor=cap)
    assert one.growth == other.growth
    assert one.excluded == other.excluded


@given(histories(), st.integers(0, 10**6))
def test_sums_are_those_of_the_visitors(
    history: tuple[list[MoneyFact], dict[str, Exposure]], cap: int
) -> None:
    facts, exposures = history
    result = count(facts, exposures, order_cap_minor=cap)
    spent: dict[str, int] = defaultdict(int)
    for counted in result.counted:
        spent[counted.visitor] += counted.value_minor
    for arm in Arm:
        growths = [growth for cell, growth in result.growth.items() if cell.arm is arm]
        own = [visitor for visitor in spent if exposures[visitor].arm is arm]
        assert sum(g.revenue_minor for g in growths) == sum(spent[v] for v in own)
        assert sum(g.revenue_squares for g in growths) == sum(spent[v] ** 2 for v in own)
        assert sum(g.converted for g in growths) == len(own)
        assert all(spent[visitor] >= 0 for visitor in own)


@given(histories(), st.integers(0, 10**6), st.integers(0, 40))
def test_a_day_depends_on_nothing_later(
    history: tuple[list[MoneyFact], dict[str, Exposure]], cap: int, days: int
) -> None:
    facts, exposures = history
    last = dt.date(2027, 3, 1) + days * DAY
    known = [fact for fact in facts if revenue.local_day(fact.placed_at, PARIS) <= last]
    early = count(known, exposures, order_cap_minor=cap)
    late = count(facts, exposures, order_cap_minor=cap)
    assert early.growth == {cell: g for cell, g in late.growth.items() if cell.day <= last}
