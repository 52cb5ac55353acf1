"""The overlay that tells a technician what the widget did; no shopper ever loads it."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from shop_pages import HERO, PRODUCT, slot, view_item
from test_widget_drawing import STRICT, drawn
from widget_store import Store

from world import missing

pytestmark = pytest.mark.browser


def overlay(tab: Page) -> str:
    """Return what the overlay says, once it says anything."""
    region = tab.get_by_role("region", name="Recommender")
    expect(region.get_by_role("heading", name="What is wrong")).to_be_visible()
    return region.inner_text()


def test_nobody_else_loads_it(store: Store) -> None:
    asked: list[str] = []
    store.context.on("request", lambda request: asked.append(request.url))
    store.put("/", slot("home"))
    drawn(store.open("/?utm_source=recommender&q=debug"))
    assert any("/widget.js" in url for url in asked)
    assert not any("debug.js" in url for url in asked)


def test_it_tells_of_consent_arm_source_slates_and_events(store: Store) -> None:
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")])
    tab = store.open("/p?recommender=debug")
    drawn(tab)
    store.until(lambda: store.api.of_type("view_item"), hurry=False)
    expect(tab.get_by_text("from data layer: 202").first).to_be_visible()
    said = overlay(tab)
    assert "Nothing is wrong on this page." in said
    for part in (
        "pk_test",
        "granted",
        store.visitor_id(),
        "treatment",
        "sku-4, from data layer",
        "product: drawn",
        "10 items, slate-0",
        "v1/recommendations",
    ):
        assert part in said, part


def test_it_says_what_is_wrong_and_what_to_do(store: Store) -> None:
    store.api.share(0)
    store.put("/p", PRODUCT + slot("product") + slot("nonsense"), data_layer=[])
    tab = store.open("/p?recommender=debug")
    expect(tab.get_by_text("Nobody told which item this page shows.")).to_be_visible()
    said = overlay(tab)
    assert "Slot “nonsense” is no placement" in said
    assert "Slot “product” stays empty on purpose" in said
    assert "Push GA4’s view_item" in said


def test_settings_that_do_not_come_are_told(store: Store) -> None:
    store.api.config_status = 503
    store.put("/", slot("home"))
    tab = store.open("/?recommender=debug")
    expect(tab.get_by_text("The shop’s settings did not come.")).to_be_visible()
    store.faults.clear()  # the browser tells of the failed request


def test_it_keeps_a_strict_content_security_policy(store: Store) -> None:
    # Trusted Types would forbid any script to load another one.
    policy = STRICT.format(api=store.api_origin).partition("require-trusted-types-for")[0]
    store.put("/", HERO + slot("home"), headers={"Content-Security-Policy": policy})
    tab = store.open("/?recommender=debug")
    drawn(tab)
    overlay(tab)
    expect(tab.get_by_role("region", name="Recommender")).to_have_css("overflow", "auto")


def test_it_folds_and_closes(store: Store) -> None:
    store.put("/", slot("home"))
    tab = store.open("/?recommender=debug")
    overlay(tab)
    tab.get_by_role("button", name="Fold").click()
    expect(tab.get_by_role("heading", name="What is wrong")).to_be_hidden()
    tab.get_by_role("button", name="Close").click()
    expect(tab.get_by_role("region", name="Recommender")).to_have_count(0)


def test_no_rule_of_wcag_is_broken_by_it(store: Store) -> None:
    axe = Path(__file__).resolve().parents[3] / "widget/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        missing("axe-core")
    store.put("/p", "<h1>Fernleigh</h1>" + slot("product") + slot("nonsense"), data_layer=[])
    tab = store.open("/p?recommender=debug")
    drawn(tab)
    overlay(tab)
    tab.evaluate(axe.read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run(document, { rules: { region: { enabled: false } } })")
    assert [rule["id"] for rule in found["violations"]] == []
