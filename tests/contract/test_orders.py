"""Orders over HTTP on real servers: told twice, edited, taken back, by the shop or its platform."""

import base64
import datetime as dt
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from platform_bodies import PRESTASHOP, SHOPIFY, SHOPIFY_REFUND, WOOCOMMERCE
from recommender import tables
from recommender.adapters.redis_state import RedisState
from recommender.bootstrap import Services
from recommender.errors import UnavailableError
from recommender.events.identity import pseudonym
from recommender.events.orders import parse_order
from recommender.events.platforms import PLATFORMS, sign_body
from recommender.events.record_order import record_facts
from recommender.events.send_orders import send_waiting_orders
from recommender.records import Event
from recommender.shops.registry import NewShop, ShopOrder, create_shop
from recommender.shops.replies import forget_replies
from recommender.shops.signing_secrets import (
    active_signing_secrets,
    add_signing_secret,
    revoke_signing_secret,
)
from recommender.shops.webhooks import (
    ItemField,
    NewWebhook,
    Platform,
    add_webhook,
    list_webhooks,
    revoke_webhook,
)
from recommender.web.app import create_app
from signing import signed_headers
from world import Clock

SECRET = "a-secret-that-the-platform-made"
NO_STREAM = RedisState("")


class Caller:
    """Speaks as one shop's server, and as its platform."""

    def __init__(self, client: FlaskClient, services: Services, shop: NewShop) -> None:
        self.client, self.services, self.shop = client, services, shop

    @property
    def secrets(self) -> tuple[str, ...]:
        return active_signing_secrets(
            self.shop.shop_id, service_secret=self.services.secret, database=self.services.database
        )

    def tell(self, path: str, body: object, *, secret: str = "", **headers: str) -> TestResponse:
        data = json.dumps(body).encode()
        signed = signed_headers(secret or self.secrets[0], data)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        bearer = {"Authorization": f"Bearer {self.shop.secret_key}"}
        return self.client.post(path, data=data, headers={**bearer, **signed, **named})

    def hook(
        self, platform: str, body: object, topic: str = "", secret: str = SECRET, **headers: str
    ) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        rules = PLATFORMS[Platform(platform)]
        told = {rules.signature: sign_body(data, secret), rules.topic: topic}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            f"/v1/webhooks/{platform}",
            query_string={"key": self.shop.public_key},
            data=data,
            headers={**told, **named},
        )


@pytest.fixture
def client(services: Services) -> Iterator[FlaskClient]:
    with create_app(services).test_client() as client:
        yield client


@pytest.fixture
def caller(client: FlaskClient, services: Services, new_shop: NewShop, clock: Clock) -> Caller:
    clock.at = dt.datetime(2026, 3, 6, 9, tzinfo=dt.UTC)
    for platform in Platform:
        new = NewWebhook(platform, SECRET)
        add_webhook(
            new_shop.shop_id,
            new,
            database=services.database,
            service_secret=services.secret,
            now=clock(),
        )
    return Caller(client, services, new_shop)


def order(**change: object) -> dict[str, object]:
    return {
        "order_id": "A-1",
        "placed_at": "2026-03-02T09:00:00Z",
        "currency": "EUR",
        "net_minor": 650,
        "items": [{"item_id": "mug"}],
    } | change


def rows(services: Services, table: sa.Table) -> list[Any]:
    with services.database.connect() as connection:
        return list(connection.execute(sa.select(table)).all())


def counted(services: Services) -> dict[tuple[str, str], int]:
    return {(row.kind, row.fact_id): row.net_minor for row in rows(services, tables.orders)}


def sent(services: Services) -> list[Event]:
    return [event for entry in services.state.read(0, 1000) for event in entry.events]


def test_a_message_told_again_is_answered_as_before_for_ever(
    caller: Caller, services: Services, clock: Clock
) -> None:
    answers = []
    body = json.dumps(order()).encode()
    headers = {
        "Authorization": f"Bearer {caller.shop.secret_key}",
        **signed_headers(caller.secrets[0], body),
    }
    for days in (0, 1, 400):
        clock.advance(days=days)
        answers.append(caller.client.post("/v1/orders", data=body, headers=headers))
        forget_replies(database=services.database, now=clock())
    assert [(one.status_code, one.json["new"]) for one in answers] == [(201, True)] * 3
    assert len(rows(services, tables.order_facts)) == 1
    assert [event.order_id for event in sent(services)] == ["A-1"]


def test_an_idempotency_key_holds_for_its_route_and_body(caller: Caller) -> None:
    first = caller.tell("/v1/orders", order(), Idempotency_Key="k1")
    again = caller.tell("/v1/orders", order(), Idempotency_Key="k1")
    other = caller.tell("/v1/orders", order(order_id="A-2"), Idempotency_Key="k1")
    refund = {"refund_id": "R", "order_id": "A-1", "refunded_at": "2026-03-03T09:00:00Z",
              "currency": "EUR", "net_minor": 1}  # fmt: skip
    elsewhere = caller.tell("/v1/refunds", refund, Idempotency_Key="k1")
    assert [first.status_code, again.status_code] == [201, 201]
    assert (other.status_code, other.json["code"]) == (422, "key-reused")
    assert elsewhere.status_code == 201
    assert caller.tell("/v1/orders", order(), Idempotency_Key="").json["code"] == "bad-id"


def test_items_take_an_idempotency_key(caller: Caller, services: Services, clock: Clock) -> None:
    def put(price: str) -> TestResponse:
        item = {"item_id": "mug", "title": "Mug", "url": "/mug", "image_url": "/m", "price": price}
        headers = {"Authorization": f"Bearer {caller.shop.secret_key}", "Idempotency-Key": "k"}
        return caller.client.put("/v1/items", json={"items": [item]}, headers=headers)

    first = put("2.50")
    assert put("2.50").json == first.json
    assert (put("3.50").status_code, put("3.50").json["code"]) == (422, "key-reused")
    clock.advance(days=91)
    assert forget_replies(database=services.database, now=clock()) == 1
    assert put("3.50").json["revision"] > first.json["revision"]


def test_one_message_in_fifty_hands_has_one_effect(caller: Caller, services: Services) -> None:
    body = json.dumps(order()).encode()
    headers = {
        "Authorization": f"Bearer {caller.shop.secret_key}",
        **signed_headers(caller.secrets[0], body),
    }
    app = create_app(services)
    statuses: list[int] = []

    def send() -> None:
        for _ in range(10):
            answer = app.test_client().post("/v1/orders", data=body, headers=headers)
            statuses.append(answer.status_code)

    threads = [threading.Thread(target=send) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 50
    assert counted(services) == {("order", "A-1"): 650}
    assert {event.event_id for event in sent(services)} == {sent(services)[0].event_id}


def test_several_signing_secrets_hold_until_one_is_revoked(
    caller: Caller, services: Services, clock: Clock
) -> None:
    shop_id, (old,) = caller.shop.shop_id, caller.secrets
    add_signing_secret(shop_id, database=services.database, now=clock())
    (new,) = set(caller.secrets) - {old}
    for number, secret in enumerate((old, new)):
        answer = caller.tell("/v1/orders", order(order_id=f"A-{number}"), secret=secret)
        assert answer.status_code == 201
    revoke_signing_secret(shop_id, 1, database=services.database, now=clock())
    assert caller.tell("/v1/orders", order(), secret=old).json["code"] == "bad-signature"
    assert caller.tell("/v1/orders", order(), secret=new).status_code in {200, 201}


def test_an_order_is_edited_refunded_in_part_and_cancelled(
    caller: Caller, services: Services
) -> None:
    assert caller.tell("/v1/orders", order()).status_code == 201
    assert caller.tell("/v1/orders", order(net_minor=700, revision=1)).status_code == 201
    assert caller.tell("/v1/orders", order(net_minor=1)).status_code == 409
    refund = {"refund_id": "R-1", "order_id": "A-1", "refunded_at": "2026-03-03T09:00:00Z",
              "currency": "EUR", "net_minor": 100}  # fmt: skip
    assert caller.tell("/v1/refunds", refund).status_code == 201
    gone = {"order_id": "A-1", "status": "cancelled", "cancelled_at": "2026-03-04T09:00:00Z",
            "revision": 2}  # fmt: skip
    assert caller.tell("/v1/orders", gone).status_code == 201
    assert counted(services) == {
        ("order", "A-1"): 700,
        ("refund", "R-1"): 100,
        ("cancel", "A-1"): 700 - 100,
    }
    (conflict,) = rows(services, tables.order_conflicts)
    assert json.loads(conflict.body)["net_minor"] == 1
    assert len(sent(services)) == 1, "training learns of an order once"


def test_an_order_told_as_a_test_is_kept_and_is_no_order(
    caller: Caller, services: Services
) -> None:
    """Whatever is told of it later; and a sale that is called a test later stays a sale."""
    told = [
        order(test=True, customer_id=77, marks=["tag:team"]),
        order(revision=2, net_minor=5),
        order(order_id="B"),
        order(order_id="B", revision=1, test=True),
    ]
    for one in told:
        assert caller.tell("/v1/orders", one).status_code == 201
    assert counted(services) == {("test", "A-1"): 5, ("order", "B"): 650}
    [marks] = [row.marks for row in rows(services, tables.orders) if row.kind == "test"]
    assert marks.split()[0] == "test"
    assert len(marks.split()) == 3
    assert [event.order_id for event in sent(services)] == ["B"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"marks": ["team"]}, "bad-mark"),
        ({"marks": "tag:team"}, "wrong-type"),
        ({"marks": ["tag:a"] * 21}, "wrong-type"),
        ({"test": "no"}, "wrong-type"),
    ],
)
def test_marks_that_cannot_be_read_refuse_the_order(
    caller: Caller, change: dict[str, Any], code: str
) -> None:
    answer = caller.tell("/v1/orders", order(**change))
    assert (answer.status_code, answer.json and answer.json["code"]) == (422, code)


def test_a_dead_stream_costs_no_order_and_no_event(
    caller: Caller, services: Services, clock: Clock
) -> None:
    shop = services.shops.by_id(caller.shop.shop_id)
    fact = parse_order(order(visitor_id="v1"), shop=shop, received_at=clock())
    recorded = record_facts([fact], database=services.database, stream=NO_STREAM)
    assert recorded.new == (fact,)
    assert sent(services) == []
    with pytest.raises(UnavailableError):
        send_waiting_orders(database=services.database, stream=NO_STREAM)
    assert send_waiting_orders(database=services.database, stream=services.state) == 1
    assert send_waiting_orders(database=services.database, stream=services.state) == 0
    (event,) = sent(services)
    assert (event.order_id, event.visitor) == ("A-1", pseudonym(shop.visitor_key, "v1"))
    assert [item.item_id for item in event.items] == ["mug"]


MESSAGES = {
    "shopify": [
        (SHOPIFY, "orders/create"),
        (SHOPIFY | {"updated_at": "2026-03-02T10:00:09+01:00"}, "orders/paid"),
        (SHOPIFY_REFUND, "refunds/create"),
        (
            SHOPIFY | {"updated_at": "2026-03-04T09:00:01+01:00", "refunds": [SHOPIFY_REFUND]},
            "orders/updated",
        ),
    ],
    "woocommerce": [
        (WOOCOMMERCE | {"status": "pending"}, "order.created"),
        (WOOCOMMERCE | {"date_modified_gmt": "2026-03-02T09:06:00"}, "order.updated"),
    ],
    "prestashop": [(PRESTASHOP, "order")],
}
RESULTS = {
    "shopify": {("order", "5001"): 2250, ("refund", "9001"): 900},
    "woocommerce": {("order", "727"): 4000},
    "prestashop": {("order", "42"): 2189},
}


@pytest.mark.parametrize("platform", list(MESSAGES))
@pytest.mark.parametrize("backwards", [False, True])
def test_a_platform_may_send_twice_and_in_any_order(
    caller: Caller, services: Services, platform: str, backwards: bool
) -> None:
    messages = MESSAGES[platform][:: -1 if backwards else 1]
    for body, topic in [*messages, *messages]:
        answer = caller.hook(platform, body, topic)
        assert (answer.status_code, answer.json["status"]) == (200, "taken")
        assert answer.json["conflicts"] == 0
    assert counted(services) == RESULTS[platform]
    assert len(sent(services)) == 1
    stored = "".join(str(row) for row in rows(services, tables.order_facts)).lower()
    assert "example.com" not in stored


def test_two_woocommerce_orders_of_one_second_share_a_delivery_id_and_both_count(
    caller: Caller, services: Services
) -> None:
    for number in (1, 2):
        body = WOOCOMMERCE | {"id": number}
        caller.hook("woocommerce", body, "order.created", X_WC_Webhook_Delivery_ID="same")
    assert len(counted(services)) == 2


def test_woocommerce_tries_the_address_unsigned(caller: Caller, services: Services) -> None:
    address = {"key": caller.shop.public_key}
    path = "/v1/webhooks/woocommerce"
    ping = caller.client.post(path, query_string=address, data=b"webhook_id=12")
    assert (ping.status_code, ping.json) == (200, {"status": "ping"})
    forged = caller.client.post(path, query_string=address, json=WOOCOMMERCE)
    assert (forged.status_code, forged.json["code"]) == (401, "bad-signature")
    assert counted(services) == {}


@pytest.mark.parametrize("fault", ["unsigned", "other secret", "changed", "other shop", "revoked"])
def test_only_the_platforms_signature_makes_an_order(
    caller: Caller, services: Services, shop_order: ShopOrder, clock: Clock, fault: str
) -> None:
    data = json.dumps(SHOPIFY).encode()
    key, signature = caller.shop.public_key, sign_body(data, SECRET)
    if fault == "unsigned":
        signature = ""
    if fault == "other secret":
        signature = sign_body(data, "another-secret-entirely")
    if fault == "changed":
        data = data.replace(b"27.00", b"99.00")
    if fault == "other shop":
        key = create_shop(shop_order, database=services.database, now=clock()).public_key
    if fault == "revoked":
        shop_id = caller.shop.shop_id
        for one in list_webhooks(shop_id, database=services.database):
            revoke_webhook(shop_id, one.secret_id, database=services.database, now=clock())
    answer = caller.client.post(
        "/v1/webhooks/shopify",
        query_string={"key": key},
        data=data,
        headers={"X-Shopify-Hmac-Sha256": signature, "X-Shopify-Topic": "orders/create"},
    )
    assert (answer.status_code, answer.json["code"]) == (401, "bad-signature")
    assert counted(services) == {}


def test_several_secrets_of_a_platform_hold_and_a_domain_is_checked(
    caller: Caller, services: Services, clock: Clock
) -> None:
    second = NewWebhook(Platform.SHOPIFY, "second-secret-of-ours", ItemField.SKU, "x.myshopify.com")
    add_webhook(
        caller.shop.shop_id,
        second,
        database=services.database,
        service_secret=services.secret,
        now=clock(),
    )
    told = {"secret": second.secret, "topic": "orders/create"}
    assert caller.hook("shopify", SHOPIFY, **told).status_code == 401
    right = caller.hook("shopify", SHOPIFY, X_Shopify_Shop_Domain="x.myshopify.com", **told)
    assert right.json == {"status": "taken", "new": 1, "conflicts": 0}
    assert sent(services)[0].items[0].item_id == "MUG"
    sealed = b"".join(row.sealed for row in rows(services, tables.webhook_secrets))
    assert SECRET.encode() not in sealed
    assert base64.b64encode(SECRET.encode()) not in sealed


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (SHOPIFY | {"currency": "USD"}, "wrong-currency"),
        (SHOPIFY | {"subtotal_price": "free"}, "bad-amount"),
        (b'{"id": 5001, ', "malformed-json"),
        (b"[]", "wrong-type"),
    ],
)
def test_one_strange_order_is_listed_and_does_not_cost_the_webhook(
    caller: Caller, services: Services, body: Any, code: str
) -> None:
    for _ in range(2):
        answer = caller.hook("shopify", body, "orders/create")
        assert (answer.status_code, answer.json["status"]) == (200, "listed")
        assert answer.json["code"] == code
    (listed,) = rows(services, tables.order_faults)
    assert (listed.code, listed.topic) == (code, "orders/create")
    assert "example.com" not in str(listed).lower()
    assert counted(services) == {}


def test_what_is_no_order_is_passed_over_and_an_unknown_platform_is_none(caller: Caller) -> None:
    assert caller.hook("shopify", {"id": 1}, "products/update").json == {"status": "ignored"}
    unknown = caller.client.post(
        "/v1/webhooks/etsy", query_string={"key": caller.shop.public_key}, json={}
    )
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown-platform")
    nobody = caller.client.post("/v1/webhooks/shopify", json={})
    assert (nobody.status_code, nobody.json["code"]) == (401, "missing-key")
