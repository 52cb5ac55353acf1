"""What can be expected before anybody signs: interval, and chance that a fee is ever due. Pure.

Intervals are planned by formula. The chance of a fee is simulated: each month's estimate is a
normal draw with the planned variance, and the contract's own rule looks at every month's end.
Seasons, returning visitors and tails heavier than the stated variation are left out, so real
intervals are wider rather than narrower.
"""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from recommender.billing.pricing import MIN_BUYERS
from recommender.experiments.design import (
    PLANNED_MONTHS,
    Traffic,
    month_variance,
    schedule,
    smallest_holdout,
    standard_error,
)
from recommender.uplift.interval import fixed_multiplier, sequence_multiplier

HORIZONS = (1, 12, 24)
RUNS = 20_000
SEED = 1
LOOKS = 12
"""Month's ends within the first contract year."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A shop and an offer.

    Attributes:
        revenue_a_visitor_minor: Mean net revenue of a visitor, non-buyers included.
        conversion: Share of visitors that buys.
        uplift: True relative effect to plan for.
        holdout: Share without recommendations after calibration; None takes the recommended one.
        calibration_months: Months with half the visitors held out, at the beginning.
        n_star: Visitors at which the sequence is tightest.
    """

    traffic: Traffic
    revenue_a_visitor_minor: float
    conversion: float
    uplift: float
    rate_bps: int
    policy: str = "gated_midpoint"
    holdout: float | None = None
    calibration_months: int = 3
    alpha: Decimal = Decimal("0.05")
    n_star: int = 0

    @property
    def optimum(self) -> int:
        """Return n*: what was agreed, else the visitors of twelve months."""
        return self.n_star or max(100, round(PLANNED_MONTHS * self.traffic.visitors_a_month))


@dataclass(frozen=True, slots=True)
class Expected:
    """Half widths of the intervals of the relative uplift after some months."""

    months: int
    fixed: float
    sequence: float


@dataclass(frozen=True, slots=True)
class Power:
    """The statement before signature.

    Attributes:
        recommended_holdout: Smallest one whose planned interval stays within the uplift.
        suffices: Whether it does; False where not even the largest does within a year.
        fee_chance: Chance that any fee is due within the first contract year.
        fee_minor: Mean fee of that year over all runs, those without one included.
        fair_minor: What the rate of the true effect would come to.
    """

    holdout: float
    recommended_holdout: float
    suffices: bool
    expected: tuple[Expected, ...]
    fee_chance: float
    fee_minor: int
    fair_minor: int


def power(plan: Plan, *, seed: int = SEED) -> Power:
    """Return what to expect of an offer."""
    recommended, suffices = recommend_holdout(plan)
    holdout = recommended if plan.holdout is None else plan.holdout
    fee_chance, fee_minor, fair_minor = _first_year(plan, holdout, np.random.default_rng(seed))
    return Power(
        holdout=holdout,
        recommended_holdout=recommended,
        suffices=suffices,
        expected=tuple(expect(plan, holdout, months) for months in HORIZONS),
        fee_chance=fee_chance,
        fee_minor=fee_minor,
        fair_minor=fair_minor,
    )


def recommend_holdout(plan: Plan) -> tuple[float, bool]:
    """Return the smallest holdout that suffices for the plan's uplift, and whether it does."""
    return smallest_holdout(
        plan.traffic,
        plan.uplift,
        multiplier=_sequence(plan, PLANNED_MONTHS),
        calibration_months=plan.calibration_months,
    )


def expect(plan: Plan, holdout: float, months: int) -> Expected:
    """Return the planned half widths after some months."""
    error = standard_error(
        plan.traffic, schedule(holdout, months, calibration_months=plan.calibration_months)
    )
    fixed = float(fixed_multiplier(plan.alpha))
    return Expected(months, fixed * error, _sequence(plan, months) * error)


def _sequence(plan: Plan, months: int) -> float:
    visitors = max(1, round(months * plan.traffic.visitors_a_month))
    return float(sequence_multiplier(visitors, alpha=plan.alpha, n_star=plan.optimum))


def _first_year(
    plan: Plan, holdout: float, generator: np.random.Generator
) -> tuple[float, int, int]:
    """Simulate the looks of the first contract year: chance of a fee, its mean, the fair fee."""
    holdouts = np.array(schedule(holdout, LOOKS, calibration_months=plan.calibration_months))
    treated = plan.traffic.visitors_a_month * (1 - holdouts) * plan.revenue_a_visitor_minor
    errors = treated * np.sqrt([month_variance(plan.traffic, one) for one in holdouts])
    draws = generator.standard_normal((RUNS, LOOKS))
    totals = np.cumsum(treated * plan.uplift + errors * draws, axis=1)
    multipliers = np.array([_sequence(plan, month) for month in range(1, LOOKS + 1)])
    lower = np.maximum(0, totals - multipliers * np.sqrt(np.cumsum(errors**2)))
    lower[:, ~_enough_buyers(plan, holdouts)] = 0
    fees = _values(plan.policy, totals, lower) * plan.rate_bps / 10_000
    fair_minor = float(np.sum(treated)) * plan.uplift * plan.rate_bps / 10_000
    paid = fees.max(axis=1) if plan.policy == "proven_minimum" else fees[:, -1]
    return float(np.mean(fees.max(axis=1) > 0)), round(float(paid.mean())), round(fair_minor)


def _enough_buyers(plan: Plan, holdouts: NDArray[np.float64]) -> NDArray[np.bool_]:
    fewer = np.minimum(holdouts, 1 - holdouts) * plan.traffic.visitors_a_month * plan.conversion
    enough: NDArray[np.bool_] = np.cumsum(fewer) >= MIN_BUYERS
    return enough


def _values(
    policy: str, totals: NDArray[np.float64], lower: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the policy takes the rate of at each look; as `pricing.cumulative_target`."""
    if policy == "proven_minimum":
        return lower
    is_open = np.maximum.accumulate(lower > 0, axis=1)
    value = totals if policy == "fair_value" else (totals + lower) / 2
    return np.where(is_open, np.maximum(0, value), 0)
