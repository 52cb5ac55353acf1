import "./browserlike.js";

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { followDataLayer, readEntry as readAll } from "../src/datalayer.js";

/** Facts as they travel: what is undefined is left out. */
const readEach = (entry) => JSON.parse(JSON.stringify(readAll(entry)));
const readEntry = (entry) => readEach(entry)[0];

/** What Google's snippet pushes: an `arguments` object, not an array. */
function gtag() {
  return arguments;
}

const item = { item_id: "A1", item_name: "Mug", price: 2.5, quantity: 2, item_category: "Kitchen" };

test("reads GA4's object form", () => {
  const entry = { event: "add_to_cart", ecommerce: { currency: "EUR", items: [item] } };
  assert.deepEqual(readEntry(entry), {
    type: "add_to_cart",
    source: "data layer",
    currency: "EUR",
    category: "Kitchen",
    items: [{ item_id: "A1", quantity: 2, price: "2.5" }],
  });
});

test("reads gtag's arguments objects", () => {
  const fact = readEntry(gtag("event", "purchase", { transaction_id: 4711, items: [item] }));
  assert.equal(fact.type, "purchase");
  assert.equal(fact.order_id, "4711");
  assert.equal(fact.items[0].item_id, "A1");
});

test("passes on what links an order to the visitor", () => {
  const told = { transaction_id: "7", cart_id: "c-1", checkout_id: 88, email: "ann@example.com" };
  const fact = readEntry(gtag("event", "purchase", told));
  assert.deepEqual([fact.cart_token, fact.checkout_id], ["c-1", "88"]);
  assert.equal(JSON.stringify(fact).includes("ann@"), false);
});

test("reads searches under both of GA4's names", () => {
  for (const event of ["search", "view_search_results"]) {
    const fact = readEntry({ event, search_term: "oak table" });
    assert.deepEqual([fact.type, fact.search_term], ["search", "oak table"]);
  }
});

const old = (ecommerce, event) => ({ event, ecommerce });
const named = (entry) => readEach(entry).map(({ type, items }) => [type, items[0].item_id]);
const products = [{ id: "A1", name: "Mug", price: "2.50", quantity: 2 }];

test("reads the shapes of Universal Analytics", () => {
  const purchase = { actionField: { id: "T-9", revenue: "5.00" }, products };
  assert.deepEqual(readEntry(old({ currencyCode: "EUR", purchase }, "transaction")), {
    type: "purchase",
    source: "UA",
    currency: "EUR",
    order_id: "T-9",
    items: [{ item_id: "A1", quantity: 2, price: "2.50" }],
  });
  assert.deepEqual(named(old({ add: { products } }, "addToCart")), [["add_to_cart", "A1"]]);
  assert.deepEqual(named(old({ remove: { products } })), [["remove_from_cart", "A1"]]);
  assert.deepEqual(named(old({ click: { products } })), [["select_item", "A1"]]);
  assert.deepEqual(named(old({ checkout: { actionField: { step: 1 }, products } })), [
    ["begin_checkout", "A1"],
  ]);
  const impressions = [{ id: "L1" }, { id: "L2" }];
  assert.deepEqual(named(old({ impressions, detail: { products } })), [
    ["view_item_list", "L1"],
    ["view_item", "A1"],
  ]);
});

test("an entry in both shapes tells once", () => {
  const both = { items: products, purchase: { actionField: { id: "T-9" }, products } };
  assert.equal(readEach(old(both, "purchase")).length, 1);
});

test("a checkout step without products does not tell an empty cart", () => {
  assert.deepEqual(readEach(old({ checkout: { actionField: { step: 2 } } }, "checkout")), []);
});

test("passes over what is no shopping", () => {
  const entries = [
    { event: "gtm.js", "gtm.start": 1 },
    { ecommerce: null },
    gtag("config", "G-1"),
    gtag("event", "scroll"),
    { event: { nested: true } },
    ["event"],
    null,
    undefined,
    "view_item",
    7,
    () => {},
  ];
  for (const entry of entries) assert.deepEqual(readAll(entry), []);
});

test("takes nothing of an event but what it needs", () => {
  const fact = readEntry({
    event: "purchase",
    email: "a@b.example",
    ecommerce: { transaction_id: "7", customer: { phone: "1" }, items: [{ ...item, coupon: "X" }] },
  });
  assert.doesNotMatch(JSON.stringify(fact), /example|phone|coupon/);
});

test("cuts texts to what the server takes, and lists to fifty", () => {
  const items = Array.from({ length: 80 }, (_, i) => ({ item_id: `i${i}` }));
  const fact = readEntry({ event: "search", search_term: "x".repeat(900), ecommerce: { items } });
  assert.equal(fact.search_term, undefined, "the term stands beside ecommerce, not inside");
  assert.equal(fact.items.length, 50);
  const long = readEntry({ event: "search", search_term: "x".repeat(900) });
  assert.equal(long.search_term.length, 200);
});

test("leaves out items without a usable id, and prices and quantities it cannot trust", () => {
  const items = [
    { item_id: "" },
    { item_name: "no id" },
    { item_id: "y".repeat(101) },
    null,
    { id: 12, price: "1.299,00", quantity: 0.5 },
    { item_id: "B", price: 19.989999999999998, quantity: "3" },
    { item_id: "C", price: "12.50000", quantity: -1 },
    { item_id: "D", price: -4 },
  ];
  assert.deepEqual(readEntry({ event: "view_item", ecommerce: { items } }).items, [
    { item_id: "12" },
    { item_id: "B", quantity: 3, price: "19.99" },
    { item_id: "C", price: "12.50000" },
    { item_id: "D" },
  ]);
});

let told;
let consents;
let catchUp;
const view = (item_id) => ({ event: "view_item", ecommerce: { items: [{ item_id }] } });
const ids = () => told.map((fact) => fact.items[0].item_id);

beforeEach(() => {
  globalThis.window = {};
  told = [];
  consents = [];
  const consent = (...command) => consents.push(command);
  catchUp = followDataLayer("dataLayer", (fact) => told.push(fact), consent);
});

test("replays what is there and follows what comes", () => {
  window.dataLayer = [view("before")];
  catchUp();
  const answer = window.dataLayer.push(view("after"), view("and another"));
  assert.deepEqual(ids(), ["before", "after", "and another"]);
  assert.equal(answer, 3, "push answers as it always did");
  catchUp();
  assert.equal(told.length, 3, "nothing is read twice");
});

test("finds a data layer that is made later, or made anew", () => {
  catchUp();
  window.dataLayer = [view("late")];
  catchUp();
  window.dataLayer = [view("new array")];
  catchUp();
  window.dataLayer.push(view("followed"));
  assert.deepEqual(ids(), ["late", "new array", "followed"]);
});

test("lives with a tag manager that wraps push, or replaces it, and trims the array", () => {
  window.dataLayer = [];
  catchUp();
  const ours = window.dataLayer.push;
  window.dataLayer.push = function (...entries) {
    const answer = ours.apply(this, entries);
    while (this.length > 1) this.shift();
    return answer;
  };
  window.dataLayer.push(view("a"));
  window.dataLayer.push(view("b"));
  window.dataLayer.push = Array.prototype.push;
  window.dataLayer.push(view("missed at first"));
  catchUp();
  window.dataLayer.push(view("c"));
  assert.deepEqual(ids(), ["a", "b", "missed at first", "c"]);
});

test("hears Google's consent commands, before and after", () => {
  window.dataLayer = [gtag("consent", "default", { analytics_storage: "denied" })];
  catchUp();
  window.dataLayer.push(gtag("consent", "update", { analytics_storage: "granted" }));
  assert.deepEqual(consents, [
    ["default", { analytics_storage: "denied" }],
    ["update", { analytics_storage: "granted" }],
  ]);
});

test("an entry that breaks us does not break the page's push", () => {
  window.dataLayer = [];
  catchUp();
  const trap = Object.defineProperty({}, "event", {
    get() {
      throw new Error("hostile");
    },
  });
  assert.equal(window.dataLayer.push(trap), 1);
  window.dataLayer.push(view("next"));
  assert.deepEqual(ids(), ["next"]);
});
