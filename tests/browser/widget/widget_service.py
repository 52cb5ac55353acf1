"""The really running service behind a stub shop: what a browser did, asked of the event log."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_pages import SHOP_CSS
from widget_stub import StubShop, serving_shop

from processes import Up, free_port, running, wait_until
from recommender.adapters.event_log import DeltaEventLog
from recommender.config import Settings

PATIENCE_SECONDS = 60
"""The machine may be busy; nothing waits that long when all is well."""

CLICKS_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Clicks</title>
<script async src="{service}/widget.js" data-shop="{key}"></script></head>
<body><button>Add to cart</button><script>
window.dataLayer = [];
const run = new URLSearchParams(location.search).get("run");
let n = 0;
document.querySelector("button").addEventListener("click", () => dataLayer.push({{
  event: "add_to_cart", ecommerce: {{ items: [{{ item_id: `${{run}}-${{n++}}` }}] }} }}));
</script></body></html>"""
"""Every click of its button adds an item nobody added before: `RUN-0`, `RUN-1`, and so on."""


@dataclass
class Service:
    """A running service with one shop, whose page tells every click.

    Attributes:
        origin: Address of the shop.
        address: Address of the service.
        pages: Of the shop: HTML and further headers by path.
    """

    origin: str
    address: str
    shop_id: str
    public_key: str
    log: DeltaEventLog
    settings: Settings
    pages: dict[str, tuple[str, dict[str, str]]]

    def address_of(self, run: str) -> str:
        """Return the address of the shop's page for a test; its items begin with `run`."""
        return f"{self.origin}/clicks?run={run}"

    def clicks(self, run: str) -> list[dict[str, Any]]:
        """Return the rows of the event log that the clicks of a test made."""
        rows = self.log.events(self.shop_id).to_pyarrow().to_pylist()
        return [
            row
            for row in rows
            if row["type"] == "add_to_cart" and row["items"][0]["item_id"].startswith(f"{run}-")
        ]

    def counted(self, run: str) -> Counter[str]:
        """Return in how many rows of the event log each item of a test stands."""
        return Counter(item["item_id"] for row in self.clicks(run) for item in row["items"])

    def wait_for(self, run: str, clicks: int) -> None:
        """Wait until every click of a test stands in the log; fail when one stands there twice."""
        expected = {f"{run}-{n}" for n in range(clicks)}
        with contextlib.suppress(AssertionError):  # the comparison below tells more
            wait_until(lambda: expected <= self.counted(run).keys(), seconds=PATIENCE_SECONDS)
        found = self.counted(run)
        assert expected - found.keys() == set(), "lost"
        assert found.keys() - expected == set(), "made up"
        assert {item: n for item, n in found.items() if n > 1} == {}, "doubled"


@contextmanager
def running_service(folder: Path) -> Iterator[Service]:
    """Start the service and a shop that uses it; ends both."""
    settings = Settings.from_environ(
        {
            "RECOMMENDER_HOME": str(folder / "home"),
            "RECOMMENDER_PORT": str(free_port()),
            "RECOMMENDER_WEB_WORKERS": "1",
        }
    )
    shop = StubShop()
    with running(Up(settings, folder)) as up, serving_shop(shop) as port:
        origin = f"http://127.0.0.1:{port}"
        created = create_shop(settings, origin)
        page = CLICKS_PAGE.format(service=up.address, key=created["public_key"])
        shop.pages = {"/clicks": (page, {}), "/shop.css": (SHOP_CSS, {})}
        log = DeltaEventLog(settings.lake_url)
        yield Service(origin, up.address, **created, log=log, settings=settings, pages=shop.pages)


def create_shop(settings: Settings, origin: str) -> dict[str, str]:
    """Create a shop as an operator does; return its id and site key by their names."""
    options = {
        "name": "Clicks",
        "currency": "EUR",
        "country": "FR",
        "timezone": "Europe/Paris",
        "origin": origin,
    }
    arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
    done = subprocess.run(
        [sys.executable, "-m", "recommender", "shop", "create", *arguments, "--json"],
        env=settings.child_environ(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    created = json.loads(done.stdout)
    return {name: created[name] for name in ("shop_id", "public_key")}
