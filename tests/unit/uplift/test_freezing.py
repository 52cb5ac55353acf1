import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from recommender.errors import InconsistentError
from recommender.records import Arm, DailySum, Stratum
from recommender.uplift.checks import day_facts, failed_aa_days
from recommender.uplift.days import Calendar
from recommender.uplift.facts import make_facts
from recommender.uplift.freezing import FEED_DAYS, DayFacts, FreezeReason, frozen_days
from recommender.uplift.revenue import Cell

FIRST = dt.date(2027, 3, 1)
DAY = dt.timedelta(days=1)
STRATA = [
    Stratum("s", number, "salt", share_ppm, dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    for number, share_ppm in [(1, 500_000), (2, 900_000)]
]
TREATMENT, CONTROL = Arm.TREATMENT, Arm.CONTROL


def day(number: int, treated: int, held: int, stratum: int = 1, **more: object) -> DayFacts:
    facts = DayFacts(
        day=FIRST + (number - 1) * DAY,
        visitors={(stratum, TREATMENT): treated, (stratum, CONTROL): held},
        contaminated={},
    )
    return replace(facts, **more)


def frozen(days: Sequence[DayFacts]) -> dict[int, str]:
    return {(one.day - FIRST).days + 1: one.reason for one in frozen_days(days, STRATA)}


def test_a_torn_day_is_frozen_alone() -> None:
    # χ² = (700 − 500)²/500 · 2 = 160 on the second day; the others are even.
    days = [day(1, 500, 500), day(2, 700, 300), day(3, 500, 500), day(4, 505, 495)]
    assert frozen(days) == {2: "split-of-day"}


def test_an_arm_without_visitors_counts() -> None:
    # Of 20 visitors 10 are expected: χ² = 20, p = 8e-6.
    assert frozen([day(1, 20, 0)]) == {1: "split-of-day"}
    assert frozen([replace(day(1, 0, 0), visitors={(1, TREATMENT): 20})]) == {1: "split-of-day"}


def test_a_few_visitors_say_nothing() -> None:
    # At 10 % holdout 49 visitors let expect 4.9 in control: too few for χ².
    assert frozen([day(1, 0, 49, stratum=2)]) == {}
    assert frozen([day(1, 0, 51, stratum=2)]) == {1: "split-of-day"}


def test_a_small_lack_shows_in_the_split_so_far_and_freezes_from_then_on() -> None:
    # Each day 530 : 470 is χ² = 3.6 (p = 0.06); n days together are 3.6 n, and 10.83 is p = 0.001.
    days = [day(number, 530, 470) for number in range(1, 6)]
    assert frozen(days) == {4: "split-so-far", 5: "split-so-far"}
    assert frozen([*days, day(6, 100, 300)])[6] == "split-of-day"
    mended = [*days, *(day(number, 490, 510) for number in range(6, 10))]
    # Day 6: 3140 : 2860, χ² = 13.1; day 7: 3630 : 3370, χ² = 9.7.
    assert frozen(mended) == {4: "split-so-far", 5: "split-so-far", 6: "split-so-far"}


def test_strata_are_judged_by_their_own_shares() -> None:
    assert frozen([day(1, 900, 100, stratum=2), day(2, 900, 100, stratum=2)]) == {}
    assert frozen([day(1, 900, 100, stratum=1)]) == {1: "split-of-day"}


def test_a_stratum_that_never_was_stops_the_measurement() -> None:
    with pytest.raises(InconsistentError):
        frozen([day(1, 5, 5, stratum=3)])


def month(orders: int, visitors: int = 100) -> list[DayFacts]:
    half = visitors // 2
    return [day(number, half, half, orders=orders) for number in range(1, FEED_DAYS + 1)]


@pytest.mark.parametrize(
    ("usual_orders", "visitors", "is_frozen"),
    [
        (11, 100, True),
        (11, 50, True),
        (11, 48, False),  # the shop itself was nearly closed
        (10, 100, False),  # a day without orders may be chance
    ],
)
def test_a_day_without_orders_is_frozen_where_there_are_many_as_a_rule(
    usual_orders: int, visitors: int, is_frozen: bool
) -> None:
    days = [*month(usual_orders), day(29, visitors // 2, visitors // 2, orders=0)]
    assert frozen(days) == ({29: "no-orders"} if is_frozen else {})


def test_one_order_is_a_working_feed() -> None:
    assert frozen([*month(50), day(29, 50, 50, orders=1)]) == {}


def test_days_before_the_contract_tell_what_is_usual_and_are_not_frozen() -> None:
    before = [replace(one, visitors={}) for one in month(50)]
    assert frozen([*before, day(29, 50, 50), replace(day(30, 0, 0), visitors={})]) == {
        29: "no-orders"
    }


def test_too_many_unlinked_orders() -> None:
    assert frozen([day(1, 50, 50, orders=20, unlinked=11)]) == {1: "unlinked-orders"}
    assert frozen([day(1, 50, 50, orders=20, unlinked=10)]) == {}
    assert frozen([day(1, 50, 50, orders=19, unlinked=19)]) == {}


def test_too_many_persons_in_both_arms_so_far() -> None:
    def of(number: int, persons: int) -> DayFacts:
        return day(number, 50, 50, contaminated={1: persons})

    # 10 of 100, 21 of 200, 21 of 300
    assert frozen([of(1, 10), of(2, 11), of(3, 0)]) == {2: "contaminated"}
    assert frozen([day(1, 49, 50, contaminated={1: 90})]) == {}


def test_a_failed_aa_check_freezes_its_days() -> None:
    assert frozen([day(1, 50, 50), day(2, 50, 50, aa_excludes_zero=True)]) == {2: "aa-failed"}


def test_each_frozen_day_tells_its_numbers_once() -> None:
    (one,) = frozen_days([day(1, 700, 300, aa_excludes_zero=True)], STRATA)
    assert one.reason is FreezeReason.SPLIT_OF_DAY
    assert "700" in one.detail
    assert "300" in one.detail


def aa_sums(treated: int, held: int) -> list[DailySum]:
    """One day: 1,000 visitors an arm, so many of whom bought for 10.00."""
    return [
        DailySum(FIRST, 1, arm, 1_000, n, n, n * 1_000, n * 1_000**2)
        for arm, n in [(CONTROL, held), (TREATMENT, treated)]
    ]


def test_the_aa_check_fires_on_a_difference_beyond_chance() -> None:
    assert failed_aa_days(aa_sums(300, 100), n_star=2_000) == {FIRST}
    assert failed_aa_days(aa_sums(110, 100), n_star=2_000) == set()
    assert failed_aa_days(aa_sums(300, 29), n_star=2_000) == set()
    assert failed_aa_days([], n_star=2_000) == set()


def test_facts_of_days_begin_before_the_first_day() -> None:
    calendar = Calendar(FIRST, FIRST + DAY, "Europe/Paris")
    noon = dt.datetime(2027, 3, 1, 12, tzinfo=dt.UTC)
    rows = [
        ("order", "1", 5, noon - 100 * DAY, "v"),  # before all days
        ("order", "2", 5, noon - FEED_DAYS * DAY, ""),
        ("order", "3", 5, noon, "v"),
        ("order", "4", 5, noon, ""),
        ("refund", "4", 5, noon, ""),
    ]
    visitors = {Cell(FIRST, 1, CONTROL): 7}
    days = day_facts(visitors, {FIRST: {1: 2}}, make_facts(rows), calendar, [FIRST + DAY])
    assert [one.day for one in days] == [FIRST + i * DAY for i in range(-FEED_DAYS, 2)]
    assert (days[0].orders, days[0].unlinked) == (1, 1)
    today = days[FEED_DAYS]
    assert (today.orders, today.unlinked, dict(today.contaminated)) == (2, 1, {1: 2})
    assert dict(today.visitors) == {(1, CONTROL): 7}
    assert days[-1].aa_excludes_zero
    assert sum(one.orders for one in days) == 3


def test_freezing_biases_nothing() -> None:
    """Visitors get lost in the treatment on some days, by a fault that knows no revenue.

    Whatever the rules freeze, arms without an effect have the same revenue per visitor on the days
    that are left; a rule that looked at revenue would not leave that.
    """
    rng = np.random.default_rng(7)
    differences, n_frozen = [], 0
    for _ in range(400):
        days, spent = [], {}
        for number in range(1, 15):
            left = 0.4 if number % 5 == 0 else 0.95
            treated, held = int(rng.binomial(60, left)), int(rng.binomial(60, 0.95))
            days.append(day(number, treated, held))
            revenue = rng.poisson([3.0 * treated, 3.0 * held])
            spent[days[-1].day] = (*revenue, treated, held)
        gone = {one.day for one in frozen_days(days, STRATA)}
        n_frozen += len(gone)
        kept = np.array([row for one, row in spent.items() if one not in gone]).sum(axis=0)
        differences.append(kept[0] / kept[2] - kept[1] / kept[3])
    standard_error = np.std(differences) / len(differences) ** 0.5
    assert n_frozen > 400
    assert abs(np.mean(differences)) < 4 * standard_error
    assert standard_error < 0.01
