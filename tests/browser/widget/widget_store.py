"""What a browser test holds in its hand: a shop, its API, and one shopper's browser."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Error, Page
from shop_pages import page
from widget_stub import StubApi, StubShop

WAIT_SECONDS = 60


@dataclass
class Store:
    """A shop, its API, and one shopper's browser.

    Attributes:
        faults: What went wrong in the shopper's pages, in the browser's words; a test that
            expects some clears it.
    """

    shop: StubShop
    api: StubApi
    shop_port: int
    api_port: int
    context: BrowserContext
    faults: list[str]

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.shop_port}"

    @property
    def api_origin(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def put(
        self, path: str, body: str, *, headers: dict[str, str] | None = None, **told: Any
    ) -> None:
        """Publish a page of the shop; `told` goes to `shop_pages.page`."""
        html = page(body, api=told.pop("api", self.api_origin), **told)
        self.shop.pages[path] = (html, headers or {})

    def new_tab(self) -> Page:
        """Return an empty tab whose faults are noted."""
        tab = self.context.new_page()
        tab.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        tab.on("console", self._note)
        return tab

    def open(self, path: str, *, host: str = "") -> Page:
        """Open a page of the shop in a new tab."""
        tab = self.new_tab()
        tab.goto((f"http://{host}:{self.shop_port}" if host else self.origin) + path)
        return tab

    def _note(self, message: Any) -> None:
        # The widget tells its own faults at debug level; the browser tells of blocked things.
        if message.type in {"error", "debug"}:
            self.faults.append(f"{message.type}: {message.text}")

    def until(self, told: Callable[[], Any], *, hurry: bool = True) -> Any:
        """Wait until the API was told something; fails with all that it was told.

        Args:
            told: Returns something true when it was.
            hurry: Makes the page send at once what it would send after two seconds.
        """
        tab = self.context.pages[-1]
        for _ in range(WAIT_SECONDS * 50):
            if result := told():
                return result
            if hurry:
                self.flush(tab)
            tab.wait_for_timeout(20)
        message = f"not told in time; events {self.api.events}, slates {self.api.slates}"
        raise AssertionError(message)

    def flush(self, tab: Page) -> None:
        """Make a page send what it has, as if the shopper were leaving it."""
        with contextlib.suppress(Error):  # it may just be navigating
            tab.evaluate("dispatchEvent(new Event('pagehide'))")

    def visitor_id(self) -> str:
        """Return the visitor id in the shopper's cookies, empty when there is none."""
        found = [c["value"] for c in self.context.cookies() if c["name"] == "rcm_vid"]
        return found[0] if found else ""
