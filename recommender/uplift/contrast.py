"""Two arms' moments → difference with its standard error. Pure.

A metric is a mean, or a ratio of two means; a covariate makes it more precise; strata are compared
one by one and put together by the treated units. All are the same few lines: a smooth function of
means, whose variance is gradient × covariance × gradient.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.uplift.moments import Moments

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """What the numbers of a unit mean: value, then denominator, then covariate.

    Attributes:
        has_denominator: The metric is Σ value ÷ Σ denominator.
        has_covariate: The last number was known before the assignment.
    """

    has_denominator: bool
    has_covariate: bool

    def value(self, mean: Floats) -> float:
        """Return the metric at some means; nan when the denominator is 0."""
        if not self.has_denominator:
            return float(mean[0])
        return float(mean[0] / mean[1]) if mean[1] else float("nan")

    def gradient(self, mean: Floats) -> Floats:
        """Return the metric's derivative by each mean.

        Source: Deng, Knoblich & Lu 2018, the delta method: ∂(y/d) = (1/d, −y/d²).
        """
        slope = np.zeros(len(mean))
        if self.has_denominator:
            slope[:2] = 1 / mean[1], -mean[0] / mean[1] ** 2
        else:
            slope[0] = 1
        return slope


@dataclass(frozen=True, slots=True)
class Contrast:
    """One arm against the control.

    Attributes:
        n: Units of both arms that were compared.
        treated: Metric of the arm.
        baseline: Metric of the control, its strata weighted as the arm's.
        difference: Of the two; with a covariate, adjusted by it.
        treated_variance: Variance of the arm's side; None where an arm has a single unit.
        theta: Weight of the covariate; None without one.
        variance_kept_share: Variance of the difference as a share of the one without covariate.
        strata_left_out: Strata in which an arm has fewer than two units.
        units_left_out: Units of both arms in them.
    """

    n: int
    treated: float
    baseline: float
    difference: float
    treated_variance: float | None
    baseline_variance: float | None
    theta: float | None = None
    variance_kept_share: float | None = None
    strata_left_out: int = 0
    units_left_out: int = 0

    @property
    def variance(self) -> float | None:
        """Return the variance of the difference."""
        if self.treated_variance is None or self.baseline_variance is None:
            return None
        return self.treated_variance + self.baseline_variance

    @property
    def relative_uplift(self) -> float | None:
        """Return the difference as a share of the baseline; None when that is 0."""
        return self.difference / self.baseline if self.baseline else None

    @property
    def relative_error(self) -> float | None:
        """Return the standard error of the relative uplift.

        Source: Deng, Knoblich & Lu 2018: Var ≈ v_t/b² + v_b t²/b⁴; with a covariate the variances
        are the adjusted ones and the means are not, as GrowthBook has it.
        """
        if self.treated_variance is None or self.baseline_variance is None or not self.baseline:
            return None
        share = self.treated / self.baseline
        spread = self.treated_variance + self.baseline_variance * share**2
        return float(spread**0.5 / abs(self.baseline))


def contrast(arm: Moments, control: Moments, metric: Metric) -> Contrast:
    """Compare an arm with the control.

    Args:
        arm: One cell a stratum.
        control: The same strata.
    """
    usable = (arm.n >= 2) & (control.n >= 2)
    met = (arm.n > 0) | (control.n > 0)
    if not usable.any():
        return _single(arm, control, metric)
    left_out = met & ~usable
    arm_used, control_used = arm.pick(usable), control.pick(usable)
    weights = arm_used.n / arm_used.n.sum()
    sides = [_weighted(side, weights) for side in (arm_used, control_used)]
    theta = _theta(arm_used, control_used, metric) if metric.has_covariate else None
    (treated, treated_variance), (baseline, baseline_variance) = (
        _side(*side, metric, theta or 0.0) for side in sides
    )
    moved = (theta or 0.0) * float(sides[0][0][-1] - sides[1][0][-1]) if theta else 0.0
    plain = sum(_side(*side, metric, 0.0)[1] for side in sides)
    kept = (treated_variance + baseline_variance) / plain if plain > 0 else 1.0
    return Contrast(
        n=int(arm_used.n.sum() + control_used.n.sum()),
        treated=treated,
        baseline=baseline,
        difference=treated - baseline - moved,
        treated_variance=treated_variance,
        baseline_variance=baseline_variance,
        theta=theta,
        variance_kept_share=kept if metric.has_covariate else None,
        strata_left_out=int(left_out.sum()),
        units_left_out=int((arm.n + control.n)[left_out].sum()),
    )


def _single(arm: Moments, control: Moments, metric: Metric) -> Contrast:
    """Return the difference of arms too small for a variance."""
    treated, baseline = (metric.value(side.pooled(0).mean) for side in (arm, control))
    n = int(arm.n.sum() + control.n.sum())
    return Contrast(n, treated, baseline, treated - baseline, None, None)


def _weighted(side: Moments, weights: Floats) -> tuple[Floats, Floats]:
    """Return the weighted means and their covariance matrix, Σ w² s²/n."""
    spread = (weights**2 / (side.n * (side.n - 1)))[:, None, None] * side.products
    return (weights[:, None] * side.mean).sum(0), spread.sum(0)


def _side(mean: Floats, covariance: Floats, metric: Metric, theta: float) -> tuple[float, float]:
    """Return the metric, and the variance of metric − θ × covariate."""
    slope = metric.gradient(mean)
    if theta:
        slope[-1] -= theta
    return metric.value(mean), max(0.0, float(slope @ covariance @ slope))


def _theta(arm: Moments, control: Moments, metric: Metric) -> float:
    """Return the covariate's weight, from both arms together within each stratum.

    Source: Deng, Xu, Kohavi & Walker 2013, θ = cov(x, y) / var(x), for a ratio with y linearised.
    As in GrowthBook the deviations are from the joint mean of the two arms.
    """
    cells = Moments(
        *(np.stack([one, other]) for one, other in zip(_parts(arm), _parts(control), strict=True))
    )
    joint = cells.pooled(0)
    products = joint.products.sum(0)
    if products[-1, -1] <= 0:
        return 0.0
    slope = metric.gradient(joint.pooled(0).mean)
    return float(slope @ products[:, -1] / products[-1, -1])


def _parts(side: Moments) -> tuple[Floats, Floats, Floats, Floats]:
    return side.n, side.nonzero, side.mean, side.products
