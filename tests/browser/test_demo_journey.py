"""A shopper and a shop owner at the demo, in a real browser, against the whole running product."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from processes import free_port
from recommender.config import Settings
from recommender.experiments.assignment import assign
from recommender.records import Arm, Stratum
from world import STARTED_AT

pytestmark = [pytest.mark.browser, pytest.mark.slow]
START_SECONDS = 600
CANDLES = ("85123A", "21733", "22804")
BAGS = ("85099B", "20725", "22384")


@dataclass(frozen=True)
class Demo:
    """Where a running demo answers, and who may log in."""

    service: str
    shop: str
    email: str
    password: str

    def visitor(self, arm: Arm) -> str:
        """Return the id of a new visitor whom the experiment puts in an arm."""
        with urllib.request.urlopen(f"{self.shop}/", timeout=60) as page:
            site_key = page.read().decode().split('data-shop="')[1].split('"')[0]
        with urllib.request.urlopen(f"{self.service}/v1/config/{site_key}", timeout=60) as answer:
            told = json.load(answer)["stratum"]
        stratum = Stratum("s", 1, told["salt"], told["treatment_share_ppm"], STARTED_AT)
        return next(
            visitor
            for visitor in iter(lambda: str(uuid.uuid4()), "")
            if assign(visitor, stratum) is arm
        )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    home = tmp_path_factory.mktemp("demo")
    port = free_port()
    settings = Settings.from_environ(
        {
            "RECOMMENDER_HOME": str(home),
            "RECOMMENDER_PORT": str(port),
            "RECOMMENDER_WEB_WORKERS": "2",
            # A busy machine must not turn a slate into its fallback.
            "RECOMMENDER_SLATE_BUDGET_MS": "5000",
        }
    )
    output = home / "output.txt"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "recommender", "demo"],
            env=settings.child_environ(RECOMMENDER_REDIS_URL=""),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield wait_for_demo(output, process, port)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def wait_for_demo(output: Path, process: "subprocess.Popen[bytes]", port: int) -> Demo:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        told = dict(
            line.split(maxsplit=1)
            for line in output.read_text().splitlines()
            if len(line.split()) == 2
        )
        if "password" in told:
            return Demo(
                f"http://127.0.0.1:{port}",
                f"http://127.0.0.1:{port + 1}",
                told["login"],
                told["password"],
            )
        time.sleep(0.2)
    pytest.fail(f"The demo did not start:\n{output.read_text()[-2000:]}")


def shopper(browser: Browser, demo: Demo, arm: Arm, width: int = 1280) -> BrowserContext:
    context = browser.new_context(viewport={"width": width, "height": 900})
    context.add_cookies([{"name": "rcm_vid", "value": demo.visitor(arm), "url": demo.shop}])
    return context


def recommended(page: Page, placement: str) -> list[str]:
    """Return the item ids of a drawn slate; waits until it is there."""
    links = page.locator(f"[data-recommender={placement}] a")
    expect(links.first).to_be_visible()
    return [str(link.get_attribute("href")).rsplit("/", 1)[-1] for link in links.all()]


def walk(page: Page, demo: Demo, items: tuple[str, ...]) -> None:
    for item in items:
        with page.expect_response(
            lambda answer: "/v1/events" in answer.url and answer.status == 202
        ):
            page.goto(f"{demo.shop}/p/{item}")


def test_the_next_page_follows_the_path(browser: Browser, demo: Demo) -> None:
    slates = {}
    for name, path in (("candles", CANDLES), ("bags", BAGS)):
        with shopper(browser, demo, Arm.TREATMENT) as context:
            page = context.new_page()
            walk(page, demo, path)
            page.goto(demo.shop)
            slates[name] = recommended(page, "home")
            assert not set(slates[name]) & set(path), "nothing already seen comes back"
            reasons = page.locator("[data-recommender=home] li").all_inner_texts()
            assert any(
                "viewed" in text or "Similar" in text or "bought" in text for text in reasons
            )
    shared = set(slates["candles"]) & set(slates["bags"])
    assert len(shared) <= len(slates["candles"]) // 2, "different paths, different slates"


def test_a_shopper_buys_and_the_owner_sees_it(browser: Browser, demo: Demo) -> None:
    with shopper(browser, demo, Arm.TREATMENT, width=390) as context:
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        walk(page, demo, CANDLES[:1])
        assert recommended(page, "product")
        page.get_by_role("button", name="Add to cart").click()
        page.goto(f"{demo.shop}/cart")
        assert CANDLES[0] not in recommended(page, "cart"), "what is in the cart is not offered"
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, "no sideways scrolling on a phone"
        page.get_by_role("button", name="Place the order").click()
        expect(page.get_by_role("heading").first).to_contain_text("hank")
        assert faults == []
    with browser.new_context() as context:
        page = log_in(context.new_page(), demo)
        expect(page.get_by_role("heading").first).to_contain_text("recommendations spent")
        page.goto(f"{demo.service}/console/integration")
        expect(page.locator("table")).to_contain_text(CANDLES[0])
        expect(page.locator("table")).to_contain_text("order")


def test_the_holdout_sees_no_recommendations_and_is_recorded(browser: Browser, demo: Demo) -> None:
    with shopper(browser, demo, Arm.CONTROL) as context:
        page = context.new_page()
        with page.expect_response(lambda answer: "/v1/recommendations" in answer.url) as asked:
            page.goto(f"{demo.shop}/p/{CANDLES[0]}")
        answer = asked.value.json()
        assert (answer["arm"], answer["items"]) == ("control", [])
        assert page.locator("[data-recommender=product] a").count() == 0
    with browser.new_context() as context:
        page = log_in(context.new_page(), demo)
        page.goto(f"{demo.service}/console/integration")
        expect(page.locator("table")).to_contain_text("exposure")


def test_a_wrong_password_is_told_and_opens_nothing(browser: Browser, demo: Demo) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{demo.service}/console/login")
        page.fill("input[name=email]", demo.email)
        page.fill("input[name=password]", "not the password")
        page.locator("form button").first.click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.goto(f"{demo.service}/console/")
        assert page.url.split("?")[0].endswith("/login")


def log_in(page: Page, demo: Demo) -> Page:
    page.goto(f"{demo.service}/console/")
    page.fill("input[name=email]", demo.email)
    page.fill("input[name=password]", demo.password)
    page.locator("form button").first.click()
    page.wait_for_url("**/console/")
    return page
