import "./browserlike.js";

import assert from "node:assert/strict";
import { test } from "node:test";

import { instantOf, uuid4, uuid7 } from "../src/uuid.js";

test("a UUIDv7 has its version, variant and instant", () => {
  const id = uuid7(0x017f22e279b0);
  assert.match(id, /^017f22e2-79b0-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(instantOf(id), 0x017f22e279b0);
});

test("ids sort in the order they were made, even within a millisecond or when the clock steps back", () => {
  const now_ms = Date.now();
  const ids = [now_ms, now_ms, now_ms - 60_000, now_ms + 1].map(uuid7);
  assert.deepEqual(ids, [...ids].sort());
  assert.equal(new Set(ids).size, ids.length);
});

test("a UUIDv4 has its version and variant", () => {
  assert.match(uuid4(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.notEqual(uuid4(), uuid4());
});
