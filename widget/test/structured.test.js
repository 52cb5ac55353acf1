import assert from "node:assert/strict";
import { test } from "node:test";

import { readProduct } from "../src/structured.js";

const product = (sku, more = {}) => ({ "@type": "Product", sku, ...more });
const idOf = (...nodes) => readProduct(nodes.map((node) => JSON.stringify(node)))?.items[0].item_id;

test("reads a product with its offer", () => {
  const offers = { "@type": "Offer", price: "29.90", priceCurrency: "EUR" };
  const text = JSON.stringify({ "@context": "https://schema.org", ...product("S1", { offers }) });
  assert.deepEqual(readProduct([text]), {
    type: "view_item",
    currency: "EUR",
    items: [{ item_id: "S1", price: "29.90" }],
  });
});

test("finds it wherever shops put it", () => {
  assert.equal(idOf([{ "@type": "BreadcrumbList" }, product("in a list")]), "in a list");
  assert.equal(idOf({ "@graph": [{ "@type": "WebPage" }, product("in a graph")] }), "in a graph");
  assert.equal(idOf({ "@type": "ItemPage", mainEntity: product("main") }), "main");
  assert.equal(idOf({ "@type": ["Product", "Book"], sku: "two types" }), "two types");
  assert.equal(idOf({ "@type": "http://schema.org/Product", sku: "full name" }), "full name");
  assert.equal(idOf({ "@type": "ProductGroup", productGroupID: "group" }), "group");
  assert.equal(idOf({ "@type": "Product", offers: [{ sku: "of the offer" }] }), "of the offer");
});

test("the same product told twice is one", () => {
  assert.equal(idOf(product("S1"), { "@graph": [product("S1")] }), "S1");
});

test("a page with several products is a list, not a product page", () => {
  assert.equal(idOf(product("S1"), product("S2")), undefined);
});

test("products inside others do not count", () => {
  const list = { "@type": "ItemList", itemListElement: [{ item: product("S2") }] };
  assert.equal(idOf(product("S1", { isSimilarTo: [product("S3")] }), list), "S1");
  assert.equal(idOf(list), undefined);
});

test("slips of the shop are passed over", () => {
  assert.equal(readProduct(["{ not json", ""]), null);
  assert.equal(readProduct(["null", "7", '"Product"', "[null]", '{"@type":"Product"}']), null);
  assert.equal(readProduct(["{,", JSON.stringify(product("good"))]).items[0].item_id, "good");
  assert.equal(idOf({ "@type": "ProductCollection", sku: "no product" }), undefined);
});
