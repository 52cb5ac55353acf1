"""How visitors behave in either arm, each figure with its intervals. Pure.

Every figure is a ratio of two means per visitor: revenue ÷ orders, pages ÷ visits, buyers ÷
visitors. Visitors reach this file as sums, squares and products only; they are exact, and rounding
begins with the square roots.

Source: Deng, Knoblich & Lu 2018 (KDD), equation 1: Var(R) ≈ [s_a² − 2 R s_ab + R² s_b²] / (n b̄²).
Over several strata both arms are weighted by the visitors with recommendations, as the effect on
revenue is. Relative differences get Fieller's interval instead of the delta method's: the two agree
where the control's figure is well known, and only Fieller's excludes 0 when the difference does.

Revenue per visitor is also what is billed: it is the billed estimate, and no second one beside it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from recommender.records import Arm
from recommender.uplift.estimate import Estimate, ratio_interval
from recommender.uplift.interval import fixed_multiplier, sequence_multiplier

Bounds = tuple[float, float]


class MetricName(StrEnum):
    """What is compared."""

    REVENUE_PER_VISITOR = "revenue_per_visitor_minor"
    CONVERSION_RATE = "conversion_rate"
    AVERAGE_BASKET = "average_basket_minor"
    PAGES_PER_VISIT = "pages_per_visit"
    TAIL_REVENUE_SHARE = "tail_revenue_share"


@dataclass(frozen=True, slots=True)
class Pair:
    """Sums over visitors of a, b, a², b² and ab."""

    a: int = 0
    b: int = 0
    aa: int = 0
    bb: int = 0
    ab: int = 0


@dataclass(frozen=True, slots=True)
class Moments:
    """All that the figures of one arm of one stratum need.

    Attributes:
        visitors: Visitors, whether they did anything or not.
        converted: Those who ordered.
        basket: Revenue and orders of each visitor.
        pages: Pages and visits of each visitor.
        tail: Revenue from outside the best-selling fifth of the items, and from all lines with a
            price, of each visitor.
    """

    stratum: int
    arm: Arm
    visitors: int
    converted: int
    basket: Pair
    pages: Pair
    tail: Pair

    def pair(self, name: MetricName) -> Pair:
        """Return the sums behind a figure."""
        n = self.visitors
        match name:
            case MetricName.REVENUE_PER_VISITOR:
                return Pair(self.basket.a, n, self.basket.aa, n, self.basket.a)
            case MetricName.CONVERSION_RATE:
                return Pair(self.converted, n, self.converted, n, self.converted)
            case MetricName.AVERAGE_BASKET:
                return self.basket
            case MetricName.PAGES_PER_VISIT:
                return self.pages
            case MetricName.TAIL_REVENUE_SHARE:
                return self.tail


@dataclass(frozen=True, slots=True)
class Figure:
    """One arm's value; `interval` is the fixed one."""

    value: float
    interval: Bounds


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure in both arms.

    Attributes:
        difference: Treatment less control.
        difference_fixed: Its interval, right for one look.
        difference_sequence: Its interval, right at every look.
        relative: Treatment ÷ control − 1, with intervals; None while they have no bounds.
    """

    name: MetricName
    treatment: Figure
    control: Figure
    difference: float
    difference_fixed: Bounds
    difference_sequence: Bounds
    relative: float | None
    relative_fixed: Bounds | None
    relative_sequence: Bounds | None

    @property
    def direction(self) -> str:
        """Return `up` or `down` once the interval at every look excludes 0, else `same`."""
        low, high = self.relative_sequence or (0, 0)
        return "up" if low > 0 else "down" if high < 0 else "same"


@dataclass(frozen=True, slots=True)
class _Ratio:
    value: Fraction
    variance: Fraction


def compare_metrics(
    moments: Iterable[Moments], *, billed: Estimate | None, alpha: Decimal, n_star: int
) -> list[Metric]:
    """Return every figure that both arms have; strata with a single visitor in an arm tell none.

    Args:
        moments: At most one of each stratum and arm.
        billed: The estimate that is billed; the revenue per visitor is read off it.
        alpha: Error probability of the intervals.
        n_star: Visitors at which the confidence sequence is tightest.
    """
    by_stratum: dict[int, dict[Arm, Moments]] = {}
    for one in moments:
        by_stratum.setdefault(one.stratum, {})[one.arm] = one
    usable = [
        arms
        for arms in by_stratum.values()
        if len(arms) == len(Arm) and all(one.visitors >= 2 for one in arms.values())
    ]
    if not usable:
        return []
    n = sum(one.visitors for arms in usable for one in arms.values())
    fixed, sequence = (
        fixed_multiplier(alpha),
        sequence_multiplier(n, alpha=alpha, n_star=n_star),
    )
    found = []
    for name in MetricName:
        if name is MetricName.REVENUE_PER_VISITOR and billed is not None:
            found.append(_compare(name, *_per_visitor(billed), billed.fixed, billed.sequence))
            continue
        treatment, control = (_ratio(name, usable, arm) for arm in (Arm.TREATMENT, Arm.CONTROL))
        if treatment is not None and control is not None:
            found.append(_compare(name, treatment, control, fixed, sequence))
    return found


def _per_visitor(billed: Estimate) -> tuple[_Ratio, _Ratio]:
    """Return revenue per visitor with recommendations, and what it would have been without."""
    n = sum(stratum.treatment.visitors for stratum in billed.strata)
    return (
        _Ratio(billed.treated_minor / n, billed.treated_variance / n**2),
        _Ratio(billed.baseline_minor / n, billed.baseline_variance / n**2),
    )


def _compare(
    name: MetricName, treatment: _Ratio, control: _Ratio, fixed: Decimal, sequence: Decimal
) -> Metric:
    difference = _Ratio(treatment.value - control.value, treatment.variance + control.variance)
    return Metric(
        name=name,
        treatment=Figure(float(treatment.value), _interval(treatment, fixed)),
        control=Figure(float(control.value), _interval(control, fixed)),
        difference=float(difference.value),
        difference_fixed=_interval(difference, fixed),
        difference_sequence=_interval(difference, sequence),
        relative=float(difference.value / control.value) if control.value > 0 else None,
        relative_fixed=_relative(treatment, control, fixed),
        relative_sequence=_relative(treatment, control, sequence),
    )


def _ratio(name: MetricName, strata: Sequence[Mapping[Arm, Moments]], arm: Arm) -> _Ratio | None:
    """Return a figure of one arm, as if it had the strata's mix of the treatment."""
    a, b, aa, bb, ab = (Fraction(0) for _ in range(5))
    for arms in strata:
        weight, n, pair = arms[Arm.TREATMENT].visitors, arms[arm].visitors, arms[arm].pair(name)
        a += Fraction(weight * pair.a, n)
        b += Fraction(weight * pair.b, n)
        # Variances of the two weighted sums, and their covariance.
        scale = Fraction(weight**2, n * (n - 1))
        aa += scale * (pair.aa - Fraction(pair.a**2, n))
        bb += scale * (pair.bb - Fraction(pair.b**2, n))
        ab += scale * (pair.ab - Fraction(pair.a * pair.b, n))
    if b <= 0:
        return None
    value = a / b
    return _Ratio(value, (aa - 2 * value * ab + value**2 * bb) / b**2)


def _interval(ratio: _Ratio, multiplier: Decimal) -> Bounds:
    margin = float(multiplier) * float(ratio.variance) ** 0.5
    return float(ratio.value) - margin, float(ratio.value) + margin


def _relative(treatment: _Ratio, control: _Ratio, multiplier: Decimal) -> Bounds | None:
    bounds = ratio_interval(
        (treatment.value, treatment.variance), (control.value, control.variance), multiplier
    )
    return None if bounds is None else (float(bounds[0]), float(bounds[1]))


def moments_as_json(moments: Iterable[Moments]) -> list[dict[str, Any]]:
    """Return moments as JSON values; numbers may outgrow 64 bits."""
    return [asdict(one) | {"arm": one.arm.value} for one in moments]


def moments_from_json(told: Iterable[Mapping[str, Any]]) -> tuple[Moments, ...]:
    """Return the moments that `moments_as_json` wrote."""
    pairs = ("basket", "pages", "tail")
    return tuple(
        Moments(**{**one, "arm": Arm(one["arm"])} | {name: Pair(**one[name]) for name in pairs})
        for one in told
    )
