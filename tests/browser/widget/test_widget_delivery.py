"""Events arrive: through outages, reloads, closing tabs, and only with the shopper's leave."""

import pytest
from shop_pages import PRODUCT, slot, view_item
from widget_store import Store

pytestmark = pytest.mark.browser

STORED = "Object.keys(localStorage).concat(Object.keys(sessionStorage)).sort()"
QUEUED = "Object.keys(localStorage).filter((key) => key.startsWith('rcm_event_'))"


THOUSAND_CLICKS = """() => { for (let i = 0; i < 1000; i++)
  dataLayer.push({ event: "select_item", ecommerce: { items: [{ item_id: `i${i}` }] } }) }"""


def test_the_queue_survives_a_reload_and_delivers_each_event_once(store: Store) -> None:
    store.api.event_answers = [(503, {"Retry-After": "1"})]
    store.put("/p", PRODUCT, data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    store.until(lambda: len(store.api.refused) == 1, hurry=False)
    refused = {event["event_id"] for event in store.api.refused[0]["events"]}
    tab.wait_for_function("localStorage.getItem('rcm_retry')")
    assert set(tab.evaluate(QUEUED)) == {f"rcm_event_{event_id}" for event_id in refused}
    tab.reload()
    store.until(lambda: len(store.api.events) >= 4, hurry=False)
    tab.wait_for_function(f"{QUEUED}.length === 0")
    accepted = [event["event_id"] for event in store.api.deliveries]
    assert refused <= set(accepted)
    assert len(accepted) == len(set(accepted)) == 4
    store.faults.clear()  # the browser tells of the refused request


def test_a_shopper_who_leaves_at_once_is_still_heard(store: Store) -> None:
    store.put("/p", PRODUCT, data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_function(f"{QUEUED}.length === 2")
    store.context.new_page()
    tab.close(run_before_unload=True)
    store.until(lambda: store.api.of_type("view_item"), hurry=False)


def test_a_server_that_is_away_costs_nothing_but_time(store: Store) -> None:
    store.put("/p", PRODUCT, data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_function(f"{QUEUED}.length === 2")
    tab.route("**/v1/events*", lambda route: route.abort())
    tab.wait_for_function("localStorage.getItem('rcm_retry')")
    assert tab.evaluate(f"{QUEUED}.length") == 2
    tab.unroute("**/v1/events*")
    store.until(lambda: len(store.api.events) == 2, hurry=False)
    store.faults.clear()  # the browser tells of the aborted request


def test_two_tabs_share_one_queue(store: Store) -> None:
    store.put("/p", PRODUCT, data_layer=[view_item("sku-4")])
    tabs = [store.open("/p"), store.open("/p")]
    store.until(lambda: len(store.api.events) >= 4, hurry=False)
    tabs[0].wait_for_function(f"{QUEUED}.length === 0")
    assert len({event["event_id"] for event in store.api.events}) == 4
    assert len({batch["visitor_id"] for batch in store.api.batches}) == 1


def test_a_thousand_quick_clicks_all_arrive_once(store: Store) -> None:
    store.put("/p", PRODUCT, data_layer=[])
    tab = store.open("/p")
    tab.wait_for_function("dataLayer.push !== Array.prototype.push")
    tab.evaluate(THOUSAND_CLICKS)
    store.until(lambda: len(store.api.of_type("select_item")) == 1000, hurry=False)
    tab.wait_for_function(f"{QUEUED}.length === 0")
    clicked = [event["items"][0]["item_id"] for event in store.api.of_type("select_item")]
    assert clicked == [f"i{i}" for i in range(1000)]
    assert len(store.api.deliveries) == len(store.api.events)


def test_clicks_of_a_page_closed_at_once_arrive_with_the_next_page(store: Store) -> None:
    store.put("/p", PRODUCT, data_layer=[])
    tab = store.open("/p")
    tab.wait_for_function("dataLayer.push !== Array.prototype.push")
    keeper = store.context.new_page()
    tab.evaluate(THOUSAND_CLICKS)
    tab.close(run_before_unload=True)
    keeper.close()
    store.open("/p")
    store.until(lambda: len(store.api.of_type("select_item")) == 1000, hurry=False)


def test_required_consent_stores_and_sends_nothing_before_it_is_given(store: Store) -> None:
    store.api.config["consent"] = "required"
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    tab.wait_for_timeout(2500)
    assert "visitor_id" not in store.api.slates[0], "recommendations need no identity"
    assert store.api.events == []
    assert tab.evaluate(STORED) == []
    assert store.context.cookies() == []
    tab.evaluate("recommender.consent('granted')")
    store.until(lambda: len(store.api.events) >= 2, hurry=False)
    assert {"page_view", "view_item"} <= set(store.api.types())
    assert store.api.batches[0]["visitor_id"] == store.visitor_id() != ""
    tab.reload()
    store.until(lambda: len(store.api.slates) == 2, hurry=False)
    assert store.api.slates[1]["visitor_id"] == store.visitor_id()


@pytest.mark.parametrize("mode", ["implied", "required"])
def test_a_refusal_ends_it(store: Store, mode: str) -> None:
    store.api.config["consent"] = mode
    head = "<script>window.recommender = { q: [['consent', 'denied']] };</script>"
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    store.put("/refused", PRODUCT + slot("product"), head=head, data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_function("window.recommender?.version")
    tab.evaluate("recommender('consent', 'granted')")
    store.until(lambda: store.visitor_id() and len(store.api.events) >= 2, hurry=False)
    tab.evaluate("recommender.consent('denied')")
    told = len(store.api.events)
    for path in ("/p", "/refused"):
        tab.goto(store.origin + path)
        tab.wait_for_selector("[data-recommender-state=drawn]")
        tab.wait_for_timeout(2500)
        if mode == "required" and path == "/p":
            continue  # not asked again yet: still nothing may be stored or sent
        assert "visitor_id" not in store.api.slates[-1]
    assert len(store.api.events) == told
    assert store.context.cookies() == []
    assert tab.evaluate(STORED) == (["rcm_consent"] if mode == "implied" else [])


def test_the_visitor_is_the_same_on_all_subdomains(store: Store) -> None:
    store.put("/", PRODUCT)
    for n, host in enumerate(["www.shop.test", "checkout.shop.test"], start=1):
        store.open("/", host=host)
        store.until(lambda n=n: len(store.api.batches) == n)  # type: ignore[misc]
    assert len({batch["visitor_id"] for batch in store.api.batches}) == 1
    [cookie] = store.context.cookies()
    assert cookie["domain"] == ".shop.test"
    assert cookie["sameSite"] == "Lax"
    assert cookie["path"] == "/"


def test_a_browser_without_cookies_is_remembered_all_the_same(store: Store) -> None:
    store.context.add_init_script(
        "Object.defineProperty(Document.prototype, 'cookie', { get: () => '', set: () => {} });"
    )
    store.put("/", PRODUCT)
    tab = store.open("/")
    store.until(lambda: len(store.api.batches) == 1, hurry=False)
    tab.reload()
    store.until(lambda: len(store.api.batches) == 2, hurry=False)
    assert len({batch["visitor_id"] for batch in store.api.batches}) == 1


def test_a_browser_without_storage_is_served_all_the_same(store: Store) -> None:
    store.context.add_init_script(
        """for (const name of ["localStorage", "sessionStorage"])
             Object.defineProperty(window, name, { get() { throw new Error("denied") } });"""
    )
    store.put("/", slot("home"))
    tab = store.open("/")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    store.until(lambda: "impression" in store.api.types(), hurry=False)
