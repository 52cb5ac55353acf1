"""What the widget understands of a shopper's way through the shop."""

from typing import Any

import pytest
from shop_pages import PRODUCT, product_json_ld, slot, view_item
from widget_store import Store

pytestmark = pytest.mark.browser


def settle(store: Store, n_events: int) -> None:
    """Wait until so many events were told; then longer than the widget waits for a page to tell
    what it shows, so that there would be more."""
    tab = store.context.pages[0]
    store.until(lambda: len(store.api.events) >= n_events)
    tab.wait_for_timeout(1500)
    store.flush(tab)
    tab.wait_for_timeout(300)


def test_a_page_view_names_page_visitor_and_session(store: Store) -> None:
    store.put("/", PRODUCT)
    store.open("/?utm_source=mail&email=a%40b.example")
    store.until(lambda: store.api.batches)
    [batch] = store.api.batches
    assert batch["visitor_id"] == store.visitor_id()
    [event] = batch["events"]
    assert len(event["session_id"]) == 36
    assert event["type"] == "page_view"
    assert event["page"] == "/"
    assert "example" not in str(batch), "a query may hold personal data"


def test_the_session_goes_on_over_pages(store: Store) -> None:
    store.put("/", PRODUCT)
    tab = store.open("/")
    store.until(lambda: len(store.api.batches) == 1)
    tab.reload()
    store.until(lambda: len(store.api.batches) == 2)
    assert len({event["session_id"] for event in store.api.events}) == 1


def test_the_data_layer_goes_before_structured_data(store: Store) -> None:
    layer = [view_item("sku-4", price=70.9, quantity=1), {"event": "gtm.js"}]
    store.put("/p", PRODUCT, data_layer=layer, json_ld=product_json_ld("another-id"))
    store.open("/p")
    settle(store, 2)
    [event] = store.api.of_type("view_item")
    assert event["items"] == [{"item_id": "sku-4", "quantity": 1, "price": "70.9"}]
    assert event["currency"] == "GBP"


def test_structured_data_speaks_when_the_data_layer_is_silent(store: Store) -> None:
    layer = [{"event": "gtm.js"}]
    store.put("/p", PRODUCT + slot("product"), data_layer=layer, json_ld=product_json_ld("sku-4"))
    store.open("/p")
    store.until(lambda: store.api.of_type("view_item"))
    assert store.api.of_type("view_item")[0]["items"] == [{"item_id": "sku-4", "price": "70.90"}]
    assert [slate["item_id"] for slate in store.api.slates] == ["sku-4"]


def test_a_view_told_by_several_sources_counts_once_a_page_view(store: Store) -> None:
    head = """<script>
      window.recommender = function () { (recommender.q = recommender.q || []).push(arguments) };
      recommender("event", { type: "view_item", items: [{ item_id: "sku-4" }] });
      function gtag() { dataLayer.push(arguments) }
      gtag("event", "view_item", { items: [{ item_id: "sku-4" }] });
    </script>"""
    layer = [view_item("sku-4")]
    store.put("/p", PRODUCT, head=head, data_layer=layer, json_ld=product_json_ld("sku-4"))
    tab = store.open("/p")
    settle(store, 2)
    assert store.api.types() == ["page_view", "view_item"]
    tab.evaluate("entry => { dataLayer.push(entry) }", view_item("sku-5"))
    tab.reload()
    settle(store, 5)
    viewed = [event["items"][0]["item_id"] for event in store.api.of_type("view_item")]
    assert viewed == ["sku-4", "sku-5", "sku-4"]


def test_gtag_and_a_later_tag_manager_are_followed(store: Store) -> None:
    store.put("/", PRODUCT, data_layer=[])
    tab = store.open("/")
    tab.wait_for_function("dataLayer.push !== Array.prototype.push")
    tab.evaluate(
        """() => {
          const before = dataLayer.push;
          dataLayer.push = function (...entries) { return before.apply(this, entries) };
          window.gtag = function () { dataLayer.push(arguments) };
          gtag("event", "add_to_cart", { items: [{ item_id: "a" }] });
          gtag("event", "search", { search_term: "oak" });
          gtag("event", "purchase", { transaction_id: "T-1", items: [{ item_id: "a" }] });
          gtag("event", "purchase", { transaction_id: "T-1", items: [{ item_id: "a" }] });
        }"""
    )
    store.until(lambda: "purchase" in store.api.types())
    settle(store, 4)
    assert store.api.types() == ["page_view", "add_to_cart", "search", "purchase"]
    assert store.api.of_type("purchase")[0]["order_id"] == "T-1"
    assert store.api.of_type("search")[0]["search_term"] == "oak"


def test_the_api_takes_both_forms(store: Store) -> None:
    store.put("/", PRODUCT)
    tab = store.open("/")
    store.until(lambda: store.api.batches)
    tab.evaluate(
        """() => {
          recommender("event", "add_to_cart", { items: [{ item_id: "a", quantity: 2 }] });
          recommender("event", { type: "purchase", order_id: "T-2" });
          recommender("event", "no such thing", {});
          recommender("event"); recommender(); recommender("nonsense", 1);
        }"""
    )
    store.until(lambda: "purchase" in store.api.types())
    assert store.api.types() == ["page_view", "add_to_cart", "purchase"]


ROUTES = """
const go = (path, how = "pushState") => history[how]({ path }, "", path);
"""


def test_single_page_shops_have_pages(store: Store) -> None:
    store.put("/", PRODUCT + slot("product"), data_layer=[view_item("sku-1")])
    tab = store.open("/")
    store.until(lambda: len(store.api.slates) == 1)
    tab.add_script_tag(content=ROUTES)
    tab.evaluate(
        "entry => { go('/p/2'); history.replaceState({}, '', '/p/2'); dataLayer.push(entry) }",
        view_item("sku-2"),
    )
    store.until(lambda: len(store.api.slates) == 2)
    tab.evaluate("history.back()")
    tab.wait_for_timeout(400)
    tab.evaluate("entry => { dataLayer.push(entry) }", view_item("sku-1"))
    store.until(lambda: len(store.api.slates) == 3)
    settle(store, 6)
    assert [slate["item_id"] for slate in store.api.slates] == ["sku-1", "sku-2", "sku-1"]
    assert [event["page"] for event in store.api.of_type("page_view")] == ["/", "/p/2", "/"]


def test_what_is_no_new_page_counts_as_none(store: Store) -> None:
    store.put("/", PRODUCT)
    tab = store.open("/")
    tab.wait_for_function("history.pushState.toString().includes('apply')")
    tab.add_script_tag(content=ROUTES)
    tab.evaluate(
        """() => {
          go("/"); go("/#reviews"); go("/?colour=red", "replaceState");
          go("/?colour=blue", "replaceState"); history.replaceState({ scroll: 7 }, "");
        }"""
    )
    settle(store, 1)
    assert store.api.types() == ["page_view"]


def test_the_page_keeps_its_own_history(store: Store) -> None:
    store.put("/", PRODUCT)
    tab = store.open("/")
    tab.wait_for_function("history.pushState.toString().includes('apply')")
    length = tab.evaluate("history.length")
    assert tab.evaluate("history.pushState({ n: 1 }, '', '/x')") is None
    assert tab.evaluate("[history.state.n, location.pathname, history.length]") == [
        1,
        "/x",
        length + 1,
    ]
    refused = tab.evaluate(
        """() => { try { history.pushState({}, "", "https://other.example/") }
                   catch (error) { return error.name } }"""
    )
    assert refused == "SecurityError"


def test_a_page_from_the_back_forward_cache_is_viewed_again(store: Store) -> None:
    store.put("/", PRODUCT)
    tab = store.open("/")
    store.until(lambda: store.api.of_type("page_view"))
    # The event as browsers fire it; whether they keep a page is their own decision.
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    store.until(lambda: len(store.api.of_type("page_view")) == 2)


def test_a_page_that_pushes_in_a_loop_is_braked(store: Store) -> None:
    store.put("/", PRODUCT, data_layer=[])
    tab = store.open("/")
    tab.wait_for_function("dataLayer.push !== Array.prototype.push")
    tab.evaluate(
        """() => { for (let i = 0; i < 4000; i++)
          dataLayer.push({ event: "view_item", ecommerce: { items: [{ item_id: `i${i}` }] } }) }"""
    )
    store.until(lambda: len(store.api.events) == 2000, hurry=False)
    tab.wait_for_function("Object.keys(localStorage).every((key) => !/event_/.test(key))")
    assert len(store.api.events) == 2000


MICRODATA = """
<div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Oak table</h1>
 <div itemprop="sku"> sku-4 </div>
 <div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
  <meta itemprop="price" content="70.90"><meta itemprop="priceCurrency" content="GBP"></div>
 <article itemscope itemtype="https://schema.org/Product"><b itemprop="sku">another</b></article>
</div>"""
OPEN_GRAPH = """<meta property="og:type" content="product">
<meta property="product:retailer_item_id" content="sku-4">
<meta property="product:price:amount" content="70.90">
<meta property="product:price:currency" content="GBP">"""
GROUP = {
    "@context": "https://schema.org",
    "@graph": [
        {"@type": "BreadcrumbList"},
        {
            "@type": ["ProductGroup", "Thing"],
            "productGroupID": "sku-4",
            "hasVariant": [
                {
                    "@type": "Product",
                    "sku": "sku-4-oak",
                    "offers": {
                        "@type": "AggregateOffer",
                        "lowPrice": 70.9,
                        "priceCurrency": "GBP",
                    },
                }
            ],
        },
    ],
}


@pytest.mark.parametrize(
    ("told", "price"),
    [
        ({"head": OPEN_GRAPH}, "70.90"),
        ({"body": MICRODATA}, "70.90"),
        ({"json_ld": GROUP}, "70.9"),
        ({"json_ld": GROUP, "head": OPEN_GRAPH.replace("sku-4", "no"), "body": MICRODATA}, "70.9"),
        ({"head": OPEN_GRAPH, "body": MICRODATA.replace("sku-4", "no")}, "70.90"),
    ],
    ids=["open graph", "microdata", "group", "group before the others", "graph before microdata"],
)
def test_a_page_is_understood_by_its_markup(store: Store, told: dict[str, Any], price: str) -> None:
    body = told.pop("body", PRODUCT)
    store.put("/p", body + slot("product"), **told)
    store.open("/p")
    store.until(lambda: store.api.of_type("view_item"))
    [event] = store.api.of_type("view_item")
    assert event["items"] == [{"item_id": "sku-4", "price": price}]
    assert event["currency"] == "GBP"
    store.until(lambda: store.api.slates)
    assert [slate["item_id"] for slate in store.api.slates] == ["sku-4"]


def test_markup_of_several_products_is_a_list(store: Store) -> None:
    card = '<li itemscope itemtype="http://schema.org/Product"><i itemprop="sku">s-{}</i></li>'
    store.put("/c", "<ul>" + card.format(1) + card.format(2) + "</ul>")
    store.open("/c")
    settle(store, 1)
    assert store.api.types() == ["page_view"]


def test_universal_analytics_and_its_successor_side_by_side_count_once(store: Store) -> None:
    store.put("/p", PRODUCT, data_layer=[])
    tab = store.open("/p")
    tab.wait_for_function("dataLayer.push !== Array.prototype.push")
    tab.evaluate(
        """() => {
          const products = [{ id: "sku-4", price: "70.90", quantity: 2 }];
          const items = [{ item_id: "sku-4", price: 70.9, quantity: 2 }];
          const add = { products };
          dataLayer.push({ event: "addToCart", ecommerce: { currencyCode: "GBP", add } });
          dataLayer.push({ ecommerce: null });
          dataLayer.push({ event: "add_to_cart", ecommerce: { currency: "GBP", items } });
          dataLayer.push({ event: "order", ecommerce: {
            purchase: { actionField: { id: "T-1", revenue: "141.80" }, products } } });
          dataLayer.push({ event: "purchase", ecommerce: { transaction_id: "T-1", items } });
        }"""
    )
    store.until(lambda: "purchase" in store.api.types())
    settle(store, 3)
    assert store.api.types() == ["page_view", "add_to_cart", "purchase"]
    added = store.api.of_type("add_to_cart")[0]
    assert added["items"] == [{"item_id": "sku-4", "quantity": 2, "price": "70.90"}]
    assert store.api.of_type("purchase")[0]["order_id"] == "T-1"


def test_structured_data_left_behind_by_a_router_is_not_the_new_page(store: Store) -> None:
    store.put("/p/1", PRODUCT, json_ld=product_json_ld("sku-1"))
    tab = store.open("/p/1")
    settle(store, 2)
    tab.evaluate("history.pushState({}, '', '/about')")
    tab.wait_for_timeout(300)
    settle(store, 3)
    tab.evaluate(
        """() => {
          history.pushState({}, "", "/p/2");
          const script = document.querySelector("script[type='application/ld+json']");
          script.textContent = script.textContent.replace("sku-1", "sku-2");
        }"""
    )
    tab.wait_for_timeout(300)
    settle(store, 5)
    told = [
        (event["page"], event["items"][0]["item_id"]) for event in store.api.of_type("view_item")
    ]
    assert told == [("/p/1", "sku-1"), ("/p/2", "sku-2")]
