import "./browserlike.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { readJsonLd } from "../src/structured.js";

const plain = (fact) => JSON.parse(JSON.stringify(fact));
const product = (sku, more = {}) => ({ "@type": "Product", sku, ...more });
const read = (...nodes) => readJsonLd(nodes.map((node) => JSON.stringify(node)));
const idOf = (...nodes) => read(...nodes)?.items[0].item_id;

test("reads a product with its offer", () => {
  const offers = { "@type": "Offer", price: "29.90", priceCurrency: "EUR" };
  const text = JSON.stringify({ "@context": "https://schema.org", ...product("S1", { offers }) });
  assert.deepEqual(plain(readJsonLd([text])), {
    type: "view_item",
    source: "JSON-LD",
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

const priceOf = (offers, more = {}) => {
  const { items, currency } = read(product("S1", { offers, ...more }));
  return [items[0].price, currency];
};

test("finds the price in every kind of offer", () => {
  const euros = { priceCurrency: "EUR" };
  const aggregate = { "@type": "AggregateOffer", lowPrice: 9.5, highPrice: 20, ...euros };
  assert.deepEqual(priceOf(aggregate), ["9.5", "EUR"]);
  assert.deepEqual(priceOf({ offers: [{ price: "8.00", ...euros }] }), ["8.00", "EUR"]);
  assert.deepEqual(priceOf([{ price: 7, ...euros }, { price: 8 }]), ["7", "EUR"]);
  const specified = [{ "@type": "UnitPriceSpecification", price: "18.00", ...euros }];
  assert.deepEqual(priceOf({ priceSpecification: specified }), ["18.00", "EUR"]);
  const hasVariant = [{ offers: { price: "5.00", ...euros } }, { offers: { price: "6.00" } }];
  assert.deepEqual(priceOf(undefined, { hasVariant }), ["5.00", "EUR"]);
});

test("a group is one product, under its own id before a variant's", () => {
  const hasVariant = [product("red"), product("blue")];
  const group = { "@type": "ProductGroup", hasVariant };
  assert.equal(idOf({ ...group, productGroupID: "shirt" }), "shirt");
  assert.equal(idOf(group), "red");
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
  assert.equal(readJsonLd(["{ not json", ""]), undefined);
  assert.equal(readJsonLd(["null", "7", '"Product"', "[null]", '{"@type":"Product"}']), undefined);
  assert.equal(readJsonLd(["{,", JSON.stringify(product("good"))]).items[0].item_id, "good");
  assert.equal(idOf({ "@type": "ProductCollection", sku: "no product" }), undefined);
});
