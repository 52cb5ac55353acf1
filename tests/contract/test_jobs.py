"""What the scheduler does at its times, on the real services."""

import datetime as dt
import threading

import pytest
import sqlalchemy as sa
from event_load import make_event
from hypothesis import given
from hypothesis import strategies as st

from money_world import contract
from recommender import tables
from recommender.bootstrap import Services
from recommender.cli.jobs import (
    GrowthWatch,
    RefreshWatch,
    measure_all,
    month_before,
    run_schedule,
    settle_all,
    train_all,
)
from recommender.records import EventItem, EventType
from recommender.shops.registry import NewShop, ShopOrder, add_contract, create_shop


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: what the jobs ask of a database is tested on both elsewhere."""
    return sqlite_url


def store_path(services: Services, shop_id: str, visitors: int, position: int) -> None:
    """Put `visitors` into the log who each looked at the same three items in turn."""
    start = services.now() - dt.timedelta(days=1)
    events = [
        make_event(
            shop_id,
            at=start + dt.timedelta(minutes=visitor, seconds=step),
            visitor=f"{position}-{visitor}",
            session=f"{position}-{visitor}",
            items=(EventItem(f"item-{step}"),),
        )
        for visitor in range(visitors)
        for step in range(3)
    ]
    services.event_log.append(events, "test", position)


def trainings(services: Services) -> int:
    with services.database.connect() as connection:
        rows = sa.select(sa.func.count()).select_from(tables.trainings)
        return int(connection.scalar(rows) or 0)


def test_a_shop_is_trained_after_its_first_events_and_when_they_are_many_more(
    services: Services, new_shop: NewShop
) -> None:
    watch = GrowthWatch(services)
    watch.train_grown()
    assert trainings(services) == 0, "there was nothing to learn from"
    store_path(services, new_shop.shop_id, 4, 1)
    watch.train_grown()
    assert trainings(services) == 1
    assert services.artifacts.current(new_shop.shop_id)
    # 4 × 3 = 12 rows were known; 12 × 4 = 48 are not yet more than four times as many.
    store_path(services, new_shop.shop_id, 12, 2)
    watch.train_grown()
    assert trainings(services) == 1
    store_path(services, new_shop.shop_id, 1, 3)
    services.now.advance(minutes=1)  # type: ignore[attr-defined]
    watch.train_grown()
    assert trainings(services) == 2
    # A scheduler that starts anew leaves a trained shop to the night.
    GrowthWatch(services).train_grown()
    assert trainings(services) == 2


def test_a_shop_that_fails_does_not_stop_the_others(
    services: Services, new_shop: NewShop, shop_order: ShopOrder
) -> None:
    broken = create_shop(shop_order, database=services.database, now=services.now())
    services.event_log.append([make_event(broken.shop_id)], "test", 1)
    store_path(services, new_shop.shop_id, 4, 2)
    train_all(services)
    assert services.artifacts.current(new_shop.shop_id)
    assert services.artifacts.current(broken.shop_id) is None


def test_only_a_shop_with_new_rows_is_refreshed(
    services: Services, new_shop: NewShop, shop_order: ShopOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = create_shop(shop_order, database=services.database, now=services.now())
    for number, shop in enumerate((new_shop, quiet), 1):
        store_path(services, shop.shop_id, 4, number)
    train_all(services)
    watch = RefreshWatch(services)
    watch.refresh_changed()
    read: list[str] = []
    events = services.event_log.events
    monkeypatch.setattr(
        services.event_log, "events", lambda shop_id: read.append(shop_id) or events(shop_id)
    )
    before = services.artifacts.current(new_shop.shop_id)
    services.now.advance(minutes=10)  # type: ignore[attr-defined]
    store_path(services, new_shop.shop_id, 5, 3)
    watch.refresh_changed()
    assert read == [new_shop.shop_id]
    assert services.artifacts.current(new_shop.shop_id) != before
    watch.refresh_changed()
    assert read == [new_shop.shop_id], "nothing came since"


def test_a_shop_in_training_is_refreshed_the_next_time(
    services: Services, new_shop: NewShop
) -> None:
    store_path(services, new_shop.shop_id, 4, 1)
    train_all(services)
    watch = RefreshWatch(services)
    before = services.artifacts.current(new_shop.shop_id)
    services.now.advance(minutes=10)  # type: ignore[attr-defined]
    store_path(services, new_shop.shop_id, 5, 2)
    with services.artifacts.exclusive(new_shop.shop_id):
        watch.refresh_changed()
    assert services.artifacts.current(new_shop.shop_id) == before
    watch.refresh_changed()
    assert services.artifacts.current(new_shop.shop_id) != before


def test_yesterday_is_measured_where_there_is_a_contract(
    services: Services, new_shop: NewShop, shop_order: ShopOrder
) -> None:
    create_shop(shop_order, database=services.database, now=services.now())
    yesterday = services.now() - dt.timedelta(days=1)
    add_contract(
        contract(shop_id=new_shop.shop_id, starts_on=yesterday.date()), database=services.database
    )
    # Paris is an hour ahead: half past eleven at night there is yesterday, an hour later today.
    for number, at in enumerate((yesterday.replace(hour=22), yesterday.replace(hour=23)), 1):
        event = make_event(
            new_shop.shop_id,
            at=at + dt.timedelta(minutes=30),
            visitor=f"visitor-{number}",
            type=EventType.EXPOSURE,
            arm="control",
            stratum=1,
            items=(),
        )
        services.event_log.append([event], "test", number)
    measure_all(services)
    with services.database.connect() as connection:
        (row,) = connection.execute(sa.select(tables.daily_sums)).all()
    assert (row.shop_id, row.day) == (new_shop.shop_id, yesterday.date())
    assert (row.arm, row.visitors) == ("control", 1)


def test_a_shop_without_a_contract_is_passed_over_without_a_fault(
    services: Services, new_shop: NewShop, capfd: pytest.CaptureFixture[str]
) -> None:
    measure_all(services)
    settle_all(services)
    with services.database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.statements)) == 0
    told = "".join(capfd.readouterr())
    assert "job-failed" not in told
    assert told.count("job-not-done") == 2
    assert new_shop.shop_id in told


@given(st.datetimes(dt.datetime(2, 1, 1), timezones=st.just(dt.UTC)))
def test_the_month_before_is_the_one_that_ended_last(at: dt.datetime) -> None:
    year, month = map(int, month_before(at).split("-"))
    assert (year * 12 + month) + 1 == at.year * 12 + at.month


def test_the_schedule_ends_when_told(services: Services) -> None:
    stop = threading.Event()
    stop.set()
    run_schedule(services, stop=stop)
    left = [thread.name for thread in threading.enumerate() if "APScheduler" in thread.name]
    assert left == []
