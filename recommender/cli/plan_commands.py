"""`recommender plan` and `recommender design …`: what to expect, and how an experiment proceeds."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import click

from recommender.billing import wording
from recommender.billing.advance import advance_design, begin_design, measured_plan
from recommender.billing.power import HORIZONS, RUNS, Plan, Power, expect, power
from recommender.billing.power_words import power_sentences
from recommender.billing.preview import preview
from recommender.bootstrap import Services
from recommender.cli.common import Number, emit, json_option, make_services
from recommender.errors import InvalidInputError
from recommender.experiments.design import CALIBRATION_HOLDOUT, Step, Traffic, visitor_squared_cv
from recommender.records import Shop
from recommender.shops.money import parse_minor
from recommender.shops.registry import POLICIES

_METHOD = (
    f"planned variance (delta method); the chance of a fee from {RUNS:,} seeded runs of normal "
    "monthly estimates under the policy's own rule"
)
_PERCENT = Number(0, 100)
_BETWEEN = Number(0, 100, min_open=True, max_open=True)
_VISITORS = Number(0, 1e10, min_open=True)
_EFFECT = Number(0, 10_000, min_open=True)


@click.command()
@click.option("--shop", "shop_id", metavar="ID", help="Take traffic and terms as measured there.")
@click.option("--visitors-per-month", "visitors", type=_VISITORS, help="Visitors of both arms.")
@click.option("--conversion", type=_BETWEEN, help="Visitors who buy, %.")
@click.option("--basket", help="Mean net order value, for example 80.00.")
@click.option("--basket-cv", type=Number(0, 1_000), default=1.0, show_default=True,
              help="Spread of order values: standard deviation ÷ mean.")  # fmt: skip
@click.option("--uplift", type=_EFFECT, default=3.0, show_default=True, help="True effect, %.")
@click.option("--holdout", type=_BETWEEN, help="Visitors without, %, from the first day on. "
              "Otherwise three months of 50 %, then the recommended one.")  # fmt: skip
@click.option("--months", type=click.IntRange(1, 120), default=12, show_default=True,
              help="A horizon beside 1, 12 and 24 months.")  # fmt: skip
@click.option("--rate", type=_PERCENT, default=10.0, show_default=True, help="Of the effect, %.")
@click.option("--policy", type=click.Choice(POLICIES), default=POLICIES[0], show_default=True)
@click.option("--cuped-r2", type=Number(0, 1, max_open=True), default=0.0,
              show_default=True, help="Part of the variance that covariates explain.")  # fmt: skip
@click.option("--exposed-revenue", type=_PERCENT, default=100.0, show_default=True,
              help="Revenue of visitors who meet a recommendation, %.")  # fmt: skip
@click.option("--currency", default="EUR", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@json_option
def plan(shop_id: str | None, months: int, seed: int, as_json: bool, **told: Any) -> None:
    """Say before signature how sure the effect can get, and whether a fee will ever be due."""
    if shop_id is None:
        currency, offer = str(told["currency"]), _offer(told)
    else:
        services = make_services(service="plan")
        shop = services.shops.by_id(shop_id)
        currency, offer = shop.currency, _measured(services, shop, told)
    found = power(offer, seed=seed)
    horizons = sorted({*HORIZONS, months})
    expected = [asdict(expect(offer, found.holdout, horizon)) for horizon in horizons]
    result = asdict(found) | {
        "expected": expected,
        "visitors_per_month": round(offer.traffic.visitors_a_month),
        "squared_cv": offer.traffic.squared_cv,
        "uplift": offer.uplift,
        "calibration_months": offer.calibration_months,
        "calibration_holdout": CALIBRATION_HOLDOUT if offer.calibration_months else None,
        "policy": offer.policy,
        "rate_bps": offer.rate_bps,
        "n_star": offer.optimum,
        "currency": currency,
        "months": months,
        "method": _METHOD,
    }
    emit(result, as_json=as_json, text=lambda: _plan_text(offer, found, months, currency))


def _offer(told: Mapping[str, Any]) -> Plan:
    missing = [name for name in ("visitors", "conversion", "basket") if told[name] is None]
    if missing:
        raise InvalidInputError(
            "Name --visitors-per-month, --conversion and --basket, or a --shop with figures",
            code="missing-argument",
        )
    conversion = told["conversion"] / 100
    basket_minor = parse_minor(told["basket"], told["currency"])
    if basket_minor <= 0:
        raise InvalidInputError("--basket must be above 0", code="bad-amount")
    offer = Plan(
        traffic=Traffic(told["visitors"], visitor_squared_cv(conversion, told["basket_cv"])),
        revenue_a_visitor_minor=conversion * basket_minor,
        conversion=conversion,
        uplift=0,
        rate_bps=round(told["rate"] * 100),
        policy=told["policy"],
    )
    return _wished(offer, told, variance_kept_share=1 - told["cuped_r2"])


def _measured(services: Services, shop: Shop, told: Mapping[str, Any]) -> Plan:
    """Return the plan of a shop; its covariates are in what was measured of it."""
    seen = preview(shop, database=services.database, now=services.now())
    measured = None if seen is None else measured_plan(seen)
    if measured is None:
        raise InvalidInputError(
            f"{shop.name} has no measured revenue yet; name its traffic instead",
            code="nothing-measured",
        )
    kept = measured.traffic.variance_kept_share
    return _wished(measured, told, variance_kept_share=kept)


def _wished(offer: Plan, told: Mapping[str, Any], *, variance_kept_share: float) -> Plan:
    traffic = replace(
        offer.traffic,
        variance_kept_share=variance_kept_share,
        exposed_revenue_share=told["exposed_revenue"] / 100,
    )
    wished = replace(offer, traffic=traffic, uplift=told["uplift"] / 100)
    if told["holdout"] is None:
        return wished
    return replace(wished, holdout=told["holdout"] / 100, calibration_months=0)


def _plan_text(offer: Plan, found: Power, months: int, currency: str) -> str:
    table = [
        f"  {one.months:>3} months: sequence ±{wording.percent(one.sequence)}, single look "
        f"±{wording.percent(one.fixed)}"
        for one in (expect(offer, found.holdout, horizon) for horizon in HORIZONS)
    ]
    wanted = expect(offer, found.holdout, months)
    return "\n".join([*power_sentences(offer, found, wanted, currency), *table, f"How: {_METHOD}."])


@click.group()
def design() -> None:
    """The experiment's phases: A/A fortnight, calibration, running."""


@design.command("begin")
@click.option("--shop", "shop_id", required=True)
@json_option
def begin(shop_id: str, as_json: bool) -> None:
    """Start with the A/A fortnight: from now on nobody is shown anything."""
    _take_step(begin_design, shop_id, as_json=as_json)


@design.command("advance")
@click.option("--shop", "shop_id", required=True)
@json_option
def advance(shop_id: str, as_json: bool) -> None:
    """Take the next step when it is due, as the scheduler does every day."""
    _take_step(advance_design, shop_id, as_json=as_json)


def _take_step(take: Callable[..., Step], shop_id: str, *, as_json: bool) -> None:
    services = make_services(service="design")
    shop = services.shops.by_id(shop_id)
    step = take(shop, database=services.database, now=services.now())
    emit(asdict(step), as_json=as_json, text=lambda: step.reason)


@design.command("show")
@click.option("--shop", "shop_id", required=True)
@json_option
def show(shop_id: str, as_json: bool) -> None:
    """List all strata with share, salt, phase and the time each began."""
    shop = make_services(service="design").shops.by_id(shop_id)
    rows = [asdict(stratum) for stratum in shop.strata]
    emit(
        {"strata": rows},
        as_json=as_json,
        text=lambda: "\n".join(
            f"{stratum.stratum:>3}  {stratum.starts_at:%Y-%m-%d %H:%M}  "
            f"{stratum.treatment_share_ppm / 10_000:g} %  {stratum.phase or 'by hand'}  "
            f"salt {stratum.salt}"
            for stratum in shop.strata
        ),
    )
