import datetime as dt

import pytest

from recommender.errors import InconsistentError
from recommender.records import Arm, DailySum, Stratum
from recommender.uplift.integrity import check_split, removed_p, split_p

START = dt.datetime(2027, 3, 1, tzinfo=dt.UTC)


def visitors(arm: Arm, count: int, stratum: int = 1) -> DailySum:
    return DailySum(START.date(), stratum, arm, count, 0, 0, 0, 0)


def share(ppm: int, stratum: int = 1) -> Stratum:
    return Stratum("s", stratum, "salt", ppm, START)


def test_chi_square_by_hand() -> None:
    # 900 expected and 870 seen, 100 expected and 130 seen: 900/900 + 900/100 = 10.0;
    # the normal tail beyond √10 = 3.1623 on both sides is 0.00157
    assert split_p([870, 130], [0.9, 0.1]) == pytest.approx(0.00157, abs=1e-5)


def test_billing_freezes_just_beyond_the_published_threshold() -> None:
    # χ² > 10.83 is p < 0.001: a deviation d of 900 : 100 gives d²/900 + d²/100 = d²/90
    held = check_split([visitors(Arm.TREATMENT, 869), visitors(Arm.CONTROL, 131)], [share(900_000)])
    assert not held[0].mismatch  # 31² / 90 = 10.68
    off = check_split([visitors(Arm.TREATMENT, 868), visitors(Arm.CONTROL, 132)], [share(900_000)])
    assert off[0].mismatch  # 32² / 90 = 11.38


def test_an_empty_arm_is_the_worst_mismatch() -> None:
    check = check_split([visitors(Arm.TREATMENT, 500)], [share(900_000)])[0]
    assert (check.treatment, check.control) == (500, 0)
    assert check.mismatch


def test_strata_are_checked_one_by_one() -> None:
    """Two halves that are off in opposite directions would hide each other."""
    sums = [
        visitors(Arm.TREATMENT, 600, 1),
        visitors(Arm.CONTROL, 400, 1),
        visitors(Arm.TREATMENT, 400, 2),
        visitors(Arm.CONTROL, 600, 2),
    ]
    checks = check_split(sums, [share(500_000, 1), share(500_000, 2)])
    assert [check.mismatch for check in checks] == [True, True]


@pytest.mark.parametrize(
    ("counts", "shares", "p"),
    [([0, 0], [0.5, 0.5], 1.0), ([10, 0], [1.0, 0.0], 1.0), ([10, 1], [1.0, 0.0], 0.0)],
)
def test_splits_without_a_question(counts: list[int], shares: list[float], p: float) -> None:
    assert split_p(counts, shares) == p


def test_a_stratum_the_shop_never_had_stops_the_money_path() -> None:
    with pytest.raises(InconsistentError):
        check_split([visitors(Arm.CONTROL, 1, stratum=9)], [share(500_000)])


def test_what_a_rule_took_out_is_compared_with_the_shares_of_its_strata() -> None:
    strata = [share(500_000), share(900_000, 2)]
    taken = [(1, Arm.TREATMENT, 60), (1, Arm.CONTROL, 40), (2, Arm.TREATMENT, 90)]
    # 10 above 50 of 100, and 9 above 81 of 90: 19² / (25 + 8.1) = 10.906; p of χ² = 0.00096
    assert removed_p(taken, strata) == pytest.approx(0.00096, abs=1e-5)
    assert removed_p([(2, Arm.TREATMENT, 90), (2, Arm.CONTROL, 10)], strata) == 1.0
    # Of 19 the variance is below 5, whatever they are.
    assert removed_p([(1, Arm.CONTROL, 19)], strata) == 1.0
