import assert from "node:assert/strict";
import { test } from "node:test";

import { openStore } from "../src/store.js";
import { MemoryStorage, forbiddenStorage } from "./browserlike.js";

test("nothing reaches the storage before it may be kept, and all of it afterwards", () => {
  const storage = new MemoryStorage();
  const store = openStore(storage);
  store.set("a", { n: 1 });
  assert.equal(storage.length, 0);
  assert.deepEqual(store.get("a"), { n: 1 });
  store.keep(true);
  assert.deepEqual(openKept(storage).get("a"), { n: 1 });
});

test("what others stored stays theirs", () => {
  const storage = new MemoryStorage();
  storage.setItem("cart-of-the-shop", "full");
  const store = openKept(storage);
  store.set("b", 2);
  assert.deepEqual(store.keys(""), ["b"]);
  store.wipe();
  assert.equal(storage.getItem("cart-of-the-shop"), "full");
  assert.equal(storage.length, 1);
});

test("after a wipe nothing is kept any more", () => {
  const storage = new MemoryStorage();
  const store = openKept(storage);
  store.wipe();
  store.set("a", 1);
  assert.equal(storage.length, 0);
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
