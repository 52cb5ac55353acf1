"""The page "Widget", over the real application and in a real browser at both widths."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from pages import log_in, log_in_by_hand, token
from playwright.sync_api import Browser, expect
from werkzeug.test import TestResponse

from recommender.bootstrap import Services
from recommender.records import Shop
from recommender.web.preview_tokens import is_preview
from recommender.widget_records import ConsentMode, PlacedSlot, SlotPosition, WidgetSetting


@pytest.fixture
def send(client: FlaskClient, owner: Shop) -> Callable[..., TestResponse]:
    """Send one of the page's forms as the shop's owner."""
    log_in(client)

    def post(path: str = "", **typed: Any) -> TestResponse:
        form = client.get("/console/widget").text
        data = {"csrf_token": token(form), **typed}
        return client.post(f"/console/widget{path}", data=data)

    return post


def slots_of(owner: Shop, services: Services) -> tuple[PlacedSlot, ...]:
    return services.shops.by_id(owner.shop_id).widget.slots


def test_the_settings_of_all_pages(
    send: Callable[..., TestResponse], owner: Shop, services: Services
) -> None:
    assert send(consent="required", cart_button="on", sandboxed_pixels="on").status_code == 303
    widget = services.shops.by_id(owner.shop_id).widget
    assert widget == WidgetSetting(False, ConsentMode.REQUIRED, True, True)
    send(enabled="on", consent="whatever")
    widget = services.shops.by_id(owner.shop_id).widget
    assert widget == WidgetSetting(True, ConsentMode.IMPLIED, False, False)


def test_a_slot_goes_from_preview_to_live_to_gone(
    send: Callable[..., TestResponse],
    see: Callable[[str], str],
    owner: Shop,
    services: Services,
) -> None:
    answer = send("/slots", placement="product", selector=" .details ", position="before")
    assert answer.status_code == 303
    [slot] = slots_of(owner, services)
    assert (slot.selector, slot.position, slot.is_live) == (".details", SlotPosition.BEFORE, False)
    page = see("/console/widget")
    assert "preview only" in page
    assert "&lt;!-- recommendations --&gt; &lt;… .details&gt;" in page
    send(f"/slots/{slot.slot_id}/switch", live="1")
    assert slots_of(owner, services)[0].is_live
    send(f"/slots/{slot.slot_id}/switch", live="0")
    assert not slots_of(owner, services)[0].is_live
    send(f"/slots/{slot.slot_id}/remove")
    assert slots_of(owner, services) == ()
    assert send(f"/slots/{slot.slot_id}/remove").status_code == 404


def test_a_selector_that_is_none_is_said_and_kept_in_the_form(
    send: Callable[..., TestResponse], owner: Shop, services: Services
) -> None:
    answer = send("/slots", placement="cart", selector='div > "<b>', position="append")
    assert answer.status_code == 422
    assert "This is no CSS selector" in answer.text
    assert "div &gt; &#34;&lt;b&gt;" in answer.text
    assert '<option value="append" selected>' in answer.text
    assert slots_of(owner, services) == ()


def test_the_preview_link_holds(see: Callable[[str], str], owner: Shop, services: Services) -> None:
    page = see("/console/widget").replace("&amp;", "&")
    found = re.search(r'href="https://shop\.example/\?recommender=preview&token=([\w.-]+)"', page)
    assert found
    assert is_preview(found[1], owner.shop_id, service_secret=services.secret, now=services.now())


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_in_a_browser(
    browser: Browser, address: str, owner: Shop, services: Services, width: int
) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        log_in_by_hand(page, address)
        page.goto(f"{address}/widget")
        page.get_by_label("Beside which element").fill("..")
        page.get_by_role("button", name="Place it for a preview").click()
        expect(page.get_by_text("This is no CSS selector")).to_be_visible()
        page.get_by_label("Beside which element").fill(".product-page .details")
        page.get_by_label("Where, seen from").select_option(label="Inside, at its end")
        page.get_by_role("button", name="Place it for a preview").click()
        expect(page.get_by_text("Placed, for previews only")).to_be_visible()
        page.get_by_role("button", name="Show to shoppers").click()
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        [slot] = slots_of(owner, services)
        assert (slot.position, slot.is_live) == (SlotPosition.APPEND, True)
        sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(sideways) == 0
