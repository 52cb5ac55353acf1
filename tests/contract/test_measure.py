"""Measuring with the real event log and both databases."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from recommender.errors import InconsistentError
from recommender.events.sealing import seal_days
from recommender.ports import EventLog
from recommender.records import Arm, Contract, DailySum, EventItem, EventType, Shop
from recommender.uplift.measure import collect, measure
from recommender.uplift.removed import Removed
from recommender.uplift.stored import (
    Measurement,
    read_measurement,
    read_sums,
    store_measurement,
)
from recommender.uplift.views import ViewKind
from shoppers import Shoppers, live_through
from world import ON_SQLITE

NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
MARCH_31 = dt.date(2026, 3, 31)
NOW = dt.datetime(2026, 4, 2, 6, tzinfo=dt.UTC)

Measure = Callable[[dt.date], Measurement]


def test_a_shop_without_events_has_empty_sums(measured: Measure) -> None:
    result = measured(MARCH_31)
    assert result.sums == []
    assert result.behaviour[Arm.CONTROL].visitors == 0
    assert result.excluded == {}
    assert result.last_click_minor == 0


def test_a_story_by_hand(shoppers: Shoppers, measured: Measure) -> None:
    """Three visitors, five orders, one refund: every figure can be counted on fingers."""
    shoppers.expose("anna", NOON, Arm.TREATMENT)
    shoppers.expose("bert", NOON, Arm.CONTROL)
    shoppers.expose("carl", NOON + DAY, Arm.CONTROL)
    shoppers.expose("carl", NOON + 2 * DAY, Arm.TREATMENT)
    for visitor in ("anna", "bert", "carl"):
        shoppers.event(EventType.PAGE_VIEW, visitor, NOON + DAY + dt.timedelta(minutes=1))
    shoppers.event(EventType.SELECT_ITEM, "anna", NOON, slate_id="slate", items=(EventItem("x"),))
    lines = [EventItem("x", 1, 600), EventItem("y", 1, 400)]
    shoppers.order("1", 900, NOON + DAY, "anna", lines)
    shoppers.order("2", 100, NOON + 2 * DAY, "anna", [EventItem("z", 3, 40)])
    shoppers.event(EventType.PURCHASE, "carl", NOON + 2 * DAY, order_id="3")
    shoppers.order("3", 500, NOON + 2 * DAY, "", [EventItem("x", 1, 500)])
    shoppers.order("4", 7_000, NOON - DAY / 2, "bert")
    shoppers.order("5", 8_000, NOON)
    shoppers.refund("1", 300, NOON + 3 * DAY)
    result = measured(MARCH_31)

    def day(number: int) -> dt.date:
        return dt.date(2026, 3, number)

    treated, held = Arm.TREATMENT, Arm.CONTROL
    assert result.sums == [
        # bert had spent 7,000 before
        DailySum(day(3), 1, held, 1, 0, 0, 0, 0, 7_000, 7_000**2),
        DailySum(day(3), 1, treated, 1, 0, 0, 0, 0),
        DailySum(day(4), 1, held, 1, 0, 0, 0, 0),
        DailySum(day(4), 1, treated, 0, 1, 1, 900, 900**2),
        DailySum(day(5), 1, held, 0, 1, 1, 500, 500**2),
        DailySum(day(5), 1, treated, 0, 1, 0, 100, 1_000**2 - 900**2),
        DailySum(day(6), 1, treated, 0, 0, 0, -300, 700**2 - 1_000**2),
    ]  # fmt: skip
    assert {reason: (e.orders, e.revenue_minor) for reason, e in result.excluded.items()} == {
        "before-exposure": (1, 7_000),
        "no-visitor": (1, 8_000),
    }
    # order 1 kept 900 − 300 = 600, of which x is 600/1000
    assert result.last_click_minor == 360
    with_them = result.behaviour[treated]
    assert (with_them.visitors, with_them.orders, with_them.units) == (1, 2, 5)
    # three items sold: the head is one, z with 3 units; the tail is x and y
    assert with_them.tail_units == 2
    assert result.behaviour[held].tail_units == 1


@ON_SQLITE
def test_what_was_before_the_contract_does_not_count(shoppers: Shoppers, measured: Measure) -> None:
    """Seen in the other arm before, a visitor is in the arm of the contract's first exposure."""
    # 2 March begins in Paris on 1 March at 23:00 UTC.
    start = dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC)
    second = dt.timedelta(seconds=1)
    shoppers.expose("early", start - second, Arm.CONTROL)
    shoppers.order("1", 100, start - second, "early")
    shoppers.expose("early", start, Arm.TREATMENT)
    shoppers.order("2", 200, start, "early")
    result = measured(MARCH_31)
    # What was ordered before is a covariate: 100, 100² and 100 × 200.
    assert result.sums == [
        DailySum(dt.date(2026, 3, 2), 1, Arm.TREATMENT, 1, 1, 1, 200, 40_000, 100, 10_000, 20_000)
    ]
    assert result.excluded == {}


def test_a_longer_measurement_agrees_on_the_earlier_days(
    shoppers: Shoppers, measured: Measure
) -> None:
    days = [dt.date(2026, 3, 2) + i * DAY for i in range(12)]
    live_through(shoppers, days, visitors_a_day=30, uplift=0.5)
    for number in range(4):
        shoppers.refund(f"o0302{number:05}", 500, NOON + 5 * DAY)
    whole = measured(days[-1])
    part = measured(days[5])
    assert part.sums == [row for row in whole.sums if row.day <= days[5]]
    assert whole.frozen == ()
    assert sum(row.visitors for row in whole.sums) == 12 * 30
    assert sum(row.orders for row in part.sums) > 5


def test_measuring_again_replaces_what_was_stored(
    shop: Shop, database: sa.Engine, event_log: EventLog, contract: Contract, shoppers: Shoppers
) -> None:
    def run(now: dt.datetime) -> list[DailySum]:
        shoppers.tell(event_log, database)
        return measure(
            shop,
            event_log=event_log,
            database=database,
            contract=contract,
            through=MARCH_31,
            now=now,
        )

    huge = 10**12  # its square needs more than 64 bits
    shoppers.expose("anna", NOON, Arm.TREATMENT)
    shoppers.order("1", huge, NOON, "anna")
    first = run(NOW)
    with database.connect() as connection:
        stored = read_measurement(connection, shop.shop_id)
    assert stored is not None
    assert stored.sums == first == [DailySum(NOON.date(), 1, Arm.TREATMENT, 1, 1, 1, huge, huge**2)]
    assert stored.measured_at == NOW

    shoppers.expose("bert", NOON, Arm.CONTROL)
    shoppers.order("2", 5, NOON)
    second = run(NOW + DAY)
    with database.connect() as connection:
        assert read_sums(connection, shop.shop_id) == second
        again = read_measurement(connection, shop.shop_id)
    assert again is not None
    assert len(second) == 2
    assert again.excluded["no-visitor"].revenue_minor == 5
    assert again.behaviour[Arm.CONTROL].visitors == 1


def test_before_the_first_measurement_there_is_none(shop: Shop, database: sa.Engine) -> None:
    with database.connect() as connection:
        assert read_measurement(connection, shop.shop_id) is None


def test_a_contract_in_another_currency_stops_the_money_path(
    shop: Shop, database: sa.Engine, event_log: EventLog, contract: Contract
) -> None:
    with pytest.raises(InconsistentError):
        collect(
            shop,
            event_log=event_log,
            database=database,
            contract=replace(contract, currency="GBP"),
            through=MARCH_31,
        )


@ON_SQLITE
def test_programs_count_in_neither_arm(shoppers: Shoppers, measured: Measure) -> None:
    for arm in Arm:
        for visitor, bot in (("person", ""), ("program", "1 user-agent")):
            name = f"{visitor} {arm.value}"
            shoppers.expose(name, NOON, arm)
            shoppers.event(EventType.PAGE_VIEW, name, NOON + DAY, bot=bot)
            shoppers.order(f"o-{name}", 1_000, NOON + DAY, name, [EventItem("a")])
    result = measured(MARCH_31)
    # One person an arm, each with one order, one page and one unit.
    for arm in Arm:
        seen = result.behaviour[arm]
        assert (seen.visitors, seen.orders, seen.pages, seen.units) == (1, 1, 1, 1)
    assert result.excluded["program"].orders == 2
    assert result.removed == tuple(
        Removed("program", 1, arm.value, visitors=1, orders=1, revenue_minor=1_000) for arm in Arm
    )
    assert [told.version for told in result.rules] == [0]


@ON_SQLITE
def test_visitors_who_met_no_recommendation_are_the_standing_check(
    shoppers: Shoppers, measured: Measure
) -> None:
    """Pages tell the arm too; four visitors, of whom two are exposed, one of them later."""
    for visitor, arm in [("a", Arm.TREATMENT), ("b", Arm.CONTROL), ("c", Arm.TREATMENT)]:
        shoppers.event(EventType.PAGE_VIEW, visitor, NOON, arm=arm, stratum=1)
    shoppers.order("before", 300, NOON + DAY / 4, "a")
    shoppers.expose("a", NOON + DAY, Arm.TREATMENT)
    shoppers.order("after", 1_000, NOON + DAY, "a")
    shoppers.expose("d", NOON, Arm.CONTROL)
    shoppers.order("never exposed", 50, NOON + DAY, "b")
    result = measured(MARCH_31)
    assert sum(row.visitors for row in result.sums) == 2
    views = {(view.kind, view.name): view.strata for view in result.views}
    ((everybody,), (alike,)) = (
        views[kind, ""] for kind in (ViewKind.INTENTION_TO_TREAT, ViewKind.UNTRIGGERED)
    )
    assert (everybody.treatment.visitors, everybody.control.visitors) == (2, 2)
    assert (everybody.treatment.revenue_minor, everybody.control.revenue_minor) == (1_300, 50)
    assert (alike.treatment.revenue_minor, alike.control.revenue_minor) == (300, 50)
    # As billed: what a spent before the exposure is its covariate.
    (treated,) = [row for row in result.sums if row.arm is Arm.TREATMENT]
    assert (treated.revenue_minor, treated.covariate_minor) == (1_000, 300)


@ON_SQLITE
def test_without_arms_on_pages_there_is_nothing_beside_the_exposed(
    shoppers: Shoppers, measured: Measure
) -> None:
    shoppers.event(EventType.PAGE_VIEW, "a", NOON)
    shoppers.expose("a", NOON, Arm.TREATMENT)
    kinds = {view.kind for view in measured(MARCH_31).views}
    assert kinds == {ViewKind.TRAILING, ViewKind.MONTH, ViewKind.PLACEMENT}


@ON_SQLITE
def test_months_placements_and_the_last_quarter(shoppers: Shoppers, measured: Measure) -> None:
    july = dt.datetime(2026, 7, 5, 12, tzinfo=dt.UTC)
    shoppers.event(EventType.EXPOSURE, "a", NOON, arm=Arm.TREATMENT, stratum=1, placement="cart")
    shoppers.event(EventType.EXPOSURE, "b", july, arm=Arm.CONTROL, stratum=1, placement="home")
    shoppers.order("1", 100, NOON, "a")
    shoppers.order("2", 400, july, "a")
    shoppers.order("3", 70, july, "b")
    views = {(view.kind.value, view.name): view.strata[0] for view in measured(july.date()).views}
    assert set(views) == {
        ("trailing", ""),
        *(("month", f"2026-{number:02}") for number in range(3, 8)),
        ("placement", "cart"),
        ("placement", "home"),
    }
    last = views["trailing", ""]
    assert (last.treatment.visitors, last.treatment.revenue_minor) == (1, 400)
    assert last.treatment.revenue_squares == 400**2
    march = views["month", "2026-03"]
    assert (march.treatment.revenue_minor, march.control.visitors) == (100, 0)
    assert views["month", "2026-07"].treatment.revenue_minor == 400
    assert views["placement", "cart"].treatment.revenue_minor == 500
    assert views["placement", "home"].treatment.visitors == 0
    assert views["placement", "home"].control.revenue_minor == 70


@ON_SQLITE
def test_a_torn_day_is_in_no_arm_and_told(shoppers: Shoppers, measured: Measure) -> None:
    """Ten visitors an arm a day; on the second day the control's exposures are lost."""
    for number in range(3):
        at = NOON + number * DAY
        for visitor in range(10):
            shoppers.expose(f"t{number}-{visitor}", at, Arm.TREATMENT)
            shoppers.event(EventType.PAGE_VIEW, f"t{number}-{visitor}", at)
            if number != 1:
                shoppers.expose(f"c{number}-{visitor}", at, Arm.CONTROL)
    for visitor in range(10, 20):
        shoppers.expose(f"t1-{visitor}", NOON + DAY, Arm.TREATMENT)
    shoppers.order("of a frozen day", 100, NOON + DAY, "t0-0")
    shoppers.order("of who came then", 200, NOON + 2 * DAY, "t1-0")
    shoppers.order("counts", 400, NOON + 2 * DAY, "t0-0")
    result = measured(MARCH_31)
    assert [(one.day.day, one.reason) for one in result.frozen] == [(4, "split-of-day")]
    assert {row.day.day for row in result.sums} == {3, 5}
    treated = result.behaviour[Arm.TREATMENT]
    assert (treated.visitors, treated.orders, treated.revenue_minor) == (20, 1, 400)
    assert treated.pages == 20
    assert result.excluded["frozen-day"].orders == 2
    (month,) = [view for view in result.views if view.kind is ViewKind.MONTH]
    assert month.strata[0].treatment.visitors == 20


@ON_SQLITE
@pytest.mark.parametrize(("currency", "cap"), [("JPY", 100_000), ("EUR", 0), ("KWD", 5_000)])
def test_minor_units_are_counted_as_they_are(
    shop: Shop,
    database: sa.Engine,
    event_log: EventLog,
    contract: Contract,
    shoppers: Shoppers,
    currency: str,
    cap: int,
) -> None:
    """Yen have no decimals, dinars three: to the measurement all are whole minor units."""
    shoppers.expose("anna", NOON, Arm.TREATMENT)
    shoppers.order("1", 12_345, NOON, "anna")
    shoppers.tell(event_log, database)
    result = collect(
        replace(shop, currency=currency),
        event_log=event_log,
        database=database,
        contract=replace(contract, currency=currency, order_cap_minor=cap),
        through=MARCH_31,
    )
    assert sum(row.revenue_minor for row in result.sums) == min(12_345, cap or 12_345)


def test_all_of_a_measurement_is_read_back(
    shop: Shop, database: sa.Engine, event_log: EventLog, contract: Contract, shoppers: Shoppers
) -> None:
    for number, arm in enumerate([*Arm] * 10):
        shoppers.event(EventType.PAGE_VIEW, f"v{number}", NOON, arm=arm, stratum=1)
        shoppers.expose(f"v{number}", NOON, arm)
        line = EventItem(f"i{number % 3}", 1, 10**10)
        shoppers.order(f"o{number}", 10**10, NOON, f"v{number}", [line])
    for number in range(20):
        shoppers.expose(f"w{number}", NOON + DAY, Arm.TREATMENT)
    shoppers.tell(event_log, database)
    result = collect(
        shop, event_log=event_log, database=database, contract=contract, through=MARCH_31
    )
    assert result.frozen
    assert result.moments[0].basket.aa == 10 * 10**20
    with database.begin() as connection:
        store_measurement(connection, shop.shop_id, result, NOW)
        stored = read_measurement(connection, shop.shop_id)
    assert stored is not None
    for field in dataclasses.fields(Measurement):
        assert getattr(stored, field.name) == getattr(result, field.name)


def test_sealed_days_measure_as_open_ones_do(
    shop: Shop, database: sa.Engine, event_log: EventLog, contract: Contract, shoppers: Shoppers
) -> None:
    """A copy that comes after the sealing opens its day again, and still counts once."""

    def run() -> Measurement:
        return collect(
            shop, event_log=event_log, database=database, contract=contract, through=MARCH_31
        )

    live_through(shoppers, [NOON.date(), (NOON + DAY).date()], visitors_a_day=20, uplift=0.5)
    events = list(shoppers.events)
    shoppers.tell(event_log, database)
    measured_open = run()
    seal_days(shop.shop_id, event_log=event_log, database=database, through=MARCH_31, now=NOW)
    assert run() == measured_open
    shoppers.events = events[:50]
    shoppers.tell(event_log, database)
    assert run() == measured_open
