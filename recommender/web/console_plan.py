"""The page "What to expect": how sure the effect can get, and whether a fee will ever be due."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flask import Blueprint, request

from recommender.billing import wording
from recommender.billing.advance import measured_plan
from recommender.billing.power import HORIZONS, Plan, expect, power
from recommender.billing.power_words import power_sentences
from recommender.billing.preview import preview
from recommender.errors import InvalidInputError
from recommender.experiments.design import Traffic, visitor_squared_cv
from recommender.records import Shop
from recommender.shops.money import format_minor, parse_minor
from recommender.web.console_annex import phase_of
from recommender.web.console_session import current_visit, render_page, signed_in
from recommender.web.console_settings import read_number
from recommender.web.console_terms import money
from recommender.web.context import services

blueprint = Blueprint("plan", __name__, url_prefix="/plan")
EFFECTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)
"""True effects that the page compares."""
_PLANNED_MONTHS = 12
_PPM = 1_000_000
_BASKET_CV = 1.0
"""Spread of order values while none are measured, as in docs/decisions/0023."""
_TYPICAL = {"visitors": "50000", "conversion": "2", "basket": "80", "uplift": "3"}


@dataclass(frozen=True, slots=True)
class Chance:
    """What a true effect would come to in the first year."""

    uplift: str
    chance: str
    fee: str
    share: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What to expect; `widths` are months with both half widths."""

    sentences: list[str]
    widths: list[tuple[int, str, str]]
    chances: list[Chance]


@blueprint.get("")
@signed_in
def show() -> str:
    """Show what the shop's traffic can prove, for effects that somebody has in mind."""
    shop = current_visit().shop
    seen = preview(shop, database=services().database, now=services().now())
    measured = None if seen is None else measured_plan(seen)
    typed = _suggested(measured) | {
        name: text[:20] for name, text in request.args.items() if name in _TYPICAL
    }
    offer, faults = _read(typed, measured, shop)
    return render_page(
        "plan",
        section="statements",
        tab="plan",
        is_measured=measured is not None,
        values=typed,
        faults=faults,
        outlook=None if offer is None else _outlook(offer, shop.currency),
        phases=[phase_of(stratum) for stratum in shop.strata],
    )


def _suggested(measured: Plan | None) -> dict[str, str]:
    """Return what the form begins with."""
    if measured is None:
        return dict(_TYPICAL)
    visitors = f"{measured.traffic.visitors_a_month:.0f}"
    return {"visitors": visitors, "uplift": _TYPICAL["uplift"]}


def _read(
    typed: Mapping[str, str], measured: Plan | None, shop: Shop
) -> tuple[Plan | None, dict[str, str]]:
    """Return the plan that was asked for, or what is wrong with it by field."""
    faults = {}
    visitors, uplift = read_number(typed["visitors"], 1), read_number(typed["uplift"], 10_000)
    if not visitors or not 0 < visitors <= 10**9:
        faults["visitors"] = "Please enter a whole number of visitors above 0."
    if uplift is None or not 0 < uplift <= _PPM:
        faults["uplift"] = "Please enter a percentage above 0, such as 3."
    base = measured or _described(typed, shop, faults)
    if faults or base is None:
        return None, faults
    traffic = replace(base.traffic, visitors_a_month=float(visitors or 0))
    return replace(base, traffic=traffic, uplift=(uplift or 0) / _PPM, n_star=0), {}


def _described(typed: Mapping[str, str], shop: Shop, faults: dict[str, str]) -> Plan | None:
    """Return the plan of a shop that nothing is measured of."""
    conversion_ppm = read_number(typed["conversion"], 10_000)
    if conversion_ppm is None or not 0 < conversion_ppm < _PPM:
        faults["conversion"] = "Please enter a percentage between 0 and 100, such as 2."
    try:
        basket_minor = parse_minor(typed["basket"], shop.currency)
    except InvalidInputError:
        basket_minor = 0
    if basket_minor <= 0:
        faults["basket"] = f"Please enter an amount such as {format_minor(8_000, shop.currency)}."
    if faults:
        return None
    conversion = (conversion_ppm or 0) / _PPM
    return Plan(
        traffic=Traffic(0.0, visitor_squared_cv(conversion, _BASKET_CV)),
        revenue_a_visitor_minor=conversion * basket_minor,
        conversion=conversion,
        uplift=0.0,
        rate_bps=1_000,
    )


def _outlook(offer: Plan, currency: str) -> Outlook:
    found = power(offer)
    widths = [expect(offer, found.holdout, months) for months in HORIZONS]
    planned = expect(offer, found.holdout, _PLANNED_MONTHS)
    return Outlook(
        sentences=power_sentences(offer, found, planned, currency),
        widths=[
            (one.months, f"±{wording.percent(one.sequence)}", f"±{wording.percent(one.fixed)}")
            for one in widths
        ],
        chances=[
            _chance(replace(offer, uplift=uplift, holdout=found.holdout), currency)
            for uplift in EFFECTS
        ],
    )


def _chance(offer: Plan, currency: str) -> Chance:
    found = power(offer)
    return Chance(
        uplift=wording.percent(offer.uplift, 0) if offer.uplift else "none",
        chance=wording.percent(found.fee_chance, 1),
        fee=money(found.fee_minor, currency),
        share=wording.percent(found.fee_minor / found.fair_minor, 0) if found.fair_minor else "–",
    )
