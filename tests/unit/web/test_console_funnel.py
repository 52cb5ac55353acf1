"""The billed line beside the band."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money_world import CONTRACT, contract, evidence, shop_month
from recommender.billing.bill_lines import fee
from recommender.billing.evidence import Billed
from recommender.billing.months import Month
from recommender.records import RateTier
from recommender.web.console_funnel import Funnel, draw_funnel, signed, value_of_fee

TIERED = contract(tiers=(RateTier(1_000_000, 800), RateTier(5_000_000, 500)))


def two_months(first: int, second: int) -> Funnel:
    """600 against 500 buyers of 100.00 among 5,000 visitors each, in January and in February."""
    sums = [*shop_month(dt.date(2027, 1, 10)), *shop_month(dt.date(2027, 2, 10))]
    facts = evidence(
        sums, dt.date(2027, 2, 28), billed=[Billed(Month(2027, 1), first)], terms=CONTRACT
    )
    return draw_funnel(facts, second)


def test_the_billed_line_stands_where_the_bills_are_worth_it() -> None:
    """Baseline 50,000.00 a month. 500.00 at 10 % pay for 5,000.00 of it: 10 %. In February 250.00
    more: 7,500.00 of 100,000.00, 7.5 %.
    """
    january, february = two_months(50_000, 25_000).months
    assert (january.due, january.billed, january.paid_for) == (
        "500.00 EUR",
        "500.00 EUR",
        "+10.0\u00a0%",
    )
    assert (february.due, february.billed, february.paid_for) == (
        "250.00 EUR",
        "750.00 EUR",
        "+7.5\u00a0%",
    )
    assert february.estimate == "+20.0\u00a0%"  # 600 of 500 buyers


def test_marks_fall_where_the_axis_says() -> None:
    chart = two_months(50_000, 25_000).charts["wide"]
    ticks = {tick.label: tick.at for tick in chart.y_ticks}
    per_cent = (chart.zero - ticks["+20 %"]) / 20
    first, second = chart.marks
    assert chart.zero - first.y == pytest.approx(10 * per_cent, abs=0.2)
    assert chart.zero - second.y == pytest.approx(7.5 * per_cent, abs=0.2)
    assert second.x == chart.right


def test_a_credit_note_is_marked_and_told() -> None:
    funnel = two_months(50_000, -20_000)
    assert funnel.has_credits
    assert [mark.is_credit for mark in funnel.charts["narrow"].marks] == [False, True]
    assert [month.is_credit for month in funnel.months] == [False, True]
    assert funnel.months[1].billed == "300.00 EUR"


def test_nothing_billed_draws_no_line() -> None:
    funnel = two_months(0, 0)
    assert not funnel.has_bills
    assert funnel.charts["wide"].marks == []
    assert funnel.months[0].paid_for == "–"


def test_one_day_is_a_table_without_a_chart() -> None:
    funnel = draw_funnel(evidence(shop_month(), dt.date(2027, 1, 31)), 0)
    assert funnel.charts == {}
    assert [month.month for month in funnel.months] == ["January 2027"]


@given(st.integers(0, 10**9))
def test_the_value_of_a_fee_is_the_smallest_that_costs_it(fee_minor: int) -> None:
    value_minor = value_of_fee(TIERED, fee_minor)
    assert fee(TIERED, value_minor) >= fee_minor
    assert value_minor == 0 or fee(TIERED, value_minor - 1) < fee_minor


def test_a_contract_without_a_rate_bills_nothing() -> None:
    assert value_of_fee(contract(rate_bps=0), 100) == 0


def test_changes_carry_their_sign() -> None:
    assert [signed(share) for share in (0.0234, -0.0234, 0.0, -0.0001)] == [
        "+2.3\u00a0%",
        "-2.3\u00a0%",
        "0.0\u00a0%",
        "0.0\u00a0%",
    ]
