"""`uplift.estimate` and `billing.pricing` for many trials at once, in floating point.

`test_pricing_twin.py` holds it against the real functions on random trials.
"""

from dataclasses import dataclass, replace

import numpy as np

from proof.trials import HELD, TREATED, Floats, Looks
from recommender.billing.pricing import MIN_BUYERS
from recommender.uplift.integrity import SRM_LIMIT

RATE_BPS = 1_000
CAP_MONTH_BPS = 1_000
ALPHA = 0.05
Z = 1.959963984540
SUMMED = ("spent", "squares", "before", "before_squares", "products")
CREDITED = {"gated_midpoint": True, "fair_value": True, "proven_minimum": False}
"""Policies, and whether a year's settlement gives back."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """Shape (trials, months).

    Attributes:
        total: Incremental revenue T, minor units.
        error: Its standard error.
        sequence: Standard errors that the confidence sequence reaches.
        kept_share: Variance as a share of that without the covariate.
    """

    total: Floats
    error: Floats
    sequence: Floats
    kept_share: Floats

    def leaves_out(self, truth: Floats | float, multiplier: Floats | float) -> np.ndarray:
        """Tell where the interval does not hold the truth."""
        return np.asarray(np.abs(self.total - truth) > multiplier * self.error)


def estimates(looks: Looks, *, adjust: bool = True, cautious: bool = True) -> Estimates:
    """Do what `estimate` does, for every trial and look."""
    n = looks.visitors
    usable = (n >= 2).all(axis=2)
    safe = np.maximum(n, 2)
    mean = looks.spent / safe
    before = looks.before / safe
    theta = _theta(looks) if adjust else 0.0
    shift = theta * (before[:, :, TREATED] - before[:, :, HELD])
    gain = safe[:, :, TREATED] * (mean[:, :, TREATED] - mean[:, :, HELD] - shift)
    variance = _variance(looks, theta, usable, cautious=cautious)
    plain = _variance(looks, 0.0, usable, cautious=cautious)
    visitors = np.maximum(np.where(usable, n.sum(2), 0).sum(1), 1)
    return Estimates(
        np.where(usable, gain, 0).sum(1),
        np.sqrt(variance),
        sequence_multiplier(visitors, looks.plan.n_star),
        variance / np.where(plain > 0, plain, 1),
    )


def _variance(looks: Looks, theta: Floats | float, usable: np.ndarray, *, cautious: bool) -> Floats:
    """Return Σ n_t² (s²_t / n_t + s²_c / n_c), s² that of y − θx."""
    n = np.maximum(looks.visitors, 2)
    sample = _sample_variance(looks, theta, n)
    if cautious:
        both = replace(
            looks, **{name: getattr(looks, name).sum(2, keepdims=True) for name in SUMMED}
        )
        sample = np.maximum(sample, _sample_variance(both, theta, n.sum(2, keepdims=True)))
    treated = n[:, :, TREATED]
    found = treated * sample[:, :, TREATED] + treated**2 * sample[:, :, HELD] / n[:, :, HELD]
    summed: Floats = np.where(usable, found, 0).sum(1)
    return np.maximum(summed, 0)


def _sample_variance(looks: Looks, theta: Floats | float, n: Floats) -> Floats:
    """Return s² of y − θx, in each stratum, arm and month."""
    theta = np.asarray(theta)[:, :, None] if np.ndim(theta) else theta
    spread = looks.squares - looks.spent**2 / n
    spread = spread + theta**2 * (looks.before_squares - looks.before**2 / n)
    spread = spread - 2 * theta * (looks.products - looks.before * looks.spent / n)
    return np.asarray(spread / (n - 1))


def _theta(looks: Looks) -> Floats:
    """Return θ of each look, pooled over strata; shape (trials, 1, months)."""
    n = np.maximum(looks.visitors.sum(2), 1)
    x, y = looks.before.sum(2), looks.spent.sum(2)
    spread = (looks.before_squares.sum(2) - x**2 / n).sum(1)
    together = (looks.products.sum(2) - x * y / n).sum(1)
    theta: Floats = np.where(spread > 0, together / np.where(spread > 0, spread, 1), 0)
    return theta[:, None, :]


def sequence_multiplier(n: Floats, n_star: int, alpha: float = ALPHA) -> Floats:
    """Do what `interval.sequence_multiplier` does."""
    rho_squared = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / n_star
    q = n * rho_squared
    return np.asarray(np.sqrt(2 * (q + 1) / q * np.log(np.sqrt(q + 1) / alpha)))


def bills(looks: Looks, found: Estimates, policy: str) -> Floats:
    """Do what `price` does month after month; return each month's success fee."""
    total = np.floor(found.total)
    enough = looks.buyers.sum(1).min(axis=1) >= MIN_BUYERS
    lower = np.maximum(total - np.ceil(found.sequence * found.error), 0) * enough
    gate = np.maximum.accumulate(lower > 0, axis=1)
    value = {
        "gated_midpoint": (total + lower) // 2,
        "fair_value": total,
        "proven_minimum": lower,
    }[policy]
    target = _fee(np.where(gate, np.maximum(value, 0), 0))
    treated = looks.spent[:, :, TREATED].sum(1)
    of_month = np.diff(treated, axis=1, prepend=0)
    cap = np.maximum(of_month, 0) * CAP_MONTH_BPS // 10_000
    return _walk(target, cap, split_is_off(looks), gives_back=CREDITED[policy])


def _fee(value: Floats) -> Floats:
    return np.asarray(value * RATE_BPS // 10_000)


def _walk(target: Floats, cap: Floats, frozen: np.ndarray, *, gives_back: bool) -> Floats:
    billed = np.zeros(len(target))
    due = np.zeros_like(target)
    for month in range(target.shape[1]):
        still = target[:, month] - billed
        settles = gives_back and month % 12 == 11
        now = np.where(still >= 0, np.minimum(still, cap[:, month]), still if settles else 0)
        due[:, month] = np.where(frozen[:, month], 0, now)
        billed += due[:, month]
    return due


def split_is_off(looks: Looks) -> np.ndarray:
    """Tell at which looks the split check freezes the bill."""
    from scipy.special import chdtri

    n = looks.visitors
    shares = np.stack([looks.plan.shares, 1 - looks.plan.shares], axis=1)[None, :, :, None]
    expected = n.sum(2, keepdims=True) * shares
    statistic = ((n - expected) ** 2 / np.maximum(expected, 1e-12)).sum(2)
    return np.asarray((statistic > chdtri(1, SRM_LIMIT)).any(1))
