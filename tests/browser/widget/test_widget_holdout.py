"""Control and treatment walk the same path; only what is drawn differs."""

import pytest
from playwright.sync_api import Page, expect
from shop_pages import FILLER, HERO, slot
from widget_store import Store

pytestmark = pytest.mark.browser

HIDE = """
window.seen = "visible";
Object.defineProperty(Document.prototype, "visibilityState", { get: () => window.seen });
window.show = (state) => {
  window.seen = state;
  document.dispatchEvent(new Event("visibilitychange"));
};
"""


def give(store: Store, arm: str) -> None:
    store.api.share({"treatment": 1_000_000, "control": 0}[arm])


def test_control_sees_the_page_as_it_was_and_is_counted(store: Store) -> None:
    give(store, "control")
    store.put("/", HERO + slot("home", "<p>of the shop</p>") + slot("cart"))
    tab = store.open("/")
    store.until(lambda: len(store.api.of_type("impression")) == 2)
    assert [slate["arm"] for slate in store.api.slates] == ["control", "control"]
    asked = {slate["placement"]: slate["slate_id"] for slate in store.api.slates}
    seen = {event["placement"]: event["slate_id"] for event in store.api.of_type("impression")}
    assert asked == seen
    assert asked.keys() == {"home", "cart"}
    assert all(event["items"] == [] for event in store.api.of_type("impression"))
    expect(tab.get_by_text("of the shop")).to_be_visible()
    expect(tab.get_by_role("region")).to_have_count(0)
    empty = tab.locator("[data-recommender=cart]").bounding_box()
    assert empty is not None
    assert empty["height"] == 0


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_in_a_silent_stretch_both_arms_are_treated_as_control_is(store: Store, arm: str) -> None:
    """Room kept for nothing, or counted in one arm alone, would make A/A an A/B test."""
    give(store, arm)
    store.api.config["stratum"]["silent"] = True
    store.api.slate_delay_seconds = 1
    store.put("/", HERO + slot("home", "<p>of the shop</p>") + slot("cart"))
    tab = store.open("/")
    store.until(lambda: len(store.api.slates) == 2)
    tab.wait_for_timeout(200)
    heights = [
        box.evaluate("slot => slot.offsetHeight")
        for box in tab.locator("[data-recommender=cart]").all()
    ]
    assert heights == [0]
    store.until(lambda: len(store.api.of_type("impression")) == 2)
    assert {slate["arm"] for slate in store.api.slates} == {arm}
    assert all(event["items"] == [] for event in store.api.of_type("impression"))
    expect(tab.get_by_text("of the shop")).to_be_visible()
    expect(tab.get_by_role("region")).to_have_count(0)


def test_treatment_is_counted_with_what_it_saw(store: Store) -> None:
    store.put("/", HERO + slot("home"))
    store.open("/")
    store.until(lambda: store.api.of_type("impression"))
    [impression] = store.api.of_type("impression")
    assert impression["slate_id"] == store.api.slates[0]["slate_id"]
    assert impression["placement"] == "home"
    assert [item["item_id"] for item in impression["items"]] == [f"sku-{i}" for i in range(10)]


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_both_arms_tell_that_the_slate_had_come(store: Store, arm: str) -> None:
    give(store, arm)
    store.put("/", FILLER + slot("home") + FILLER)
    tab = store.open("/")
    store.until(lambda: store.api.of_type("rendered"))
    [rendered] = store.api.of_type("rendered")
    assert rendered["slate_id"] == store.api.slates[0]["slate_id"]
    assert rendered["placement"] == "home"
    assert len(rendered["items"]) == (10 if arm == "treatment" else 0)
    assert "impression" not in store.api.types(), "it is far below the window"
    expect(tab.get_by_role("region")).to_have_count(1 if arm == "treatment" else 0)


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_a_slate_that_comes_too_late_is_rendered_in_neither_arm(store: Store, arm: str) -> None:
    give(store, arm)
    store.api.slate_delay_seconds = 60
    store.put("/", slot("home"))
    tab = store.open("/")
    store.until(lambda: store.api.slates)
    tab.evaluate(
        "history.pushState({}, '', '/other'); document.querySelector('main').innerHTML = ''"
    )
    store.api.released.set()
    tab.wait_for_timeout(500)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert "rendered" not in store.api.types()


def half_height(tab: Page) -> float:
    """Half the nominal height on a wide page, where cards have 15 em: (15 + 11.875) / 2."""
    assert tab.evaluate("document.querySelector('[data-recommender]').clientWidth") > 36 * 16
    return (15 + 11.875) * 16 / 2


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_both_arms_are_judged_by_the_same_half(store: Store, arm: str) -> None:
    give(store, arm)
    store.put("/", FILLER + slot("home") + FILLER)
    tab = store.open("/")
    store.until(lambda: store.api.slates)
    top = tab.evaluate("document.querySelector('[data-recommender]').getBoundingClientRect().top")
    half = half_height(tab)
    tab.evaluate("y => scrollTo(0, y)", top - 800 + half - 12)
    tab.wait_for_timeout(1500)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert "impression" not in store.api.types()
    tab.evaluate("y => scrollTo(0, y)", top - 800 + half + 12)
    store.until(lambda: "impression" in store.api.types())


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_a_glance_is_no_impression(store: Store, arm: str) -> None:
    give(store, arm)
    store.put("/", FILLER + slot("home") + FILLER + FILLER)
    tab = store.open("/")
    store.until(lambda: store.api.slates)
    for _ in range(3):
        # By the page's own clock: a command from outside may come late on a loaded machine.
        tab.evaluate(
            """async () => {
              document.querySelector("[data-recommender]").scrollIntoView();
              await new Promise((later) => setTimeout(later, 400));
              scrollTo(0, 0);
              await new Promise((later) => setTimeout(later, 100));
            }"""
        )
    tab.wait_for_timeout(1000)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert "impression" not in store.api.types()


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_a_hidden_tab_sees_nothing(store: Store, arm: str) -> None:
    give(store, arm)
    store.context.add_init_script(HIDE)
    store.put("/", slot("home"))
    tab = store.open("/")
    store.until(lambda: store.api.slates)
    tab.evaluate("show('hidden')")
    tab.wait_for_timeout(1500)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert "impression" not in store.api.types()
    tab.evaluate("show('visible')")
    store.until(lambda: store.api.of_type("impression"))


def test_nothing_happens_before_anybody_looks(store: Store) -> None:
    store.context.add_init_script(HIDE + "window.seen = 'hidden';")
    store.put("/", slot("home"))
    tab = store.open("/")
    tab.wait_for_function("window.recommender?.version")
    tab.wait_for_timeout(500)
    assert store.api.slates == []
    assert store.visitor_id() == ""
    tab.evaluate("show('visible')")
    store.until(lambda: store.api.slates)
    store.until(lambda: store.api.types().count("page_view") == 1)


@pytest.mark.parametrize("arm", ["treatment", "control"])
def test_without_sha256_in_the_browser_the_server_decides(store: Store, arm: str) -> None:
    give(store, arm)
    store.put("/", HERO + slot("home"))
    tab = store.open("/", host="shop.test")
    assert tab.evaluate("crypto.subtle === undefined")
    store.until(lambda: store.api.of_type("impression"))
    assert store.api.slates[0]["arm"] == arm
    expect(tab.get_by_role("region")).to_have_count(1 if arm == "treatment" else 0)


def test_the_arm_stays_with_the_visitor(store: Store) -> None:
    store.api.share(500_000)
    store.put("/", slot("home"))
    tab = store.open("/")
    for n in range(1, 4):
        store.until(lambda n=n: len(store.api.slates) == n)  # type: ignore[misc]
        tab.reload()
    assert len({slate["visitor_id"] for slate in store.api.slates}) == 1
    assert len({slate["arm"] for slate in store.api.slates}) == 1


def test_a_slate_that_would_show_nothing_counts_in_neither_arm(store: Store) -> None:
    store.api.items = store.api.items[:1]
    store.put("/", slot("home"))
    tab = store.open("/")
    store.until(lambda: store.api.slates)
    tab.wait_for_timeout(1500)
    store.flush(tab)
    tab.wait_for_timeout(200)
    assert "impression" not in store.api.types()


def test_clicks_are_told(store: Store) -> None:
    store.put("/", slot("home"))
    store.put("/product/sku-1", "<h1>Backpack</h1>")
    tab = store.open("/")
    tab.get_by_role("link").nth(1).click()
    tab.wait_for_url("**/product/sku-1")
    store.until(lambda: store.api.of_type("select_item"))
    click = store.api.of_type("select_item")[0]
    assert click["items"] == [{"item_id": "sku-1"}]
    assert click["placement"] == "home"
    assert click["slate_id"] == store.api.slates[0]["slate_id"]
    assert click["page"] == "/"
