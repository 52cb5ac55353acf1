"""Logins on real servers: paths shared, persons counted once, in the arm seen first."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from money_world import CONTRACT
from recommender.bootstrap import Services
from recommender.events.identity import customer_pseudonym, pseudonym
from recommender.paths import PathKind, PathStep
from recommender.ports import EventLog, Visit
from recommender.records import Arm, DailySum, EventType, Shop
from recommender.shops.registry import NewShop
from recommender.uplift.measure import collect
from recommender.uplift.stored import Measurement
from recommender.web.app import create_app
from shoppers import Shoppers
from world import Clock, visitor_state

NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def client(services: Services) -> Iterator[FlaskClient]:
    with create_app(services).test_client() as client:
        yield client


class Desk:
    """The shop's server, telling who logged in."""

    def __init__(self, client: FlaskClient, shop: NewShop) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {shop.secret_key}"}

    def log_in(self, visitor_id: str, customer_id: object) -> dict[str, object]:
        answer = self._client.put(
            f"/v1/visitors/{visitor_id}/customer",
            json={"customer_id": customer_id},
            headers=self._headers,
        )
        return {"status": answer.status_code, **answer.get_json()}


@pytest.fixture
def desk(client: FlaskClient, new_shop: NewShop) -> Desk:
    return Desk(client, new_shop)


class Browsers:
    """What each browser looked at, and what its next slate knows."""

    def __init__(self, services: Services, shop: Shop) -> None:
        self._services = services
        self._shop = shop

    def look(self, visitor_id: str, item_id: str, at: dt.datetime) -> None:
        step = PathStep(item_id, PathKind.VIEW, int(at.timestamp()))
        shoppers = Shoppers(self._shop)
        shoppers.event(EventType.VIEW_ITEM, self.hashed(visitor_id), at)
        visits = {self.hashed(visitor_id): Visit([step])}
        self._services.state.accept(shoppers.events, visits)

    def path(self, visitor_id: str) -> list[str]:
        state = visitor_state(
            self._services.state, self._shop.shop_id, self.hashed(visitor_id), "home"
        )
        return [step.item_id for step in state.recent.steps]

    def hashed(self, visitor_id: str) -> str:
        return pseudonym(self._shop.visitor_key, visitor_id)


@pytest.fixture
def browsers(services: Services, shop: Shop) -> Browsers:
    return Browsers(services, shop)


def test_after_a_login_each_device_knows_the_path_of_the_others(
    desk: Desk, browsers: Browsers
) -> None:
    browsers.look("phone", "tea", NOON)
    browsers.look("laptop", "mug", NOON + dt.timedelta(minutes=1))
    browsers.look("phone", "pot", NOON + dt.timedelta(minutes=2))
    assert desk.log_in("phone", "7") == {
        "status": 201, "new": True, "browsers": 1, "shared": False,
    }  # fmt: skip
    assert browsers.path("laptop") == ["mug"]
    assert desk.log_in("laptop", "7")["browsers"] == 2
    assert browsers.path("laptop") == browsers.path("phone") == ["pot", "mug", "tea"]
    assert desk.log_in("laptop", "7") == {
        "status": 200, "new": False, "browsers": 2, "shared": False,
    }  # fmt: skip


def test_a_browser_of_two_customers_shows_neither_what_the_other_saw_elsewhere(
    desk: Desk, browsers: Browsers
) -> None:
    browsers.look("phone of 7", "secret", NOON)
    browsers.look("family tablet", "toy", NOON)
    desk.log_in("phone of 7", "7")
    desk.log_in("family tablet", "7")
    assert browsers.path("family tablet") == ["toy", "secret"]
    assert desk.log_in("family tablet", "8")["shared"] is True
    assert browsers.path("family tablet") == ["toy"]
    assert browsers.path("phone of 7") == ["secret"]
    # It stays so, whoever logs in next.
    assert desk.log_in("family tablet", "7")["shared"] is True
    assert browsers.path("family tablet") == ["toy"]


def test_no_browser_can_call_itself_a_customer(browsers: Browsers, shop: Shop) -> None:
    customer = customer_pseudonym(shop.visitor_key, "7")
    assert browsers.hashed("customer:7") != customer
    assert len({browsers.hashed(one) for one in ("7", "customer:7", "browser:customer:7")}) == 3


@pytest.mark.parametrize("customer_id", [None, "", 7, "x" * 101, "a\nb"])
def test_an_unusable_customer_is_refused(desk: Desk, customer_id: object) -> None:
    assert desk.log_in("phone", customer_id)["status"] == 422


@pytest.fixture
def shoppers(shop: Shop) -> Shoppers:
    return Shoppers(shop)


class Measuring:
    def __init__(self, shop: Shop, services: Services, shoppers: Shoppers, log: EventLog) -> None:
        self._shop, self._services, self._shoppers, self._log = shop, services, shoppers, log

    def __call__(self) -> Measurement:
        self._shoppers.tell(self._log, self._services.database)
        contract = replace(CONTRACT, shop_id=self._shop.shop_id, starts_on=dt.date(2026, 3, 2))
        return collect(
            self._shop,
            event_log=self._log,
            database=self._services.database,
            contract=contract,
            through=dt.date(2026, 3, 31),
        )


@pytest.fixture
def measured(shop: Shop, services: Services, shoppers: Shoppers, event_log: EventLog) -> Measuring:
    return Measuring(shop, services, shoppers, event_log)


def test_a_person_counts_once_in_the_arm_seen_first(
    desk: Desk, browsers: Browsers, shoppers: Shoppers, measured: Measuring, clock: Clock
) -> None:
    phone, laptop = browsers.hashed("phone"), browsers.hashed("laptop")
    shoppers.expose(phone, NOON, Arm.CONTROL)
    shoppers.expose(laptop, NOON + DAY, Arm.TREATMENT)
    shoppers.expose("somebody else", NOON + DAY, Arm.TREATMENT)
    shoppers.order("1", 900, NOON + 2 * DAY, laptop)
    shoppers.event(EventType.PURCHASE, laptop, NOON + 2 * DAY, order_id="2")
    shoppers.order("2", 100, NOON + 2 * DAY)
    before = measured()
    # As three visitors: the laptop's orders are the treatment's.
    assert [(row.arm, row.visitors, row.revenue_minor) for row in before.sums] == [
        (Arm.CONTROL, 1, 0), (Arm.TREATMENT, 2, 0), (Arm.TREATMENT, 0, 1_000),
    ]  # fmt: skip
    assert before.in_both_arms == 0
    for visitor_id in ("phone", "laptop"):
        desk.log_in(visitor_id, "7")
    after = measured()
    held, treated, day = Arm.CONTROL, Arm.TREATMENT, NOON.date()
    assert after.sums == [
        DailySum(day, 1, held, 1, 0, 0, 0, 0),
        DailySum(day + DAY, 1, treated, 1, 0, 0, 0, 0),
        DailySum(day + 2 * DAY, 1, held, 0, 2, 1, 1_000, 1_000**2),
    ]
    assert (after.in_both_arms, after.in_both_arms_share) == (1, 0.5)


def test_what_is_merged_later_does_not_change_an_earlier_measurement(
    desk: Desk, browsers: Browsers, shoppers: Shoppers, measured: Measuring, clock: Clock
) -> None:
    shoppers.expose(browsers.hashed("phone"), NOON, Arm.CONTROL)
    shoppers.expose(browsers.hashed("laptop"), NOON, Arm.TREATMENT)
    clock.at = dt.datetime(2026, 4, 1, 0, tzinfo=dt.UTC)  # April in Paris
    for visitor_id in ("phone", "laptop"):
        desk.log_in(visitor_id, "7")
    assert sum(row.visitors for row in measured().sums) == 2


def test_the_history_of_a_customer_belongs_to_the_person(
    desk: Desk, browsers: Browsers, shoppers: Shoppers, measured: Measuring, shop: Shop
) -> None:
    """An order that names the customer, as imports do, counts for the browser that logged in."""
    shoppers.expose(browsers.hashed("phone"), NOON, Arm.TREATMENT)
    shoppers.order("1", 500, NOON + DAY, customer_pseudonym(shop.visitor_key, "7"))
    desk.log_in("phone", "7")
    assert sum(row.revenue_minor for row in measured().sums) == 500


def test_an_order_without_links_is_nobodys(
    desk: Desk, browsers: Browsers, measured: Measuring, shoppers: Shoppers, database: sa.Engine
) -> None:
    desk.log_in("phone", "7")
    shoppers.order("1", 500, NOON)
    assert measured().excluded["no-visitor"].orders == 1
