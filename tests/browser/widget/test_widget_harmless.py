"""The page is the shop's: whatever fails, it stays whole, and a switch ends it all."""

import pytest
from playwright.sync_api import expect
from shop_pages import FILLER, HERO, PRODUCT, slot, snippet, view_item
from widget_store import Store
from widget_stub import SITE_KEY

pytestmark = pytest.mark.browser

GLOBALS = """() => {
  const frame = document.createElement("iframe");
  document.body.append(frame);
  const clean = frame.contentWindow;
  const changed = [];
  for (const name of Object.getOwnPropertyNames(window))
    if (!(name in clean) && isNaN(name)) changed.push(name);
  for (const [path, ours, theirs] of [
    ["Object.prototype", Object.prototype, clean.Object.prototype],
    ["Array.prototype", Array.prototype, clean.Array.prototype],
    ["Promise.prototype", Promise.prototype, clean.Promise.prototype],
    ["EventTarget.prototype", EventTarget.prototype, clean.EventTarget.prototype],
    ["XMLHttpRequest.prototype", XMLHttpRequest.prototype, clean.XMLHttpRequest.prototype],
    ["Element.prototype", Element.prototype, clean.Element.prototype],
    ["Node.prototype", Node.prototype, clean.Node.prototype],
    ["History.prototype", History.prototype, clean.History.prototype],
    ["window", window, clean],
  ]) {
    if (path !== "window")
      for (const name of Object.getOwnPropertyNames(ours))
        if (!(name in theirs)) changed.push(path + name);
    for (const name of Object.getOwnPropertyNames(theirs)) {
      const native = Object.getOwnPropertyDescriptor(ours, name)?.value;
      const isOurs = typeof native === "function" && !/\\[native code\\]/.test(native);
      if (isOurs) changed.push(path + name);
    }
  }
  frame.remove();
  return changed.sort();
}"""


def test_one_global_and_nothing_patched(store: Store) -> None:
    store.put("/", HERO + slot("home"))
    tab = store.open("/")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    assert tab.evaluate(GLOBALS) == ["recommender"]


def test_the_kill_switch_ends_everything(store: Store) -> None:
    store.api.config["enabled"] = False
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_function("window.recommender?.version")
    tab.wait_for_timeout(2500)
    tab.evaluate("recommender('event', 'add_to_cart', { items: [{ item_id: 'a' }] })")
    assert store.api.slates == []
    assert store.api.events == []
    assert tab.evaluate("Object.hasOwn(dataLayer, 'push')") is False
    assert tab.evaluate("Object.hasOwn(history, 'pushState')") is False
    assert tab.evaluate("localStorage.length + sessionStorage.length") == 0
    assert store.context.cookies() == []
    assert tab.locator("[data-recommender]").evaluate("slot => slot.shadowRoot") is None


@pytest.mark.parametrize(
    "fault",
    ["no server", "settings fail", "slates fail", "slates are late", "slates are nonsense"],
)
def test_a_failing_service_leaves_the_page_whole(store: Store, fault: str) -> None:
    told = {}
    if fault == "no server":
        told["api"] = "http://127.0.0.1:9"
    store.api.config_status = 500 if fault == "settings fail" else 200
    store.api.slate_status = 503 if fault == "slates fail" else 200
    store.api.slate_delay_seconds = 10 if fault == "slates are late" else 0
    if fault == "slates are nonsense":
        store.api.items = [{"id": 7}, None, "x"]  # type: ignore[list-item]
    store.put("/", HERO + FILLER + slot("home", "<p>of the shop</p>"), **told)
    tab = store.open("/")
    tab.wait_for_timeout(2500)
    expect(tab.get_by_text("of the shop")).to_be_visible()
    expect(tab.get_by_role("region")).to_have_count(0)
    section = tab.locator("section.strip-of-shop").bounding_box()
    assert section is not None
    assert section["height"] < 100, "the room that was reserved is given back"
    expect(tab.get_by_text("since 1987")).to_be_visible()
    assert not [fault for fault in store.faults if fault.startswith("error: Error")]
    store.faults.clear()  # the browser tells of the failed requests


def test_room_in_the_shoppers_sight_is_given_back_when_it_is_out_of_sight(store: Store) -> None:
    store.api.slate_status = 503
    store.put("/", HERO + slot("home") + FILLER)
    tab = store.open("/")
    tab.wait_for_selector("[data-recommender] >> section.blank", state="attached")
    kept = tab.locator("[data-recommender]").bounding_box()
    assert kept is not None
    assert kept["height"] > 300
    tab.set_viewport_size({"width": 1280, "height": 300})
    expect(tab.locator("[data-recommender]")).to_have_attribute("data-recommender-state", "empty")
    store.faults.clear()  # the browser tells of the failed request


def test_an_outage_of_the_settings_does_not_lose_a_known_shoppers_events(store: Store) -> None:
    store.put("/", PRODUCT)
    tab = store.open("/")
    store.until(lambda: len(store.api.events) == 1)
    store.api.config_status = 503
    tab.reload()
    store.until(lambda: len(store.api.events) == 2)
    store.faults.clear()  # the browser tells of the failed request


def test_a_snippet_pasted_twice_counts_once(store: Store) -> None:
    store.put("/", slot("home") + snippet(store.api_origin), head=snippet(store.api_origin))
    tab = store.open("/")
    store.until(lambda: "impression" in store.api.types())
    tab.wait_for_timeout(500)
    assert sorted(store.api.types()) == ["impression", "page_view", "rendered"]
    assert len(store.api.slates) == 1


def test_a_snippet_without_a_key_does_nothing(store: Store) -> None:
    store.put("/", slot("home"), api="http://127.0.0.1:9")
    html, headers = store.shop.pages["/"]
    bare = html.replace("http://127.0.0.1:9", store.api_origin).replace(
        f'data-shop="{SITE_KEY}"', ""
    )
    store.shop.pages["/"] = (bare, headers)
    tab = store.open("/")
    tab.wait_for_load_state("networkidle")
    assert tab.evaluate("window.recommender") is None


def test_after_three_faults_of_ours_we_are_off_for_the_page(store: Store) -> None:
    store.put("/", "".join(slot("home") for _ in range(3)))
    store.put("/other", slot("home"))
    store.context.add_init_script(
        """if (location.pathname === "/")
             Element.prototype.attachShadow = undefined, Document.prototype.createElement =
               new Proxy(document.createElement, { apply() { throw new Error("sabotage") } });"""
    )
    tab = store.open("/")
    while len(store.faults) < 3:
        tab.wait_for_timeout(20)
    tab.evaluate(
        """() => { recommender('event', 'search', { search_term: 'x' });
                   history.pushState({}, '', '/elsewhere') }"""
    )
    tab.wait_for_timeout(2500)
    store.flush(tab)
    tab.wait_for_timeout(300)
    assert store.api.slates == []
    assert store.api.events == []
    assert len(store.faults) == 3
    assert all("[recommender] Error: sabotage" in fault for fault in store.faults)
    store.faults.clear()
    tab.goto(f"{store.origin}/other")
    tab.wait_for_selector("[data-recommender-state=drawn]")


# What a page may have done to the browser before us, and what is left to the shopper of us.
BROKEN = {
    "JSON": "JSON.parse = JSON.stringify = () => { throw new Error('broken') }",
    "no JSON": "JSON = undefined",
    "toJSON": "Array.prototype.toJSON = Object.prototype.toJSON = function () { return 'x' }",
    "fetch": "fetch = () => { throw new Error('broken') }",
    "fetch of another kind": "fetch = () => 7",
    "no fetch": "fetch = undefined",
    "Promise": "Promise = function () { throw new Error('broken') }",
    "no Promise": "Promise = undefined",
    "then": "Promise.prototype.then = Promise.prototype.catch = undefined",
    "map": "Array.prototype.map = () => { throw new Error('broken') }",
    "filter and more": "for (const name of ['filter', 'forEach', 'flatMap', 'includes'])"
    " Array.prototype[name] = undefined",
    "Array.from": "Array.from = (value) => [value]",
    "extended Array": "Array.prototype.each = Array.prototype.items = function () { return 'x' }",
    "extended Object": "for (const name of ['items', 'arm', 'event', 'words', 'source'])"
    " Object.prototype[name] = 'x'",
    "Object.entries": "Object.entries = () => { throw new Error('broken') }",
    "storage": "for (const name of ['getItem', 'setItem', 'removeItem', 'key'])"
    " Storage.prototype[name] = () => { throw new Error('broken') }",
    "crypto": "Object.defineProperty(window, 'crypto', { value: undefined })",
    "random": "Crypto.prototype.getRandomValues = () => { throw new Error('broken') }",
    "IntersectionObserver": "IntersectionObserver = undefined",
    "MutationObserver": "MutationObserver = function () { throw new Error('broken') }",
    "ResizeObserver": "ResizeObserver = undefined",
    "URL": "URL = undefined",
    "Map": "Map = undefined",
    "Set": "Set = WeakSet = undefined",
    "Object.values": "Object.values = undefined",
    "Intl": "Intl = undefined",
    "timers": "setTimeout = () => { throw new Error('broken') }",
    "history": "Object.freeze(history)",
    "data layer": "dataLayer = Object.freeze([{ event: 'view_item' }])",
    "data layer of another kind": "dataLayer = { push: 7 }",
    "locks": "Object.defineProperty(navigator, 'locks', { get() { throw new Error('broken') } })",
    "events": "EventTarget.prototype.addEventListener = () => { throw new Error('broken') }",
    "console": "console.debug = undefined",
    "our name": "Object.defineProperty(window, 'recommender', { value: 7 })",
}
"""Broken before our file runs. The page's own script counts its clicks and pushes all the same."""

OWN = """
<button class="buy" onclick="document.body.setAttribute('data-bought', '')">Add to cart</button>
<script>setInterval(() => { document.body.setAttribute('data-runs', '') }, 400)</script>
"""


@pytest.mark.parametrize("what", BROKEN)
def test_a_page_that_broke_the_browser_stays_as_whole_as_it_was(store: Store, what: str) -> None:
    head = f"<script>{BROKEN[what]}</script>"
    store.put("/", HERO + OWN + slot("home", "<p>of the shop</p>"), head=head)
    tab = store.open("/")
    tab.wait_for_timeout(900)
    tab.get_by_role("button", name="Add to cart").click()
    expect(tab.locator("body[data-bought][data-runs]")).to_be_visible()
    expect(tab.get_by_text("since 1987")).to_be_visible()
    assert not [fault for fault in store.faults if fault.startswith("error:")]
    assert len(store.faults) <= 3, "after three faults we are off"
    tab.close()
    store.faults.clear()


SURVIVABLE = ["toJSON", "Array.from", "extended Array", "storage", "locks"]


@pytest.mark.parametrize("what", SURVIVABLE)
def test_what_old_libraries_and_settings_break_costs_neither_strip_nor_event(
    store: Store, what: str
) -> None:
    head = f"<script>{BROKEN[what].replace('Object.prototype.toJSON = ', '')}</script>"
    store.put("/p", PRODUCT + slot("product"), head=head, data_layer=[view_item("sku-4")])
    tab = store.open("/p")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    store.until(lambda: store.api.of_type("view_item"))
    assert store.api.of_type("view_item")[0]["items"] == [{"item_id": "sku-4"}]


def test_a_call_that_makes_no_sense_harms_nobody(store: Store) -> None:
    store.put("/", slot("home"))
    tab = store.open("/")
    tab.wait_for_selector("[data-recommender-state=drawn]")
    tab.evaluate(
        """() => {
          for (const call of [[], [null], ["event"], ["event", null], ["event", 7, 8], [{}, {}],
                              ["event", "purchase", null], ["event", { type: {} }], ["consent"],
                              ["event", "add_to_cart", { items: 7 }],
                              ["event", "search", { items: [null, [], "x", { item_id: {} }] }]])
            recommender(...call);
          recommender.consent();
          recommender.consent({});
        }"""
    )
    store.until(lambda: "impression" in store.api.types())


def test_the_released_file_works_with_integrity(store: Store) -> None:
    import base64
    import hashlib

    from widget_stub import STATIC

    *_, released = sorted(STATIC.glob("widget-[0-9]*.js"))
    digest = base64.b64encode(hashlib.sha384(released.read_bytes()).digest()).decode()
    store.put("/", slot("home"))
    html, headers = store.shop.pages["/"]
    pinned = html.replace(
        '/widget.js"', f'/{released.name}" integrity="sha384-{digest}" crossorigin="anonymous"'
    )
    store.shop.pages["/"] = (pinned, headers)
    tab = store.open("/")
    tab.wait_for_selector("[data-recommender-state=drawn]")
