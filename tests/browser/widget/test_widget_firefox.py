"""The same in Firefox: a stock one, driven over WebDriver BiDi by puppeteer-core."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from host_pages import HOSTS, publish
from widget_store import Store

pytestmark = pytest.mark.browser

VISIT = Path(__file__).with_name("firefox_visit.mjs")
VISITED = ["plain", "strict csp", "right to left", "holdout", "consent refused"]


def visit(address: str, *, drawn: bool) -> dict[str, Any]:
    """Visit a page, look at the strip, scroll it, click *Add to cart*, wait until all is sent."""
    firefox = shutil.which("firefox-esr") or shutil.which("firefox")
    if firefox is None:
        # Not every system has it; Chromium, which every one has, is never skipped.
        pytest.skip("Firefox is missing")
    done = subprocess.run(
        ["node", str(VISIT), str(firefox), address, "drawn" * drawn],
        capture_output=True,
        check=True,
        timeout=120,
    )
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", VISITED)
def test_a_host_page_in_firefox(store: Store, name: str) -> None:
    host = HOSTS[name]
    seen = visit(publish(store, host), drawn=bool(host.drawn))
    assert seen["bought"] == "In the cart"
    assert seen["faults"] == []
    if host.drawn:
        assert seen["links"] == 10
        assert 100 < seen["widest"] < 300, "the style sheet is in force"
        assert seen["scrolled"] * (-1 if name == "right to left" else 1) > 0
        assert "£" in seen["price"]
    assert seen["own"] is not host.drawn
    store.context.new_page()
    if host.told:
        store.until(lambda: set(host.told or ()) <= set(store.api.types()), hurry=False)
    told = [kind for kind in store.api.types() if kind in {"page_view", "view_item", "add_to_cart"}]
    assert sorted(told) == sorted(host.told or ())
