"""What a shopper sees: strips on every page, in any theme, direction and width, moving nothing."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from shop_pages import FILLER, HERO, PRODUCT, slot, view_item
from widget_store import Store
from widget_stub import catalogue

from world import missing

pytestmark = pytest.mark.browser

DESKTOP = {"viewport": {"width": 1280, "height": 800}}
TELEPHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}

DRAWN = "[data-recommender-state=drawn]"
SUM_SHIFTS = """
window.shifts = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) window.shifts += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def drawn(tab: Page, placement: str = "") -> None:
    """Wait until a slot is drawn."""
    tab.wait_for_selector(f'[data-recommender="{placement}"]{DRAWN}' if placement else DRAWN)


def test_home_shows_a_strip(store: Store) -> None:
    store.put("/", HERO + slot("home"))
    tab = store.open("/")
    drawn(tab, "home")
    strip = tab.get_by_role("region", name="Chosen for you")
    expect(strip.get_by_role("heading", level=2)).to_have_text("Chosen for you")
    expect(strip.get_by_role("listitem")).to_have_count(10)
    first = strip.get_by_role("link").first
    expect(first).to_have_attribute("href", f"{store.origin}/product/sku-0")
    expect(first).to_contain_text("Linen shirt, long sleeves")
    expect(first).to_contain_text("£12.90")
    expect(first).to_contain_text("Popular right now")
    [slate] = store.api.slates
    assert slate["key"] == "pk_test"
    assert slate["placement"] == "home"
    assert slate["language"] == "en"
    assert slate["visitor_id"] == store.visitor_id() != ""
    assert "item_id" not in slate


def test_product_page_tells_its_item_and_falls_back_to_our_heading(store: Store) -> None:
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")], language="de-AT")
    tab = store.open("/p")
    drawn(tab)
    expect(tab.get_by_role("heading", name="Das könnte Ihnen gefallen")).to_be_visible()
    assert store.api.slates[0]["item_id"] == "sku-4"
    assert store.api.slates[0]["language"] == "de-AT"


def test_product_slot_waits_for_an_item_that_is_told_late(store: Store) -> None:
    store.put("/p", PRODUCT + slot("product"), data_layer=[])
    tab = store.open("/p")
    tab.wait_for_function("window.dataLayer.push !== Array.prototype.push")
    tab.evaluate("entry => { dataLayer.push(entry) }", view_item("sku-7"))
    drawn(tab)
    assert [slate["item_id"] for slate in store.api.slates] == ["sku-7"]


def test_product_slot_without_any_item_is_drawn_in_the_end(store: Store) -> None:
    store.put("/p", PRODUCT + slot("product"), data_layer=[])
    drawn(store.open("/p"))
    assert "item_id" not in store.api.slates[0]


def test_cart_page_tells_what_is_in_the_cart(store: Store) -> None:
    def entry(event: str, *ids: str) -> dict[str, Any]:
        return {"event": event, "ecommerce": {"items": [{"item_id": i} for i in ids]}}

    store.put("/p", PRODUCT, data_layer=[view_item("a"), entry("add_to_cart", "a", "b")])
    store.put("/cart", slot("cart"), data_layer=[entry("remove_from_cart", "b")])
    tab = store.open("/p")
    store.until(lambda: store.api.of_type("add_to_cart"))
    tab.goto(f"{store.origin}/cart")
    drawn(tab, "cart")
    assert store.api.slates[0]["cart"] == "a"


def test_what_a_slot_says_goes_before_what_the_page_told(store: Store) -> None:
    said = 'data-item-id="of the slot" data-category="Lamps" data-search-term="brass"'
    store.put("/p", slot("product", attributes=said), data_layer=[view_item("of the page")])
    drawn(store.open("/p"))
    slate = store.api.slates[0]
    assert slate["item_id"] == "of the slot"
    assert slate["category"] == "Lamps"
    assert slate["search_term"] == "brass"


def test_a_slot_that_is_no_placement_stays_as_it_is(store: Store) -> None:
    store.api.config["placements"]["cart"]["enabled"] = False
    store.put("/", slot("cart", "<p>ours</p>") + slot("nonsense") + slot("home"))
    tab = store.open("/")
    drawn(tab, "home")
    assert [slate["placement"] for slate in store.api.slates] == ["home"]
    expect(tab.get_by_text("ours")).to_be_visible()


def test_a_slot_that_comes_later_is_found(store: Store) -> None:
    store.put("/", HERO)
    tab = store.open("/")
    tab.wait_for_function("window.recommender?.version")
    tab.evaluate(
        "html => document.querySelector('main').insertAdjacentHTML('beforeend', html)", slot("home")
    )
    drawn(tab, "home")


def test_slots_may_be_lists_and_cells(store: Store) -> None:
    store.put("/", '<ul data-recommender="home"></ul>')
    tab = store.open("/")
    drawn(tab)
    expect(tab.get_by_role("region", name="Chosen for you")).to_be_visible()


def test_the_shops_own_content_gives_way_only_to_a_strip(store: Store) -> None:
    store.put("/", slot("home", "<p>bestsellers of the shop</p>"))
    tab = store.open("/")
    drawn(tab)
    expect(tab.get_by_text("bestsellers of the shop")).to_be_hidden()
    store.api.items = catalogue(1)  # fewer than n_min
    tab.reload()
    store.until(lambda: len(store.api.slates) == 2)
    expect(tab.get_by_text("bestsellers of the shop")).to_be_visible()


def test_hostile_texts_are_texts(store: Store) -> None:
    evil = "<img src=x onerror=\"window.broken='title'\"><b>Mug</b>"
    items = catalogue(4)
    items[0] |= {"title": evil, "reason": {"text": evil}}
    items[1] |= {"url": "javascript:window.broken='url'"}
    items[2] |= {"image": "javascript:window.broken='image'", "url": "data:text/html,x"}
    items[3] |= {"currency": evil, "price_minor": evil, "title": "x" * 5000}
    store.api.items = items
    store.api.config["placements"]["home"]["title"] = {"en": evil}
    store.put("/", slot("home"))
    tab = store.open("/")
    drawn(tab)
    strip = tab.get_by_role("region")
    expect(strip.get_by_role("heading")).to_have_text(evil)
    expect(strip.get_by_text(evil).nth(1)).to_be_visible()
    expect(strip.locator("b b, small b, h2 b, img[src='x']")).to_have_count(0)
    expect(strip.get_by_role("link")).to_have_count(2)
    expect(strip.get_by_role("listitem")).to_have_count(4)
    strip.get_by_role("listitem").nth(1).click()
    assert tab.evaluate("window.broken") is None
    card = strip.get_by_role("listitem").nth(3).bounding_box()
    assert card is not None
    assert card["height"] < 500


def test_a_broken_image_leaves_its_frame(store: Store) -> None:
    store.api.items = catalogue(2)
    store.api.items[0]["image"] = "/img/broken.svg"
    store.put("/", slot("home"))
    tab = store.open("/")
    drawn(tab)
    cards = tab.get_by_role("listitem")
    expect(cards.nth(0).locator("img")).to_have_count(0)
    expect(cards.nth(1).locator("img")).to_have_count(1)
    frames = [cards.nth(i).locator("[part=frame]").bounding_box() for i in range(2)]
    assert frames[0] is not None
    assert frames[1] is not None
    assert frames[0]["height"] == frames[1]["height"] == frames[0]["width"] > 100


STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src {api}; connect-src {api}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_a_strict_content_security_policy_is_kept(store: Store) -> None:
    policy = STRICT.format(api=store.api_origin)
    store.put("/", HERO + slot("home"), headers={"Content-Security-Policy": policy})
    tab = store.open("/")
    drawn(tab)
    box = tab.get_by_role("listitem").first.bounding_box()
    assert box is not None
    assert box["width"] < 300, "the style sheet is in force"
    tab.get_by_role("button", name="Next").click()
    store.until(lambda: store.api.of_type("impression"))
    # A blocked thing would be an error on the console, which the fixture finds.


@pytest.mark.parametrize("shopper", [{**DESKTOP, "reduced_motion": "reduce"}])
def test_buttons_scroll_and_say_where_the_end_is(store: Store) -> None:
    store.put("/", slot("home"))
    tab = store.open("/")
    drawn(tab)
    previous, following = (tab.get_by_role("button", name=name) for name in ("Previous", "Next"))
    scroller = tab.get_by_role("list")
    expect(previous).to_have_attribute("aria-disabled", "true")
    following.click()
    expect(previous).to_have_attribute("aria-disabled", "false")
    assert scroller.evaluate("list => list.scrollLeft") > 500
    following.press("Enter")
    expect(following).to_have_attribute("aria-disabled", "true")
    previous.press("Space")
    previous.click()
    expect(previous).to_have_attribute("aria-disabled", "true")
    assert scroller.evaluate("list => list.scrollLeft") < 2


def test_the_keyboard_reaches_buttons_then_cards(store: Store) -> None:
    store.put("/", '<a href="/before">before</a>' + slot("home") + '<a href="/after">after</a>')
    tab = store.open("/")
    drawn(tab)
    focused = "document.querySelector('[data-recommender]').shadowRoot.activeElement?.textContent"
    tab.get_by_text("before").focus()
    labels = []
    for _ in range(12):
        tab.keyboard.press("Tab")
        labels.append(tab.evaluate(focused))
    assert labels[:2] == ["", ""], "the two buttons come first"
    assert all("£" in label for label in labels[2:])
    # The tenth card began far to the right; focus brought it into view.
    last = tab.get_by_role("listitem").nth(9)
    expect(last).to_be_in_viewport(ratio=0.9)
    tab.keyboard.press("Tab")
    expect(tab.get_by_text("after")).to_be_focused()


def test_buttons_hide_when_everything_fits(store: Store) -> None:
    store.api.items = catalogue(3)
    store.put("/", slot("home"))
    tab = store.open("/")
    drawn(tab)
    expect(tab.get_by_role("button", include_hidden=True)).to_have_count(2)
    expect(tab.get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("shopper", [{**DESKTOP, "reduced_motion": "reduce"}])
def test_right_to_left_pages_scroll_to_the_left(store: Store) -> None:
    store.put("/", slot("home"), language="ar", direction="rtl")
    tab = store.open("/")
    drawn(tab)
    first = tab.get_by_role("listitem").first
    before = first.bounding_box()
    heading = tab.get_by_role("heading").bounding_box()
    assert before is not None
    assert heading is not None
    assert before["x"] + before["width"] > 1100, "the first card stands on the right"
    assert heading["x"] > 800
    previous, following = (tab.get_by_role("button", name=name) for name in ("Previous", "Next"))
    assert following.bounding_box()["x"] < previous.bounding_box()["x"]  # type: ignore[index]
    following.click()
    expect(previous).to_have_attribute("aria-disabled", "false")
    after = first.bounding_box()
    assert after is not None
    assert after["x"] > before["x"] + 500
    following.click()
    expect(following).to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize(
    ("body", "data_layer"),
    [
        pytest.param(HERO + FILLER + slot("home"), None, id="below the window"),
        pytest.param(
            HERO + '<div class="reserved">' + slot("home") + "</div>" + FILLER,
            None,
            id="in the window, room reserved by the shop",
        ),
        pytest.param(PRODUCT + FILLER + slot("product"), [view_item("sku-4")], id="product"),
    ],
)
@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_nothing_moves(store: Store, body: str, data_layer: Any, arm: str) -> None:
    store.api.share(1_000_000 if arm == "treatment" else 0)
    store.api.slate_delay_seconds = 0.4  # reserving and filling fall into different frames
    store.shop.pages["/reserved.css"] = (
        ".reserved [data-recommender]:not([data-recommender-state=empty]) { min-height: 27em; }",
        {},
    )
    head = '<link rel="stylesheet" href="/reserved.css">'
    store.put("/", body + FILLER, head=head, data_layer=data_layer)
    store.context.add_init_script(SUM_SHIFTS)
    tab = store.open("/")
    if arm == "treatment":
        drawn(tab)
    store.until(lambda: store.api.slates)
    tab.wait_for_timeout(800)
    tab.mouse.wheel(0, 1500)
    tab.wait_for_timeout(400)
    assert tab.evaluate("window.shifts") == 0
    tab.evaluate("scrollTo(0, 0); document.body.prepend(document.querySelector('main'))")
    tab.wait_for_function("window.shifts > 0")  # the measure is alive


def test_control_has_no_room_reserved_while_it_waits(store: Store) -> None:
    store.api.share(0)
    store.api.slate_delay_seconds = 1
    store.put("/", HERO + slot("home") + FILLER)
    tab = store.open("/")
    store.until(lambda: store.api.slates)
    tab.wait_for_timeout(200)
    expect(tab.get_by_role("region")).to_have_count(0)
    assert tab.locator("[data-recommender]").evaluate("slot => slot.offsetHeight") == 0
    store.until(lambda: store.api.of_type("impression"))


def test_the_nominal_height_is_the_real_one(store: Store) -> None:
    store.put("/", '<div class="room">' + slot("home") + "</div>")
    tab = store.open("/")
    drawn(tab)
    for width in (320, 390, 520, 760, 1000, 1280, 1600):
        tab.set_viewport_size({"width": width, "height": 800})
        measured = tab.evaluate(
            """() => {
              const slot = document.querySelector("[data-recommender]");
              const section = slot.shadowRoot.querySelector("section");
              const card = section.querySelector("li").getBoundingClientRect().width;
              return { height: section.offsetHeight, card, width: slot.clientWidth };
            }"""
        )
        # nominalHeight() of strip.js, written out: two and a quarter cards of 7 to 15 em.
        card = max(7, min(15, (measured["width"] / 16 - 1.25) / 2.25)) * 16
        assert measured["card"] == pytest.approx(card, abs=0.5), width
        assert measured["height"] == pytest.approx(card + 11.875 * 16, abs=1.5), width


@pytest.mark.parametrize("shopper", [{"viewport": {"width": 320, "height": 640}}])
@pytest.mark.parametrize("size", ["100%", "200%"])
def test_a_narrow_page_with_large_text_loses_nothing(store: Store, size: str) -> None:
    store.api.config["cart_button"] = True
    store.shop.pages["/large.css"] = (
        f"html {{ font-size: {size}; }} body {{ font-size: 1rem; }}",
        {},
    )
    store.put("/", slot("home"), head='<link rel="stylesheet" href="/large.css">')
    tab = store.open("/")
    drawn(tab)
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(sideways) == 0
    for name in ("Previous", "Next"):
        expect(tab.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    cut = tab.evaluate(
        """() => {
          const root = document.querySelector("[data-recommender]").shadowRoot;
          const parts = root.querySelectorAll("h2, strong, [part=body], [part=cart]");
          return [...parts].filter((part) => part.scrollHeight > part.clientHeight + 2)
            .map((part) => part.outerHTML);
        }"""
    )
    assert cut == []


@pytest.mark.parametrize("shopper", [TELEPHONE])
def test_a_telephone_shows_two_cards_and_a_bit_and_does_not_scroll_sideways(store: Store) -> None:
    store.put("/", HERO + slot("home"))
    tab = store.open("/")
    drawn(tab)
    sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert tab.evaluate(sideways) == 0
    tab.get_by_role("listitem").first.scroll_into_view_if_needed()
    cards = tab.get_by_role("listitem")
    expect(cards.nth(1)).to_be_in_viewport(ratio=0.99)
    expect(cards.nth(2)).to_be_in_viewport(ratio=0.1)
    for name in ("Previous", "Next"):
        box = tab.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 24, "WCAG 2.2 target size"


@pytest.mark.parametrize("theme", ["", "dark"])
@pytest.mark.parametrize("shopper", [{**DESKTOP, "color_scheme": "dark"}])
def test_colours_follow_the_page_and_not_the_system(store: Store, theme: str) -> None:
    store.put("/", slot("home"), theme=theme)
    tab = store.open("/")
    drawn(tab)
    colours = tab.evaluate(
        """() => [document.body, document.querySelector("[data-recommender]").shadowRoot
          .querySelector("[part=title]")].map((node) => getComputedStyle(node).color)"""
    )
    assert colours[0] == colours[1]


def test_a_shop_can_theme_it(store: Store) -> None:
    theme = """
      [data-recommender] { --recommender-accent: rgb(200, 0, 0); --recommender-ratio: 3 / 4; }
      [data-recommender]::part(heading) { font-size: 40px; }
    """
    store.shop.pages["/theme.css"] = (theme, {})
    store.put("/", slot("home"), head='<link rel="stylesheet" href="/theme.css">')
    tab = store.open("/")
    drawn(tab)
    expect(tab.locator("[part=price]").first).to_have_css("color", "rgb(200, 0, 0)")
    expect(tab.get_by_role("heading")).to_have_css("font-size", "40px")
    frame = tab.locator("[part=frame]").first.bounding_box()
    assert frame is not None
    assert frame["height"] == pytest.approx(frame["width"] * 4 / 3, abs=1)


def test_styles_do_not_leak(store: Store) -> None:
    shout = "* { text-transform: uppercase; } button, a, li, h2 { border: 9px solid red; }"
    store.shop.pages["/shout.css"] = (shout, {})
    head = '<link rel="stylesheet" href="/shout.css">'
    store.put("/", "<h2>Shop</h2><button>Shop</button>" + slot("home"), head=head)
    tab = store.open("/")
    drawn(tab)
    expect(tab.get_by_role("region").get_by_role("heading")).to_have_css("border-width", "0px")
    expect(tab.get_by_role("link").first).to_have_css("text-transform", "none")
    expect(tab.get_by_role("button", name="Shop")).to_have_css("border-radius", "0px")


@pytest.mark.parametrize("theme", ["", "dark"])
@pytest.mark.parametrize("shopper", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
def test_no_rule_of_wcag_is_broken(store: Store, theme: str) -> None:
    axe = Path(__file__).resolve().parents[3] / "widget/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        missing("axe-core")
    store.put("/", "<h1>Fernleigh</h1>" + HERO + slot("home"), theme=theme)
    tab = store.open("/")
    drawn(tab)
    tab.get_by_role("listitem").first.scroll_into_view_if_needed()
    tab.evaluate(axe.read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run('[data-recommender]')")
    assert [rule["id"] for rule in found["violations"]] == []
    assert "color-contrast" in [rule["id"] for rule in found["passes"]]
