import "./browserlike.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { openStore } from "../src/store.js";
import { MemoryStorage, forbiddenStorage, sizeOf } from "./browserlike.js";

test("nothing reaches the storage before it may be kept", () => {
  const storage = new MemoryStorage();
  const store = openStore(storage);
  store.set("a", { n: 1 });
  assert.equal(sizeOf(storage), 0);
  assert.deepEqual(store.get("a"), { n: 1 });
  store.keep(true);
  store.set("b", { n: 2 });
  assert.deepEqual(openKept(storage).get("b"), { n: 2 });
  assert.equal(openKept(storage).get("a"), null);
});

test("what others stored stays theirs", () => {
  const storage = new MemoryStorage();
  storage.setItem("cart-of-the-shop", "full");
  const store = openKept(storage);
  store.set("b", 2);
  assert.deepEqual(store.keys(""), ["b"]);
  store.wipe();
  assert.equal(storage.getItem("cart-of-the-shop"), "full");
  assert.equal(sizeOf(storage), 1);
});

test("a wipe takes all, also what lived in memory", () => {
  const storage = new MemoryStorage();
  const store = openStore(storage);
  store.set("of the page", 1);
  store.keep(true);
  store.set("of the shopper", 1);
  store.wipe();
  assert.deepEqual([sizeOf(storage), store.get("of the page")], [0, null]);
});

for (const [name, storage] of [
  ["missing", null],
  ["forbidden", forbiddenStorage],
  ["full", new MemoryStorage(0)],
]) {
  test(`a ${name} storage costs only the memory of the page`, () => {
    const store = openKept(storage);
    store.set("event_1", "x");
    assert.equal(store.get("event_1"), "x");
    assert.deepEqual(store.keys("event_"), ["event_1"]);
    store.remove("event_1");
    assert.equal(store.get("event_1"), null);
    store.wipe();
  });
}

test("a value somebody damaged reads as absent", () => {
  const storage = new MemoryStorage();
  storage.setItem("rcm_a", "{half");
  assert.equal(openKept(storage).get("a"), null);
});

function openKept(storage) {
  const store = openStore(storage);
  store.keep(true);
  return store;
}
