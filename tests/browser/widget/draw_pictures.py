"""Makes the pictures of the widget in docs/pictures; run by scripts/make-widget-pictures."""

from pathlib import Path
from typing import Any

from machine_browser import chromium
from playwright.sync_api import Browser
from shop_pages import PRODUCT, SHOP_CSS, page, slot, view_item
from widget_stub import StubApi, StubShop, serving_api, serving_shop

TARGET = Path(__file__).resolve().parents[3] / "docs/pictures"
DESKTOP = {"viewport": {"width": 1000, "height": 860}}
TELEPHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True}
ARABIC = [
    "قميص كتان بأكمام طويلة",
    "حقيبة ظهر من القماش المشمع",
    "طقم قهوة مقطرة من السيراميك",
    "قبعة صوف ميرينو",
    "طاولة جانبية من البلوط",
    "كوب مطلي بالمينا",
]
PICTURES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "widget-light": (DESKTOP, {}),
    "widget-dark": ({**DESKTOP, "color_scheme": "dark"}, {"theme": "dark"}),
    "widget-phone": (TELEPHONE, {}),
    "widget-right-to-left": (DESKTOP, {"language": "ar", "direction": "rtl"}),
}
COMPACT = """@media (min-width: 600px) {
  .product { grid-template-columns: 240px 1fr; } .product img { max-width: 240px; } }"""
PRODUCT_IN_ARABIC = (
    PRODUCT.replace("Oak side table", "طاولة جانبية من البلوط")
    .replace("£70.90", "UK£ 70.90")
    .replace("Solid oak, oiled by hand. Fits beside any chair and under most windows.", "بلوط صلب.")
    .replace("Add to cart", "أضف إلى السلة")
)


def main() -> None:
    """Draw all pictures anew."""
    with chromium() as browser:
        for name, (shopper, told) in PICTURES.items():
            _draw(browser, TARGET / f"{name}.png", shopper, told)


def _draw(browser: Browser, target: Path, shopper: dict[str, Any], told: dict[str, Any]) -> None:
    api, shop = StubApi(), StubShop()
    body = PRODUCT
    if told.get("direction") == "rtl":
        body = PRODUCT_IN_ARABIC
        api.items = [
            {**item, "title": title, "reason": {"text": "لأنك شاهدت: وعاء من الفخار"}}
            for item, title in zip(api.items, ARABIC, strict=False)
        ]
        api.config["placements"]["product"]["title"] = {"ar": "قد يعجبك أيضا"}
    shop.pages["/shop.css"] = (SHOP_CSS + COMPACT, {})
    with serving_api(api) as api_port, serving_shop(shop) as shop_port:
        origin = f"http://127.0.0.1:{api_port}"
        layer = [view_item("sku-4")]
        html = page(body + slot("product"), api=origin, data_layer=layer, **told)
        shop.pages["/p"] = (html, {})
        with browser.new_context(**shopper) as context:
            tab = context.new_page()
            tab.goto(f"http://127.0.0.1:{shop_port}/p")
            tab.wait_for_selector("[data-recommender-state=drawn]")
            tab.locator("[data-recommender]").scroll_into_view_if_needed()
            tab.wait_for_load_state("networkidle")
            tab.screenshot(path=target, animations="disabled")


if __name__ == "__main__":
    main()
