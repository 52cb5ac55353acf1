"""Old days go, with a note; days that a bill may still need stay."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from event_load import NOON, make_event

from money_world import CONTRACT
from recommender import tables
from recommender.adapters.event_log import DeltaEventLog
from recommender.billing.retention import Retention, drop_old_days, plan_retention
from recommender.errors import InvalidInputError
from recommender.events.sealing import read_revisions, read_sealed, seal_days
from recommender.records import Shop
from recommender.shops.registry import add_contract

FIRST = NOON.date()
DAYS = 60
NOW = NOON + dt.timedelta(days=DAYS)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


@pytest.fixture
def drop(shop: Shop, database: sa.Engine, event_log: DeltaEventLog) -> Any:
    """A shop with an event on each of sixty days, and the way to drop the old ones."""
    events = [make_event(shop.shop_id, at=NOON + dt.timedelta(days=n)) for n in range(DAYS)]
    event_log.append(events, "ingest", 1)

    def run(keep_days: int, *, confirmed: bool = True, now: dt.datetime = NOW) -> Retention:
        return drop_old_days(
            shop,
            event_log=event_log,
            database=database,
            keep_days=keep_days,
            now=now,
            confirmed=confirmed,
        )

    return run


def kept(event_log: DeltaEventLog, shop: Shop) -> list[dt.date]:
    column = event_log.events(shop.shop_id).select("day").to_pyarrow().column("day")
    return sorted(column.to_pylist())


def test_old_days_are_sealed_noted_and_dropped(
    shop: Shop, database: sa.Engine, event_log: DeltaEventLog, drop: Any
) -> None:
    plan = drop(50)
    # Of days 0 to 59, seen from day 60, fifty are kept: 10 to 59.
    assert plan.days == tuple(day(n) for n in range(10))
    assert kept(event_log, shop) == [day(n) for n in range(10, DAYS)]
    sealed = read_sealed(shop.shop_id, database=database)
    assert [(one.day, one.events, one.dropped_at) for one in sealed] == [
        (day(n), 1, NOW) for n in range(10)
    ]
    assert drop(50).days == ()


def test_a_dropped_day_is_not_mistaken_for_a_changed_one(
    shop: Shop, database: sa.Engine, event_log: DeltaEventLog, drop: Any
) -> None:
    drop(50)
    sealed = seal_days(
        shop.shop_id, event_log=event_log, database=database, through=day(DAYS), now=NOW
    )
    assert [one.day for one in sealed] == [day(n) for n in range(10, DAYS)]
    revisions = read_revisions(shop.shop_id, database=database)
    assert {one.revision for one in revisions} == {1}


def test_a_large_part_of_the_log_goes_only_when_confirmed(
    shop: Shop, event_log: DeltaEventLog, drop: Any
) -> None:
    # 12 of 60 days are a fifth, 13 are more.
    drop(48, confirmed=False)
    a_year_ahead = NOW + dt.timedelta(days=365)
    with pytest.raises(InvalidInputError) as caught:
        drop(48, confirmed=False, now=a_year_ahead)
    assert caught.value.code == "large-deletion"
    assert len(kept(event_log, shop)) == 48


def test_days_of_an_open_contract_stay(
    shop: Shop, database: sa.Engine, event_log: DeltaEventLog, drop: Any
) -> None:
    add_contract(replace(CONTRACT, shop_id=shop.shop_id, starts_on=day(20)), database=database)
    plan = drop(10)
    # Midnight in Paris is the evening before in UTC.
    assert plan.needed_from == day(19)
    assert kept(event_log, shop)[0] == day(19)


def test_a_contract_settled_to_its_end_lets_its_days_go(
    shop: Shop, database: sa.Engine, event_log: DeltaEventLog
) -> None:
    # The first governs March and no other month's last day, the second the months from April on.
    for starts_on in (dt.date(2026, 3, 2), dt.date(2026, 4, 10)):
        add_contract(
            replace(CONTRACT, shop_id=shop.shop_id, starts_on=starts_on), database=database
        )

    def needed_from() -> dt.date | None:
        plan = plan_retention(shop, event_log=event_log, database=database, keep_days=1, now=NOW)
        return plan.needed_from

    assert needed_from() == dt.date(2026, 3, 1)
    with database.begin() as connection:
        connection.execute(
            tables.statements.insert().values(
                shop_id=shop.shop_id,
                month="2026-03",
                contract_version=1,
                amount_minor=0,
                currency="EUR",
                body={},
                body_sha256="",
                closed_at=NOW,
            )
        )
    assert needed_from() == dt.date(2026, 4, 9)
