import "./browserlike.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { instantOf, uuid7 } from "../src/uuid.js";

test("a UUIDv7 has its version, variant and instant", () => {
  const id = uuid7(0x017f22e279b0);
  assert.match(id, /^017f22e2-79b0-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(instantOf(id), 0x017f22e279b0);
});

test("ids sort in the order they were made, even within a millisecond or when the clock steps back", () => {
  const now_ms = Date.now();
  const ids = [now_ms, now_ms, now_ms - 60_000, now_ms + 1].map(uuid7);
  assert.deepEqual(ids, [...ids].sort());
  assert.equal(new Set(ids).size, ids.length);
});

test("the random digits of a thousand ids all differ", () => {
  const tails = Array.from({ length: 1000 }, () => uuid7(1).slice(15));
  assert.equal(new Set(tails).size, 1000);
});
