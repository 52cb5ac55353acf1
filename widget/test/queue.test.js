import assert from "node:assert/strict";
import { test } from "node:test";

import { openQueue } from "../src/queue.js";
import { openStore } from "../src/store.js";
import { uuid7 } from "../src/uuid.js";
import { MemoryStorage } from "./browserlike.js";

const DAY_MS = 24 * 3600 * 1000;
const none = new Set();

function open(storage = new MemoryStorage()) {
  const store = openStore(storage);
  store.keep(true);
  return openQueue(store);
}

function event(more = {}, at_ms = Date.now()) {
  return { event_id: uuid7(at_ms), type: "page_view", occurred_at: "", page: "/", ...more };
}

test("events come back oldest first, and survive a reload", () => {
  const storage = new MemoryStorage();
  const made = [event(), event(), event()];
  for (const one of made) open(storage).add(one, "s");
  const { ids, events, session_id } = open(storage).nextBatch(none, Date.now());
  assert.deepEqual(ids, made.map((one) => one.event_id));
  assert.deepEqual(events, made);
  assert.equal(session_id, "s");
});

test("only what is removed leaves", () => {
  const queue = open();
  const [first, second] = [event(), event()];
  queue.add(first, "s");
  queue.add(second, "s");
  queue.remove([first.event_id]);
  assert.deepEqual(queue.nextBatch(none, Date.now()).ids, [second.event_id]);
  queue.remove([second.event_id]);
  assert.equal(queue.nextBatch(none, Date.now()), null);
});

test("what is on its way is not handed out again", () => {
  const queue = open();
  const [first, second] = [event(), event()];
  queue.add(first, "s");
  queue.add(second, "s");
  const taken = new Set([first.event_id]);
  assert.equal(queue.waiting(taken), 1);
  assert.deepEqual(queue.nextBatch(taken, Date.now()).ids, [second.event_id]);
});

test("a batch stays within 16 KiB, counted in bytes", () => {
  const queue = open();
  // 100 events of some 1,100 bytes each, written with three-byte characters.
  for (let i = 0; i < 100; i++) queue.add(event({ search_term: "客".repeat(333) }), "s");
  let left = 100;
  while (left) {
    const batch = queue.nextBatch(none, Date.now());
    const body = JSON.stringify({ ...batch, sent_at: new Date(), visitor_id: uuid7(0) });
    assert.ok(Buffer.byteLength(body) <= 16 * 1024 + batch.ids.join().length + 100);
    assert.ok(Buffer.byteLength(JSON.stringify(batch.events)) <= 16 * 1024);
    queue.remove(batch.ids);
    left -= batch.ids.length;
  }
});

test("an event too large for a batch goes alone", () => {
  const queue = open();
  queue.add(event({ search_term: "x".repeat(20_000) }), "s");
  queue.add(event(), "s");
  assert.equal(queue.nextBatch(none, Date.now()).ids.length, 1);
});

test("a batch holds one session", () => {
  const queue = open();
  queue.add(event(), "yesterday");
  queue.add(event(), "today");
  const batch = queue.nextBatch(none, Date.now());
  assert.deepEqual([batch.session_id, batch.ids.length], ["yesterday", 1]);
});

test("the oldest makes room for the 201st", () => {
  const queue = open();
  const made = Array.from({ length: 201 }, () => event());
  for (const one of made) queue.add(one, "s");
  assert.equal(queue.waiting(none), 200);
  assert.equal(queue.nextBatch(none, Date.now()).ids[0], made[1].event_id);
});

test("after seven days an event is given up", () => {
  const queue = open();
  const now_ms = Date.now();
  queue.add(event({}, now_ms), "s");
  assert.ok(queue.nextBatch(none, now_ms + 6.9 * DAY_MS));
  assert.equal(queue.nextBatch(none, now_ms + 7.1 * DAY_MS), null);
  assert.equal(queue.waiting(none), 0);
});

test("an entry somebody damaged does not stop the others", () => {
  const storage = new MemoryStorage();
  storage.setItem("rcm_event_00000000-0000-7000-8000-000000000000", "{half");
  const queue = open(storage);
  queue.remove([]);
  const good = event();
  queue.add(good, "s");
  assert.deepEqual(queue.nextBatch(none, Date.now()).ids, [good.event_id]);
});

test("two tabs with one storage lose nothing to each other", () => {
  const storage = new MemoryStorage();
  const [left, right] = [open(storage), open(storage)];
  left.add(event(), "s");
  right.add(event(), "s");
  left.add(event(), "s");
  assert.equal(right.nextBatch(none, Date.now()).ids.length, 3);
});
