"""Every way to put the widget on a page: a tag, a tag with calls before it, a module."""

import pytest
from shop_pages import PRODUCT, slot, snippet, view_item
from widget_store import Store
from widget_stub import SITE_KEY

pytestmark = pytest.mark.browser

STUB = "window.recommender ||= function () { (recommender.q ||= []).push(arguments); };"


def without_snippet(store: Store, path: str, script: str) -> None:
    """Take the tag out of a page and put another script in its place."""
    html, headers = store.shop.pages[path]
    store.shop.pages[path] = (html.replace(snippet(store.api_origin), script), headers)


def test_calls_before_the_file_is_there_are_not_lost(store: Store) -> None:
    calls = "recommender('event', 'search', { search_term: 'oak' });"
    store.put("/", PRODUCT, head=f"<script>{STUB}{calls}</script>")
    store.open("/")
    store.until(lambda: store.api.of_type("search"))
    assert store.api.of_type("search")[0]["search_term"] == "oak"


def test_the_module_does_nothing_until_it_is_asked(store: Store) -> None:
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    script = f"""<script type="module">
      import {{ install }} from "{store.api_origin}/widget.module.js";
      window.go = () => install({{ shop: "{SITE_KEY}", origin: "{store.api_origin}" }});
    </script>"""
    without_snippet(store, "/p", script)
    tab = store.open("/p")
    tab.wait_for_function("Boolean(window.go)")
    tab.wait_for_timeout(300)
    assert tab.evaluate("typeof window.recommender") == "undefined"
    assert store.api.slates == []
    assert tab.evaluate("typeof go()") == "function"
    assert tab.evaluate("go() === go() && go() === window.recommender")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    store.until(lambda: store.api.of_type("view_item"))
    assert len(store.api.slates) == 1


def test_a_tag_manager_that_drops_attributes_says_the_key_in_the_address(store: Store) -> None:
    store.put("/", slot("home"))
    script = f"""<script>
      const tag = document.createElement("script");
      tag.src = "{store.api_origin}/widget.js?shop={SITE_KEY}";
      document.head.append(tag);
    </script>"""
    without_snippet(store, "/", script)
    tab = store.open("/")
    tab.wait_for_selector("[data-recommender-state=drawn]")


def test_another_data_layer_is_followed_where_it_is_named(store: Store) -> None:
    store.put("/p", PRODUCT, attributes='data-layer="shopLayer"', data_layer=[view_item("no")])
    tab = store.open("/p")
    tab.wait_for_function("window.recommender?.version")
    tab.evaluate("entry => { window.shopLayer = [entry] }", view_item("sku-4"))
    store.until(lambda: store.api.of_type("view_item"))
    assert store.api.of_type("view_item")[0]["items"] == [{"item_id": "sku-4"}]
