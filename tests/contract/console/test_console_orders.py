"""The page "Orders", over the real application and in a real browser at both widths."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pages import log_in, log_in_by_hand, token
from playwright.sync_api import Browser

from recommender.adapters.redis_state import RedisState
from recommender.bootstrap import Services
from recommender.events.link_orders import report_links
from recommender.events.orders import parse_order, parse_refund
from recommender.events.reconcile import reconcile
from recommender.events.record_order import record_facts
from recommender.records import Shop
from recommender.shops.webhooks import Platform, list_webhooks, open_webhooks

NO_STREAM = RedisState("")


@pytest.fixture
def stocked(services: Services, owner: Shop, tmp_path: Path) -> Shop:
    """The owner's shop with three orders, one told twice, one missing in its list."""
    for number, more in enumerate(({"visitor_id": "v"}, {"cart_token": "c"}, {})):
        body = {"order_id": f"A-{number}", "currency": "EUR", "net_minor": 1_250,
                "placed_at": "2026-03-20T10:00:00Z", **more}  # fmt: skip
        facts = [parse_order(body, shop=owner, received_at=services.now())]
        record_facts(facts, database=services.database, stream=NO_STREAM)
    twice = parse_order(body | {"net_minor": 99}, shop=owner, received_at=services.now())
    record_facts([twice], database=services.database, stream=NO_STREAM)
    report_links(
        owner.shop_id,
        event_log=services.event_log,
        database=services.database,
        now=services.now(),
    )
    _tell_of_what_went_back(owner, services)
    path = tmp_path / "march.csv"
    rows = ["A-0,2026-03-20 11:00,12.50", "A-1,2026-03-20 11:00,13.00", "B,2026-03-20 11:00,1.00"]
    path.write_text("\n".join(["Order,Date,Net", *rows]))
    reconcile([path], shop=owner, database=services.database, now=services.now())
    return owner


def _tell_of_what_went_back(owner: Shop, services: Services) -> None:
    """Cancel the order that was told twice, and give back more than another came to."""
    at = "2026-03-21T10:00:00Z"
    cancelled = {"order_id": "A-2", "status": "cancelled", "cancelled_at": at, "revision": 1,
                 "placed_at": "2026-03-20T10:00:00Z", "currency": "EUR"}  # fmt: skip
    refund = {"refund_id": "R", "order_id": "A-1", "refunded_at": at, "currency": "EUR",
              "net_minor": 5_000}  # fmt: skip
    for fact in (
        parse_order(cancelled, shop=owner, received_at=services.now()),
        parse_refund(refund, shop=owner, received_at=services.now()),
    ):
        record_facts([fact], database=services.database, stream=NO_STREAM)


def test_the_page_says_how_the_orders_stand(see: Callable[[str], str], stocked: Shop) -> None:
    page = see("/console/orders")
    assert "<strong>66.7 %</strong> of the 3 orders of the last 30 days" in page
    assert "The order named the visitor <span>12.50 EUR</span>" in page
    assert "Not linked: placed before your pages told anything" in page
    assert "differences</span> Last compared 3 Apr 2026, 11:00" in page
    assert "1 missing here, 1 missing in your list, 1 another amount." in page
    assert "<td>A-1</td><td>another amount</td>" in page
    assert "<td>order A-2</td>" in page
    assert "0.99 EUR" in page
    assert "nothing: cancelled" in page
    assert "<dt>A-1</dt><dd>50.00 EUR given back, of 12.50 EUR</dd>" in page


def test_an_empty_page_says_what_will_come(
    see: Callable[[str], str], services: Services, owner: Shop
) -> None:
    page = see("/console/orders")
    assert "No order has arrived yet." in page
    assert "Never compared yet. Send us an export" in page
    body = {"order_id": "1", "currency": "EUR", "net_minor": 1, "placed_at": "2011-01-01T00:00:00Z"}
    fact = parse_order(body, shop=owner, received_at=services.now())
    record_facts([fact], database=services.database, stream=NO_STREAM)
    assert "One order has arrived, none of them of the last 30 days" in see("/console/orders")


def test_a_platform_is_connected_and_refused_by_hand(
    client: FlaskClient, services: Services, owner: Shop
) -> None:
    log_in(client)
    form = token(client.get("/console/orders").text)
    answer = client.post(
        "/console/orders/webhooks",
        data={"csrf_token": form, "platform": "woocommerce", "items": "sku", "secret": ""},
    )
    ((webhook, secret),) = open_webhooks(
        owner.shop_id,
        Platform.WOOCOMMERCE,
        database=services.database,
        service_secret=services.secret,
    )
    assert answer.text.count(secret) == 1
    assert f"/v1/webhooks/woocommerce?key={owner.public_key}" in answer.text
    assert secret not in client.get("/console/orders").text
    short = {"csrf_token": form, "platform": "shopify", "items": "product", "secret": "short"}
    assert client.post("/console/orders/webhooks", data=short).status_code == 422
    gone = client.post(
        f"/console/orders/webhooks/{webhook.secret_id}/revoke", data={"csrf_token": form}
    )
    assert gone.status_code == 303
    assert list_webhooks(owner.shop_id, database=services.database) == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_the_screen(
    browser: Browser, address: str, stocked: Shop, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    try:
        log_in_by_hand(page, address)
        page.goto(f"{address}/orders")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.select_option("#software", "prestashop")
        page.click("main .settings button")
        page.wait_for_selector(".notice .snippet")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        page.close()


def test_dates_are_the_shops(stocked: Shop, see: Callable[[str], str]) -> None:
    # 10:00 UTC in Paris in winter
    assert "20 Mar 2026, 11:00" in see("/console/orders")
    assert dt.date(2026, 3, 20).isoformat() in see("/console/orders")
