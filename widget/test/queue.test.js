import "./browserlike.js";

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
  for (const one of made) open(storage).add(one);
  const { ids, texts } = open(storage).nextBatch(none, Date.now());
  assert.deepEqual(ids, made.map((one) => one.event_id));
  assert.deepEqual(texts.map((text) => JSON.parse(text)), made);
});

test("only what is removed leaves", () => {
  const queue = open();
  const [first, second] = [event(), event()];
  queue.add(first);
  queue.add(second);
  queue.remove([first.event_id]);
  assert.deepEqual(queue.nextBatch(none, Date.now()).ids, [second.event_id]);
  queue.remove([second.event_id]);
  assert.equal(queue.nextBatch(none, Date.now()), null);
});

test("what is on its way is not handed out again", () => {
  const queue = open();
  const [first, second] = [event(), event()];
  queue.add(first);
  queue.add(second);
  const taken = new Set([first.event_id]);
  assert.deepEqual(queue.nextBatch(taken, Date.now()).ids, [second.event_id]);
});

test("a batch stays within 16 KiB, counted in bytes", () => {
  const queue = open();
  // 100 events of some 1,100 bytes each, written with three-byte characters.
  for (let i = 0; i < 100; i++) queue.add(event({ search_term: "客".repeat(333) }));
  let left = 100;
  while (left) {
    const { ids, texts } = queue.nextBatch(none, Date.now());
    const body = JSON.stringify({ sent_at: new Date(), visitor_id: uuid7(0) }) + `,"events":[${texts}]`;
    assert.ok(Buffer.byteLength(body) <= 16 * 1024);
    assert.ok(ids.length > 10 || ids.length === left, "room is used");
    queue.remove(ids);
    left -= ids.length;
  }
});

test("a batch holds no more than it is asked for", () => {
  const queue = open();
  for (let i = 0; i < 5; i++) queue.add(event());
  assert.equal(queue.nextBatch(none, Date.now(), 2).ids.length, 2);
});

test("an event too large for a batch goes alone", () => {
  const queue = open();
  queue.add(event({ search_term: "x".repeat(20_000) }));
  queue.add(event());
  assert.equal(queue.nextBatch(none, Date.now()).ids.length, 1);
});

const allOf = (queue) => {
  const taken = new Set();
  for (let batch; (batch = queue.nextBatch(taken, Date.now())); ) {
    for (const id of batch.ids) taken.add(id);
  }
  return [...taken];
};

test("a thousand events wait without loss; beyond four thousand the oldest make room", () => {
  const queue = open();
  const made = Array.from({ length: 4001 }, () => event());
  for (const one of made.slice(0, 1000)) queue.add(one);
  assert.equal(allOf(queue).length, 1000);
  for (const one of made.slice(1000)) queue.add(one);
  assert.deepEqual(allOf(queue), made.slice(1).map((one) => one.event_id));
});

test("after seven days an event is given up", () => {
  const queue = open();
  const now_ms = Date.now();
  queue.add(event({}, now_ms));
  assert.ok(queue.nextBatch(none, now_ms + 6.9 * DAY_MS));
  assert.equal(queue.nextBatch(none, now_ms + 7.1 * DAY_MS), null);
  assert.equal(queue.nextBatch(none, now_ms), null, "it is gone for good");
});

test("an entry somebody damaged does not stop the others, and leaves", () => {
  const storage = new MemoryStorage();
  storage.setItem(`rcm_event_${uuid7(Date.now())}`, "{half");
  storage.setItem("rcm_event_no id", "{}");
  const queue = open(storage);
  queue.remove([]);
  const good = event();
  queue.add(good);
  assert.deepEqual(queue.nextBatch(none, Date.now()).ids, [good.event_id]);
});

test("two tabs with one storage lose nothing to each other", () => {
  const storage = new MemoryStorage();
  const [left, right] = [open(storage), open(storage)];
  left.add(event());
  right.add(event());
  left.add(event());
  assert.equal(right.nextBatch(none, Date.now()).ids.length, 3);
});
