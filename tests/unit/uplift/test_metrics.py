import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recommender.records import Arm
from recommender.uplift.metrics import (
    Metric,
    MetricName,
    Moments,
    Pair,
    compare_metrics,
    moments_as_json,
    moments_from_json,
)

ALPHA = Decimal("0.05")
Whole = NDArray[np.int64]


def pair(a: Whole, b: Whole) -> Pair:
    return Pair(*(int(n) for n in (a.sum(), b.sum(), (a * a).sum(), (b * b).sum(), (a * b).sum())))


def visitors(rng: np.random.Generator, n: int, scale: float, **more: Any) -> dict[str, Whole]:
    orders = rng.binomial(3, 0.2, n)
    revenue = np.round(orders * rng.gamma(2, 1_000 * scale, n)).astype(np.int64)
    visits = 1 + rng.poisson(0.5, n)
    return {
        "orders": orders,
        "revenue": revenue,
        "visits": visits,
        "pages": visits + rng.poisson(2 * scale, n),
        "tail": rng.binomial(revenue, 0.3),
        **more,
    }


def moments_of(people: dict[str, Whole], arm: Arm, stratum: int = 1) -> Moments:
    return Moments(
        stratum=stratum,
        arm=arm,
        visitors=len(people["orders"]),
        converted=int((people["orders"] > 0).sum()),
        basket=pair(people["revenue"], people["orders"]),
        pages=pair(people["pages"], people["visits"]),
        tail=pair(people["tail"], people["revenue"]),
    )


@pytest.fixture
def arms() -> dict[Arm, dict[str, Whole]]:
    rng = np.random.default_rng(3)
    return {Arm.CONTROL: visitors(rng, 800, 1.0), Arm.TREATMENT: visitors(rng, 1_200, 1.2)}


def compared(*moments: Moments) -> dict[MetricName, Metric]:
    found = compare_metrics(moments, billed=None, alpha=ALPHA, n_star=2_000)
    return {metric.name: metric for metric in found}


def columns(people: dict[str, Whole], name: MetricName) -> tuple[Whole, Whole]:
    one = np.ones_like(people["orders"])
    return {
        MetricName.REVENUE_PER_VISITOR: (people["revenue"], one),
        MetricName.CONVERSION_RATE: ((people["orders"] > 0).astype(np.int64), one),
        MetricName.AVERAGE_BASKET: (people["revenue"], people["orders"]),
        MetricName.PAGES_PER_VISIT: (people["pages"], people["visits"]),
        MetricName.TAIL_REVENUE_SHARE: (people["tail"], people["revenue"]),
    }[name]


@pytest.mark.parametrize("name", list(MetricName))
def test_values_and_intervals_are_those_of_the_residuals(
    arms: dict[Arm, dict[str, Whole]], name: MetricName
) -> None:
    """Independent route: the variance of a ratio is that of the mean of (a − R b) / b̄."""
    metric = compared(*(moments_of(people, arm) for arm, people in arms.items()))[name]
    variances = {}
    for arm, figure in ((Arm.TREATMENT, metric.treatment), (Arm.CONTROL, metric.control)):
        a, b = columns(arms[arm], name)
        value = a.sum() / b.sum()
        variance = np.var((a - value * b) / b.mean(), ddof=1) / len(a)
        variances[arm] = variance
        margin = 1.959963984540 * math.sqrt(variance)
        assert figure.value == pytest.approx(value, rel=1e-12)
        assert figure.interval == pytest.approx((value - margin, value + margin), rel=1e-9)
    margin = 1.959963984540 * math.sqrt(sum(variances.values()))
    low, high = metric.difference_fixed
    assert metric.difference == pytest.approx(metric.treatment.value - metric.control.value)
    assert (high - low) / 2 == pytest.approx(margin, rel=1e-9)
    wide_low, wide_high = metric.difference_sequence
    assert wide_low < low < high < wide_high


def test_relative_intervals_exclude_zero_when_the_difference_does(
    arms: dict[Arm, dict[str, Whole]],
) -> None:
    for metric in compared(*(moments_of(people, arm) for arm, people in arms.items())).values():
        assert metric.relative == pytest.approx(metric.treatment.value / metric.control.value - 1)
        for absolute, relative in (
            (metric.difference_fixed, metric.relative_fixed),
            (metric.difference_sequence, metric.relative_sequence),
        ):
            assert relative is not None
            assert (absolute[0] > 0) == (relative[0] > 0)


def test_conversion_by_hand() -> None:
    def arm(of: Arm, converted: int) -> Moments:
        return Moments(1, of, 100, converted, Pair(), Pair(), Pair())

    metric = compared(arm(Arm.TREATMENT, 20), arm(Arm.CONTROL, 10))[MetricName.CONVERSION_RATE]
    assert (metric.treatment.value, metric.control.value, metric.relative) == (0.2, 0.1, 1.0)
    # p (1 − p) / (n − 1): 0.16/99 and 0.09/99
    margin = 1.959963984540 * math.sqrt(0.25 / 99)
    assert metric.difference_fixed == pytest.approx((0.1 - margin, 0.1 + margin))


def test_a_change_of_share_in_a_good_season_is_no_effect() -> None:
    """Half of the visitors held out at 1.20 each, then a tenth at 2.00: pooled it is + 28.6 %."""

    def arm(stratum: int, of: Arm, n: int, each: int) -> Moments:
        spent = Pair(n * each, n, n * each**2 + n, n, n * each)
        return Moments(stratum, of, n, n, spent, Pair(), Pair())

    metric = compared(
        arm(1, Arm.TREATMENT, 5_000, 120),
        arm(1, Arm.CONTROL, 5_000, 120),
        arm(2, Arm.TREATMENT, 9_000, 200),
        arm(2, Arm.CONTROL, 1_000, 200),
    )[MetricName.REVENUE_PER_VISITOR]
    assert metric.difference == 0


def test_figures_without_a_denominator_and_lonely_visitors_are_absent() -> None:
    nobody = Moments(1, Arm.CONTROL, 50, 0, Pair(), Pair(), Pair())
    found = compared(nobody, replace(nobody, arm=Arm.TREATMENT))
    assert set(found) == {MetricName.REVENUE_PER_VISITOR, MetricName.CONVERSION_RATE}
    assert found[MetricName.CONVERSION_RATE].relative is None
    assert compared(nobody) == {}
    assert compared(nobody, replace(nobody, arm=Arm.TREATMENT, visitors=1)) == {}


def test_moments_survive_json(arms: dict[Arm, dict[str, Whole]]) -> None:
    moments = tuple(moments_of(people, arm) for arm, people in arms.items())
    assert moments_from_json(moments_as_json(moments)) == moments
