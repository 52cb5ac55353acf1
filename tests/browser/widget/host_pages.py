"""Every kind of page a shop may have, and what the widget has to do on each.

Each page is the same product page with a slot that holds the shop's own related products, and
differs in one thing only.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, Route
from shop_pages import PRODUCT, product_json_ld, slot, snippet, view_item
from widget_store import Store
from widget_stub import STATIC

STUB = """<script>window.recommender = function () {
  (recommender.q = recommender.q || []).push(arguments) };</script>"""
SHOP_SCRIPT = """<script>
  document.querySelector(".buy").addEventListener("click", (event) => {
    event.target.textContent = "In the cart";
    (window.dataLayer ??= []).push({ event: "add_to_cart",
      ecommerce: { items: [{ item_id: "sku-4", quantity: 1, price: 70.9 }] } });
  });
</script>"""
OWN = "<p>Related products of the shop</p>"
STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; connect-src {api}; "
    "script-src {api} {hashes}; require-trusted-types-for 'script'; trusted-types 'none'"
)
NO_STORAGE = """
for (const name of ["localStorage", "sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, { get() { throw new DOMException("denied") } });
Object.defineProperty(Document.prototype, "cookie", {
  get() { throw new DOMException("denied") }, set() { throw new DOMException("denied") } });
"""
BROKEN = {
    "JSON": "JSON.parse = JSON.stringify = () => { throw new Error('the shop') }",
    "fetch": "window.fetch = () => { throw new Error('the shop') }",
    "fetch softly": "window.fetch = () => undefined",
    "Promise": "Promise.prototype.then = function () { throw new Error('the shop') }",
    "Array": """for (const name of ["push", "map", "forEach", "filter", "flatMap", "reduce"])
      Array.prototype[name] = () => { throw new Error("the shop") };""",
    "Object": "Object.entries = Object.assign = Object.fromEntries = () => undefined",
    "elements": "Element.prototype.attachShadow = () => { throw new Error('the shop') }",
    "observers": "IntersectionObserver = ResizeObserver = MutationObserver = undefined",
    "crypto": "Object.defineProperty(window, 'crypto', { value: undefined })",
    "history": "Object.freeze(history)",
}
CLUTTERED = """
Array.prototype.last = function () { return this[this.length - 1] };
Object.prototype.extended = function () {};
String.prototype.trim = function () { return this.replace(/^\\s+|\\s+$/g, "") };
Element.prototype.remove = function () { this.style.display = "none" };
window.$ = window.jQuery = function () { return { ready() {} } };
window.Element.prototype.animate = undefined;
"""


def nothing(_: Store) -> None:
    """Leave everything as it is."""


def as_is(_: Page) -> None:
    """Open the tab as browsers do."""


@dataclass(frozen=True)
class Host:
    """A page and what has to come of it.

    Attributes:
        page: What is different in the page, for `Store.put`.
        script: What the page's world is like before anything else runs.
        prepare: Changes service, shop or browser before the page is opened.
        in_tab: Changes the tab before the page is opened.
        drawn: Whether recommendations are drawn; None where either is right.
        told: What the service hears of the shopper, the click on *Add to cart* included; None
            where anything may come of it.
        known: Whether the service is told who asks for recommendations.
        framed: Whether the page is inside a frame of another one.
        noisy: Whether the browser itself tells on its console what was blocked or refused.
    """

    page: dict[str, Any] = field(default_factory=dict)
    script: str = ""
    prepare: Callable[[Store], None] = nothing
    in_tab: Callable[[Page], None] = as_is
    drawn: bool | None = True
    told: tuple[str, ...] | None = ("page_view", "view_item", "add_to_cart")
    known: bool = True
    framed: bool = False
    noisy: bool = False


def strict(store: Store) -> None:
    """Forbid everything the widget does not say it needs; the shop's own script has its hash."""
    import base64
    import hashlib

    code = SHOP_SCRIPT.removeprefix("<script>").removesuffix("</script>")
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    policy = STRICT.format(api=store.api_origin, hashes=f"'sha256-{digest}'")
    html, _ = store.shop.pages["/p"]
    store.shop.pages["/p"] = (html, {"Content-Security-Policy": policy})


def in_a_frame(attributes: str) -> Callable[[Store], None]:
    """Put the page into a frame of another page."""

    def prepare(store: Store) -> None:
        store.shop.pages["/framed"] = store.shop.pages["/p"]
        frame = f'<iframe src="/framed" width="1200" height="1100" {attributes}></iframe>'
        store.shop.pages["/p"] = (f"<!doctype html><title>Frame</title>{frame}", {})

    return prepare


def answering(path: str, body: str, status: int = 200) -> Callable[[Store], None]:
    """Let the service answer some address with something else."""

    def answer(route: Route) -> None:
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(status=status, headers=headers, content_type="text/html", body=body)

    return lambda store: store.context.route(f"**/v1/{path}*", answer)


def blocked(pattern: str) -> Callable[[Store], None]:
    """Block requests as an ad blocker does."""
    return lambda store: store.context.route(pattern, lambda route: route.abort("blockedbyclient"))


def arm(treatment_share_ppm: int) -> Callable[[Store], None]:
    """Put every visitor into one arm."""
    return lambda store: store.api.share(treatment_share_ppm)


def consent_required(store: Store) -> None:
    """Make the shop ask first."""
    store.api.config["consent"] = "required"


def sparse_settings(store: Store) -> None:
    """Answer only what the first version of the widget was told."""
    kept = ("enabled", "currency", "stratum", "placements")
    store.api.config = {name: store.api.config[name] for name in kept}


def pasted(*names: str) -> Callable[[Store], None]:
    """Replace the snippet by others, of the files named."""

    def prepare(store: Store) -> None:
        html, headers = store.shop.pages["/p"]
        lines = [snippet(store.api_origin).replace("widget.js", name) for name in names]
        store.shop.pages["/p"] = (html.replace(snippet(store.api_origin), "".join(lines)), headers)

    return prepare


def key_in_the_address(store: Store) -> None:
    """Paste the snippet as tag managers keep it."""
    html, headers = store.shop.pages["/p"]
    bare = f'<script async src="{store.api_origin}/widget.js?shop=pk_test"></script>'
    store.shop.pages["/p"] = (html.replace(snippet(store.api_origin), bare), headers)


def slow(tab: Page) -> None:
    """Give the tab the network of a train: 400 ms a round trip, 50 kB a second."""
    network = tab.context.new_cdp_session(tab)
    network.send("Network.enable")
    limits = {"latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
    network.send("Network.emulateNetworkConditions", {"offline": False, **limits})


OLD_FILE = sorted(path.name for path in STATIC.glob("widget-*.js"))[0]
LAYER = [view_item("sku-4", price=70.9)]
STRUCTURED = {"data_layer": None, "json_ld": product_json_ld("sku-4")}
REFUSED = {"head": STUB + "<script>recommender('consent', 'denied')</script>"}
CALLED = (
    STUB + "<script>recommender('event', {type: 'view_item', items: [{item_id: 'sku-4'}]})</script>"
)

HOSTS = {
    "plain": Host(),
    "ga4 only": Host(page={"json_ld": None}),
    "json-ld only": Host(page=STRUCTURED),
    "calls only": Host(page={"data_layer": None, "head": CALLED}),
    "strict csp": Host(page={**STRUCTURED}, prepare=strict),
    "right to left": Host(page={"language": "ar", "direction": "rtl"}),
    "cluttered prototypes": Host(script=CLUTTERED),
    **{
        f"breaks {name}": Host(script=script, drawn=None, told=None, noisy=True)
        for name, script in BROKEN.items()
    },
    "storage blocked": Host(script=NO_STORAGE),
    "frame": Host(prepare=in_a_frame(""), framed=True),
    "sandboxed frame": Host(prepare=in_a_frame('sandbox="allow-scripts"'), framed=True),
    "slow network": Host(in_tab=slow),
    "slates too late": Host(
        prepare=lambda store: setattr(store.api, "slate_delay_seconds", 4), drawn=False, noisy=True
    ),
    "api down": Host(page={"api": "http://127.0.0.1:9"}, drawn=False, told=(), noisy=True),
    "settings are garbage": Host(
        prepare=answering("config/", "<html>busy"), drawn=False, told=(), noisy=True
    ),
    "settings are a list": Host(prepare=answering("config/", "[7, null]"), drawn=False),
    "slates are garbage": Host(prepare=answering("recommendations", "<html>busy"), drawn=False),
    "slates are another document": Host(
        prepare=answering("recommendations", json.dumps({"items": {"a": 1}})), drawn=False
    ),
    "receipts are garbage": Host(prepare=answering("events", "<html>busy"), told=()),
    "widget blocked": Host(prepare=blocked("**/widget*.js"), drawn=False, told=(), noisy=True),
    "events blocked": Host(prepare=blocked("**/v1/events*"), told=(), noisy=True),
    "service blocked": Host(prepare=blocked("**/v1/**"), drawn=False, told=(), noisy=True),
    "consent refused": Host(page=REFUSED, told=(), known=False),
    "consent not asked yet": Host(prepare=consent_required, told=(), known=False),
    "holdout": Host(prepare=arm(0), drawn=False),
    "two snippets": Host(prepare=pasted("widget.js", "widget.js")),
    "an old file beside the new one": Host(prepare=pasted(OLD_FILE, "widget.js")),
    "key in the address": Host(prepare=key_in_the_address),
    "old snippet, new file": Host(page={"head": STUB}),
    "old settings, new file": Host(prepare=sparse_settings),
}


def publish(store: Store, host: Host) -> str:
    """Put a host page into the shop, and all around it as the host has it; returns its address."""
    body = PRODUCT + slot("product", OWN) + SHOP_SCRIPT
    store.put("/p", body, **{"data_layer": LAYER, **host.page})
    host.prepare(store)
    return f"{store.origin}/p"
