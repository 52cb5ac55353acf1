import datetime as dt
import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from money_world import CONTRACT, START, STRATUM, buyers, contract, evidence, shop_month
from recommender.billing.evidence import Billed
from recommender.billing.months import Month, months_between
from recommender.billing.pricing import MIN_BUYERS, Bill, Reason, cumulative_target, fee, price
from recommender.records import Arm, Contract, DailySum, Phase, RateTier
from recommender.uplift.freezing import FrozenDay

JANUARY, FEBRUARY = dt.date(2027, 1, 31), dt.date(2027, 2, 28)


def day(month: int, number: int = 1, year: int = 2027) -> dt.date:
    return dt.date(year, month, number)


def test_the_default_policy_by_hand() -> None:
    """5,000 visitors in each arm, baskets of 100.00: 600 orders against 500."""
    # T = 60,000.00 − 50,000.00 = 10,000.00
    # Var = n·s²_t + n²·s²_c/n with s² = p·(1 − p)·10⁸·n/(n − 1) for a share p of buyers:
    #   treated 0.12·0.88; control, at least what both have together, 0.11·0.89 above 0.10·0.90
    variance = 5_000 * (0.12 * 0.88 * 5_000 / 4_999 + 0.11 * 0.89 * 10_000 / 9_999) * 1e8
    # at n = n* = 10,000: ρ² n = −2 ln 0.05 + ln(1 − 2 ln 0.05)
    q = -2 * math.log(0.05) + math.log(1 - 2 * math.log(0.05))
    multiplier = math.sqrt(2 * (q + 1) / q * math.log(math.sqrt(q + 1) / 0.05))
    lower = 1_000_000 - multiplier * math.sqrt(variance)
    assert 0 < lower < 1_000_000
    # At a rate of 100 % the fee is the gain: its margin is rounded up, never down.
    whole = cumulative_target(contract(rate_bps=10_000), shop_month(), through=JANUARY)
    assert whole.proven_minimum_minor == math.floor(lower)

    target = cumulative_target(CONTRACT, shop_month(), through=JANUARY)
    assert target.gate_open
    assert target.best_estimate_minor == 100_000  # a tenth of 10,000.00
    assert target.proven_minimum_minor == math.floor(math.floor(lower) / 10)
    assert target.target_minor == math.floor(math.floor((1_000_000 + math.floor(lower)) / 2) / 10)


def test_the_first_release_took_each_arms_own_variance() -> None:
    first = replace(evidence(shop_month(), JANUARY), schema=1)
    # As above with 0.10·0.90 of the control: the bound is 507.04, a tenth of it 50.70
    assert price(first).target.proven_minimum_minor == 5_070
    assert price(evidence(shop_month(), JANUARY)).target.proven_minimum_minor < 5_070


def test_the_other_policy_bills_the_lower_bound() -> None:
    terms = contract(policy="proven_minimum")
    target = cumulative_target(terms, shop_month(), through=JANUARY)
    assert target.target_minor == target.proven_minimum_minor > 0


def test_nothing_is_due_while_zero_is_possible() -> None:
    bill = price(evidence(shop_month(treated=560), JANUARY))
    assert bill.target.best_estimate_minor == 60_000  # a tenth of 60 × 100.00
    assert (bill.due_minor, bill.reason) == (0, Reason.NOT_PROVEN)
    assert not bill.target.gate_open


def test_nothing_is_due_where_nothing_was_measured() -> None:
    bill = price(evidence([], JANUARY))
    assert (bill.due_minor, bill.reason) == (0, Reason.NOT_PROVEN)
    assert bill.target.estimate is None


def test_a_handful_of_buyers_proves_nothing() -> None:
    """However wide the gap: with few buyers an interval promises more than it can hold."""
    terms = contract(n_star=100)

    def month(count: int) -> list[DailySum]:
        treated = replace(buyers(Arm.TREATMENT, count, count, 20_000), day=START)
        return [treated, buyers(Arm.CONTROL, count, count, 10_000)]

    assert price(evidence(month(MIN_BUYERS - 1), JANUARY, terms=terms)).due_minor == 0
    assert price(evidence(month(MIN_BUYERS), JANUARY, terms=terms)).due_minor > 0


def test_the_gate_stays_open_once_it_was() -> None:
    """January proves an effect; February makes it unsure again: the estimate still counts half."""
    later = shop_month(day(2), treated=440, held=500)
    target = cumulative_target(CONTRACT, [*shop_month(), *later], through=FEBRUARY)
    assert target.gate_open
    assert target.proven_minimum_minor == 0
    # T = 10,000.00 − 6,000.00 = 4,000.00; the bound counts 0; midpoint 2,000.00; a tenth of it
    assert target.target_minor == 20_000
    alone = cumulative_target(contract(starts_on=day(2)), later, through=FEBRUARY)
    assert not alone.gate_open


def test_within_the_year_nothing_is_given_back() -> None:
    worse = [*shop_month(), *shop_month(day(2), treated=440, held=500)]
    january = price(evidence(shop_month(), JANUARY))
    billed = [Billed(Month(2027, 1), january.due_minor)]
    bill = price(evidence(worse, FEBRUARY, billed=billed))
    assert (bill.due_minor, bill.reason) == (0, Reason.CREDIT_TO_COME)
    assert bill.left_minor == 20_000 - january.due_minor


def test_the_yearly_settlement_gives_back() -> None:
    worse = [*shop_month(), *shop_month(day(2), treated=440, held=500)]
    billed = [Billed(Month(2027, 1), 50_000)]
    bill = price(evidence(worse, day(12, 31), billed=billed))
    assert (bill.due_minor, bill.reason) == (20_000 - 50_000, Reason.CREDIT)
    assert bill.billed_minor == 20_000
    # The contract's year, not the calendar's: from July on it ends with June.
    july = contract(starts_on=day(7))
    shifted = [replace(row, day=day(7, 1)) for row in worse]
    december = price(evidence(shifted, day(12, 31), billed=billed, terms=july))
    assert december.reason is Reason.CREDIT_TO_COME
    june = price(evidence(shifted, day(6, 30, 2028), billed=billed, terms=july))
    assert june.reason is Reason.CREDIT


def test_a_month_costs_at_most_its_share_and_the_rest_is_carried() -> None:
    # 0.5 % of the month's 60,000.00 with recommendations
    terms = contract(cap_month_bps=50)
    bill = price(evidence(shop_month(), JANUARY, terms=terms))
    assert (bill.due_minor, bill.cap_minor, bill.reason) == (30_000, 30_000, Reason.CAPPED)
    assert bill.left_minor == bill.target.target_minor - 30_000 > 0
    # February sells nothing: its cap is 0 and the rest waits on.
    february = price(
        evidence(shop_month(), FEBRUARY, billed=[Billed(Month(2027, 1), 30_000)], terms=terms)
    )
    assert (february.due_minor, february.reason) == (0, Reason.CAPPED)
    assert february.left_minor == bill.left_minor


def test_a_year_costs_at_most_its_cap() -> None:
    terms = contract(cap_year_minor=10_000)
    january = price(evidence(shop_month(), JANUARY, terms=terms))
    assert january.due_minor == 10_000
    billed = [Billed(Month(2027, 1), 10_000)]
    later = [*shop_month(), *shop_month(day(2))]
    assert price(evidence(later, FEBRUARY, billed=billed, terms=terms)).due_minor == 0
    next_year = [*shop_month(), *shop_month(day(1, year=2028))]
    bill = price(evidence(next_year, day(1, 31, 2028), billed=billed, terms=terms))
    assert bill.due_minor == 10_000


def test_a_split_that_is_off_freezes_the_bill() -> None:
    sums = [buyers(Arm.CONTROL, 4_500, 450, 10_000), buyers(Arm.TREATMENT, 5_000, 600, 10_000)]
    bill = price(evidence(sums, JANUARY))
    # 250²/4750 × 2 = 26.3, far above 10.83
    assert bill.split[0].mismatch
    assert (bill.due_minor, bill.reason) == (0, Reason.FROZEN)
    # neither is anything given back on figures that nobody can trust
    settled = price(evidence(sums, day(12, 31), billed=[Billed(Month(2027, 1), 10**9)]))
    assert (settled.due_minor, settled.reason) == (0, Reason.FROZEN)


def test_last_click_is_priced_at_the_same_rate() -> None:
    assert price(evidence([], JANUARY, last_click_minor=12_345)).last_click_minor == 1_234


def test_fair_value_bills_the_estimate_behind_the_same_gate() -> None:
    terms = contract(policy="fair_value")
    open_gate = cumulative_target(terms, shop_month(), through=JANUARY)
    assert open_gate.target_minor == open_gate.best_estimate_minor == 100_000
    assert cumulative_target(terms, shop_month(treated=560), through=JANUARY).target_minor == 0


def test_the_proven_minimum_is_never_given_back() -> None:
    terms = contract(policy="proven_minimum")
    worse = [*shop_month(), *shop_month(day(2), treated=440, held=500)]
    bill = price(evidence(worse, day(12, 31), billed=[Billed(Month(2027, 1), 50_000)], terms=terms))
    assert (bill.due_minor, bill.reason) == (0, Reason.HELD)
    # The first release gave it back at the year's end, and its statements are still recomputed.
    first = evidence(worse, day(12, 31), billed=[Billed(Month(2027, 1), 50_000)], terms=terms)
    assert price(replace(first, schema=1)).due_minor == -50_000


def test_a_version_that_ends_settles_and_leaves_the_rest_to_the_next() -> None:
    worse = [*shop_month(), *shop_month(day(2), treated=440, held=500)]
    billed = [Billed(Month(2027, 1), 50_000)]
    facts = evidence(worse, FEBRUARY, billed=billed)
    assert price(facts).reason is Reason.CREDIT_TO_COME
    last = price(replace(facts, ends_on=FEBRUARY))
    assert (last.due_minor, last.reason, last.left_minor) == (-30_000, Reason.CREDIT, 0)
    # What a cap kept back goes on under the next version, whatever that proves.
    next_version = contract(version=2, starts_on=day(3))
    march = evidence(shop_month(day(3), treated=510), day(3, 31), terms=next_version)
    bill = price(replace(march, carried_minor=1_234))
    assert (bill.due_minor, bill.target.gate_open) == (1_234, False)
    assert [(line.kind, line.amount_minor) for line in bill.lines] == [("carried_in", 1_234)]


def test_a_year_costs_at_most_its_share_of_the_years_revenue() -> None:
    # 0.1 % of the year's 60,000.00, then of 120,000.00 with recommendations
    terms = contract(cap_year_bps=10)
    january = price(evidence(shop_month(), JANUARY, terms=terms))
    assert (january.due_minor, january.reason) == (6_000, Reason.CAPPED)
    both = [*shop_month(), *shop_month(day(2))]
    february = price(evidence(both, FEBRUARY, billed=[Billed(Month(2027, 1), 6_000)], terms=terms))
    assert february.due_minor == 6_000


TIERS = (RateTier(100_000, 800), RateTier(300_000, 500))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (100_000, 10_000),  # 10 % of 1,000.00
        (100_100, 10_008),  # and 8 % of 1.00 above
        (300_000, 26_000),  # 100.00 + 8 % of 2,000.00
        (400_000, 31_000),  # and 5 % of 1,000.00
        (-5, 0),
    ],
)
def test_rates_of_tiers_are_marginal(value: int, wanted: int) -> None:
    assert fee(contract(tiers=TIERS), value) == wanted


def test_the_lines_say_what_the_amount_consists_of() -> None:
    terms = contract(rate_bps=1_000, tiers=TIERS, policy="fair_value", licence_month_minor=9_900)
    billed = [Billed(Month(2027, 1), 1_000)]
    bill = price(evidence(shop_month(), FEBRUARY, billed=billed, terms=terms))
    # T = 1,000,000: 10 % of 100,000, 8 % of 200,000, 5 % of 700,000; February sold nothing: cap 0
    assert [(line.kind, line.amount_minor) for line in bill.lines] == [
        ("success_tier", 10_000),
        ("success_tier", 16_000),
        ("success_tier", 35_000),
        ("billed_before", -1_000),
        ("not_billed", -60_000),
        ("licence", 9_900),
    ]
    assert bill.lines[4].parameters == {"reason": "capped"}
    assert (bill.success_minor, bill.due_minor) == (0, 9_900)


def test_fixed_fees_follow_the_days_that_the_contract_governs() -> None:
    # From 22 January on: 10 of 31 days of 310.00, and of a minimum of 620.00
    terms = contract(starts_on=day(1, 22), licence_month_minor=31_000, minimum_month_minor=62_000)
    bill = price(evidence([], JANUARY, terms=terms))
    assert [(line.kind, line.amount_minor) for line in bill.lines] == [
        ("licence", 10_000),
        ("minimum", 10_000),
    ]
    assert bill.lines[0].parameters == {"month_minor": 31_000, "days": 10, "of_days": 31}


def test_the_minimum_counts_the_success_fee_and_takes_no_credit_back() -> None:
    terms = contract(minimum_month_minor=60_000)
    bill = price(evidence(shop_month(), JANUARY, terms=terms))
    assert 50_000 < bill.success_minor < 60_000  # more than half of the best estimate's 1,000.00
    assert bill.due_minor == 60_000
    worse = [*shop_month(), *shop_month(day(2), treated=440, held=500)]
    billed = [Billed(Month(2027, 1), 50_000)]
    credit = price(evidence(worse, day(12, 31), billed=billed, terms=terms))
    assert (credit.success_minor, credit.due_minor) == (-30_000, 30_000)


def test_an_a_a_stretch_proves_nothing() -> None:
    silent = replace(STRATUM, phase=Phase.A_A)
    bill = price(replace(evidence(shop_month(), JANUARY), strata=(silent,)))
    assert bill.target.estimate is None
    assert (bill.due_minor, bill.reason) == (0, Reason.NOT_PROVEN)


@pytest.mark.parametrize(("value", "wanted"), [(9, 0), (10, 1), (19, 1), (-50, 0)])
def test_a_fee_is_rounded_down_and_never_negative(value: int, wanted: int) -> None:
    assert fee(CONTRACT, value) == wanted


# -- properties ---------------------------------------------------------------------------------

days = st.tuples(
    st.integers(0, 13),
    st.integers(500, 3_000),
    st.integers(0, 400),
    st.integers(0, 400),
    st.integers(100, 20_000),
)
terms = st.builds(
    contract,
    rate_bps=st.integers(0, 10_000),
    policy=st.sampled_from(["gated_midpoint", "proven_minimum", "fair_value"]),
    cap_month_bps=st.integers(0, 2_000),
    cap_year_minor=st.integers(0, 10**6),
    cap_year_bps=st.integers(0, 1_000),
    n_star=st.integers(100, 10**6),
    tiers=st.lists(
        st.builds(RateTier, st.integers(1, 10**6), st.integers(0, 10_000)),
        max_size=3,
        unique_by=lambda tier: tier.from_minor,
    ).map(lambda tiers: tuple(sorted(tiers, key=lambda tier: tier.from_minor))),
    licence_month_minor=st.integers(0, 10**5),
    minimum_month_minor=st.integers(0, 10**5),
)


@st.composite
def worlds(draw: st.DrawFn) -> list[DailySum]:
    """Days over 14 months, as many visitors in both arms, effects of any size and direction."""
    rows = []
    for month, visitors, treated, held, basket in draw(st.lists(days, max_size=6)):
        at = dt.date(2027 + month // 12, month % 12 + 1, 1)
        rows.append(buyers(Arm.TREATMENT, visitors, treated, basket, at))
        rows.append(buyers(Arm.CONTROL, visitors, held, basket, at))
    return rows


def run(sums: list[DailySum], contract_terms: Contract) -> list[Bill]:
    """Close every month of 14, one after the other."""
    billed: list[Billed] = []
    bills = []
    for month in months_between(Month(2027, 1), Month(2028, 2)):
        known = [row for row in sums if row.day <= month.last_day]
        bill = price(evidence(known, month.last_day, billed=billed, terms=contract_terms))
        billed.append(Billed(month, bill.success_minor))
        bills.append(bill)
    return bills


@given(worlds(), terms)
def test_a_bill_keeps_its_promises(sums: list[DailySum], contract_terms: Contract) -> None:
    gives_back = contract_terms.policy != "proven_minimum"
    for number, bill in enumerate(run(sums, contract_terms)):
        settles = number % 12 == 11 and gives_back
        assert bill.success_minor >= 0 or settles
        assert bill.success_minor <= bill.cap_minor
        assert bill.billed_minor >= 0
        if bill.success_minor > 0:
            assert bill.billed_minor <= bill.target.target_minor
        assert bill.target.proven_minimum_minor <= bill.target.best_estimate_minor
        assert bill.target.target_minor <= bill.target.best_estimate_minor
        if settles and bill.reason is not Reason.FROZEN:
            assert bill.left_minor >= 0
        fixed_minor = bill.due_minor - bill.success_minor
        assert fixed_minor >= contract_terms.licence_month_minor
        assert bill.due_minor >= contract_terms.minimum_month_minor or settles


@given(terms, st.integers(0, 10**7), st.integers(0, 10**4))
def test_a_fee_has_no_jump_and_never_falls(
    contract_terms: Contract, value_minor: int, more_minor: int
) -> None:
    before, after = fee(contract_terms, value_minor), fee(contract_terms, value_minor + more_minor)
    # Each of at most four tiers rounds down by less than one minor unit.
    assert before <= after <= before + more_minor + 4


@given(worlds(), terms, st.integers(0, 13))
def test_closing_again_changes_nothing(
    sums: list[DailySum], contract_terms: Contract, number: int
) -> None:
    """A month after which nothing happened owes only its fixed fees, and what a cap held back."""
    uncapped = replace(contract_terms, cap_month_bps=10_000, cap_year_minor=0, cap_year_bps=0)
    month = list(months_between(Month(2027, 1), Month(2028, 2)))[number]
    known = [row for row in sums if row.day <= month.last_day]
    first = price(evidence(known, month.last_day, terms=uncapped))
    billed = [Billed(month, first.success_minor)]
    again = price(evidence(known, month.last_day, billed=billed, terms=uncapped))
    if first.reason is Reason.DUE:
        assert (again.success_minor, again.reason) == (0, Reason.NOTHING_NEW)


@given(worlds(), terms, st.sampled_from(range(6)))
def test_a_frozen_day_counts_in_neither_arm(
    sums: list[DailySum], contract_terms: Contract, month: int
) -> None:
    """Without a day's rows the price is that of a shop that was closed on it."""
    gone = dt.date(2027, month + 1, 1)
    left = [row for row in sums if row.day != gone]
    facts = evidence(left, day(6, 30), terms=contract_terms)
    marked = replace(facts, frozen=(FrozenDay(gone, "no-orders", "No order"),))
    assert price(marked) == price(facts)


@given(worlds(), terms, st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(
    sums: list[DailySum], contract_terms: Contract, rng: random.Random
) -> None:
    billed = [Billed(Month(2027, number), number * 7) for number in range(1, 6)]
    straight = evidence(sums, day(6, 30), billed=billed, terms=contract_terms)
    shuffled = evidence(
        rng.sample(sums, len(sums)),
        day(6, 30),
        billed=rng.sample(billed, len(billed)),
        terms=contract_terms,
    )
    assert price(straight) == price(shuffled)


@given(worlds(), terms)
def test_what_comes_later_does_not_count(sums: list[DailySum], contract_terms: Contract) -> None:
    june = day(6, 30)
    early = [row for row in sums if row.day <= june]
    assert cumulative_target(contract_terms, sums, through=june) == cumulative_target(
        contract_terms, early, through=june
    )


@given(worlds(), terms, st.integers(1, 10**5))
def test_more_revenue_without_recommendations_never_raises_the_bill(
    sums: list[DailySum], contract_terms: Contract, extra_minor: int
) -> None:
    """Every visitor of the control spends a little more: the spread stays, the mean rises."""
    richer = [
        replace(
            row,
            revenue_minor=row.revenue_minor + row.visitors * extra_minor,
            revenue_squares=row.revenue_squares
            + 2 * extra_minor * row.revenue_minor
            + row.visitors * extra_minor**2,
        )
        if row.arm is Arm.CONTROL
        else row
        for row in sums
    ]
    through = day(6, 30)
    before = cumulative_target(contract_terms, sums, through=through)
    after = cumulative_target(contract_terms, richer, through=through)
    assert after.target_minor <= before.target_minor
