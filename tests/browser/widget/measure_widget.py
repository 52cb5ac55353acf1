"""What the widget costs a page: the same page with and without it, in turn, on a slowed processor.

Run by scripts/bench-widget. Every visit is a new browser context with an empty cache; the two
visits of a pair come in random order. Figures come from the browser itself: layout shifts with
their sources, the largest contentful paint, long tasks, and a trace that says in which tasks our
code ran.
"""

import argparse
import itertools
import json
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from machine_browser import chromium
from playwright.sync_api import Browser, CDPSession
from scipy import stats
from shop_pages import FILLER, HERO, PRODUCT, SHOP_CSS, page, slot, snippet, view_item
from widget_stub import StubApi, StubShop, picture, serving_api, serving_shop

SETTLED_MS = 1500
"""After the load event: the slate is drawn, the page's item is decided, all images are there."""
ANSWERED_US = 1000
"""A checkpoint that takes less found nothing to run."""
IN_WINDOW = "[data-recommender]:not([data-recommender-state=empty]) { min-height: 27em; }"
PHOTO = '<img src="/photo.svg" alt="Autumn" width="1120" height="340">'
PHOTO_BYTES = 60_000
"""Chromium takes a picture of few bytes for its area for a background, never for content."""
PAGES = {
    "below-the-window": PHOTO + PRODUCT + FILLER + slot("product"),
    "in-the-window": PHOTO + slot("home"),
    "in-the-window-without-photo": HERO + slot("home"),
}
OBSERVE = """
const found = window.found = { shift: 0, shift_ours: 0, lcp_ms: 0, long_ms: [], drawn_ms: 0 };
let tellDrawn;
window.drawn = new Promise((resolve) => { tellDrawn = resolve });
const inSlot = (node) => {
  for (; node; node = node.parentNode ?? node.host) if (node.dataset?.recommender) return true;
};
const watch = (type, note) => new PerformanceObserver((list) => list.getEntries().forEach(note))
  .observe({ type, buffered: true });
watch("layout-shift", ({ value, sources }) => {
  found.shift += value;
  if (sources.some(({ node }) => inSlot(node))) found.shift_ours += value;
});
watch("largest-contentful-paint", ({ startTime }) => { found.lcp_ms = startTime });
watch("longtask", ({ duration }) => { found.long_ms.push(duration) });
new MutationObserver(() => {
  const slots = [...document.querySelectorAll("[data-recommender]")];
  if (!found.drawn_ms && slots.every((slot) => slot.dataset.recommenderState === "drawn"))
    tellDrawn(found.drawn_ms = performance.now());
}).observe(document, {
  attributes: true, subtree: true, attributeFilter: ["data-recommender-state"],
});
"""
COLLECT = """(() => {
  const script = performance.getEntriesByType("resource").find(({ name }) => /widget/.test(name));
  return { ...window.found, arrived_ms: script?.responseEnd ?? 0 };
})()"""
TRACED = ("devtools.timeline", "disabled-by-default-devtools.timeline", "toplevel")


@dataclass(frozen=True)
class Visit:
    """What one visit cost, in milliseconds and layout shift scores.

    Attributes:
        with_widget: Whether the page had the snippet.
        shift: All layout shift of the page.
        shift_ours: Layout shift that moved something inside a slot.
        lcp_ms: When the largest content was painted.
        long_tasks: Tasks above 50 ms of wall clock, as the browser reports them.
        our_longest_ms: The longest task in which any of our code ran, in processor time.
        drawn_ms: From the script's arrival until the last slot was drawn; 0 without widget.
    """

    with_widget: bool
    shift: float
    shift_ours: float
    lcp_ms: float
    long_tasks: int
    our_longest_ms: float
    drawn_ms: float


def measure(pairs: int, slowdown: float, body: str, *, seed: int = 1) -> list[Visit]:
    """Visit a page with and without the widget, `pairs` times each."""
    api, shop = StubApi(), StubShop()
    shop.pages["/shop.css"] = (SHOP_CSS + IN_WINDOW, {})
    photo = picture("/img/1.svg").replace("</svg>", f"<!--{'x' * PHOTO_BYTES}--></svg>")
    shop.pages["/photo.svg"] = (photo, {})
    with serving_api(api) as api_port, serving_shop(shop) as shop_port:
        origin = f"http://127.0.0.1:{api_port}"
        html = page(body, api=origin, data_layer=[view_item("sku-4", price=70.9)])
        shop.pages["/True"] = (html, {})
        shop.pages["/False"] = (html.replace(snippet(origin), ""), {})
        with chromium() as browser:
            order = random.Random(seed)
            planned = [order.sample([True, False], 2) for _ in range(pairs + 1)]
            visits = [
                _visit(browser, f"http://127.0.0.1:{shop_port}", slowdown, with_widget=one)
                for one in itertools.chain.from_iterable(planned)
            ]
    return visits[2:]  # the first pair warmed everything up


def _visit(browser: Browser, shop: str, slowdown: float, *, with_widget: bool) -> Visit:
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        context.add_init_script(OBSERVE)
        tab = context.new_page()
        devtools = context.new_cdp_session(tab)
        devtools.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
        browser.start_tracing(page=tab, categories=list(TRACED))
        tab.goto(f"{shop}/{with_widget}")
        if with_widget:
            _ask(devtools, "window.drawn")
        tab.wait_for_timeout(SETTLED_MS)
        found = _ask(devtools, COLLECT)
        events = json.loads(browser.stop_tracing())["traceEvents"]
    return Visit(
        with_widget=with_widget,
        shift=found["shift"],
        shift_ours=found["shift_ours"],
        lcp_ms=found["lcp_ms"],
        long_tasks=len(found["long_ms"]),
        our_longest_ms=longest_task_of("/widget", events),
        drawn_ms=max(found["drawn_ms"] - found["arrived_ms"], 0) if with_widget else 0,
    )


def _ask(devtools: CDPSession, expression: str) -> Any:
    """Evaluate without the helpers that Playwright puts into a page: they are a long task."""
    asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
    return devtools.send("Runtime.evaluate", asked)["result"].get("value")


def longest_task_of(address: str, events: Sequence[dict[str, Any]]) -> float:
    """Return the longest task that ran code of a file, in milliseconds of processor time.

    Wall clock would count what other programs of the machine do meanwhile. What a promise's
    answer runs carries no address in a trace; all of it counts, for no other script of these
    pages has promises.

    Args:
        address: Part of the file's address.
        events: Events of a trace of Chromium.
    """
    spans = [event for event in events if event.get("ph") == "X" and "tdur" in event]
    scripts = [event for event in spans if address in _url_of(event)]
    began = [event for event in scripts if event["name"] == "EvaluateScript"]
    ours = scripts + [
        event
        for event in spans
        if event["name"].endswith("MicrotaskCheckpoint")
        and event["tdur"] >= ANSWERED_US
        and any(event["ts"] > first["ts"] for first in began)
    ]
    threads = {_thread(event) for event in began}
    tasks = [event for event in spans if event["name"].endswith("RunTask")]
    return max((_task_around(one, tasks) for one in ours if _thread(one) in threads), default=0.0)


def _url_of(event: dict[str, Any]) -> str:
    return str(event.get("args", {}).get("data", {}).get("url", ""))


def _thread(event: dict[str, Any]) -> tuple[int, int]:
    return event["pid"], event["tid"]


def _task_around(span: dict[str, Any], tasks: Sequence[dict[str, Any]]) -> float:
    around = [
        task["tdur"]
        for task in tasks
        if _thread(task) == _thread(span) and task["ts"] <= span["ts"] <= task["ts"] + task["dur"]
    ]
    return max(around, default=span["tdur"]) / 1000


def summary(visits: Sequence[Visit]) -> dict[str, object]:
    """Return the figures of one page, each with its limit where there is one."""
    ours = [visit for visit in visits if visit.with_widget]
    bare = [visit for visit in visits if not visit.with_widget]
    differences = [a.lcp_ms - b.lcp_ms for a, b in _pairs(visits)]
    drawn = np.array([visit.drawn_ms for visit in ours])
    tasks = np.array([visit.our_longest_ms for visit in ours])
    return {
        "pairs": len(ours),
        "shift_ours_max": max(visit.shift_ours for visit in ours),
        "shift_max": max(visit.shift for visit in ours),
        "shift_without_max": max(visit.shift for visit in bare),
        "lcp_ms": float(np.median([visit.lcp_ms for visit in ours])),
        "lcp_without_ms": float(np.median([visit.lcp_ms for visit in bare])),
        "lcp_difference_ms": float(np.median(differences)),
        "lcp_difference_interval_ms": median_interval(differences),
        "long_tasks": float(np.mean([visit.long_tasks for visit in ours])),
        "long_tasks_without": float(np.mean([visit.long_tasks for visit in bare])),
        "our_longest_task_ms": float(np.median(tasks)),
        "our_longest_task_max_ms": float(tasks.max()),
        "drawn_ms": float(np.median(drawn)),
        "drawn_max_ms": float(drawn.max()),
    }


def _pairs(visits: Sequence[Visit]) -> Iterator[tuple[Visit, Visit]]:
    for first, second in zip(visits[::2], visits[1::2], strict=True):
        yield (first, second) if first.with_widget else (second, first)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval that covers the median with at least 95 %, whatever the distribution.

    Source: order statistics; the number of values below the median is binomial(n, 1/2).
    """
    ordered = sorted(values)
    outside = max(int(stats.binom.ppf(0.025, len(ordered), 0.5)) - 1, 0)
    return ordered[outside], ordered[-1 - outside]


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=15, help="visits with and without")
    parser.add_argument("--page", choices=PAGES, action="append", help="all when not given")
    parser.add_argument("--slowdown", type=float, action="append", help="1 and 4 when not given")
    parser.add_argument("--visits", action="store_true", help="print every visit too")
    told = parser.parse_args()
    figures: dict[str, object] = {}
    for name, slowdown in itertools.product(told.page or PAGES, told.slowdown or [1, 4]):
        print(f"{name}, processor slowed {slowdown:g} times", file=sys.stderr)
        visits = measure(told.pairs, slowdown, PAGES[name])
        figures[f"{name} {slowdown:g}x"] = summary(visits) | (
            {"visits": [asdict(visit) for visit in visits]} if told.visits else {}
        )
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
