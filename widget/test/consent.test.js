import assert from "node:assert/strict";
import { test } from "node:test";

import { openConsent } from "../src/consent.js";
import { openStore } from "../src/store.js";
import { MemoryStorage } from "./browserlike.js";

function visit(mode, storage) {
  const store = openStore(storage);
  const effects = [];
  const consent = openConsent(mode, store, {
    granted: () => effects.push("granted"),
    denied: () => effects.push("denied"),
  });
  consent.begin();
  return { store, consent, effects };
}

test("implied consent keeps from the start", () => {
  const storage = new MemoryStorage();
  const { store, consent } = visit("implied", storage);
  store.set("a", 1);
  assert.ok(consent.granted());
  assert.equal(storage.length, 1);
});

test("a refusal under implied consent wipes all but itself, and holds on the next page", () => {
  const storage = new MemoryStorage();
  const { store, consent } = visit("implied", storage);
  store.set("a", 1);
  consent.tell("denied");
  store.set("b", 2);
  assert.equal(storage.length, 1);
  const next = visit("implied", storage);
  assert.ok(next.consent.denied());
  assert.deepEqual(next.effects, ["denied"]);
});

test("required consent stores nothing until it is given, then keeps what was gathered", () => {
  const storage = new MemoryStorage();
  const { store, consent, effects } = visit("required", storage);
  store.set("a", 1);
  assert.ok(!consent.granted() && !consent.denied());
  assert.deepEqual([storage.length, effects], [0, []]);
  consent.tell("granted");
  assert.equal(openedAgain(storage).get("a"), 1);
  assert.ok(visit("required", storage).consent.granted());
});

test("required consent refused leaves nothing behind, also after a grant", () => {
  const storage = new MemoryStorage();
  const { consent } = visit("required", storage);
  consent.tell("granted");
  consent.tell("denied");
  assert.equal(storage.length, 0);
  assert.ok(!visit("required", storage).consent.granted());
});

test("a change of mind is taken; a word that is no choice is not", () => {
  const storage = new MemoryStorage();
  const { consent, effects } = visit("implied", storage);
  for (const choice of ["denied", "denied", "maybe", undefined, "granted"]) consent.tell(choice);
  assert.deepEqual(effects, ["granted", "denied", "granted"]);
  assert.ok(visit("implied", storage).consent.granted());
});

function openedAgain(storage) {
  const store = openStore(storage);
  store.keep(true);
  return store;
}
