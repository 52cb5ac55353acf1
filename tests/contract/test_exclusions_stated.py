"""Who counts in neither arm: stated on real databases, and measured from the day after on."""

import datetime as dt
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from recommender import tables
from recommender.errors import InvalidInputError
from recommender.events.identity import customer_pseudonym
from recommender.events.order_marks import mark_key, person_key
from recommender.records import Arm, EventType, OrderKind, Shop
from recommender.shops.audit import read_audit, verify_audit
from recommender.shops.change_exclusions import change_exclusions, read_timeline
from recommender.shops.exclusions import ExclusionChange, Exclusions
from recommender.uplift.removed import Removed
from recommender.uplift.stored import Measurement
from recommender.uplift.views import ViewKind
from shoppers import Shoppers

DAY = dt.timedelta(days=1)
NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
MARCH_31 = dt.date(2026, 3, 31)
LATE = dt.datetime(2026, 3, 4, 23, 30, tzinfo=dt.UTC)
"""In Paris it is the 5th already."""

State = Callable[..., Exclusions]


@pytest.fixture
def state(shop: Shop, database: sa.Engine) -> State:
    def run(now: dt.datetime = NOON, **change: set[str]) -> Exclusions:
        lists = {name: frozenset(values) for name, values in change.items()}
        return change_exclusions(shop, ExclusionChange(**lists), database=database, now=now)

    return run


def test_a_version_governs_from_the_shops_next_day_on(
    shop: Shop, database: sa.Engine, state: State
) -> None:
    first = state(add_staff={"k1"}, add_marks={"tag:team"})
    again = state(add_staff={"k1"})
    second = state(LATE, add_staff={"k2"}, drop_staff={"k1"}, drop_marks={"tag:team"})
    assert again == first
    assert (first.told.version, first.told.governs_from) == (1, dt.date(2026, 3, 4))
    assert (second.told.version, second.told.governs_from) == (2, dt.date(2026, 3, 6))
    assert (second.staff, second.marks) == (("k2",), ())
    timeline = read_timeline(shop.shop_id, database=database)
    assert timeline.versions[1:] == (first, second)
    [told, _] = [
        one
        for one in read_audit(shop.shop_id, database=database)
        if one.action == "exclusions.stated"
    ]
    assert told.detail["sha256"] == second.told.sha256
    assert verify_audit(database=database)


def test_a_version_is_never_changed(shop: Shop, database: sa.Engine, state: State) -> None:
    state(add_staff={"k"})
    rows = tables.exclusions
    for statement in (rows.update().values(staff=[]), rows.delete()):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), database.begin() as connection:
            connection.execute(statement)
    assert read_timeline(shop.shop_id, database=database).newest.staff == ("k",)


@pytest.mark.parametrize("mark", ["team", "colour:red", "tag:Team"])
def test_what_is_no_mark_is_refused(database: sa.Engine, state: State, mark: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        state(add_marks={mark})
    assert caught.value.code == "bad-exclusions"


def merge(database: sa.Engine, shop: Shop, browser: str, customer: str) -> str:
    person = customer_pseudonym(shop.visitor_key, customer)
    row = {"visitor": browser, "person": person, "merged_at": NOON, "shared_at": None}
    with database.begin() as connection:
        connection.execute(tables.merges.insert().values(shop_id=shop.shop_id, **row))
    return person


def test_staff_is_out_of_both_arms_from_the_day_after_it_was_named(
    shop: Shop,
    database: sa.Engine,
    state: State,
    shoppers: Shoppers,
    measured: Callable[[], Measurement],
) -> None:
    """Four of the staff: two came before the version governed, two after; and two shoppers."""
    people = {person_key(shop.visitor_key, name) for name in ("s1", "s2", "s3", "s4")}
    state(add_staff=people)  # governs from 4 March on
    arms = {"s1": Arm.CONTROL, "s2": Arm.TREATMENT, "s3": Arm.CONTROL, "s4": Arm.TREATMENT}
    for name, arm in arms.items():
        merge(database, shop, f"browser of {name}", name)
        at = NOON if name in {"s1", "s2"} else NOON + 2 * DAY
        shoppers.event(EventType.PAGE_VIEW, f"browser of {name}", at - DAY / 4, arm=arm, stratum=1)
        shoppers.expose(f"browser of {name}", at, arm)
        shoppers.order(f"early {name}", 100, at, f"browser of {name}")
        shoppers.order(f"late {name}", 1_000, NOON + 3 * DAY, f"browser of {name}")
    for name, arm in (("a", Arm.CONTROL), ("b", Arm.TREATMENT)):
        shoppers.expose(name, NOON + 2 * DAY, arm)
        shoppers.order(f"of {name}", 7, NOON + 3 * DAY, name)
    result = measured()
    # Who had entered stays, and so does what was bought until then.
    for arm in Arm:
        own = result.behaviour[arm]
        assert (own.visitors, own.revenue_minor) == (2, 107)
    assert result.removed == tuple(
        Removed("staff", 1, arm.value, visitors=1, orders=3, revenue_minor=2_100) for arm in Arm
    )
    assert result.excluded["staff"].orders == 6
    assert [told.version for told in result.rules] == [0, 1]
    [everybody] = [v for v in result.views if v.kind is ViewKind.INTENTION_TO_TREAT]
    assert everybody.strata[0].treatment.visitors == 2


def test_orders_of_staff_addresses_and_with_marks_are_no_sales(
    shop: Shop,
    database: sa.Engine,
    state: State,
    shoppers: Shoppers,
    measured: Callable[[], Measurement],
) -> None:
    key = shop.visitor_key
    address = person_key(key, " Ann@Shop.Example")
    state(add_staff={address, customer_pseudonym(key, "77")}, add_marks={"tag:team"})
    state(NOON + 3 * DAY, drop_marks={"tag:team"})  # governs from 7 March on
    carried = {
        "by address": {"email_key": address},
        "by customer": {"marks": f"x {customer_pseudonym(key, '77')}"},
        "by mark": {"marks": f"{mark_key(key, 'tag:team')} y"},
        "other": {"marks": mark_key(key, "tag:vip"), "email_key": "z"},
    }
    for arm in Arm:
        shoppers.expose(arm.value, NOON, arm)
        for name in carried:
            for number in range(5):
                order_id = f"{number} {name} {arm.value}"
                shoppers.order(order_id, 10, NOON + number * DAY, arm.value)
    shoppers.order("3 by mark stranger", 10, NOON + 3 * DAY)
    columns = {"marks": "", "email_key": ""}
    for row in shoppers.orders:
        row.update(columns, **next(v for name, v in carried.items() if name in row["order_id"]))
    result = measured()
    # Of five days the first is not governed, and the last has no mark any more.
    [on, off] = [result.behaviour[arm] for arm in (Arm.TREATMENT, Arm.CONTROL)]
    assert on.orders == off.orders == 5 + 1 + 1 + 2
    assert [(one.reason, one.arm, one.orders) for one in result.removed] == [
        ("no-sale", "", 1),
        ("no-sale", "control", 3),
        ("no-sale", "treatment", 3),
        ("staff", "control", 8),
        ("staff", "treatment", 8),
    ]


def test_tests_are_counted_and_are_no_orders(
    shoppers: Shoppers, measured: Callable[[], Measurement]
) -> None:
    for arm in Arm:
        shoppers.event(EventType.PAGE_VIEW, arm.value, NOON, arm=arm, stratum=1)
        shoppers.expose(arm.value, NOON + DAY, arm)
    # One before the exposure, where it would be a covariate, and one after it.
    for number in (0, 2):
        shoppers.order(f"t{number}", 50, NOON + number * DAY, "treatment")
        shoppers.orders[-1]["kind"] = OrderKind.TEST.value
    shoppers.refund("t2", 50, NOON + 3 * DAY)
    result = measured()
    assert result.removed == (Removed("test", 1, "treatment", 0, 2, 100),)
    assert all(not row.revenue_minor and not row.covariate_minor for row in result.sums)
