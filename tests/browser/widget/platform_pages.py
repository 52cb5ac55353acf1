"""Product pages with the markup and data layer that the platforms' own themes write.

All are the same product; what differs is who tells of it, and how. Sources: Shopify's
`structured_data` filter, Dawn's buy buttons and the storefront's analytics object; WooCommerce's
WC_Structured_Data, its single product template and its Google Analytics integration; PrestaShop's
classic theme and ps_googleanalytics; Magento's Luma theme.
"""

import json

NAME = "Oak side table"
SKU = "OAK-1"
PRODUCT_ID = 7012345678901
WOO_ID = 2046
SHELL = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Oak side table</title>'
    '<link rel="stylesheet" href="/shop.css">{head}</head><body {attributes}>{body}</body></html>'
)


def json_ld(document: object) -> str:
    """Return a block of structured data."""
    return f'<script type="application/ld+json">{json.dumps(document)}</script>'


def html(body: str, *, head: str = "", attributes: str = "") -> str:
    """Return a page."""
    return SHELL.format(body=body, head=head, attributes=attributes)


SHOPIFY_HEAD = """<script>
window.ShopifyAnalytics = window.ShopifyAnalytics || {};
window.ShopifyAnalytics.meta = window.ShopifyAnalytics.meta || {};
window.ShopifyAnalytics.meta.currency = 'GBP';
var meta = {"product":{"id":7012345678901,"gid":"gid:\\/\\/shopify\\/Product\\/7012345678901",
"vendor":"Fernleigh","type":"Tables","variants":[{"id":40123456789012,"price":7090,
"name":"Oak side table","public_title":null,"sku":"OAK-1"}],"remote":false},
"page":{"pageType":"product","resourceType":"product","resourceId":7012345678901}};
for (var attr in meta) { window.ShopifyAnalytics.meta[attr] = meta[attr]; }
window.Shopify = { shop: "fernleigh.myshopify.com", locale: "en",
  currency: { active: "GBP", rate: "1.0" }, theme: { name: "Dawn", id: 1 } };
</script>
<meta property="og:type" content="product"><meta property="og:price:amount" content="70.90">
<meta property="og:price:currency" content="GBP">"""
SHOPIFY_BODY = f"""<main id="MainContent"><product-info><h1>{NAME}</h1>
<div class="price"><span class="price-item price-item--regular">£70.90</span></div>
<quantity-input class="quantity"><input class="quantity__input" type="number" name="quantity"
  min="1" value="2" form="product-form-main"></quantity-input>
<product-form class="product-form"><form method="post" action="/cart/add" id="product-form-main"
  accept-charset="UTF-8" class="form" enctype="multipart/form-data" novalidate="novalidate"
  data-type="add-to-cart-form"><input type="hidden" name="form_type" value="product">
<input type="hidden" name="utf8" value="✓"><input type="hidden" name="id" value="40123456789012"
  class="product-variant-id"><div class="product-form__buttons"><button type="submit" name="add"
  class="product-form__submit button">Add to cart</button></div>
<input type="hidden" name="product-id" value="{PRODUCT_ID}"><input type="hidden"
  name="section-id" value="template--1__main"></form></product-form></product-info></main>
<script>
  customElements.define("product-form", class extends HTMLElement {{
    connectedCallback() {{ setTimeout(() => this.querySelector("form").addEventListener("submit",
      (event) => {{ event.preventDefault(); window.submitted = true }})) }} }});
</script>"""
SHOPIFY_ONE = {
    "@context": "http://schema.org/",
    "@id": "/products/oak-side-table#product",
    "@type": "Product",
    "brand": {"@type": "Brand", "name": "Fernleigh"},
    "name": NAME,
    "offers": {
        "@id": "/products/oak-side-table?variant=40123456789012#offer",
        "@type": "Offer",
        "availability": "http://schema.org/InStock",
        "price": "70.90",
        "priceCurrency": "GBP",
    },
    "sku": SKU,
}
SHOPIFY_SEVERAL = {
    "@context": "http://schema.org/",
    "@id": "/products/oak-side-table#product",
    "@type": "ProductGroup",
    "name": NAME,
    "productGroupID": str(PRODUCT_ID),
    "hasVariant": [{**SHOPIFY_ONE, "@id": f"#{n}", "sku": f"OAK-{n}"} for n in (1, 2)],
}

WOO_STRUCTURED = {
    "@context": "https://schema.org/",
    "@graph": [
        {
            "@context": "https://schema.org/",
            "@type": "BreadcrumbList",
            "itemListElement": [
                {"@type": "ListItem", "position": 1, "item": {"name": "Home", "@id": "/"}}
            ],
        },
        {
            "@context": "https://schema.org/",
            "@type": "Product",
            "@id": "/product/oak-side-table/#product",
            "name": NAME,
            "sku": SKU,
            "offers": [
                {
                    "@type": "Offer",
                    "priceSpecification": [
                        {
                            "@type": "UnitPriceSpecification",
                            "price": "70.90",
                            "priceCurrency": "GBP",
                            "valueAddedTaxIncluded": False,
                            "validThrough": "2027-12-31",
                        }
                    ],
                    "availability": "https://schema.org/InStock",
                    "seller": {"@type": "Organization", "name": "Fernleigh"},
                }
            ],
        },
    ],
}
WOO_BODY = f"""<main><div id="product-{WOO_ID}" class="product type-product post-{WOO_ID} instock">
<div class="summary entry-summary"><h1 class="product_title entry-title">{NAME}</h1>
<p class="price"><span class="woocommerce-Price-amount amount"><bdi>£70.90</bdi></span></p>
<form class="cart" action="" method="post" enctype="multipart/form-data"
  onsubmit="window.submitted = true; return false"><div class="quantity"><input type="number"
  class="input-text qty text" name="quantity" value="2" min="1"></div><button type="submit"
  name="add-to-cart" value="{WOO_ID}" class="single_add_to_cart_button button alt">Add to cart
</button></form><div class="product_meta"><span class="sku_wrapper">SKU:
<span class="sku">{SKU}</span></span></div></div></div>
<ul class="products columns-4"><li class="product type-product"><a class="button add_to_cart_button
  ajax_add_to_cart" href="#" data-quantity="1" data-product_id="2050" data-product_sku="MUG-1"
  rel="nofollow">Add “Mug” to cart</a></li></ul></main>"""
WOO_ANALYTICS = """<script>
window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments) }
gtag("consent", "default", { analytics_storage: "denied", ad_storage: "denied",
  ad_user_data: "denied", ad_personalization: "denied", region: ["AT", "FR"] });
gtag("js", new Date()); gtag("config", "G-1", { allow_google_signals: true });
document.addEventListener("DOMContentLoaded", () => {
  const item = { item_id: "OAK-1", item_name: "Oak side table", item_category: "Tables",
    quantity: undefined, price: 70.9 };
  gtag("event", "view_item", { items: [item], currency: "GBP", value: 70.9 });
  document.querySelector(".single_add_to_cart_button").addEventListener("click", () =>
    gtag("event", "add_to_cart", { items: [{ ...item, quantity: 2 }], currency: "GBP" }));
});
</script>"""

PRESTASHOP_STRUCTURED = {
    "@context": "https://schema.org/",
    "@type": "Product",
    "name": NAME,
    "category": "Tables",
    "sku": SKU,
    "mpn": SKU,
    "brand": {"@type": "Brand", "name": "Fernleigh"},
    "offers": {
        "@type": "Offer",
        "priceCurrency": "GBP",
        "name": NAME,
        "price": "70.9",
        "sku": SKU,
        "mpn": SKU,
        "availability": "https://schema.org/InStock",
        "seller": {"@type": "Organization", "name": "Fernleigh"},
    },
}
PRESTASHOP_HEAD = json_ld({"@type": "Organization", "name": "Fernleigh"}) + json_ld(
    {"@type": "WebPage", "isPartOf": {"@type": "WebSite", "name": "Fernleigh"}}
)
PRESTASHOP_BODY = f"""<main><section id="main"><h1 class="h1">{NAME}</h1>
<div class="product-prices"><span class="current-price-value" content="70.9">£70.90</span></div>
<form action="/cart" method="post" id="add-to-cart-or-refresh"><input type="hidden" name="token">
<input type="hidden" name="id_product" value="42" id="product_page_product_id">
<input type="number" name="qty" id="quantity_wanted" value="2" min="1">
<button class="btn btn-primary add-to-cart" data-button-action="add-to-cart" type="submit">
Add to cart</button></form></section></main>
<script>
  var prestashop = {{ listeners: {{}}, on(name, then) {{ this.listeners[name] = then }},
    emit(name, told) {{ this.listeners[name]?.(told) }} }};
  document.querySelector("form").addEventListener("submit", (event) => {{
    event.preventDefault(); window.submitted = true;
    const cart = {{ products: [{{ id_product: "41", reference: "MUG-1" }},
      {{ id_product: "42", id_product_attribute: "0", reference: "{SKU}" }}] }};
    prestashop.emit("updateCart", {{ reason: {{ idProduct: 42, idProductAttribute: 0,
      linkAction: "add-to-cart", cart }}, resp: {{ success: true, quantity: 2 }} }});
    prestashop.emit("updateCart", {{ reason: {{ linkAction: "refresh" }} }});
  }});
</script>"""
PRESTASHOP_ANALYTICS = """<script async src="/gtag.js"></script><script>
window.dataLayer = window.dataLayer || []; function gtag() { dataLayer.push(arguments); }
gtag('js', new Date()); gtag('config', 'G-1', {'debug_mode':false});
gtag("event", "view_item", {"send_to": "G-1", "currency": "GBP", "value": 70.9, "items":
  [{"item_id": 42, "item_name": "Oak side table", "item_category": "Tables", "price": 70.9,
    "quantity": 1}]});
</script>"""

MAGENTO_ATTRIBUTES = (
    'data-container="body" id="html-body" itemtype="http://schema.org/Product" '
    'itemscope="itemscope" class="catalog-product-view product-oak-side-table page-layout-1column"'
)
MAGENTO_HEAD = """<meta property="og:type" content="product">
<meta property="og:title" content="Oak side table"><meta property="og:url" content="/oak.html">
<meta property="product:price:amount" content="70.9">
<meta property="product:price:currency" content="GBP">"""
MAGENTO_BODY = f"""<main id="maincontent" class="page-main"><h1 class="page-title">
<span class="base" data-ui-id="page-title-wrapper" itemprop="name">{NAME}</span></h1>
<div class="product-info-price"><div class="price-box price-final_price" data-role="priceBox"
  data-product-id="42"><span class="price-container price-final_price tax weee" itemprop="offers"
  itemscope itemtype="http://schema.org/Offer"><span id="product-price-42" data-price-amount="70.9"
  data-price-type="finalPrice" class="price-wrapper"><span class="price">£70.90</span></span>
<meta itemprop="price" content="70.9"><meta itemprop="priceCurrency" content="GBP"></span></div>
<div class="product attribute sku"><strong class="type">SKU</strong>
<div class="value" itemprop="sku">{SKU}</div></div></div>
<div class="product-add-form"><form data-product-sku="{SKU}" method="post"
  action="/checkout/cart/add/uenc/aHR0/product/42/" id="product_addtocart_form"
  onsubmit="window.submitted = true; return false"><input type="hidden" name="product" value="42">
<input type="number" name="qty" id="qty" min="0" value="2" title="Qty" class="input-text qty">
<button type="submit" title="Add to Cart" class="action primary tocart"
  id="product-addtocart-button"><span>Add to cart</span></button></form></div></main>"""
MAGENTO_LAYER = """<script>window.dataLayer = window.dataLayer || [];
dataLayer.push({ ecommerce: { currencyCode: "GBP", detail: { actionField: { list: "Catalog" },
  products: [{ id: "OAK-1", name: "Oak side table", price: 70.9, category: "Tables" }] } },
  event: "productDetail" });
</script>"""

TAG_MANAGER_LAYER = """<script>window.dataLayer = window.dataLayer || [];
dataLayer.push({ ecommerce: null });
dataLayer.push({ event: "view_item", ecommerce: { currency: "GBP", value: 70.9,
  items: [{ item_id: "OAK-1", item_name: "Oak side table", price: 70.9, quantity: 1 }] } });
</script>"""
TAG_MANAGER = """
// What a container does to a page: it replaces the data layer's push, then runs its tags.
const before = dataLayer.push;
dataLayer.push = function () { window.followed = (window.followed || 0) + 1;
  return before.apply(dataLayer, arguments) };
dataLayer.push({ "gtm.start": Date.now(), event: "gtm.js" });
"""
