"""How an experiment proceeds, and how sure it can get. Pure.

A fortnight of A/A, then half the visitors held out until an effect is proven or twelve weeks have
passed, then the smallest holdout whose planned interval suffices. Each step opens a stratum of its
own. The reasons stand in docs/decisions/0023-experiment-design.md.
"""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

from recommender.records import Phase, Stratum

A_A_DAYS = 14
CALIBRATION_HOLDOUT = 0.5
CALIBRATION_WEEKS = 12
HOLDOUTS = (0.05, 0.10, 0.15, 0.20)
"""What a running experiment may hold out, smallest first."""
PLANNED_MONTHS = 12
_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """What decides how wide an interval gets.

    Attributes:
        visitors_a_month: Visitors of both arms together.
        squared_cv: Variance of a visitor's revenue ÷ its squared mean, non-buyers included.
        variance_kept_share: 1 − R² of CUPED.
        exposed_revenue_share: Part of the revenue (and so of its variance) that visitors make who
            meet a recommendation at all; the others are no noise in a triggered comparison.
    """

    visitors_a_month: float
    squared_cv: float
    variance_kept_share: float = 1.0
    exposed_revenue_share: float = 1.0


def visitor_squared_cv(conversion: float, basket_cv: float) -> float:
    """Return the squared coefficient of variation of a visitor's revenue.

    (1 + CV²)/p − 1 for a share p of visitors that buys one basket each: 99 at 2 % and CV 1.
    """
    return (1 + basket_cv**2) / conversion - 1


def month_variance(traffic: Traffic, holdout: float) -> float:
    """Return the variance of one month's uplift estimate.

    CV² (1 − R²) s / (N h (1 − h)) for N visitors and a holdout h.
    Source: Deng, Knoblich & Lu 2018, delta method, at a small effect; s as in `Traffic`.
    """
    noise = traffic.squared_cv * traffic.variance_kept_share * traffic.exposed_revenue_share
    return noise / (traffic.visitors_a_month * holdout * (1 - holdout))


def standard_error(traffic: Traffic, holdouts: Sequence[float]) -> float:
    """Return the standard error of the cumulative uplift after one month with each holdout.

    A month weighs by its treated visitors, as the billed total does.
    """
    weights = [1 - holdout for holdout in holdouts]
    variance = math.fsum(
        weight**2 * month_variance(traffic, holdout)
        for weight, holdout in zip(weights, holdouts, strict=True)
    )
    return math.sqrt(variance) / math.fsum(weights)


def schedule(holdout: float, months: int, *, calibration_months: int) -> list[float]:
    """Return the holdout of each month: calibration first, then the one asked for."""
    calibrated = min(months, calibration_months)
    return [CALIBRATION_HOLDOUT] * calibrated + [holdout] * (months - calibrated)


def smallest_holdout(
    traffic: Traffic, uplift: float, *, multiplier: float, calibration_months: int
) -> tuple[float, bool]:
    """Return the smallest holdout whose planned interval stays within the uplift.

    Args:
        multiplier: Standard errors that the interval reaches after `PLANNED_MONTHS`.

    Returns:
        The holdout, and whether it suffices; the largest one where none does.
    """
    for holdout in HOLDOUTS:
        months = schedule(holdout, PLANNED_MONTHS, calibration_months=calibration_months)
        if multiplier * standard_error(traffic, months) <= uplift:
            return holdout, True
    return HOLDOUTS[-1], False


@dataclass(frozen=True, slots=True)
class Standing:
    """What the next step depends on.

    Attributes:
        is_alike: Whether the A/A stretch shows equal arms and the agreed split; None while it has
            too little to say, which a small shop's has for ever: then twice the time is enough.
        gate_open: Whether an effect is proven.
        holdout: Smallest holdout whose planned interval suffices.
    """

    is_alike: bool | None
    gate_open: bool
    holdout: float


@dataclass(frozen=True, slots=True)
class Step:
    """What happens next and why.

    Attributes:
        phase: Of the new stratum; None while the present one goes on.
    """

    reason: str
    phase: Phase | None = None
    treatment_share_ppm: int = 0


def first_step() -> Step:
    """Return how an experiment begins."""
    return Step("The experiment begins with an A/A fortnight.", Phase.A_A, _share(0.5))


def next_step(stratum: Stratum, standing: Standing, now: dt.datetime) -> Step:
    """Return what follows on the stratum that assigns visitors now."""
    age = now - stratum.starts_at
    if stratum.phase == Phase.A_A:
        return _after_a_a(age, standing)
    if stratum.phase == Phase.CALIBRATION:
        return _after_calibration(age, standing)
    if stratum.phase == Phase.RUNNING:
        return Step("The holdout is the one that was planned.")
    return Step("The share was set by hand; `recommender design begin` starts a design.")


def _after_a_a(age: dt.timedelta, standing: Standing) -> Step:
    if age < dt.timedelta(days=A_A_DAYS):
        return Step(f"The A/A fortnight goes on: {age.days} of {A_A_DAYS} days.")
    if standing.is_alike is False:
        return Step("The A/A stretch goes on: the arms differ though nobody is shown anything.")
    if standing.is_alike is None and age < dt.timedelta(days=2 * A_A_DAYS):
        return Step("The A/A stretch goes on: too few visitors have bought to compare the arms.")
    why = "The arms are alike" if standing.is_alike else "The arms cannot be told apart"
    return Step(f"{why}: calibration begins.", Phase.CALIBRATION, _share(CALIBRATION_HOLDOUT))


def _after_calibration(age: dt.timedelta, standing: Standing) -> Step:
    enough = age >= dt.timedelta(weeks=CALIBRATION_WEEKS)
    if not standing.gate_open and not enough:
        weeks = age.days // 7
        return Step(f"Calibration goes on: {weeks} of {CALIBRATION_WEEKS} weeks, nothing proven.")
    why = "An effect is proven" if standing.gate_open else f"{CALIBRATION_WEEKS} weeks have passed"
    return Step(
        f"{why}: {standing.holdout:.0%} stay held out.", Phase.RUNNING, _share(standing.holdout)
    )


def _share(holdout: float) -> int:
    return _PPM - round(holdout * _PPM)
