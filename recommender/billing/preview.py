"""What a shop's bill would be if the month closed now (verb): from what was last measured."""

import datetime as dt
from dataclasses import dataclass

import sqlalchemy as sa

from recommender.billing.archive import carried_into, read_billed
from recommender.billing.evidence import Evidence
from recommender.billing.pricing import Bill, price
from recommender.billing.terms import term_of
from recommender.errors import NotFoundError
from recommender.records import Shop
from recommender.shops.registry import read_contracts
from recommender.uplift.days import local_day
from recommender.uplift.stored import StoredMeasurement, read_measurement


@dataclass(frozen=True, slots=True)
class Preview:
    """A shop's standing as last measured.

    Attributes:
        evidence: Facts of the running month.
        bill: Its price if it closed now.
    """

    evidence: Evidence
    bill: Bill
    measured: StoredMeasurement


def preview(shop: Shop, *, database: sa.Engine, now: dt.datetime) -> Preview | None:
    """Price the running month from the stored measurement; None before the first one.

    Reads stored sums only: quick enough for every page view.
    """
    today = local_day(now, shop.timezone)
    try:
        term = term_of(read_contracts(shop.shop_id, database=database), today)
    except NotFoundError:
        return None
    contract = term.contract
    with database.connect() as connection:
        measured = read_measurement(connection, shop.shop_id)
        billed = read_billed(connection, shop.shop_id, contract.version)
        carried_minor = carried_into(connection, term)
    if measured is None:
        return None
    evidence = Evidence(
        shop_id=shop.shop_id,
        timezone=shop.timezone,
        through=today,
        contract=contract,
        strata=shop.strata,
        sums=tuple(row for row in measured.sums if contract.starts_on <= row.day <= today),
        billed=billed,
        last_click_minor=measured.last_click_minor,
        frozen=measured.frozen,
        ends_on=term.ends_on,
        carried_minor=carried_minor,
        rules=measured.rules,
        removed=measured.removed,
    )
    return Preview(evidence=evidence, bill=price(evidence), measured=measured)
