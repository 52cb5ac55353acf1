"""The widget on every kind of page a shop may have (`host_pages`), and the pages stay whole."""

import pytest
from host_pages import HOSTS, Host, publish
from playwright.sync_api import FrameLocator, Page, expect
from widget_store import Store

pytestmark = pytest.mark.browser

SHOPPERS_FACTS = {"page_view", "view_item", "add_to_cart"}
UNDECIDED_MS = 2200
"""No slate comes after that: a second for the page's item, 1.5 for the slate."""


@pytest.mark.parametrize("name", HOSTS)
def test_a_host_page_is_served_and_stays_whole(store: Store, name: str) -> None:
    host = HOSTS[name]
    address = publish(store, host)
    store.context.add_init_script(host.script)
    tab = store.new_tab()
    ours: list[str] = []
    tab.on("pageerror", lambda error: "/widget" in (error.stack or "") and ours.append(error.stack))
    host.in_tab(tab)
    tab.goto(address)
    page = tab.frame_locator("iframe") if host.framed else tab
    _is_drawn(page, tab, drawn=host.drawn)
    _shop_still_works(page)
    _is_told(store, host)
    assert ours == []
    if host.noisy:
        tab.close()  # and no more is told
        store.faults.clear()


def _is_drawn(page: Page | FrameLocator, tab: Page, *, drawn: bool | None) -> None:
    strip, own = page.get_by_role("region"), page.get_by_text("Related products")
    if drawn:
        expect(strip.get_by_role("link")).to_have_count(10, timeout=15_000)
        expect(own).to_be_hidden()
        return
    tab.wait_for_timeout(UNDECIDED_MS)
    if drawn is None:
        assert strip.count() + own.is_visible() == 1
    else:
        expect(strip).to_have_count(0)
        expect(own).to_be_visible()


def _shop_still_works(page: Page | FrameLocator) -> None:
    expect(page.get_by_role("heading", name="Oak side table")).to_be_visible()
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("button", name="In the cart")).to_be_visible()


def _is_told(store: Store, host: Host) -> None:
    if host.told is None:
        return
    if host.told:
        store.until(lambda: set(host.told) <= set(store.api.types()), hurry=not host.framed)
    else:
        store.flush(store.context.pages[-1])
        store.context.pages[-1].wait_for_timeout(300)
    told = [kind for kind in store.api.types() if kind in SHOPPERS_FACTS]
    assert sorted(told) == sorted(host.told)
    for slate in store.api.slates:
        assert slate["item_id"] == "sku-4"
        assert bool(slate.get("visitor_id")) is host.known
    assert len(store.api.slates) <= 1
