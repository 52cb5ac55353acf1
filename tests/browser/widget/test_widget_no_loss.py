"""Each click stands in the event log exactly once, whatever becomes of tab, network and server.

The books are kept by the items: every click adds an item of its own, so a lost click is an item
that is missing, and a doubled one an item that stands there twice.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route
from widget_service import Service, running_service

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LISTENS = "window.recommender?.version && Object.hasOwn(dataLayer, 'push')"
NOTHING_QUEUED = "!Object.keys(localStorage).some((key) => key.startsWith('rcm_event'))"
A_MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context() as opened:
        yield opened


def visit(context: BrowserContext, service: Service, run: str) -> Page:
    """Open the shop's page; returns when the widget follows its data layer."""
    tab = context.new_page()
    tab.goto(service.address_of(run))
    tab.wait_for_function(LISTENS)
    return tab


def click(tab: Page, times: int) -> None:
    """Click as fast as a program can."""
    tab.evaluate(
        "times => { for (let i = 0; i < times; i++) document.querySelector('button').click() }",
        times,
    )


@pytest.mark.parametrize("run", ["closed-1", "closed-2", "closed-3"])
def test_a_tab_closed_right_after_a_click(
    context: BrowserContext, service: Service, run: str
) -> None:
    keeps_the_browser_open = context.new_page()
    tab = visit(context, service, run)
    tab.get_by_role("button").click()
    tab.close(run_before_unload=True)
    service.wait_for(run, 1)
    assert not keeps_the_browser_open.is_closed()


def test_a_minute_offline(context: BrowserContext, service: Service) -> None:
    context.clock.install()
    tab = visit(context, service, "offline")
    context.set_offline(True)
    for _ in range(6):
        tab.get_by_role("button").click()
        context.clock.fast_forward(A_MINUTE_MS // 6)
    tab.wait_for_function("localStorage.getItem('rcm_retry')")
    assert service.counted("offline") == {}
    context.set_offline(False)
    context.clock.fast_forward(A_MINUTE_MS)
    tab.wait_for_function(NOTHING_QUEUED)
    service.wait_for("offline", 6)


def test_a_server_that_answers_503_for_a_minute(context: BrowserContext, service: Service) -> None:
    refused: list[Any] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.post_data_json)
        headers = {"Retry-After": "10", "Access-Control-Allow-Origin": "*"}
        route.fulfill(status=503, headers=headers, body="{}")

    context.clock.install()
    tab = visit(context, service, "away")
    tab.route("**/v1/events*", refuse)
    for _ in range(6):
        tab.get_by_role("button").click()
        context.clock.fast_forward(A_MINUTE_MS // 6)
    tab.wait_for_function("localStorage.getItem('rcm_retry')")
    assert refused
    assert service.counted("away") == {}
    tab.unroute("**/v1/events*")
    context.clock.fast_forward(A_MINUTE_MS)
    tab.wait_for_function(NOTHING_QUEUED)
    service.wait_for("away", 6)


def test_answers_that_get_lost_on_their_way(context: BrowserContext, service: Service) -> None:
    """The server has stored the events; the browser cannot know, and sends them again."""
    lost: list[int] = []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)
        route.abort()

    tab = visit(context, service, "unanswered")
    tab.wait_for_function(NOTHING_QUEUED)
    tab.route("**/v1/events*", lose)
    click(tab, 7)
    tab.wait_for_function("localStorage.getItem('rcm_retry')")
    service.wait_for("unanswered", 7)
    assert set(lost) == {202}
    tab.unroute("**/v1/events*")
    with tab.expect_request("**/v1/events*") as again:
        tab.wait_for_function(NOTHING_QUEUED)
    assert len(again.value.post_data_json["events"]) == 7
    service.wait_for("unanswered", 7)


def test_five_tabs(context: BrowserContext, service: Service) -> None:
    tabs = [visit(context, service, f"tab{n}") for n in range(5)]
    for _ in range(8):
        for tab in tabs:
            click(tab, 5)
    for tab in tabs[1:]:
        tab.close(run_before_unload=True)
    tabs[0].wait_for_function(NOTHING_QUEUED)
    for n in range(5):
        service.wait_for(f"tab{n}", 40)
    visitors = {row["visitor"] for n in range(5) for row in service.clicks(f"tab{n}")}
    assert len(visitors) == 1, "all tabs are one shopper"


def test_a_thousand_quick_clicks_and_then_the_tab_is_closed(
    context: BrowserContext, service: Service
) -> None:
    tab = visit(context, service, "quick")
    click(tab, 1000)
    tab.close(run_before_unload=True)
    # What no closing page may send any more goes with the shopper's next visit.
    tab = visit(context, service, "next-visit")
    tab.wait_for_function(NOTHING_QUEUED)
    service.wait_for("quick", 1000)
