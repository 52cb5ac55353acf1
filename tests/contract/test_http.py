"""The HTTP surface on real servers: what is taken, what is refused, and what a refusal costs."""

import base64
import gzip
import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recommender import tables
from recommender.agreements import Phase
from recommender.bootstrap import Services
from recommender.events.identity import derived_event_id, pseudonym
from recommender.records import Event
from recommender.shops.change_widget import set_widget
from recommender.shops.keys import signing_secret
from recommender.shops.registry import NewShop, ShopOrder, create_shop, start_stratum
from recommender.web.app import create_app
from recommender.widget_records import ConsentMode
from signing import signed_headers
from world import SHOP_ORIGIN, Clock, visitor_state

ITEMS = [
    {"item_id": "mug", "title": "Mug", "url": "/mug", "image_url": "/mug.png", "price": "2.50"},
    {"item_id": "tea", "title": "Tea", "url": "/tea", "image_url": "/tea.png", "price": "4.00"},
]


@pytest.fixture
def client(services: Services) -> Iterator[FlaskClient]:
    with create_app(services).test_client() as client:
        yield client


class Caller:
    """Calls the API as one shop's pages and server would."""

    def __init__(self, client: FlaskClient, services: Services, shop: NewShop) -> None:
        self.client = client
        self.shop = shop
        self.signing_secret = signing_secret(services.secret, shop.shop_id)

    def events(self, body: object, **headers: str) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(
            "/v1/events",
            query_string={"key": self.shop.public_key},
            data=data,
            headers={"Origin": SHOP_ORIGIN, "Content-Type": "text/plain", **headers},
        )

    def slate(self, **arguments: object) -> TestResponse:
        return self.client.get(
            "/v1/recommendations",
            query_string={"key": self.shop.public_key, **arguments},
            headers={"Origin": SHOP_ORIGIN},
        )

    def items(self, items: list[dict[str, Any]]) -> TestResponse:
        return self.client.put("/v1/items", json={"items": items}, headers=self._bearer())

    def signed(self, path: str, body: object, **headers: str) -> TestResponse:
        data = json.dumps(body).encode()
        signature = signed_headers(self.signing_secret, data)
        return self.client.post(path, data=data, headers={**self._bearer(), **signature, **headers})

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.shop.secret_key}"}


@pytest.fixture
def caller(client: FlaskClient, services: Services, new_shop: NewShop) -> Caller:
    caller = Caller(client, services, new_shop)
    assert caller.items(ITEMS).status_code == 200
    return caller


def view(clock: Clock, item_id: str, number: int = 1) -> dict[str, object]:
    return {
        "event_id": derived_event_id(clock(), str(number)),
        "type": "view_item",
        "items": [{"item_id": item_id}],
    }


def stored(services: Services) -> list[Event]:
    return [event for entry in services.state.read(0, 1000) for event in entry.events]


def test_an_acknowledged_event_is_in_the_stream(
    caller: Caller, services: Services, clock: Clock
) -> None:
    sent = view(clock, "mug")
    answer = caller.events({"visitor_id": "v1", "events": [sent]})
    assert answer.status_code == 202
    assert answer.json == {"events": [{"event_id": sent["event_id"], "status": "accepted"}]}
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP_ORIGIN
    (event,) = stored(services)
    assert (event.event_id, event.items[0].item_id) == (sent["event_id"], "mug")
    assert event.received_at == clock()


def test_a_sender_finds_its_own_id_in_the_answer(caller: Caller, services: Services) -> None:
    """Also where the event log names the event otherwise; sent again, it is the same event."""
    search = {"event_id": "2", "type": "search", "search_term": "plate"}
    answers = [caller.events(search).json["events"], caller.events(search).json["events"]]
    assert [[one["event_id"], one["status"]] for (one,) in answers] == [["2", "accepted"]] * 2
    assert {one["stored_id"] for (one,) in answers} == {one.event_id for one in stored(services)}
    assert len({(one.event_id, one.day) for one in stored(services)}) == 1


def test_the_visitors_path_is_known_to_the_next_request(
    caller: Caller, services: Services, clock: Clock
) -> None:
    caller.events({"visitor_id": "v1", "events": [view(clock, "mug", 1), view(clock, "tea", 2)]})
    shop = services.shops.by_id(caller.shop.shop_id)
    state = visitor_state(
        services.state, shop.shop_id, pseudonym(shop.visitor_key, "v1"), "product"
    )
    assert state.recent.item_ids == ("tea", "mug")


def test_one_bad_event_costs_its_neighbours_nothing(
    caller: Caller, services: Services, clock: Clock
) -> None:
    bad = view(clock, "mug", 2) | {"items": [{"item_id": "mug", "price": -1}]}
    answer = caller.events([view(clock, "mug", 1), bad, view(clock, "unicorn", 3)])
    assert answer.status_code == 202
    assert [status.get("code", "") for status in answer.json["events"]] == [
        "",
        "negative-price",
        "unknown-item",
    ]
    assert len(stored(services)) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "malformed-json"),
        (b"{", 400, "malformed-json"),
        (b'{"events": [{"type": NaN}]}', 400, "malformed-json"),
        (b"\xff\xfe", 400, "malformed-json"),
        (b"[" * 100_000, 400, "malformed-json"),
        (b'"text"', 400, "not-a-batch"),
        (b"[]", 422, "batch-size"),
        (b'[{"type": "teleport"}]', 422, "unknown-type"),
        (b'[{"type": "view_item", "items": [{"item_id": "unicorn"}]}]', 422, "unknown-item"),
        (b'[{"type": "view_item", "items": [{"item_id": 1.5}]}]', 422, "wrong-type"),
        (b"[" + b" " * 300_000 + b"]", 413, "body-too-large"),
    ],
)
def test_a_bad_body_gets_a_problem_document_and_stores_nothing(
    caller: Caller, services: Services, body: bytes, status: int, code: str
) -> None:
    answer = caller.events(body)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["code"] == code
    assert answer.json["detail"]
    assert stored(services) == []


@pytest.mark.parametrize(
    ("query", "origin", "status", "code"),
    [
        ({}, SHOP_ORIGIN, 401, "missing-key"),
        ({"key": "pk_nobody"}, SHOP_ORIGIN, 401, "unknown-key"),
        (None, "https://shop.example.evil", 403, "wrong-origin"),
        (None, "https://evil.example", 403, "wrong-origin"),
        (None, "http://shop.example", 403, "wrong-origin"),
        (None, "https://shop.example:8443", 403, "wrong-origin"),
        (None, "null", 403, "wrong-origin"),
    ],
)
def test_only_the_shops_own_pages_may_use_its_site_key(
    caller: Caller,
    services: Services,
    clock: Clock,
    query: dict[str, str] | None,
    origin: str,
    status: int,
    code: str,
) -> None:
    arguments = {"key": caller.shop.public_key} if query is None else query
    for answer in (
        caller.client.post(
            "/v1/events",
            query_string=arguments,
            json=[view(clock, "mug")],
            headers={"Origin": origin},
        ),
        caller.client.get(
            "/v1/recommendations",
            query_string={**arguments, "placement": "home"},
            headers={"Origin": origin},
        ),
    ):
        assert (answer.status_code, answer.json["code"]) == (status, code)
        assert answer.headers["Access-Control-Allow-Origin"] == "*", "readable, never reflected"
    assert stored(services) == []


def test_a_sandboxed_pixel_may_send_events_where_the_shop_takes_them_and_ask_nothing(
    caller: Caller, services: Services, clock: Clock
) -> None:
    set_widget(
        caller.shop.shop_id,
        enabled=True,
        consent=ConsentMode.IMPLIED,
        cart_button=False,
        sandboxed_pixels=True,
        database=services.database,
    )
    sandboxed = {"query_string": {"key": caller.shop.public_key}, "headers": {"Origin": "null"}}
    for answer, status in (
        (caller.client.options("/v1/events", **sandboxed), 204),
        (caller.events([view(clock, "mug")], Origin="null"), 202),
        (caller.events([], Origin="null"), 422),
    ):
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "null"
        assert answer.headers["Vary"] == "Origin"
    assert len(stored(services)) == 1
    assert caller.events([view(clock, "mug")], Origin="https://evil.example").status_code == 403
    for path in ("/v1/recommendations", "/v1/recommendations.html"):
        answer = caller.client.get(path, **sandboxed)
        assert (answer.status_code, answer.json["code"]) == (403, "wrong-origin")
        assert "Take events from sandboxed pixels" in answer.json["detail"]


def test_a_page_that_posts_json_passes_its_preflight(caller: Caller) -> None:
    answer = caller.client.options(
        "/v1/events",
        query_string={"key": caller.shop.public_key},
        headers={"Origin": SHOP_ORIGIN, "Access-Control-Request-Method": "POST"},
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP_ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price": "-1"}, "negative-price"),
        ({"price": "cheap"}, "bad-price"),
        ({"url": "javascript:alert(1)"}, "bad-url"),
        ({"title": ["Tea"]}, "wrong-type"),
        ({"item_id": ""}, "missing-id"),
    ],
)
def test_a_bad_item_is_named_and_the_others_are_kept(
    caller: Caller, services: Services, change: dict[str, object], code: str
) -> None:
    good = ITEMS[0] | {"item_id": "new"}
    answer = caller.items([good | {"colour": "red"}, ITEMS[1] | change])
    assert answer.status_code == 200
    assert answer.json["ignored"] == ["colour"]
    assert answer.json["accepted"] == 1
    assert [(entry["index"], entry["code"]) for entry in answer.json["rejected"]] == [(1, code)]
    alone = caller.items([ITEMS[1] | change])
    assert (alone.status_code, alone.json["code"]) == (422, code)
    revision = visitor_state(services.state, caller.shop.shop_id, "", "").catalogue_revision
    catalogue = services.catalogues.get(caller.shop.shop_id, revision)
    assert catalogue.get("new") is not None
    assert catalogue.get("tea").price_minor == 400


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer sk_nobody", "Bearer pk_x", "Basic c2tfOng="]
)
def test_items_need_the_secret_key(caller: Caller, authorization: str) -> None:
    answer = caller.client.put(
        "/v1/items", json={"items": ITEMS}, headers={"Authorization": authorization}
    )
    assert answer.status_code == 401


def order(clock: Clock, **change: object) -> dict[str, object]:
    return {
        "order_id": "A-1",
        "visitor_id": "v1",
        "placed_at": clock().isoformat(),
        "currency": "EUR",
        "net_minor": 650,
        "items": [{"item_id": "mug", "quantity": 1, "price_minor": 250}],
    } | change


def count_orders(services: Services) -> int:
    with services.database.connect() as connection:
        query = sa.select(sa.func.count()).select_from(tables.orders)
        return int(connection.execute(query).scalar_one())


def test_an_order_counts_once_however_often_it_is_told(
    caller: Caller, services: Services, clock: Clock
) -> None:
    statuses = [caller.signed("/v1/orders", order(clock)).status_code for _ in range(3)]
    assert statuses == [201, 200, 200]
    assert count_orders(services) == 1
    assert [event.order_id for event in stored(services)] == ["A-1"]


def test_what_is_not_read_of_an_order_is_named(caller: Caller, clock: Clock) -> None:
    items = [{"item_id": "mug", "price": "2.50"}, {"item_id": "tea", "price": "4.00"}]
    told = order(clock, items=items, visitor="v1")
    first, second = (caller.signed("/v1/orders", told).json for _ in range(2))
    assert first == {"order_id": "A-1", "ignored": ["visitor", "items.price"], "new": True}
    assert second == first | {"new": False}
    refund = {"refund_id": "R", "order_id": "A-1", "currency": "EUR", "net_minor": 1, "why": "?"}
    told = refund | {"refunded_at": clock().isoformat()}
    assert caller.signed("/v1/refunds", told).json["ignored"] == ["why"]


def test_an_order_that_contradicts_itself_is_listed_and_changes_nothing(
    caller: Caller, services: Services, clock: Clock
) -> None:
    caller.signed("/v1/orders", order(clock))
    answer = caller.signed("/v1/orders", order(clock, net_minor=1))
    assert (answer.status_code, answer.json["code"]) == (409, "order-conflict")
    with services.database.connect() as connection:
        kept = connection.execute(sa.select(tables.orders.c.net_minor)).scalar_one()
        listed = connection.execute(sa.select(tables.order_conflicts.c.body)).scalars().all()
    assert kept == 650
    assert [json.loads(body)["net_minor"] for body in listed] == [1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"net_minor": -1}, "negative-price"),
        ({"net_minor": 10**18}, "amount-too-large"),
        ({"net_minor": 6.5}, "wrong-type"),
        ({"currency": "USD"}, "wrong-currency"),
        ({"placed_at": "today"}, "bad-time"),
        ({"placed_at": "2026-03-02T09:00:00"}, "bad-time"),
        ({"placed_at": "2031-03-02T09:00:00Z"}, "bad-time"),
        ({"order_id": ""}, "bad-order-id"),
        ({"items": [{"item_id": "mug", "quantity": 0}]}, "bad-quantity"),
        ({"items": [{"item_id": "mug", "quantity": 2**64}]}, "bad-quantity"),
        ({"items": [{"quantity": 1}]}, "bad-item-id"),
    ],
)
def test_a_bad_order_is_refused_with_its_reason(
    caller: Caller, services: Services, clock: Clock, change: dict[str, object], code: str
) -> None:
    answer = caller.signed("/v1/orders", order(clock, **change))
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert count_orders(services) == 0
    assert stored(services) == []


def test_refunds_are_facts_of_their_own(caller: Caller, services: Services, clock: Clock) -> None:
    refund = {
        "refund_id": "R-1",
        "order_id": "A-1",
        "refunded_at": clock().isoformat(),
        "currency": "EUR",
        "net_minor": 250,
    }
    assert caller.signed("/v1/orders", order(clock)).status_code == 201
    assert caller.signed("/v1/refunds", refund).status_code == 201
    assert caller.signed("/v1/refunds", refund).status_code == 200
    assert count_orders(services) == 2


@pytest.mark.parametrize("fault", ["unsigned", "other body", "other secret", "old", "other shop"])
def test_only_the_shops_signature_makes_an_order(
    caller: Caller, services: Services, clock: Clock, shop_order: ShopOrder, fault: str
) -> None:
    data = json.dumps(order(clock)).encode()
    secret = caller.signing_secret
    if fault == "other shop":
        other = create_shop(shop_order, database=services.database, now=clock())
        secret = signing_secret(services.secret, other.shop_id)
    if fault == "other secret":
        secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
    signature = signed_headers(secret, data, age_seconds=301 if fault == "old" else 0)
    if fault == "unsigned":
        signature = {}
    if fault == "other body":
        data = data.replace(b"650", b"999")
    answer = caller.client.post(
        "/v1/orders",
        data=data,
        headers={"Authorization": f"Bearer {caller.shop.secret_key}", **signature},
    )
    assert (answer.status_code, answer.json["code"]) == (401, "bad-signature")
    assert count_orders(services) == 0


def test_a_slate_asks_for_a_known_placement(caller: Caller) -> None:
    for arguments, code in (
        ({}, "unknown-placement"),
        ({"placement": "moon"}, "unknown-placement"),
        ({"placement": "home", "n": "0"}, "bad-count"),
        ({"placement": "home", "n": "٣"}, "bad-count"),
        ({"placement": "home", "item_id": "x" * 101}, "bad-text"),
    ):
        answer = caller.slate(**arguments)
        assert (answer.status_code, answer.json["code"]) == (422, code)


def test_a_slate_of_an_untrained_shop_still_answers(caller: Caller) -> None:
    answer = caller.slate(placement="product", item_id="unicorn")
    assert answer.status_code == 200
    assert answer.json["fallback"]


def test_the_configuration_lets_anyone_recompute_an_arm(caller: Caller, services: Services) -> None:
    answer = caller.client.get(f"/v1/config/{caller.shop.public_key}")
    stratum = services.shops.by_id(caller.shop.shop_id).current_stratum
    assert answer.json["stratum"] == {
        "stratum": 1,
        "salt": stratum.salt,
        "treatment_share_ppm": 500_000,
        "silent": False,
    }
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_the_configuration_tells_that_nobody_is_shown_anything(
    caller: Caller, services: Services
) -> None:
    start_stratum(
        caller.shop.shop_id,
        500_000,
        database=services.database,
        now=services.now(),
        phase=Phase.A_A,
        reason="begins",
    )
    answer = caller.client.get(f"/v1/config/{caller.shop.public_key}")
    assert answer.json["stratum"]["silent"] is True


def test_health_readiness_metrics_and_description(caller: Caller) -> None:
    client = caller.client
    assert client.get("/healthz").json["status"] == "ok"
    assert client.get("/readyz").json == {"status": "ready", "causes": {}}
    assert client.get("/openapi.json").json["openapi"].startswith("3.1")
    assert b"recommender_events_total" in client.get("/metrics").data
    page = client.get("/docs")
    assert b"/v1/recommendations" in page.data
    assert "<code>items[].price_minor</code>" in page.text
    assert "whole number of minor units: 22.50 EUR is 2250" in page.text
    example = re.search(
        r'aria-label="Example of State an order"><code>(.*?)</code>', page.text, re.S
    )
    assert example is not None
    told = json.loads(html.unescape(example[1]))
    assert caller.signed("/v1/orders", told).status_code == 201
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]


def test_an_unknown_address_is_a_problem_document_too(caller: Caller) -> None:
    answer = caller.client.get("/v1/nothing")
    assert (answer.status_code, answer.json["code"]) == (404, "not-found")
    refused = caller.client.delete("/v1/orders")
    assert (refused.status_code, refused.json["code"]) == (405, "method-not-allowed")
    listing = caller.client.get("/errors")
    for problem in (answer.json, refused.json):
        address, _, anchor = problem["type"].partition("#")
        assert address == "/errors"
        assert listing.text.count(f'id="{anchor}"') == 1
    anchors = re.findall(r'id="([^"]+)"', listing.text)
    assert len(anchors) == len(set(anchors)) > 100
    assert "](" not in listing.text


def test_the_widget_is_served_compressed_and_a_release_for_ever(caller: Caller) -> None:
    client = caller.client
    for path, lifetime in (("/widget.js", "max-age=300"), ("/widget-0.1.0.js", "immutable")):
        plain = client.get(path)
        packed = client.get(path, headers={"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed.data) == plain.data
        assert lifetime in plain.headers["Cache-Control"]
        assert plain.headers["Access-Control-Allow-Origin"] == "*"
        again = client.get(path, headers={"If-None-Match": plain.headers["ETag"]})
        assert again.status_code == 304
    for version in ("9.9.9", "..%2Fwidget", "0.1.0.js.map"):
        assert client.get(f"/widget-{version}.js").status_code == 404
