"""A stand-in of the sandbox in which Shopify runs a custom pixel, written from its documentation.

Source: shopify.dev, Web Pixels API (custom pixels, standard API, standard events). The page keeps
cookies and storage; the pixel's frame has no origin and asks for them by messages. Of the objects
of events only what the guide's pixel reads is here.
"""

import html
import json
from typing import Any

PRODUCT_ID = "7012345678901"
CHECKOUT_TOKEN = "4b1c6f0d8f8e4d3a9a7c2b5e6f708192"
CART_TOKEN = "Z2NwLWV1cm9wZS13ZXN0MTowMUpBUlBZ"
ORDER_ID = "5678901234567"
AGREED = {"analyticsProcessingAllowed": True, "preferencesProcessingAllowed": True}

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Checkout</title>
<script>
const ANSWERS = {
  cookie: (name) => document.cookie.match(`(?:^|; )${name}=([^;]+)`)?.[1] ?? "",
  localStorage: (name) => localStorage.getItem(name),
};
addEventListener("message", ({ data, source }) =>
  source.postMessage({ nr: data.nr, answer: ANSWERS[data.store](data.name) }, "*"));
</script></head>
<body><iframe sandbox="allow-scripts allow-forms" srcdoc="%s"></iframe></body></html>"""

_FRAME = """<!doctype html><script>
const asked = [], heard = {};
const ask = (store, name) => new Promise((resolve) =>
  parent.postMessage({ store, name, nr: asked.push(resolve) - 1 }, "*"));
addEventListener("message", ({ data }) => asked[data.nr](data.answer));
const subscribe = async (name, callback) => { heard[name] = callback; };
const api = {
  analytics: { subscribe },
  browser: {
    cookie: { get: (name) => ask("cookie", name) },
    localStorage: { getItem: (name) => ask("localStorage", name) },
  },
  customerPrivacy: { subscribe },
  init: { customerPrivacy: %(privacy)s, data: { cart: %(cart)s } },
};
function publish(name, data) {
  const id = `sh-${Math.random().toString(16).slice(2, 10)}-2A20-436E-D1AC-731D262C99FD`;
  return heard[name]?.({ id, name, data, timestamp: new Date().toISOString() });
}
((api) => {
  const { analytics, browser, init } = api;
  %(pixel)s
})(api);
</script>"""


def page_with(pixel: str, privacy: dict[str, bool]) -> str:
    """Return a page of the shop's checkout, in which a pixel runs.

    Args:
        pixel: Its code, as pasted.
        privacy: `init.customerPrivacy`, where the shopper agreed to nothing that is not named.
    """
    filled = _FRAME % {
        "pixel": pixel,
        "privacy": json.dumps({"marketingAllowed": False, "saleOfDataAllowed": False, **privacy}),
        "cart": json.dumps({"id": f"gid://shopify/Cart/{CART_TOKEN}?key=abc"}),
    }
    return _PAGE % html.escape(filled)


def _variant() -> dict[str, Any]:
    return {
        "id": "43218082857195",
        "price": {"amount": 70.9, "currencyCode": "EUR"},
        "product": {"id": PRODUCT_ID, "title": "Oak side table", "vendor": "Fernleigh"},
        "sku": "OAK-1",
    }


def _checkout(order_id: str | None) -> dict[str, Any]:
    line = {"quantity": 1, "variant": _variant()}
    order = {"id": order_id, "customer": None}
    return {
        "checkout": {
            "token": CHECKOUT_TOKEN,
            "email": "shopper@example.org",
            "lineItems": [line],
            "order": order,
        }
    }


EVENTS: dict[str, dict[str, Any]] = {
    "product_viewed": {"productVariant": _variant()},
    "product_added_to_cart": {"cartLine": {"merchandise": _variant(), "quantity": 2}},
    "product_removed_from_cart": {"cartLine": {"merchandise": _variant(), "quantity": 1}},
    "search_submitted": {"searchResult": {"query": "oak table", "productVariants": []}},
    "checkout_started": _checkout(None),
    "checkout_completed": _checkout(f"gid://shopify/OrderIdentity/{ORDER_ID}"),
}
"""The `data` of each event by its name."""
