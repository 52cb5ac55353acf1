"""A shopper in front of a stub shop and a stub API; the Chromium is that of all browser tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from shop_pages import SHOP_CSS
from widget_store import Store
from widget_stub import StubApi, StubShop, serving_api, serving_shop


@pytest.fixture
def shopper() -> dict[str, Any]:
    """Options of the shopper's browser; tests override them by parametrising."""
    return {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def store(browser: Browser, shopper: dict[str, Any]) -> Iterator[Store]:
    """A fresh shop, API and shopper; a fault nobody expected fails the test."""
    api, shop = StubApi(), StubShop()
    shop.pages["/shop.css"] = (SHOP_CSS, {})
    with serving_api(api) as api_port, serving_shop(shop) as shop_port:
        context = browser.new_context(**shopper)
        faults: list[str] = []
        yield Store(shop, api, shop_port, api_port, context, faults)
        context.close()
    assert not faults
