import datetime as dt
import math
from dataclasses import replace

import pytest

from recommender.experiments.design import (
    A_A_DAYS,
    CALIBRATION_WEEKS,
    HOLDOUTS,
    Standing,
    Traffic,
    first_step,
    month_variance,
    next_step,
    schedule,
    smallest_holdout,
    standard_error,
    visitor_squared_cv,
)
from recommender.records import Phase, Stratum

BEGAN_AT = dt.datetime(2027, 1, 4, 9, tzinfo=dt.UTC)
NOTHING = Standing(is_alike=None, gate_open=False, holdout=0.1)


def stratum(phase: Phase) -> Stratum:
    return Stratum("shop_1", 1, "5a17", 500_000, BEGAN_AT, phase)


def after(days: int) -> dt.datetime:
    return BEGAN_AT + dt.timedelta(days=days)


def test_two_percent_of_buyers_make_a_squared_variation_of_99() -> None:
    assert visitor_squared_cv(0.02, 1) == pytest.approx(99)  # (1 + 1) / 0.02 − 1


def test_the_variance_of_a_month_by_hand() -> None:
    # 99 / (50,000 · 0.1 · 0.9) = 0.022; its root 14.8 %, times 1.96 the 29.1 % of a month
    assert month_variance(Traffic(50_000, 99), 0.1) == pytest.approx(0.022)
    # R² of 0.3 and 80 % of the revenue exposed leave 0.56 of it
    traffic = Traffic(50_000, 99, variance_kept_share=0.7, exposed_revenue_share=0.8)
    assert month_variance(traffic, 0.1) == pytest.approx(0.022 * 0.56)


def test_months_of_one_share_add_up_as_one_long_month() -> None:
    traffic = Traffic(10_000, 99)
    year = standard_error(traffic, [0.1] * 12)
    assert year == pytest.approx(math.sqrt(month_variance(replace_visitors(traffic), 0.1)))


def replace_visitors(traffic: Traffic) -> Traffic:
    return replace(traffic, visitors_a_month=12 * traffic.visitors_a_month)


def test_a_month_weighs_by_its_treated_visitors() -> None:
    """One month at 50 % and one at 10 %: weights 0.5 and 0.9 of 1.4."""
    traffic = Traffic(10_000, 99)
    half, tenth = (month_variance(traffic, holdout) for holdout in (0.5, 0.1))
    wanted = math.sqrt(0.5**2 * half + 0.9**2 * tenth) / 1.4
    assert standard_error(traffic, [0.5, 0.1]) == pytest.approx(wanted)


def test_the_schedule_begins_with_calibration() -> None:
    assert schedule(0.1, 5, calibration_months=3) == [0.5, 0.5, 0.5, 0.1, 0.1]
    assert schedule(0.1, 2, calibration_months=3) == [0.5, 0.5]


def test_the_smallest_holdout_that_suffices() -> None:
    """A large shop needs little; a small one is told that nothing suffices."""

    def holdout(visitors: float, uplift: float) -> tuple[float, bool]:
        traffic = Traffic(visitors, 99)
        return smallest_holdout(traffic, uplift, multiplier=3.04, calibration_months=0)

    # At 5 %: 3.04 · √(99 / (12 N · 0.0475)) is 3.27 % for 1.5 million visitors a month
    assert holdout(1_500_000, 0.0328) == (0.05, True)
    assert holdout(1_500_000, 0.0325) == (0.10, True)
    assert holdout(10_000, 0.03) == (HOLDOUTS[-1], False)


def test_an_experiment_begins_with_a_a() -> None:
    step = first_step()
    assert (step.phase, step.treatment_share_ppm) == (Phase.A_A, 500_000)


@pytest.mark.parametrize(
    ("days", "is_alike", "phase"),
    [
        (A_A_DAYS - 1, True, None),
        (A_A_DAYS, True, Phase.CALIBRATION),
        (A_A_DAYS, None, None),
        (2 * A_A_DAYS, None, Phase.CALIBRATION),
        (10 * A_A_DAYS, False, None),
    ],
)
def test_a_a_ends_when_the_arms_are_alike(
    days: int, is_alike: bool | None, phase: Phase | None
) -> None:
    step = next_step(stratum(Phase.A_A), replace(NOTHING, is_alike=is_alike), after(days))
    assert step.phase is phase
    assert step.treatment_share_ppm == (500_000 if phase else 0)


@pytest.mark.parametrize(
    ("days", "gate_open", "phase"),
    [
        (7 * CALIBRATION_WEEKS - 1, False, None),
        (7 * CALIBRATION_WEEKS, False, Phase.RUNNING),
        (1, True, Phase.RUNNING),
    ],
)
def test_calibration_ends_with_a_proof_or_with_its_weeks(
    days: int, gate_open: bool, phase: Phase | None
) -> None:
    standing = replace(NOTHING, gate_open=gate_open, holdout=0.15)
    step = next_step(stratum(Phase.CALIBRATION), standing, after(days))
    assert step.phase is phase
    assert step.treatment_share_ppm == (850_000 if phase else 0)


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.BY_HAND])
def test_nothing_follows_on_the_last_phase_nor_on_a_share_set_by_hand(phase: Phase) -> None:
    assert next_step(stratum(phase), replace(NOTHING, gate_open=True), after(999)).phase is None
