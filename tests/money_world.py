"""Contracts and daily sums that tests of money start from."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from recommender.billing.evidence import Billed, Evidence
from recommender.billing.parties import put_buyer, put_entity
from recommender.billing.vendor import VENDOR, Buyer
from recommender.records import Arm, Contract, DailySum, Stratum

START = dt.date(2027, 1, 1)
CONTRACT = Contract(
    shop_id="shop_1",
    version=1,
    starts_on=START,
    rate_bps=1_000,
    policy="gated_midpoint",
    cap_month_bps=10_000,
    cap_year_minor=0,
    order_cap_minor=0,
    alpha_ppm=50_000,
    n_star=10_000,
    currency="EUR",
)
BUYER = Buyer(
    entity_id=VENDOR.entity_id,
    name="Boutique d'Essai SARL",
    address=("2 rue du Test",),
    postcode="69001",
    city="Lyon",
    country="FR",
    siren="732829320",
    vat_number="FR44732829320",
    email="compta@boutique.example",
)
STRATUM = Stratum("shop_1", 1, "5a17", 500_000, dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC))


def bill_to(shop_id: str, database: sa.Engine, buyer: Buyer = BUYER) -> None:
    """Let the demo's vendor bill a shop."""
    told_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    put_entity(VENDOR, database=database, now=told_at)
    put_buyer(shop_id, buyer, database=database, now=told_at)


def contract(**changes: Any) -> Contract:
    return replace(CONTRACT, **changes)


def buyers(
    arm: Arm, visitors: int, count: int, basket_minor: int, day: dt.date = START, stratum: int = 1
) -> DailySum:
    """Return a day on which `count` of `visitors` bought one basket each."""
    return DailySum(
        day=day,
        stratum=stratum,
        arm=arm,
        visitors=visitors,
        orders=count,
        converted=count,
        revenue_minor=count * basket_minor,
        revenue_squares=count * basket_minor**2,
    )


def shop_month(
    day: dt.date = START, *, visitors: int = 5_000, treated: int = 600, held: int = 500
) -> list[DailySum]:
    """Return a day on which both arms had as many visitors, and baskets of 100.00."""
    return [
        buyers(Arm.CONTROL, visitors, held, 10_000, day),
        buyers(Arm.TREATMENT, visitors, treated, 10_000, day),
    ]


def evidence(
    sums: Sequence[DailySum],
    through: dt.date,
    *,
    billed: Sequence[Billed] = (),
    terms: Contract = CONTRACT,
    last_click_minor: int = 0,
) -> Evidence:
    return Evidence(
        shop_id="shop_1",
        timezone="Europe/Paris",
        through=through,
        contract=terms,
        strata=(STRATUM,),
        sums=tuple(sums),
        billed=tuple(billed),
        last_click_minor=last_click_minor,
    )
