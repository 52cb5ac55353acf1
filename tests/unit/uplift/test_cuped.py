"""The estimate with covariates: against least squares, by hand, and unbiased."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from recommender.records import Arm, DailySum
from recommender.uplift.estimate import Estimate, estimate

DAY = dt.date(2027, 3, 1)
ALPHA = Decimal("0.05")


def row(arm: Arm, x: object, y: object, stratum: int = 1) -> DailySum:
    """All visitors of an arm on one day: what they spent before and after."""
    x, y = np.asarray(x, object), np.asarray(y, object)
    spent = (len(y), sum(y), sum(y * y), sum(x), sum(x * x), sum(x * y))
    return DailySum(DAY, stratum, arm, len(y), len(y), *spent)


def estimated(*rows: DailySum, adjust: bool = True) -> Estimate:
    found = estimate(rows, alpha=ALPHA, n_star=1_000, adjust=adjust, cautious=False)
    assert found is not None
    return found


def test_by_hand() -> None:
    treated = row(Arm.TREATMENT, [0, 2], [10, 16])
    held = row(Arm.CONTROL, [0, 4], [8, 18])
    found = estimated(treated, held)
    # Both arms: x = 0 2 0 4, x̄ = 1.5, y = 10 16 8 18, ȳ = 13; Σ(x−x̄)² = 2.25+0.25+2.25+6.25 = 11
    # Σ(x−x̄)(y−ȳ) = 4.5 + 1.5 + 7.5 + 12.5 = 26
    assert found.theta == Fraction(26, 11)
    # T = n_t (ȳ_t − ȳ_c − θ(x̄_t − x̄_c)) = 2 (13 − 13 − 26/11 · (1 − 2)) = 52/11
    assert found.incremental_minor == Fraction(52, 11)
    assert found.treated_minor == 26
    plain = estimated(treated, held, adjust=False)
    assert (plain.theta, plain.incremental_minor) == (0, 0)
    assert plain.variance_kept_share == 1
    assert found.plain_variance == plain.treated_variance + plain.baseline_variance


def test_equals_the_plain_estimate_when_no_covariate_varies() -> None:
    rows = [
        row(arm, [5] * 4, y)
        for arm, y in [(Arm.CONTROL, [1, 2, 3, 9]), (Arm.TREATMENT, [4, 5, 6, 8])]
    ]
    found, plain = estimated(*rows), estimated(*rows, adjust=False)
    assert found.theta == 0
    assert (found.incremental_minor, found.treated_variance) == (
        plain.incremental_minor,
        plain.treated_variance,
    )


def test_variance_and_theta_agree_with_numbers_of_single_visitors() -> None:
    rng = np.random.default_rng(5)
    x = {arm: rng.integers(0, 5_000, 300) for arm in Arm}
    y = {arm: 2 * x[arm] + rng.integers(0, 3_000, 300) for arm in Arm}
    found = estimated(*(row(arm, x[arm].tolist(), y[arm].tolist()) for arm in Arm))
    all_x, all_y = np.concatenate(list(x.values())), np.concatenate(list(y.values()))
    theta = np.cov(all_x, all_y)[0, 1] / np.var(all_x, ddof=1)
    assert float(found.theta) == pytest.approx(theta, rel=1e-12)
    left = {arm: y[arm] - theta * x[arm] for arm in Arm}
    difference = left[Arm.TREATMENT].mean() - left[Arm.CONTROL].mean()
    assert float(found.incremental_minor) == pytest.approx(300 * difference, rel=1e-9)
    variance = 300 * sum(np.var(values, ddof=1) for values in left.values())
    total = found.treated_variance + found.baseline_variance
    assert float(total) == pytest.approx(variance, rel=1e-9)
    kept = 1 - np.corrcoef(all_x, all_y)[0, 1] ** 2
    assert float(found.variance_kept_share) == pytest.approx(kept, rel=0.02)


def test_one_theta_for_all_strata_from_each_stratums_own_means() -> None:
    """Two strata with y = 3x + level: pooling them across levels would find another slope."""
    rows = []
    for stratum, level in [(1, 0), (2, 10_000)]:
        x = np.array([0, 10, 20, 30]) + level // 100 * (stratum == 2)
        rows += [row(arm, x.tolist(), (3 * x - level).tolist(), stratum) for arm in Arm]
    found = estimated(*rows)
    assert found.theta == 3
    assert found.variance_kept_share == 0


def test_covariates_move_the_estimate_by_chance_only() -> None:
    """200 shops without an effect: with covariates the mean stays 0 and the spread shrinks."""
    rng = np.random.default_rng(11)
    plain, adjusted = [], []
    for _ in range(200):
        rows = []
        for arm in Arm:
            x = rng.poisson(2.0, 200) * 1_000
            y = x // 2 + rng.poisson(1.0, 200) * 500
            rows.append(row(arm, x.tolist(), y.tolist()))
        plain.append(float(estimated(*rows, adjust=False).incremental_minor))
        adjusted.append(float(estimated(*rows).incremental_minor))
    # Var(y) = 0.25 · 2,000,000 + 250,000 = 750,000, of which x explains two thirds.
    assert np.var(adjusted) / np.var(plain) == pytest.approx(1 / 3, rel=0.25)
    assert abs(np.mean(adjusted)) < 4 * np.std(adjusted) / 200**0.5
