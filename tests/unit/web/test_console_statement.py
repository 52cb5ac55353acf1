"""What a statement's page says, from statements of this release and of the first one."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money_world import STRATUM, buyers, contract, evidence, shop_month
from recommender.billing.evidence import FIRST_SCHEMA, Billed, Evidence
from recommender.billing.months import Month
from recommender.billing.pricing import Reason, price
from recommender.billing.statement import build_statement
from recommender.records import Arm, RateTier
from recommender.uplift.freezing import FreezeReason, FrozenDay
from recommender.uplift.revenue import NO_VISITOR, UNKNOWN_ORDER, Excluded
from recommender.web.console_statement import StatementPage, Step, stand_of, statement_page
from world import SHOP

JANUARY = dt.date(2027, 1, 31)
CLOSED_AT = dt.datetime(2027, 2, 2, 8, tzinfo=dt.UTC)


def body(facts: Evidence) -> dict[str, Any]:
    return build_statement(
        SHOP,
        facts,
        price(facts),
        excluded={NO_VISITOR: Excluded(2, 12_345), UNKNOWN_ORDER: Excluded(1, -500)},
        closed_at=CLOSED_AT,
    )


def page(facts: Evidence) -> StatementPage:
    return statement_page(body(facts), SHOP)


def minor(text: str) -> int:
    """Read "−1,234.50 EUR"."""
    number, _, _ = text.partition("\u00a0")
    return int(Decimal(number.replace(",", "").replace("−", "-")) * 100)


def added_up(steps: Sequence[Step]) -> int:
    """Add the lines between what counts for the fee and what is due."""
    lines = [step for step in steps if step.name not in _NOT_LINES and not step.is_total]
    return sum(minor(step.amount) for step in lines)


_NOT_LINES = {"Best estimate", "Proven minimum", "Counts for the fee"}


def test_the_arithmetic_is_visible() -> None:
    """100 more buyers of 100.00: 10,000.00; the middle with the lower end, times 10 %."""
    shown = page(evidence(shop_month(), JANUARY))
    steps = {step.name: minor(step.amount) for step in shown.steps}
    assert steps["Best estimate"] == 1_000_000
    low, counts = steps["Proven minimum"], steps["Counts for the fee"]
    assert counts == pytest.approx((1_000_000 + low) / 2, abs=1)
    assert steps["Success fee so far"] == counts // 10
    assert steps["Due for this month"] == counts // 10
    assert shown.stand == ("good", "Due")
    assert shown.gain.startswith("Additional revenue so far: 10,000.00\u00a0EUR (between")


amounts = st.integers(0, 300_000)


@given(
    billed=amounts,
    licence=amounts,
    minimum=amounts,
    cap=st.integers(0, 10_000),
    treated=st.integers(400, 700),
)
def test_the_lines_add_up_to_what_is_due(
    billed: int, licence: int, minimum: int, cap: int, treated: int
) -> None:
    terms = contract(
        licence_month_minor=licence,
        minimum_month_minor=minimum,
        cap_month_bps=cap,
        tiers=(RateTier(200_000, 500),),
    )
    sums = shop_month(dt.date(2027, 2, 1), treated=treated)
    facts = evidence(
        sums, dt.date(2027, 2, 28), terms=terms, billed=[Billed(Month(2027, 1), billed)]
    )
    shown = page(facts)
    assert added_up(shown.steps) == minor(shown.steps[-1].amount) == price(facts).due_minor


def test_a_statement_of_the_first_release_reads_as_it_did() -> None:
    facts = replace(evidence(shop_month(), JANUARY), schema=FIRST_SCHEMA)
    told = body(facts)
    assert "lines" not in told["bill"]
    assert "frozen_days" not in told
    shown = statement_page(told, SHOP)
    assert added_up(shown.steps) == told["bill"]["due_minor"]
    assert [step.name for step in shown.steps][-2:] == ["Success fee so far", "Due for this month"]
    assert {check.name: check.verdict for check in shown.checks}["Days left out"] == "told"


def test_four_prices_stand_side_by_side_ours_first() -> None:
    shown = page(evidence(shop_month(), JANUARY, last_click_minor=700_000))
    names = [price.name for price in shown.prices]
    assert names == ["Our bill", "Best estimate", "Proven minimum", "Last click"]
    assert [price.is_ours for price in shown.prices] == [True, False, False, False]
    assert shown.prices[1].amount == "1,000.00\u00a0EUR"  # 10 % of 10,000.00
    assert shown.prices[1].bar == 100.0
    assert shown.prices[3].amount == "700.00\u00a0EUR"
    assert shown.prices[3].bar == 70.0


def test_refunds_that_no_order_goes_with_are_called_refunds() -> None:
    words = [check.text for check in page(evidence(shop_month(), JANUARY)).checks]
    assert any(text.startswith("2 orders, 123.45 EUR: no visitor known") for text in words)
    assert any(text.startswith("1 refund, -5.00 EUR: of orders that were never") for text in words)


def test_every_reason_has_a_mark() -> None:
    stands = {reason: stand_of({"bill": {"reason": reason.value}}) for reason in Reason}
    assert all(words for _, words in stands.values())
    assert stand_of({}) == ("calm", "")


def test_too_few_buyers_are_a_doubt() -> None:
    shown = page(evidence(shop_month(treated=29, held=29), JANUARY))
    assert [(doubt.name, doubt.verdict) for doubt in shown.doubts] == [("Buyers", "few")]
    assert "each group needs 30" in shown.doubts[0].text
    assert shown.steps[2].name == "Counts for the fee"
    assert minor(shown.steps[2].amount) == 0


def test_a_split_that_is_off_is_the_first_thing_told() -> None:
    sums = [
        buyers(Arm.CONTROL, 4_000, 500, 10_000),
        buyers(Arm.TREATMENT, 6_000, 600, 10_000),
    ]
    shown = page(evidence(sums, JANUARY))
    assert shown.stand == ("bad", "Billing is frozen")
    assert [doubt.name for doubt in shown.doubts] == ["Traffic balance"]
    assert "60.00\u00a0% of 10,000 visitors" in shown.doubts[0].text
    assert "50.0\u00a0% were meant to (p < 0.001)" in shown.doubts[0].text


def test_days_left_out_are_named_with_their_reason() -> None:
    frozen = tuple(
        FrozenDay(dt.date(2027, 1, day), FreezeReason.NO_ORDERS, "No order, 300 visitors")
        for day in range(3, 10)
    )
    shown = page(replace(evidence(shop_month(), JANUARY), frozen=frozen))
    check = next(check for check in shown.checks if check.name == "Days left out")
    assert check.text.startswith("3 January 2027, 4 January 2027")
    assert check.text.endswith(
        "and 2 more, of both groups: no order arrived although visitors came"
    )
    assert shown.annex.frozen == frozen


def beside(low_minor: int, high_minor: int) -> dict[str, Any]:
    """What a statement shows beside the bill: visitors whom nothing was shown."""
    found = {
        "visitors": 4_000,
        "uplift_ppm": 10_000,
        "incremental_sequence_minor": [low_minor, high_minor],
        "uplift_sequence_ppm": [-20_000, 40_000],
        "uplift_fixed_ppm": None,
    }
    cuts = [{"kind": kind, "name": "", "estimate": found} for kind in ("untriggered", "trailing")]
    return {"in_both_arms_ppm": 12_300, "on_several_browsers": 1_200, "views": cuts}


@pytest.mark.parametrize(("low_minor", "verdict"), [(-5_000, "good"), (5_000, "bad")])
def test_visitors_whom_nothing_was_shown_must_not_differ(low_minor: int, verdict: str) -> None:
    told = body(evidence(shop_month(), JANUARY)) | {"shown": beside(low_minor, 9_000)}
    shown = statement_page(told, SHOP)
    check = next(check for check in shown.checks if check.name == "Test without recommendations")
    assert check.verdict == verdict
    assert "4,000 visitors" in check.text
    assert [doubt.name for doubt in shown.doubts] == [check.name] * (verdict == "bad")


def test_what_is_shown_beside_the_bill_stands_with_it() -> None:
    told = body(evidence(shop_month(), JANUARY)) | {"shown": beside(-1, 1)}
    shown = statement_page(told, SHOP)
    texts = {check.name: check.text for check in shown.checks}
    assert texts["Met both groups"].startswith("1.23\u00a0% of people")
    assert texts["Seen on several browsers"].startswith("1,200 people")
    statistics = dict(shown.annex.statistics)
    assert statistics["Last quarter, not billed, at every look"] == (
        "+1.00\u00a0%, between -2.00 and +4.00\u00a0%"
    )


def test_orders_that_count_nowhere_are_told() -> None:
    shown = page(evidence(shop_month(), JANUARY))
    check = next(check for check in shown.checks if check.name == "Not counted")
    assert check.text.startswith("2 orders, 123.45 EUR: no visitor known")


def test_anyone_can_redo_the_example_of_the_assignment() -> None:
    """echo -n 5a170123456789abcdef | sha256sum begins with b7b5bdc6."""
    (phase,) = page(evidence(shop_month(), JANUARY)).annex.phases
    assert (phase.salt, phase.share) == (STRATUM.salt, "50\u00a0%")
    assert phase.example == "0xb7b5bdc6 ÷ 2³² = 0.717617 ≥ 0.5: without recommendations"


def test_the_daily_table_sums_earlier_months() -> None:
    days = [dt.date(2027, 1, 5), dt.date(2027, 1, 6), dt.date(2027, 2, 1)]
    sums = [row for day in days for row in shop_month(day)]
    rows = page(evidence(sums, dt.date(2027, 2, 28))).annex.rows
    assert [(row.label, row.is_month) for row in rows] == [("2027-01", True), ("2027-02-01", False)]
    assert rows[0].treatment.visitors == "10,000"
    assert rows[0].treatment.revenue == "120000.00"
    assert rows[1].control.buyers == "500"
