import "./browserlike.js";

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { openConsent } from "../src/consent.js";
import { openStore } from "../src/store.js";
import { MemoryStorage, setNavigator, sizeOf } from "./browserlike.js";

beforeEach(() => setNavigator({}));

function visit(mode, storage) {
  const store = openStore(storage);
  const changes = [];
  const consent = openConsent(mode, store, () => changes.push(consent.state()));
  consent.settle();
  return { store, consent, changes };
}

test("implied consent keeps from the start", () => {
  const storage = new MemoryStorage();
  const { store, consent } = visit("implied", storage);
  store.set("a", 1);
  assert.ok(consent.granted());
  assert.equal(sizeOf(storage), 1);
});

test("a refusal under implied consent wipes all but itself, and holds on the next page", () => {
  const storage = new MemoryStorage();
  const { store, consent } = visit("implied", storage);
  store.set("a", 1);
  consent.tell("denied");
  store.set("b", 2);
  assert.deepEqual(Object.keys(storage), ["rcm_consent"]);
  const next = visit("implied", storage);
  assert.equal(next.consent.state(), "denied");
  assert.deepEqual(next.changes, ["denied"]);
});

test("required consent stores nothing until it is given, and remembers it", () => {
  const storage = new MemoryStorage();
  const { store, consent, changes } = visit("required", storage);
  store.set("a", 1);
  assert.equal(consent.state(), "pending");
  assert.deepEqual([sizeOf(storage), changes], [0, []]);
  consent.tell("granted");
  assert.ok(visit("required", storage).consent.granted());
});

test("required consent refused leaves nothing behind, also after a grant", () => {
  const storage = new MemoryStorage();
  const { consent } = visit("required", storage);
  consent.tell("granted");
  consent.tell("denied");
  assert.equal(sizeOf(storage), 0);
  assert.ok(!visit("required", storage).consent.granted());
});

test("a change of mind is taken; a word that is no choice is not", () => {
  const storage = new MemoryStorage();
  const { consent, changes } = visit("implied", storage);
  for (const choice of ["denied", "denied", "maybe", undefined, "granted"]) consent.tell(choice);
  assert.deepEqual(changes, ["granted", "denied", "granted"]);
  assert.ok(visit("implied", storage).consent.granted());
});

for (const mode of ["implied", "required"]) {
  test(`a platform decides for a shop of ${mode} consent, page by page`, () => {
    const storage = new MemoryStorage();
    const { store, consent, changes } = visit(mode, storage);
    for (const choice of ["pending", "granted", "denied"]) {
      consent.hear("TCF", choice);
      assert.equal(consent.state(), choice);
    }
    assert.equal(changes.at(-1), "denied");
    store.set("a", 1);
    assert.equal(sizeOf(storage), 0, "its choice is its own to remember");
  });
}

test("of several platforms all must agree", () => {
  const { consent } = visit("required", new MemoryStorage());
  consent.hear("TCF", "granted");
  consent.hear("Google", "pending");
  assert.equal(consent.state(), "pending");
  consent.hear("Google", "granted");
  assert.equal(consent.state(), "granted");
  consent.hear("Shopify", "denied");
  assert.equal(consent.state(), "denied");
});

test("while a platform has not answered nothing is kept, and nothing wiped", () => {
  const storage = new MemoryStorage();
  const first = visit("implied", storage);
  first.store.set("vid", "somebody");
  const { store, consent } = visit("implied", storage);
  consent.hear("TCF", "pending");
  store.set("a", 1);
  assert.deepEqual(Object.keys(storage), ["rcm_vid"]);
  assert.equal(store.get("vid"), null);
});

test("the browser's privacy control refuses, also over platforms; only the shop's word is stronger", () => {
  setNavigator({ globalPrivacyControl: true });
  const storage = new MemoryStorage();
  const { consent } = visit("implied", storage);
  assert.equal(consent.state(), "denied");
  consent.hear("TCF", "granted");
  assert.equal(consent.state(), "denied");
  consent.tell("granted");
  assert.equal(consent.state(), "granted");
  assert.equal(visit("implied", storage).consent.state(), "granted");
});
