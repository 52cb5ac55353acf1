"""Move a shop's experiment to its next phase (verb), from what was last measured."""

import datetime as dt
import secrets
from decimal import Decimal

import sqlalchemy as sa

from recommender.billing.power import Plan, recommend_holdout
from recommender.billing.preview import Preview, preview
from recommender.billing.pricing import MIN_BUYERS, billable_sums
from recommender.errors import InvalidInputError
from recommender.experiments.design import HOLDOUTS, Standing, Step, Traffic, first_step, next_step
from recommender.records import Phase, Shop
from recommender.shops.registry import RandomBytes, start_stratum
from recommender.uplift.estimate import ArmTotal, Estimate, estimate
from recommender.uplift.integrity import check_split

DAYS_A_MONTH = 365.25 / 12


def begin_design(
    shop: Shop,
    *,
    database: sa.Engine,
    now: dt.datetime,
    random: RandomBytes = secrets.token_bytes,
) -> Step:
    """Start the A/A stretch: from now on nobody is shown anything, and exposures go on.

    Raises:
        InvalidInputError: `design-begun`, the shop is under a design already.
    """
    if shop.current_stratum.phase != Phase.BY_HAND:
        raise InvalidInputError(
            f"{shop.name} is in phase {shop.current_stratum.phase} already", code="design-begun"
        )
    step = first_step()
    _take(shop, step, database, now, random)
    return step


def advance_design(
    shop: Shop,
    *,
    database: sa.Engine,
    now: dt.datetime,
    random: RandomBytes = secrets.token_bytes,
) -> Step:
    """Take the next step when it is due; may be called at any time.

    Returns:
        The step that was taken, or why none is.
    """
    step = next_step(shop.current_stratum, _standing(shop, database, now), now)
    if step.phase is not None:
        _take(shop, step, database, now, random)
    return step


def _take(
    shop: Shop, step: Step, database: sa.Engine, now: dt.datetime, random: RandomBytes
) -> None:
    assert step.phase is not None
    start_stratum(
        shop.shop_id,
        step.treatment_share_ppm,
        database=database,
        now=now,
        phase=step.phase,
        reason=step.reason,
        random=random,
    )


def _standing(shop: Shop, database: sa.Engine, now: dt.datetime) -> Standing:
    seen = preview(shop, database=database, now=now)
    if seen is None:
        return Standing(is_alike=None, gate_open=False, holdout=HOLDOUTS[-1])
    plan = measured_plan(seen)
    return Standing(
        is_alike=_is_alike(shop, seen),
        gate_open=seen.bill.target.gate_open,
        holdout=HOLDOUTS[-1] if plan is None else recommend_holdout(plan)[0],
    )


def _is_alike(shop: Shop, seen: Preview) -> bool | None:
    """Return whether the stratum in force shows equal arms, by the sequence and by the split."""
    contract, number = seen.evidence.contract, shop.current_stratum.stratum
    sums = [row for row in seen.measured.sums if row.stratum == number]
    if any(check.mismatch for check in check_split(sums, shop.strata)):
        return False
    result = estimate(sums, alpha=Decimal(contract.alpha_ppm) / 1_000_000, n_star=contract.n_star)
    if result is None or result.fewest_buyers < MIN_BUYERS:
        return None
    low, high = result.interval_minor(result.sequence)
    return low <= 0 <= high


def measured_plan(seen: Preview) -> Plan | None:
    """Return the plan of a shop whose figures were measured; None while they say too little."""
    result, contract = seen.bill.target.estimate, seen.evidence.contract
    control = None if result is None else _control(result)
    if result is None or control is None or control.revenue_minor <= 0:
        return None
    days = {row.day for row in billable_sums(seen.evidence)}
    span = (max(days) - min(days)).days + 1
    return Plan(
        traffic=Traffic(
            visitors_a_month=result.visitors / span * DAYS_A_MONTH,
            squared_cv=float(control.variance() / control.mean**2),
            variance_kept_share=float(result.variance_kept_share),
        ),
        revenue_a_visitor_minor=float(control.mean),
        conversion=control.converted / control.visitors,
        uplift=float(result.relative_uplift or 0),
        rate_bps=contract.rate_bps,
        policy=contract.policy,
        alpha=Decimal(contract.alpha_ppm) / 1_000_000,
        n_star=contract.n_star,
    )


def _control(result: Estimate) -> ArmTotal:
    return sum((stratum.control for stratum in result.strata), ArmTotal())
