"""Slots without markup of the shop: placed from the console, custom element, headless."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect
from shop_pages import FILLER, HERO, PRODUCT, slot, view_item
from test_widget_drawing import SUM_SHIFTS, drawn
from widget_store import Store
from widget_stub import PREVIEW_TOKEN, catalogue

pytestmark = pytest.mark.browser

BELOW = '<section class="details"><h2>Details</h2><p id="text">Oiled by hand.</p></section>'
TREE = """() => {
  const slot = document.querySelector("[data-recommender]");
  const name = (node) => node && (node.id || node.className || node.tagName);
  return [slot.parentElement, slot.previousElementSibling, slot.nextElementSibling].map(name);
}"""


def place(store: Store, position: str, selector: str = ".details", placement: str = "home") -> None:
    placed = {"placement": placement, "selector": selector, "position": position}
    store.api.config["slots"] = [placed]


def give(store: Store, arm: str) -> None:
    store.api.share({"treatment": 1_000_000, "control": 0}[arm])


@pytest.mark.parametrize(
    ("position", "around"),
    [
        ("before", ["MAIN", "filler", "details"]),
        ("after", ["MAIN", "details", "FOOTER"]),
        ("prepend", ["details", None, "H2"]),
        ("append", ["details", "text", None]),
        ("replace", ["MAIN", "filler", "FOOTER"]),
    ],
)
def test_a_placed_slot_stands_where_the_owner_said(
    store: Store, position: str, around: list[str | None]
) -> None:
    place(store, position)
    store.put("/", FILLER + BELOW)
    tab = store.open("/")
    drawn(tab, "home")
    assert tab.evaluate(TREE) == around
    expect(tab.get_by_role("region", name="Chosen for you")).to_have_count(1)
    # Only what is replaced gives way.
    hidden = position == "replace"
    expect(tab.get_by_text("Oiled by hand.")).to_be_visible(visible=not hidden)


@pytest.mark.parametrize("position", ["before", "replace"])
def test_control_visitors_keep_the_page_as_it_was(store: Store, position: str) -> None:
    give(store, "control")
    place(store, position)
    store.put("/", FILLER + BELOW)
    tab = store.open("/")
    store.until(lambda: store.api.of_type("rendered"))
    expect(tab.get_by_text("Oiled by hand.")).to_be_visible()
    assert store.api.slates[0]["arm"] == "control"


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_what_is_being_looked_at_never_moves(store: Store, arm: str) -> None:
    give(store, arm)
    place(store, "after", ".hero")
    store.context.add_init_script(SUM_SHIFTS)
    hero = HERO.replace("class", 'id="hero" class')
    store.put("/", FILLER + hero + "<p>Below the hero</p>" + FILLER)
    tab = store.open("/#hero")
    tab.wait_for_selector("[data-recommender-placed]", state="attached")
    tab.wait_for_timeout(600)
    assert store.api.slates == [], "in the window: asked for nothing, in either arm"
    tab.evaluate("scrollTo(0, 0)")
    store.until(lambda: store.api.of_type("rendered"))
    tab.evaluate("scrollTo(0, 400)")
    tab.wait_for_timeout(300)
    assert tab.evaluate("window.shifts") == 0
    expect(tab.get_by_role("region")).to_have_count(1 if arm == "treatment" else 0)


def test_a_page_without_the_element_stays_as_it_is(store: Store) -> None:
    place(store, "after", "#elsewhere")
    store.put("/", FILLER + BELOW + slot("cart"))
    tab = store.open("/")
    drawn(tab, "cart")
    expect(tab.locator("[data-recommender]")).to_have_count(1)


def test_a_selector_that_this_browser_does_not_know_harms_nothing(store: Store) -> None:
    place(store, "after", "::future(x) [[")
    store.put("/", FILLER + BELOW + slot("cart"))
    drawn(store.open("/"), "cart")


def test_a_router_that_draws_anew_gets_its_slot_again(store: Store) -> None:
    place(store, "append", ".details", "product")
    store.put("/p", PRODUCT + FILLER + BELOW, data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    drawn(tab, "product")
    tab.evaluate(
        """html => {
          history.pushState({}, "", "/p2");
          document.querySelector(".details").outerHTML = html;
          dataLayer.push({event: "view_item", ecommerce: {items: [{item_id: "sku-5"}]}});
        }""",
        BELOW,
    )
    store.until(lambda: len(store.api.slates) == 2)
    assert store.api.slates[1]["item_id"] == "sku-5"
    drawn(tab, "product")
    expect(tab.locator("[data-recommender]")).to_have_count(1)


# -- custom element ------------------------------------------------------------------------------


def test_the_custom_element_is_a_slot(store: Store) -> None:
    markup = '<recommender-slot placement="product" item-id="of the slot"></recommender-slot>'
    store.put("/p", FILLER + markup, data_layer=[view_item("of the page")])
    tab = store.open("/p")
    drawn(tab, "product")
    assert store.api.slates[0]["item_id"] == "of the slot"
    strip = tab.locator("recommender-slot")
    expect(strip).to_have_css("display", "block")
    expect(strip.get_by_role("listitem")).to_have_count(10)


# -- button for the cart -------------------------------------------------------------------------


def with_button(store: Store, script: str = "") -> Page:
    store.api.config["cart_button"] = True
    store.shop.pages["/cart.js"] = (script, {})
    store.put("/", slot("home"), head='<script src="/cart.js"></script>')
    store.put("/product/sku-1", "<h1>Backpack</h1>")
    tab = store.open("/")
    drawn(tab)
    return tab


def test_without_the_setting_there_is_no_button(store: Store) -> None:
    store.put("/", slot("home"))
    tab = store.open("/")
    drawn(tab)
    expect(tab.get_by_role("button", name="Add to cart")).to_have_count(0)


def test_the_page_takes_the_item(store: Store) -> None:
    tab = with_button(
        store,
        """addEventListener("recommender:add-to-cart", (event) => {
             event.preventDefault();
             window.taken = event.detail;
           });""",
    )
    name = "Add to cart: Waxed canvas backpack"
    tab.get_by_role("button", name=name).click()
    slate = store.api.slates[0]
    assert tab.evaluate("window.taken") == {
        "item_id": "sku-1",
        "placement": "home",
        "slate_id": slate["slate_id"],
    }
    store.until(lambda: store.api.of_type("select_item"))
    assert store.api.of_type("select_item")[0]["items"] == [{"item_id": "sku-1"}]
    assert tab.url == f"{store.origin}/"


def test_a_button_that_nobody_answers_leads_to_the_item(store: Store) -> None:
    tab = with_button(store)
    tab.get_by_role("button", name="Add to cart: Waxed canvas backpack").click()
    tab.wait_for_url("**/product/sku-1")


def test_the_nominal_height_counts_the_button(store: Store) -> None:
    tab = with_button(store)
    measured = tab.evaluate(
        """() => {
          const section = document.querySelector("[data-recommender]").shadowRoot
            .querySelector("section");
          return section.offsetHeight - section.querySelector("li").offsetWidth;
        }"""
    )
    assert measured == pytest.approx((11.875 + 3) * 16, abs=1.5)


# -- headless ------------------------------------------------------------------------------------

HEADLESS = """async () => {
  const slate = await recommender.slate("home", { category: "Lamps" });
  window.slate = slate;
  const list = document.querySelector("#own");
  list.append(...slate.items.map(({ title }) => Object.assign(document.createElement("li"),
    { textContent: title })));
  slate.observe(list);
  return slate.items.map(({ id }) => id);
}"""


def headless(store: Store) -> tuple[Page, Any]:
    store.put("/", '<ul id="own"></ul>' + FILLER)
    tab = store.open("/")
    tab.wait_for_function("Boolean(window.recommender?.slate)")
    return tab, tab.evaluate(HEADLESS)


def test_a_shop_may_draw_by_itself(store: Store) -> None:
    store.api.items = catalogue(3)
    tab, ids = headless(store)
    assert ids == ["sku-0", "sku-1", "sku-2"]
    asked = store.api.slates[0]
    assert (asked["placement"], asked["category"]) == ("home", "Lamps")
    store.until(lambda: store.api.of_type("impression"))
    for kind in ("rendered", "impression"):
        [event] = store.api.of_type(kind)
        assert event["slate_id"] == asked["slate_id"]
        assert [item["item_id"] for item in event["items"]] == ids
    tab.evaluate("window.slate.select('sku-1')")
    store.until(lambda: store.api.of_type("select_item"))
    assert store.api.of_type("select_item")[0]["items"] == [{"item_id": "sku-1"}]


def test_control_visitors_of_such_a_shop_are_counted_alike(store: Store) -> None:
    give(store, "control")
    _, ids = headless(store)
    assert ids == []
    store.until(lambda: store.api.of_type("impression"))
    for kind in ("rendered", "impression"):
        [event] = store.api.of_type(kind)
        assert event["slate_id"] == store.api.slates[0]["slate_id"]


def test_an_empty_slate_is_observed_by_nobody(store: Store) -> None:
    store.api.slate_status = 503
    tab, ids = headless(store)
    assert ids == []
    tab.wait_for_timeout(1500)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert not {"rendered", "impression"} & set(store.api.types())
    store.faults.clear()  # the browser tells of the failed request


# -- preview -------------------------------------------------------------------------------------


def test_a_preview_is_drawn_and_leaves_no_trace(store: Store) -> None:
    give(store, "control")
    place(store, "after", ".hero")
    store.put("/", HERO + slot("cart"), data_layer=[view_item("sku-4")])
    tab = store.open(f"/?recommender=preview&token={PREVIEW_TOKEN}")
    drawn(tab, "home")
    drawn(tab, "cart")
    assert {slate["preview"] for slate in store.api.slates} == {PREVIEW_TOKEN}
    assert not any("visitor_id" in slate for slate in store.api.slates)
    tab.wait_for_timeout(2500)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert store.api.events == []
    assert store.context.cookies() == []
    assert tab.evaluate("Object.keys(localStorage)") == []


def test_a_preview_goes_on_when_the_owner_clicks(store: Store) -> None:
    give(store, "control")
    store.put("/", '<a href="/next?x=1">next</a><a href="https://elsewhere.example/">out</a>')
    store.put("/next", slot("home"))
    tab = store.open(f"/?recommender=preview&token={PREVIEW_TOKEN}")
    expect(tab.get_by_text("Preview: nobody is counted")).to_be_visible()
    tab.get_by_role("link", name="next").click()
    drawn(tab, "home")
    assert f"token={PREVIEW_TOKEN}" in tab.url
    assert "x=1" in tab.url


def test_an_old_link_says_so_and_shows_what_everybody_sees(store: Store) -> None:
    give(store, "control")
    store.put("/", slot("home"))
    tab = store.open("/?recommender=preview&token=old.one")
    expect(tab.get_by_text("This preview link has ended")).to_be_visible()
    expect(tab.get_by_role("region", name="Chosen for you")).to_have_count(0)
