import { MemoryStorage, openPage } from "./browserlike.js";

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { openStore } from "../src/store.js";
import { openTracker } from "../src/tracker.js";

let sent;
let state;
let tracker;

beforeEach(() => {
  openPage();
  sent = [];
  state = "granted";
  const store = openStore(new MemoryStorage());
  tracker = openTracker({
    queue: { add: (event) => sent.push(event) },
    store,
    session: () => "session",
    state: () => state,
    added() {},
    itemKnown() {},
  });
});

const add = (source, item_id = "a") => ({ type: "add_to_cart", source, items: [{ item_id }] });
const types = () => sent.map(({ type }) => type);

test("an event has an id, an instant, a page and a session, and no source", () => {
  tracker.tell({ type: "view_item", source: "gtag", category: "c", items: [{ item_id: "a" }] });
  const [event] = JSON.parse(JSON.stringify(sent));
  assert.deepEqual(Object.keys(event).sort(), [
    "event_id",
    "items",
    "occurred_at",
    "page",
    "session_id",
    "type",
  ]);
  assert.deepEqual([event.page, event.session_id], ["/somewhere", "session"]);
});

test("what two sources tell at once counts once; what one tells twice counts twice", () => {
  tracker.tell(add("data layer"));
  tracker.tell(add("UA"));
  assert.equal(sent.length, 1);
  tracker.tell(add("UA"));
  tracker.tell(add("data layer", "b"));
  assert.equal(sent.length, 3);
  assert.deepEqual(tracker.cart().sort(), ["a", "b"]);
});

test("a view, a search and a purchase count once a page, whoever tells them", () => {
  const facts = [
    { type: "view_item", source: "gtag", items: [{ item_id: "a" }] },
    { type: "search", source: "gtag", search_term: "oak" },
    { type: "purchase", source: "gtag", order_id: "1", items: [{ item_id: "a" }] },
  ];
  for (const fact of [...facts, ...facts]) tracker.tell(fact);
  tracker.tell({ type: "purchase", source: "gtag", order_id: "1" });
  assert.deepEqual(types(), ["view_item", "search", "purchase"]);
  tracker.reset();
  facts.forEach(tracker.tell);
  assert.equal(sent.length, 6);
});

test("a thousand clicks on a page are a thousand events; a loop is braked at two thousand", () => {
  const click = (i) => ({ type: "select_item", items: [{ item_id: `i${i}` }] });
  for (let i = 0; i < 1000; i++) tracker.tell(click(i));
  assert.equal(sent.length, 1000);
  for (let i = 1000; i < 5000; i++) tracker.tell(click(i));
  assert.equal(sent.length, 2000);
});

test("while a choice is pending events wait with the instant they happened", () => {
  state = "pending";
  tracker.tell(add());
  assert.equal(sent.length, 0);
  state = "granted";
  tracker.chosen();
  tracker.chosen();
  assert.deepEqual(types(), ["add_to_cart"]);
  assert.ok(Math.abs(Date.parse(sent[0].occurred_at) - Date.now()) < 60_000);
});

test("after a refusal what waited is dropped, and nothing more is kept", () => {
  state = "pending";
  tracker.tell(add());
  state = "denied";
  tracker.chosen();
  tracker.tell(add("gtag", "b"));
  state = "granted";
  tracker.chosen();
  assert.deepEqual(sent, []);
});

test("arrays stay arrays on pages whose library gives them a toJSON", () => {
  Array.prototype.toJSON = () => "broken";
  try {
    tracker.tell(add());
    assert.match(JSON.stringify(sent[0]), /"items":\[\{"item_id":"a"\}\]/);
  } finally {
    delete Array.prototype.toJSON;
  }
});
