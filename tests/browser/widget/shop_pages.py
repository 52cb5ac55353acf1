"""HTML of a small shop, as shops write it: its own style, its own scripts, one line of ours."""

import json
from typing import Any

from widget_stub import SITE_KEY

SHOP_CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 Inter, system-ui, sans-serif; color: #23201d; background: #fff; }
body.dark { color: #ece8e1; background: #17181b; color-scheme: dark; }
header.top { display: flex; gap: 2rem; align-items: center; padding: 1rem 2rem;
  border-bottom: 1px solid #8883; font-weight: 600; }
header.top nav { display: flex; gap: 1.25rem; font-weight: 400; font-size: .95rem; }
main { max-width: 1160px; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
.hero { min-height: 340px; border-radius: 14px; display: grid; place-items: center;
  background: linear-gradient(120deg, #d9cfc3, #a9b8b2); color: #23201d;
  font-size: 2rem; font-weight: 700; }
.product { display: grid; grid-template-columns: 1fr 1fr; gap: 2rem; }
.product img { width: 100%; border-radius: 14px; aspect-ratio: 1; object-fit: cover; }
.product .buy { padding: .8rem 1.6rem; border: 0; border-radius: 99px; background: #23201d;
  color: #fff; font: inherit; }
.dark .product .buy { background: #ece8e1; color: #17181b; }
section.strip-of-shop { margin-top: 2.5rem; }
.filler { height: 1400px; background: #8881; border-radius: 14px; margin-top: 2rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid #8883; }
ul, li, a, h2, button, img { font-family: inherit; }
@media (max-width: 600px) { .product { grid-template-columns: 1fr; } main { padding: 1rem; }
  header.top nav { display: none; } .hero { min-height: 220px; font-size: 1.4rem; } }
"""


def page(
    body: str,
    *,
    api: str,
    language: str = "en",
    direction: str = "ltr",
    theme: str = "",
    head: str = "",
    data_layer: list[dict[str, Any]] | None = None,
    json_ld: object = None,
    attributes: str = "",
) -> str:
    """Return a page of the shop with the snippet in its head.

    Args:
        body: HTML of the main part.
        api: Origin the snippet loads the widget from.
        language: Language of the page.
        direction: Direction of the page's script.
        theme: Class of the body.
        head: Further HTML of the head.
        data_layer: What the page pushed before the widget came.
        json_ld: Structured data of the page.
        attributes: Further attributes of the snippet.
    """
    layer = ""
    if data_layer is not None:
        layer = f"<script>window.dataLayer = {json.dumps(data_layer)};</script>"
    structured = ""
    if json_ld is not None:
        structured = f'<script type="application/ld+json">{json.dumps(json_ld)}</script>'
    return f"""<!doctype html>
<html lang="{language}" dir="{direction}"><head><meta charset="utf-8"><title>Fernleigh</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/shop.css">{layer}{structured}{head}
{snippet(api, attributes)}</head>
<body class="{theme}"><header class="top">Fernleigh<nav><span>New</span><span>Home</span>
<span>Outdoor</span></nav></header><main>{body}<footer>Fernleigh, since 1987</footer></main>
</body></html>"""


def snippet(api: str, attributes: str = "") -> str:
    """Return the one line a shop owner pastes."""
    return f'<script async src="{api}/widget.js" data-shop="{SITE_KEY}" {attributes}></script>'


def slot(placement: str, inner: str = "", attributes: str = "") -> str:
    """Return a slot as a shop writes it."""
    return (
        f'<section class="strip-of-shop"><div data-recommender="{placement}" {attributes}>'
        f"{inner}</div></section>"
    )


HERO = '<div class="hero">Autumn, made to last</div>'
FILLER = '<div class="filler"></div>'
PRODUCT = (
    '<div class="product"><img src="/img/4.svg" alt="Oak side table"><div><h1>Oak side table</h1>'
    "<p>£70.90</p><p>Solid oak, oiled by hand. Fits beside any chair and under most windows.</p>"
    '<button class="buy">Add to cart</button></div></div>'
)


def view_item(item_id: str, **item: Any) -> dict[str, Any]:
    """Return GA4's data layer entry for a product page."""
    return {
        "event": "view_item",
        "ecommerce": {"currency": "GBP", "items": [{"item_id": item_id, **item}]},
    }


def product_json_ld(sku: str, price: str = "70.90") -> dict[str, Any]:
    """Return schema.org's description of a product page."""
    return {
        "@context": "https://schema.org",
        "@type": "Product",
        "name": "Oak side table",
        "sku": sku,
        "offers": {"@type": "Offer", "price": price, "priceCurrency": "GBP"},
    }
