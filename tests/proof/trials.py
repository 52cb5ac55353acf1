"""Simulated trials: real customers, two arms, two years of monthly looks.

A look sees what the service sees: for each stratum and arm the visitors so far, and the sums and
squares of what each of them has spent so far, so that a customer who comes back is one unit.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from proof.markets import MONTHS, Floats, Market

SEASON = np.tile([0.95, 0.85, 0.9, 0.9, 0.95, 1.0, 1.05, 0.8, 0.95, 1.0, 1.35, 1.3], 2)
TREATED, HELD = 0, 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How a shop's trial goes.

    Attributes:
        visitors: New visitors a month.
        effect: How much more likely a treated visitor is to become a customer.
        calibration_months: Months at one half, a stratum of their own.
        holdout: Share of the control afterwards.
    """

    visitors: int
    effect: float = 0.0
    calibration_months: int = 3
    holdout: float = 0.1

    @property
    def by_month(self) -> NDArray[np.int64]:
        """Return the visitors of each month."""
        return np.round(self.visitors * SEASON / SEASON.mean()).astype(np.int64)

    @property
    def stratum(self) -> NDArray[np.int64]:
        """Return the stratum of each month."""
        return (np.arange(MONTHS) >= self.calibration_months).astype(np.int64)

    @property
    def shares(self) -> Floats:
        """Return the treatment share of each stratum."""
        return np.array([0.5, 1 - self.holdout])

    @property
    def n_star(self) -> int:
        """Return the visitors expected in twelve months, as a contract fixes it."""
        return 12 * self.visitors


@dataclass(frozen=True, slots=True)
class Looks:
    """What each monthly look sees, shape (trials, strata, arms, months), sums so far.

    Attributes:
        spent, squares: Σ and Σ² of what visitors have spent.
        before, before_squares, products: Σx, Σx², Σxy with x what was spent the year before.
        monthly_squares: Σ² if each month of a visitor counted as another visitor.
        true: Minor units that treated visitors have spent because they were, expected; shape
            (trials, months).
    """

    plan: Plan
    visitors: Floats
    buyers: Floats
    spent: Floats
    squares: Floats
    before: Floats
    before_squares: Floats
    products: Floats
    monthly_squares: Floats
    true: Floats


def simulate(market: Market, plan: Plan, trials: int, random: np.random.Generator) -> Looks:
    """Run trials with customers drawn from the market."""
    months = plan.by_month
    treated = random.binomial(months, plan.shares[plan.stratum], (trials, MONTHS))
    arrived = np.stack([treated, months - treated], axis=2)
    chance = np.array([market.share * (1 + plan.effect), market.share])
    buyers = random.binomial(arrived, chance)
    sums = np.zeros((7, trials, 2, 2, MONTHS))
    _draw(random, market.spent, market.before, plan.stratum, buyers, sums)
    visitors = np.zeros((trials, 2, 2, MONTHS))
    for month, stratum in enumerate(plan.stratum):
        visitors[:, stratum, :, month:] += arrived[:, month, :, None]
    true = np.zeros((trials, MONTHS))
    grown = market.spent.mean(0)
    for month in range(MONTHS):
        extra = treated[:, month] * market.share * plan.effect
        true[:, month:] += extra[:, None] * grown[: MONTHS - month]
    return Looks(plan, visitors, *sums, true)


@numba.njit(cache=False)  # type: ignore[misc]
def _draw(random, spent, before, stratum, buyers, sums):  # type: ignore[no-untyped-def]
    """Add up what each drawn customer has spent by each look."""
    trials, months, arms = buyers.shape
    cohort = np.zeros((7, months))
    for trial in range(trials):
        for month in range(months):
            for arm in range(arms):
                cohort[:] = 0
                left = months - month
                for _ in range(buyers[trial, month, arm]):
                    _add_customer(random.integers(0, len(before)), left, spent, before, cohort)
                sums[:, trial, stratum[month], arm, month:] += cohort[:, :left]


@numba.njit(cache=False)  # type: ignore[misc]
def _add_customer(who, months, spent, before, cohort):  # type: ignore[no-untyped-def]
    x, last, by_month = before[who], 0.0, 0.0
    for age in range(months):
        y = spent[who, age]
        cohort[0, age] += y > 0
        cohort[1, age] += y
        cohort[2, age] += y * y
        by_month += (y - last) ** 2
        cohort[6, age] += by_month
        last = y
    if x > 0:
        for age in range(months):
            cohort[3, age] += x
            cohort[4, age] += x * x
            cohort[5, age] += x * spent[who, age]
