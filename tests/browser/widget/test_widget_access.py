"""axe finds nothing to say of a page with a strip: in any direction, theme and width."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from shop_pages import PRODUCT, slot, view_item
from widget_store import Store

from world import missing

pytestmark = pytest.mark.browser

AXE = Path(__file__).resolve().parents[3] / "widget/node_modules/axe-core/axe.min.js"
DRAWN = "[data-recommender-state=drawn]"
LOADING = "[data-recommender] >> section[aria-busy=true]"


@dataclass(frozen=True)
class Look:
    """What is different in a page, a browser, and the moment at which it is looked at."""

    page: dict[str, Any] = field(default_factory=dict)
    shopper: dict[str, Any] = field(default_factory=dict)
    until: str = DRAWN


LOOKS = {
    "plain": Look(),
    "right to left": Look(page={"language": "ar", "direction": "rtl"}),
    "dark": Look(page={"theme": "dark"}, shopper={"color_scheme": "dark"}),
    "telephone": Look(shopper={"viewport": {"width": 390, "height": 844}, "has_touch": True}),
    "320 pixels, or 1280 at 400 %": Look(shopper={"viewport": {"width": 320, "height": 640}}),
    "640 pixels, or 1280 at 200 %": Look(shopper={"viewport": {"width": 640, "height": 512}}),
    "forced colours": Look(shopper={"forced_colors": "active"}),
    "while it loads": Look(until=LOADING),
}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}


@pytest.mark.parametrize(
    ("look", "shopper"),
    [pytest.param(look, {**DESKTOP, **look.shopper}, id=name) for name, look in LOOKS.items()],
)
def test_axe_finds_no_violation(store: Store, look: Look) -> None:
    if not AXE.is_file():
        missing("axe-core")
    store.api.slate_delay_seconds = 10 if look.until == LOADING else 0
    store.put("/p", PRODUCT + slot("product"), data_layer=[view_item("sku-4")], **look.page)
    tab = store.open("/p")
    tab.wait_for_selector(look.until)
    tab.locator("[data-recommender]").scroll_into_view_if_needed()
    found = violations(tab)
    assert found == {}
    store.faults.clear()  # of a slate that was too late the browser tells


def violations(tab: Page) -> dict[str, list[str]]:
    """Return what axe finds wrong in the page: rule → the elements; checks that it looked at us."""
    tab.evaluate(AXE.read_text(encoding="utf-8"))
    report = tab.evaluate("axe.run(document)")
    judged = str(report["passes"])
    assert "data-recommender" in judged, "axe looks into the strip"
    return {
        rule["id"]: [str(node["target"]) for node in rule["nodes"]] for rule in report["violations"]
    }
