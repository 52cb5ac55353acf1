"""What `uplift analyse` was asked, and how one comparison is told. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from recommender.uplift.contrast import Contrast
from recommender.uplift.estimate import ratio_interval
from recommender.uplift.interval import fixed_multiplier, sequence_multiplier

DEFAULT_N_STAR = 5_000
"""GrowthBook's default, so that results compare; a contract fixes its own."""


@dataclass(frozen=True, slots=True)
class Design:
    """What was agreed before looking.

    Attributes:
        control: Name of the arm the others are compared with.
        alpha: Error probability of the intervals.
        n_star: Units at which the confidence sequence is tightest.
        weights: Arm → weight in the split; arms not named have weight 1.
        cap: A row's value above it counts as the cap; None for none.
        mean_per_row: With a cluster column, whether the metric is the mean of a row or of a unit.
    """

    control: str
    alpha: Decimal
    n_star: int
    weights: Mapping[str, float]
    cap: float | None = None
    mean_per_row: bool = True


def describe(compared: Contrast, design: Design) -> dict[str, Any]:
    """Return the figures of one comparison."""
    variance = compared.variance
    report: dict[str, Any] = {
        "difference": compared.difference,
        "standard_error": None if variance is None else variance**0.5,
        "relative_uplift": compared.relative_uplift,
        "relative_standard_error": compared.relative_error,
    }
    sequence = sequence_multiplier(compared.n, alpha=design.alpha, n_star=design.n_star)
    for kind, multiplier in (("fixed", fixed_multiplier(design.alpha)), ("sequence", sequence)):
        report[f"interval_{kind}"] = _interval(compared, float(multiplier))
        report[f"relative_interval_{kind}"] = _relative_interval(compared, multiplier)
    if compared.theta is not None:
        report |= {
            "theta": compared.theta,
            "variance_kept_share": compared.variance_kept_share,
        }
    if compared.strata_left_out:
        report |= {
            "strata_left_out": compared.strata_left_out,
            "units_left_out": compared.units_left_out,
        }
    return report


def _interval(compared: Contrast, k: float) -> list[float] | None:
    """Return the interval of the difference, None with a single unit in an arm."""
    if compared.variance is None:
        return None
    margin = k * compared.variance**0.5
    return [compared.difference - margin, compared.difference + margin]


def _relative_interval(compared: Contrast, k: Decimal) -> list[float] | None:
    """Return Fieller's interval, which excludes 0 exactly when that of the difference does."""
    if compared.treated_variance is None or compared.baseline_variance is None:
        return None
    baseline = Fraction(compared.baseline)
    interval = ratio_interval(
        (baseline + Fraction(compared.difference), Fraction(compared.treated_variance)),
        (baseline, Fraction(compared.baseline_variance)),
        k,
    )
    return None if interval is None else [float(bound) for bound in interval]
