"""Shopify's custom pixel: the guide's code in a frame without an origin, on the real service."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from guide_code import code
from pixel_sandbox import (
    AGREED,
    CART_TOKEN,
    CHECKOUT_TOKEN,
    EVENTS,
    ORDER_ID,
    PRODUCT_ID,
    page_with,
)
from playwright.sync_api import Browser, BrowserContext, Frame, Page
from widget_service import Service, create_shop, running_service
from widget_stub import SITE_KEY

from processes import wait_until
from recommender.adapters.database import open_database
from recommender.events.identity import pseudonym
from recommender.events.link_keys import CART, CHECKOUT, link_key
from recommender.events.order_links import LinkableOrder, LinkedBy, link_order, sightings
from recommender.records import Shop
from recommender.shops.change_widget import set_widget
from recommender.shops.directory import ShopDirectory
from recommender.widget_records import ConsentMode

pytestmark = pytest.mark.browser

TELLS = 'const TELLS = ["checkout_started", "checkout_completed"];'


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        set_widget(
            running.shop_id,
            enabled=True,
            consent=ConsentMode.IMPLIED,
            cart_button=False,
            sandboxed_pixels=True,
            database=open_database(running.settings.database_url),
        )
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as opened:
        yield opened


def shop_of(service: Service) -> Shop:
    return ShopDirectory(open_database(service.settings.database_url)).by_id(service.shop_id)


def known_shopper(context: BrowserContext, service: Service, run: str) -> str:
    """Come by a page with the widget; return the visitor's id that it keeps."""
    tab = context.new_page()
    tab.goto(service.address_of(run))
    tab.wait_for_function("document.cookie.includes('rcm_vid=')")
    tab.get_by_role("button").click()
    [visitor_id] = [cookie["value"] for cookie in context.cookies() if cookie["name"] == "rcm_vid"]
    tab.close()
    return str(visitor_id)


def check_out(
    context: BrowserContext,
    service: Service,
    *,
    privacy: dict[str, bool] = AGREED,
    key: str = "",
    tells: str = TELLS,
) -> tuple[Page, Frame]:
    """Open a page in which the guide's pixel runs; return it with the pixel's frame."""
    pixel = code("shopify", "analytics.subscribe", api=service.address)
    assert TELLS in pixel
    pixel = pixel.replace(SITE_KEY, key or service.public_key).replace(TELLS, tells)
    service.pages["/checkout"] = (page_with(pixel, privacy), {})
    tab = context.new_page()
    tab.goto(f"{service.origin}/checkout")
    [frame] = tab.main_frame.child_frames
    assert frame.evaluate("origin") == "null"
    return tab, frame


def publish(frame: Frame, *names: str) -> None:
    """Publish events as Shopify does; returns when the pixel is through with them."""
    for name in names:
        frame.evaluate("([name, data]) => publish(name, data)", [name, EVENTS[name]])


def choose(frame: Frame, privacy: dict[str, bool]) -> None:
    """Let the shopper answer the banner."""
    heard = "(customerPrivacy) => heard.visitorConsentCollected({ customerPrivacy })"
    frame.evaluate(heard, privacy)


def requests_of(tab: Page) -> list[str]:
    """Return a list that gets the method of every request from now on."""
    methods: list[str] = []
    tab.on("request", lambda request: methods.append(request.method))
    return methods


def rows_of(service: Service, visitor_id: str) -> list[dict[str, Any]]:
    """Return what the event log holds of a visitor, but for what the widget's page told."""
    visitor = pseudonym(shop_of(service).visitor_key, visitor_id)
    rows = service.log.events(service.shop_id).to_pyarrow().to_pylist()
    own = [row for row in rows if row["visitor"] == visitor and not row["page"]]
    return sorted(own, key=lambda row: (row["occurred_at"], row["order_id"]))


def test_a_purchase_links_its_order_to_the_widgets_visitor(
    context: BrowserContext, service: Service
) -> None:
    visitor_id = known_shopper(context, service, "bought")
    tab, frame = check_out(context, service)
    with tab.expect_response(lambda answer: answer.request.method == "POST") as told:
        publish(frame, "product_viewed", "checkout_started")
    assert told.value.status == 202
    publish(frame, "checkout_completed")
    publish(frame, "checkout_completed")
    wait_until(lambda: any(row["type"] == "purchase" for row in rows_of(service, visitor_id)))

    shop = shop_of(service)
    checkout_key = link_key(shop.visitor_key, CHECKOUT, CHECKOUT_TOKEN)
    cart_key = link_key(shop.visitor_key, CART, CART_TOKEN)
    keys: dict[LinkedBy, dict[str, str]] = {
        LinkedBy.PURCHASE: {"order_id": ORDER_ID},
        LinkedBy.CHECKOUT: {"order_id": "other", "checkout_key": checkout_key},
        LinkedBy.CART: {"order_id": "another", "cart_key": cart_key},
    }
    placed_at = dt.datetime.now(dt.UTC)
    orders = {
        how: LinkableOrder(**key, placed_at=placed_at, net_minor=0, visitor="")
        for how, key in keys.items()
    }
    seen = sightings(service.log.events(service.shop_id), orders.values())
    visitor = pseudonym(shop.visitor_key, visitor_id)
    for how, order in orders.items():
        assert link_order(order, seen, None)[:2] == (visitor, how)
    told_of = [row["type"] for row in rows_of(service, visitor_id) if row["type"] != "link"]
    assert "view_item" not in told_of, "the theme's to tell"
    assert "example.org" not in json.dumps(rows_of(service, visitor_id), default=str)


def test_everything_the_guide_can_tell(context: BrowserContext, service: Service) -> None:
    visitor_id = known_shopper(context, service, "all")
    tells = f"const TELLS = {json.dumps(list(EVENTS))};"
    _, frame = check_out(context, service, tells=tells)
    publish(frame, *EVENTS)
    kinds = {"view_item", "add_to_cart", "remove_from_cart", "search", "page_view", "purchase"}

    def told() -> dict[str, dict[str, Any]]:
        return {row["type"]: row for row in rows_of(service, visitor_id)}

    wait_until(lambda: kinds <= told().keys())
    [item] = told()["add_to_cart"]["items"]
    assert (item["item_id"], item["quantity"], item["price_minor"]) == (PRODUCT_ID, 2, 7090)
    assert told()["view_item"]["items"][0]["item_id"] == PRODUCT_ID
    assert told()["search"]["search_term"] == "oak table"
    assert told()["purchase"]["order_id"] == ORDER_ID
    service.wait_for("all", 1)
    [clicked] = service.clicks("all")
    assert told()["view_item"]["session"] == clicked["session"] != ""


def test_nothing_is_sent_without_consent(context: BrowserContext, service: Service) -> None:
    known_shopper(context, service, "refused")
    refused = {"analyticsProcessingAllowed": True, "preferencesProcessingAllowed": False}
    tab, frame = check_out(context, service, privacy=refused)
    sent = requests_of(tab)
    publish(frame, "checkout_completed")
    assert "POST" not in sent
    choose(frame, AGREED)
    with tab.expect_request(lambda request: request.method == "POST"):
        publish(frame, "checkout_completed")
    choose(frame, refused)
    sent.clear()
    publish(frame, "checkout_completed")
    assert "POST" not in sent


def test_a_shopper_whom_the_widget_does_not_know_stays_unknown(
    context: BrowserContext, service: Service
) -> None:
    tab, frame = check_out(context, service)
    sent = requests_of(tab)
    publish(frame, "checkout_completed")
    assert "POST" not in sent


def test_a_shop_that_did_not_switch_it_on_takes_nothing(
    context: BrowserContext, service: Service
) -> None:
    other = create_shop(service.settings, service.origin)
    known_shopper(context, service, "off")
    tab, frame = check_out(context, service, key=other["public_key"])
    with tab.expect_response(lambda answer: answer.request.method == "POST") as told:
        publish(frame, "checkout_completed")
    assert told.value.status == 403
    assert service.log.events(other["shop_id"]).count().to_pyarrow().as_py() == 0
