"""What docs/guides tell to paste works on pages as the platforms' own themes write them.

On each page the widget has to find the item and its price, hear *Add to cart* once, and draw.
"""

import json
import re
from typing import Any
from xml.etree import ElementTree

import platform_pages as pages
import pytest
from guide_code import code, printed_by_php, rendered_liquid
from playwright.sync_api import Page, expect
from widget_store import Store

pytestmark = pytest.mark.browser


def publish(store: Store, html: str, headers: dict[str, str] | None = None) -> Page:
    """Open a page of the shop."""
    store.shop.pages["/p"] = (html, headers or {})
    return store.open("/p")


def item_of(store: Store, kind: str) -> dict[str, Any]:
    """Return the one item of the one event of a kind; waits for it."""
    store.until(lambda: store.api.of_type(kind))
    [event] = store.api.of_type(kind)
    [item] = event["items"]
    return {**item, "currency": event.get("currency")}


def works(store: Store, tab: Page, item_id: str, *, price: str = "70.9") -> None:
    """Check item, price, slot and *Add to cart* of a product page."""
    tab.wait_for_selector("[data-recommender=product][data-recommender-state=drawn]")
    expect(tab.get_by_role("region").get_by_role("link")).to_have_count(10)
    assert [slate["item_id"] for slate in store.api.slates] == [item_id]
    viewed = item_of(store, "view_item")
    assert (viewed["item_id"], viewed["currency"]) == (item_id, "GBP")
    assert float(viewed["price"]) == float(price)
    tab.get_by_role("button", name="Add to cart").click()
    added = item_of(store, "add_to_cart")
    assert (added["item_id"], added["quantity"]) == (item_id, 2)


LIQUID = {
    "cart.currency.iso_code | json": '"GBP"',
    "product.id | json": str(pages.PRODUCT_ID),
    "product.id": str(pages.PRODUCT_ID),
    "product.selected_or_first_available_variant.price | divided_by: 100.0 | json": "70.9",
    "search.terms | json": '"oak table"',
    "cart.item_count": "1",
    "cart.attributes._recommender_visitor | json": "null",
    "routes.cart_update_url": "/cart/update",
    "collection.title | escape": "Tables &amp; chairs",
}


def liquid(store: Store, holding: str, page_type: str = "product") -> str:
    """Return a block of Shopify's guide as the shop's page gets it."""
    template = code("shopify", holding, api=store.api_origin)
    return rendered_liquid(template, LIQUID, page_type=page_type)


@pytest.mark.parametrize("structured", [pages.SHOPIFY_ONE, pages.SHOPIFY_SEVERAL])
def test_shopify(store: Store, structured: object) -> None:
    head = pages.SHOPIFY_HEAD + liquid(store, "widget.js")
    body = pages.SHOPIFY_BODY + pages.json_ld(structured) + liquid(store, 'der="product"')
    tab = publish(store, pages.html(body, head=head))
    works(store, tab, str(pages.PRODUCT_ID))
    assert tab.evaluate("window.submitted"), "the theme's own cart took the click"


def test_shopify_orders_carry_the_visitor(store: Store) -> None:
    told: list[Any] = []
    store.context.route(
        "**/cart/update.js",
        lambda route: (told.append(route.request.post_data_json), route.fulfill(json={})),
    )
    store.context.add_cookies(
        [{"name": "rcm_vid", "value": "visitor-of-before", "url": store.origin}]
    )
    head = liquid(store, "widget.js", "cart")
    tab = publish(store, pages.html("<h1>Cart</h1>" + liquid(store, "cart_update"), head=head))
    tab.wait_for_load_state("networkidle")
    assert told == [{"attributes": {"_recommender_visitor": "visitor-of-before"}}]


def test_shopify_search_and_collections(store: Store) -> None:
    head = liquid(store, "widget.js", "search")
    store.api.config["placements"]["category"] = store.api.config["placements"]["home"]
    tab = publish(store, pages.html(liquid(store, "collection"), head=head))
    tab.wait_for_selector("[data-recommender-state=drawn]")
    store.until(lambda: store.api.of_type("search"))
    assert store.api.of_type("search")[0]["search_term"] == "oak table"
    assert store.api.slates[0]["category"] == "Tables & chairs"


def woo(store: Store, holding: str) -> str:
    """Return what a block of WooCommerce's guide prints."""
    return printed_by_php(code("woocommerce", holding, api=store.api_origin))


def test_woocommerce_with_its_google_analytics(store: Store) -> None:
    head = woo(store, "wp_head") + pages.WOO_ANALYTICS
    strip, _ = woo(store, "after_single_product_summary").split("</div>", 1)
    body = pages.WOO_BODY + strip + "</div>"
    tab = publish(store, pages.html(body + pages.json_ld(pages.WOO_STRUCTURED), head=head))
    tab.evaluate("gtag('consent', 'update', { analytics_storage: 'granted' })")
    works(store, tab, pages.SKU)


def test_woocommerce_alone(store: Store) -> None:
    strips = woo(store, "after_single_product_summary")
    body = pages.WOO_BODY + strips + woo(store, "single_add_to_cart_button")
    tab = publish(
        store,
        pages.html(body + pages.json_ld(pages.WOO_STRUCTURED), head=woo(store, "wp_head")),
    )
    tab.wait_for_selector("[data-recommender=cart][data-recommender-state=drawn]")
    store.api.slates[:] = [slate for slate in store.api.slates if slate["placement"] == "product"]
    tab.locator("[data-recommender=cart]").evaluate("slot => slot.remove()")
    works(store, tab, pages.SKU)
    tab.get_by_text("Add “Mug” to cart").click()
    store.until(lambda: len(store.api.of_type("add_to_cart")) == 2)
    assert store.api.of_type("add_to_cart")[1]["items"] == [{"item_id": "MUG-1", "quantity": 1}]


def prestashop(store: Store, hook: str) -> str:
    """Return what the module of PrestaShop's guide prints at a hook."""
    module = code("prestashop", "class Recommender", api=store.api_origin)
    body = module.split(f"function hook{hook}(")[1].split("public function")[0]
    return printed_by_php(body)


def test_prestashop(store: Store) -> None:
    head = pages.PRESTASHOP_HEAD + pages.json_ld(pages.PRESTASHOP_STRUCTURED)
    cart = code("prestashop", "updateCart", api=store.api_origin)
    body = pages.PRESTASHOP_BODY + prestashop(store, "DisplayFooterProduct") + cart
    tab = publish(store, pages.html(body, head=head + prestashop(store, "DisplayHeader")))
    works(store, tab, pages.SKU)


def test_prestashop_with_its_google_analytics(store: Store) -> None:
    head = pages.PRESTASHOP_ANALYTICS + pages.json_ld(pages.PRESTASHOP_STRUCTURED)
    body = pages.PRESTASHOP_BODY + prestashop(store, "DisplayFooterProduct")
    tab = publish(store, pages.html(body, head=head + prestashop(store, "DisplayHeader")))
    tab.wait_for_selector("[data-recommender-state=drawn]")
    assert item_of(store, "view_item") == {
        "item_id": "42",
        "quantity": 1,
        "price": "70.9",
        "currency": "GBP",
    }
    store.faults.clear()  # the stub shop has no /gtag.js


def magento_policy(store: Store) -> str:
    """Return the policy that Magento makes of the guide's white list, in restrict mode."""
    whitelist = ElementTree.fromstring(code("magento", "<csp_whitelist", api=store.api_origin))
    allowed = {
        policy.attrib["id"]: " ".join(str(value.text) for value in policy.iter("value"))
        for policy in whitelist.iter("policy")
    }
    listed = "; ".join(f"{name} 'self' {hosts}" for name, hosts in allowed.items())
    return f"default-src 'none'; style-src 'self'; {listed} 'unsafe-inline'".replace(
        "script-src 'self'", "script-src 'self' 'unsafe-inline'"
    )


def magento(store: Store) -> tuple[str, str]:
    """Return what the layout files of Magento's guide put into head and body."""
    layout = ElementTree.fromstring(code("magento", "src_type", api=store.api_origin))
    loader, cart = layout.iter("script")
    assert cart.attrib["src"] == "Shop_Recommender::js/cart.js"
    store.shop.pages["/cart.js"] = (code("magento", "checkout\\/cart", api=store.api_origin), {})
    head = f'<script src="{loader.attrib["src"]}" async="true"></script>'
    head += '<script src="/cart.js" defer="true"></script>'
    block = ElementTree.fromstring(code("magento", "content.aside", api=store.api_origin))
    [argument] = block.iter("argument")
    return head, str(argument.text)


@pytest.mark.parametrize("layer", ["", pages.MAGENTO_LAYER], ids=["microdata", "data layer"])
def test_magento(store: Store, layer: str) -> None:
    head, strip = magento(store)
    html = pages.html(
        pages.MAGENTO_BODY + strip,
        head=pages.MAGENTO_HEAD + layer + head,
        attributes=pages.MAGENTO_ATTRIBUTES,
    )
    works(
        store, publish(store, html, {"Content-Security-Policy": magento_policy(store)}), pages.SKU
    )


def run_tag(store: Store, tab: Page, tag: str) -> None:
    """Run a Custom HTML tag as a container does: its scripts made anew, without attributes."""
    [script] = re.findall(r"<script>(.*?)</script>", tag, flags=re.DOTALL)
    tab.evaluate(
        """code => { const script = document.createElement("script"); script.text = code;
          document.body.append(script) }""",
        pages.TAG_MANAGER + script,
    )


SANDBOX = """
const data = { siteKey: "pk_test", gtmOnSuccess() { window.loaded = true }, gtmOnFailure() {} };
const inject = (url, done, failed) => {
  const script = document.createElement("script");
  script.async = true; script.src = url; script.onload = done; script.onerror = failed;
  document.head.append(script);
};
const require = (name) =>
  ({ encodeUriComponent: window.encodeURIComponent, injectScript: inject })[name];
"""
"""The part of tag manager's sandbox that the template asks for."""


@pytest.mark.parametrize("kind", ["Custom HTML", "Custom template"])
def test_google_tag_manager(store: Store, kind: str) -> None:
    slot = code("any-shop", '<div data-recommender="product">', api=store.api_origin)
    button = """<button onclick="dataLayer.push({ ecommerce: null }); dataLayer.push({
      event: 'add_to_cart', ecommerce: { items: [{ item_id: 'OAK-1', quantity: 2 }] } })">
      Add to cart</button>"""
    tab = publish(store, pages.html("<h1>Oak</h1>" + button + slot, head=pages.TAG_MANAGER_LAYER))
    if kind == "Custom HTML":
        tag = code("google-tag-manager", "createElement", api=store.api_origin)
    else:
        template = code("google-tag-manager", "injectScript", api=store.api_origin)
        tag = f"<script>(() => {{ {SANDBOX} {{ {template} }} }})()</script>"
    run_tag(store, tab, tag)
    works(store, tab, pages.SKU)
    assert tab.evaluate("window.followed") >= 3, "the container still hears everything"


def test_any_shop_by_calls(store: Store) -> None:
    api = store.api_origin
    loader, slot = (code("any-shop", text, api=api) for text in ("async src", 'er="product"'))
    viewed, added = (code("any-shop", text, api=api) for text in ("view_item", '"add_to_cart"'))
    clicked = json.dumps(added.replace("quantity: 1", "quantity: 2")).replace('"', "&quot;")
    button = f'<button onclick="eval({clicked})">Add to cart</button>'
    tab = publish(store, pages.html("<h1>Oak</h1>" + button + slot, head=loader + viewed))
    works(store, tab, "SKU-1")


def test_any_shop_by_its_policy(store: Store) -> None:
    policy = code("any-shop", "script-src", api=store.api_origin).strip()
    loader, slot = (
        code("any-shop", text, api=store.api_origin) for text in ("async src", 'er="product"')
    )
    html = pages.html("<h1>Oak</h1>" + slot, head=loader)
    tab = publish(store, html, {"Content-Security-Policy": f"{policy}; img-src 'self'"})
    tab.wait_for_selector("[data-recommender-state=drawn]")
    box = tab.get_by_role("listitem").first.bounding_box()
    assert box is not None
    assert box["width"] < 300, "the style sheet is in force"
