"""A shop's contract and shoppers, and what is measured of them."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from money_world import CONTRACT
from recommender.ports import EventLog
from recommender.records import Contract, Shop
from recommender.uplift.measure import collect
from recommender.uplift.stored import Measurement
from shoppers import Shoppers


@pytest.fixture
def contract(shop: Shop) -> Contract:
    return replace(CONTRACT, shop_id=shop.shop_id, starts_on=dt.date(2026, 3, 2))


@pytest.fixture
def shoppers(shop: Shop) -> Shoppers:
    return Shoppers(shop)


@pytest.fixture
def measured(
    shop: Shop, database: sa.Engine, event_log: EventLog, contract: Contract, shoppers: Shoppers
) -> Callable[..., Measurement]:
    """Tell the event log what the shoppers did, and measure."""

    def run(through: dt.date = dt.date(2026, 3, 31)) -> Measurement:
        shoppers.tell(event_log, database)
        return collect(
            shop, event_log=event_log, database=database, contract=contract, through=through
        )

    return run
