"""Daily sums → effect with its intervals. Pure.

Totals and variances are exact fractions; only square roots and logarithms are rounded, to 40
decimal digits. Visitors never reach this file, only their sums.

CUPED: what visitors spent before their first exposure, x, predicts part of what they spend after
it, y. x cannot depend on the arm, so the difference of y − θx estimates the same effect, with less
noise. Source: Deng, Xu, Kohavi & Walker 2013 (WSDM), equation 4.
"""

import datetime as dt
import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from recommender.records import Arm, DailySum
from recommender.uplift.interval import PRECISION, fixed_multiplier, sequence_multiplier

Interval = tuple[Decimal, Decimal]


@dataclass(frozen=True, slots=True)
class ArmTotal:
    """One arm of one stratum, all days together; fields as in `DailySum`."""

    visitors: int = 0
    orders: int = 0
    converted: int = 0
    revenue_minor: int = 0
    revenue_squares: int = 0
    covariate_minor: int = 0
    covariate_squares: int = 0
    covariate_products: int = 0

    def __add__(self, other: "ArmTotal | DailySum") -> "ArmTotal":
        return ArmTotal(
            self.visitors + other.visitors,
            self.orders + other.orders,
            self.converted + other.converted,
            self.revenue_minor + other.revenue_minor,
            self.revenue_squares + other.revenue_squares,
            self.covariate_minor + other.covariate_minor,
            self.covariate_squares + other.covariate_squares,
            self.covariate_products + other.covariate_products,
        )

    @property
    def mean(self) -> Fraction:
        """Return the revenue per visitor in minor units."""
        return Fraction(self.revenue_minor, self.visitors)

    @property
    def covariate_mean(self) -> Fraction:
        """Return x̄, what a visitor spent before the first exposure, minor units."""
        return Fraction(self.covariate_minor, self.visitors)

    @property
    def covariate_spread(self) -> Fraction:
        """Return Σ (x − x̄)²."""
        return self.covariate_squares - Fraction(self.covariate_minor**2, self.visitors)

    @property
    def covariance_spread(self) -> Fraction:
        """Return Σ (x − x̄)(y − ȳ)."""
        product = self.covariate_minor * self.revenue_minor
        return self.covariate_products - Fraction(product, self.visitors)

    def variance(self, theta: Fraction = Fraction(0)) -> Fraction:
        """Return the sample variance of y − θx, of the revenue itself by default."""
        spread = self.revenue_squares - Fraction(self.revenue_minor**2, self.visitors)
        if theta:
            spread += theta * (theta * self.covariate_spread - 2 * self.covariance_spread)
        return spread / (self.visitors - 1)


@dataclass(frozen=True, slots=True)
class StratumTotal:
    """Both arms of one stratum."""

    stratum: int
    treatment: ArmTotal
    control: ArmTotal


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the recommendations changed, over all strata.

    Attributes:
        strata: The strata that have two visitors in either arm; the others tell nothing.
        visitors: Visitors of both arms in these strata.
        treated_minor: Σ n_t ȳ_t, what visitors with recommendations spent.
        baseline_minor: Σ n_t (ȳ_c + θ(x̄_t − x̄_c)), what they would have spent without.
        treated_variance: Variance of `treated_minor`, Σ n_t s²_t, given their x.
        baseline_variance: Variance of `baseline_minor`, Σ n_t² s²_c / n_c, given their x.
        fixed: Standard errors the fixed interval reaches.
        sequence: Standard errors the confidence sequence reaches.
        theta: θ of CUPED; 0 without covariates, and then all this is the plain estimate.
        plain_variance: Variance that the effect would have with θ = 0.
    """

    strata: tuple[StratumTotal, ...]
    visitors: int
    treated_minor: Fraction
    baseline_minor: Fraction
    treated_variance: Fraction
    baseline_variance: Fraction
    fixed: Decimal
    sequence: Decimal
    theta: Fraction = Fraction(0)
    plain_variance: Fraction = Fraction(0)

    @property
    def variance_kept_share(self) -> Fraction:
        """Return 1 − R²: the part of the variance that the covariates leave."""
        kept = self.treated_variance + self.baseline_variance
        return kept / self.plain_variance if self.plain_variance else Fraction(1)

    @property
    def incremental_minor(self) -> Fraction:
        """Return T, the revenue the recommendations caused, minor units."""
        return self.treated_minor - self.baseline_minor

    @property
    def relative_uplift(self) -> Fraction | None:
        """Return T as a share of the baseline; None while the control spent nothing."""
        return self.incremental_minor / self.baseline_minor if self.baseline_minor > 0 else None

    @property
    def fewest_buyers(self) -> int:
        """Return the buyers in the arm that has fewer of them."""
        return min(
            sum(stratum.treatment.converted for stratum in self.strata),
            sum(stratum.control.converted for stratum in self.strata),
        )

    def margin_minor(self, multiplier: Decimal) -> Decimal:
        """Return half the width of an interval of T, minor units."""
        with localcontext(PRECISION):
            return multiplier * _decimal(self.treated_variance + self.baseline_variance).sqrt()

    def interval_minor(self, multiplier: Decimal) -> Interval:
        """Return the interval of T, minor units."""
        margin = self.margin_minor(multiplier)
        with localcontext(PRECISION):
            centre = _decimal(self.incremental_minor)
            return centre - margin, centre + margin

    def relative_interval(self, multiplier: Decimal) -> Interval | None:
        """Return the interval of the relative uplift; None while it has no bounds.

        Holds all r for which treated − (1 + r) × baseline is compatible with 0, so it excludes 0
        exactly when the interval of T does. Source: Fieller 1954, J. R. Stat. Soc. B 16.
        """
        return ratio_interval(
            (self.treated_minor, self.treated_variance),
            (self.baseline_minor, self.baseline_variance),
            multiplier,
        )


def estimate(
    sums: Iterable[DailySum],
    *,
    alpha: Decimal,
    n_star: int,
    adjust: bool = True,
    cautious: bool = True,
) -> Estimate | None:
    """Compare the arms within each stratum and add the strata up.

    T = Σ n_t (ȳ_t − ȳ_c − θ(x̄_t − x̄_c)); Var(T) = Σ n_t² (s²_t/n_t + s²_c/n_c), s² being the
    variance of y − θx. Strata are never pooled: a change of shares in a good season would look
    like an effect.

    Args:
        adjust: Whether covariates are used; without them, or when none of them varies, θ is 0.
        cautious: Whether s² of an arm is at least that of both arms together. Baskets have a long
            tail: a small control that missed the large ones looks poor and sure of it
            (docs/decisions/0026, docs/uplift-proof.md). Without it this is the textbook's.

    Returns:
        None while no stratum has two visitors in both arms.
    """
    return estimate_strata(
        total_strata(sums), alpha=alpha, n_star=n_star, adjust=adjust, cautious=cautious
    )


def estimate_over_time(
    sums: Iterable[DailySum], *, alpha: Decimal, n_star: int, most: int
) -> list[tuple[dt.date, Estimate]]:
    """Estimate again at the end of several days, as it would have been read then.

    Args:
        sums: Sorted by day.
        most: Days at most, evenly spread; the last day is always among them.
    """
    by_day = {day: list(rows) for day, rows in itertools.groupby(sums, key=lambda row: row.day)}
    step = -(-len(by_day) // most) or 1
    totals: dict[int, dict[Arm, ArmTotal]] = _empty_totals()
    looks = []
    for number, (day, rows) in enumerate(by_day.items(), start=1):
        _add_days(totals, rows)
        if (len(by_day) - number) % step == 0:
            result = estimate_strata(_pair_arms(totals), alpha=alpha, n_star=n_star)
            if result is not None:
                looks.append((day, result))
    return looks


def estimate_strata(
    totals: Iterable[StratumTotal],
    *,
    alpha: Decimal,
    n_star: int,
    adjust: bool = True,
    cautious: bool = True,
) -> Estimate | None:
    """Estimate from totals; see `estimate`."""
    strata = tuple(
        stratum
        for stratum in totals
        if min(stratum.treatment.visitors, stratum.control.visitors) >= 2
    )
    if not strata:
        return None
    visitors = sum(s.treatment.visitors + s.control.visitors for s in strata)
    theta = pooled_theta(strata) if adjust else Fraction(0)
    treated_variance, baseline_variance = _variances(strata, theta, cautious=cautious)
    return Estimate(
        strata=strata,
        visitors=visitors,
        treated_minor=Fraction(sum(s.treatment.revenue_minor for s in strata)),
        baseline_minor=sum((_baseline(s, theta) for s in strata), Fraction(0)),
        treated_variance=treated_variance,
        baseline_variance=baseline_variance,
        fixed=fixed_multiplier(alpha),
        sequence=sequence_multiplier(visitors, alpha=alpha, n_star=n_star),
        theta=theta,
        plain_variance=sum(_variances(strata, Fraction(0), cautious=cautious), Fraction(0)),
    )


def pooled_theta(strata: Iterable[StratumTotal]) -> Fraction:
    """Return θ = Σ Σ(x − x̄)(y − ȳ) / Σ Σ(x − x̄)², means being those of both arms of a stratum.

    0 while no covariate varies.
    """
    both = [stratum.treatment + stratum.control for stratum in strata]
    spread = sum((total.covariate_spread for total in both), Fraction(0))
    products = sum((total.covariance_spread for total in both), Fraction(0))
    return products / spread if spread else Fraction(0)


def _baseline(stratum: StratumTotal, theta: Fraction) -> Fraction:
    treatment, control = stratum.treatment, stratum.control
    shift = theta * (treatment.covariate_mean - control.covariate_mean)
    return treatment.visitors * (control.mean + shift)


def _variances(
    strata: Iterable[StratumTotal], theta: Fraction, *, cautious: bool
) -> tuple[Fraction, Fraction]:
    treated, baseline = Fraction(0), Fraction(0)
    for stratum in strata:
        treatment, control = stratum.treatment, stratum.control
        # Which baskets a small arm happened to miss lowers its mean and its variance at once.
        least = (treatment + control).variance(theta) if cautious else Fraction(0)
        n = treatment.visitors
        treated += n * max(treatment.variance(theta), least)
        baseline += n**2 * max(control.variance(theta), least) / control.visitors
    return treated, baseline


def total_strata(sums: Iterable[DailySum]) -> list[StratumTotal]:
    """Add up the days of each stratum, empty arms included; oldest stratum first."""
    totals = _empty_totals()
    _add_days(totals, sums)
    return _pair_arms(totals)


def _empty_totals() -> dict[int, dict[Arm, ArmTotal]]:
    return defaultdict(lambda: {arm: ArmTotal() for arm in Arm})


def _add_days(totals: dict[int, dict[Arm, ArmTotal]], sums: Iterable[DailySum]) -> None:
    for row in sums:
        totals[row.stratum][row.arm] += row


def _pair_arms(totals: dict[int, dict[Arm, ArmTotal]]) -> list[StratumTotal]:
    return [
        StratumTotal(stratum, arms[Arm.TREATMENT], arms[Arm.CONTROL])
        for stratum, arms in sorted(totals.items())
    ]


def ratio_interval(
    numerator: tuple[Fraction, Fraction], denominator: tuple[Fraction, Fraction], k: Decimal
) -> Interval | None:
    """Return the interval of numerator ÷ denominator − 1, both given as (value, variance).

    Solves (a − ρ b)² ≤ k² (v_a + ρ² v_b) for ρ; bounded only while b² > k² v_b.
    """
    with localcontext(PRECISION):
        a, variance_a = (_decimal(number) for number in numerator)
        b, variance_b = (_decimal(number) for number in denominator)
        leading = b * b - k * k * variance_b
        if b <= 0 or leading <= 0:
            return None
        # The discriminant is not negative: ρ = a/b always solves the inequality.
        root = (a * a * b * b - leading * (a * a - k * k * variance_a)).max(0).sqrt()
        return (a * b - root) / leading - 1, (a * b + root) / leading - 1


def _decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
