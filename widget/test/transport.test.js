import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";

import { openQueue } from "../src/queue.js";
import { openStore } from "../src/store.js";
import { openTransport } from "../src/transport.js";
import { uuid7 } from "../src/uuid.js";
import { MemoryStorage, openPage, setNavigator } from "./browserlike.js";

/** Each answer: what a server may say to a batch; afterwards it accepts. */
let answers;
let received;
let arrived;
let page;
let server;
let url;

before(async () => {
  server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    received.push({ ...body, type: request.headers["content-type"], url: request.url });
    const answer = answers.shift() ?? accept;
    await answer(response, body);
    arrived();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${server.address().port}/v1/events?key=pk_1`;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

beforeEach(() => {
  answers = [];
  received = [];
  arrived = () => {};
  page = openPage();
});

const accept = (response, { events }) =>
  reply(response, 202, { events: events.map(({ event_id }) => ({ event_id, status: "accepted" })) });

function reply(response, status, body, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : JSON.stringify(body));
}

const refuse = (status, headers) => (response) => reply(response, status, {}, headers);

function open(storage = new MemoryStorage(), maySend = () => true) {
  const store = openStore(storage);
  store.keep(true);
  const queue = openQueue(store);
  const transport = openTransport({ url, queue, store, visitorId: () => "visitor", maySend });
  return {
    store,
    waiting: () => queue.waiting(new Set()),
    /** Adds events; five are sent at once. */
    add(n) {
      const ids = Array.from({ length: n }, () => uuid7(Date.now()));
      for (const event_id of ids) {
        queue.add({ event_id, type: "page_view", occurred_at: "", page: "/" }, "session");
        transport.wake();
      }
      return ids;
    },
  };
}

/** Waits until the server has seen n requests and the widget has read the last answer. */
async function requests(n, ready = () => true) {
  const limit = Date.now() + 10_000;
  while (received.length < n || !ready()) {
    assert.ok(Date.now() < limit, `saw ${received.length} of ${n} requests`);
    await new Promise((resolve) => {
      arrived = resolve;
      setTimeout(resolve, 10);
    });
  }
}

test("five events go at once, as one batch that needs no preflight", async () => {
  const { add, waiting } = open();
  const ids = add(5);
  await requests(1, () => !waiting());
  assert.deepEqual(received[0].events.map((event) => event.event_id), ids);
  assert.match(received[0].type, /^text\/plain/);
  assert.equal(received[0].url, "/v1/events?key=pk_1");
  assert.deepEqual([received[0].visitor_id, received[0].session_id], ["visitor", "session"]);
  assert.ok(Math.abs(Date.parse(received[0].sent_at) - Date.now()) < 60_000);
});

test("one event goes by itself after a while", async () => {
  const { add, waiting } = open();
  add(1);
  assert.equal(received.length, 0);
  await requests(1, () => !waiting());
});

test("an id leaves whether it was accepted, rejected or shed, once it is named", async () => {
  answers = [
    (response, { events }) =>
      reply(response, 202, {
        events: [
          { event_id: events[0].event_id, status: "accepted" },
          { event_id: events[1].event_id, status: "rejected", code: "unknown-item" },
          { event_id: events[2].event_id, status: "shed", code: "overloaded" },
        ],
      }),
  ];
  const { add, waiting } = open();
  const ids = add(5);
  await requests(2, () => !waiting());
  assert.deepEqual(received[1].events.map((event) => event.event_id), ids.slice(3));
});

for (const [name, answer] of [
  ["a 503", refuse(503)],
  ["a 429", refuse(429)],
  ["a 500", refuse(500)],
  ["a 202 that is no JSON", (response) => reply(response, 202, "<html>")],
  ["a 202 that names nobody", (response) => reply(response, 202, { events: [] })],
  ["a 202 without a list", (response) => reply(response, 202, {})],
  ["a broken connection", (response) => response.destroy()],
]) {
  test(`after ${name} everything stays, and is not tried again at once`, async () => {
    answers = [answer];
    const { add, waiting, store } = open();
    add(5);
    await requests(1, () => store.get("retry"));
    assert.equal(waiting(), 5);
    const { attempts, at } = store.get("retry");
    assert.equal(attempts, 1);
    // The first wait is three seconds, half as much more or less.
    assert.ok(at - Date.now() <= 4500 && at - Date.now() > 1000, String(at - Date.now()));
    page.hide();
    add(5);
    assert.equal(received.length, 1);
  });
}

test("waits grow, and never beyond half an hour", async () => {
  answers = [refuse(503)];
  const storage = new MemoryStorage();
  const first = open(storage);
  first.store.set("retry", { attempts: 40, at: 0 });
  first.add(5);
  await requests(1, () => first.store.get("retry").at);
  const { attempts, at } = first.store.get("retry");
  assert.equal(attempts, 41);
  assert.ok(at - Date.now() > 29 * 60_000 && at - Date.now() <= 30 * 60_000);
});

test("Retry-After is obeyed, in seconds and as a date", async () => {
  for (const value of ["600", new Date(Date.now() + 600_000).toUTCString()]) {
    answers = [refuse(503, { "Retry-After": value })];
    received = [];
    const { add, store } = open();
    add(5);
    await requests(1, () => store.get("retry"));
    const wait_ms = store.get("retry").at - Date.now();
    assert.ok(wait_ms > 590_000 && wait_ms <= 600_000, String(wait_ms));
  }
});

test("a wait told by a wrong clock does not silence the shop for ever", async () => {
  const { add, waiting, store } = open();
  store.set("retry", { attempts: 1, at: Date.now() + 1e12 });
  add(5);
  await requests(1, () => !waiting());
});

test("what was refused for now is delivered by the next page, with the same ids", async () => {
  answers = [refuse(503, { "Retry-After": "1" })];
  const storage = new MemoryStorage();
  const first = open(storage);
  const ids = first.add(5);
  await requests(1, () => first.store.get("retry"));
  openPage();
  const next = open(storage);
  next.store.set("retry", { attempts: 1, at: Date.now() - 1 });
  next.add(0);
  const more = next.add(1);
  await requests(2, () => !next.waiting());
  assert.deepEqual(received[1].events.map((event) => event.event_id), [...ids, ...more]);
});

for (const status of [400, 401, 403, 404, 413, 422]) {
  test(`${status} means that these bytes never work: they leave`, async () => {
    answers = [refuse(status)];
    const { add, waiting } = open();
    add(5);
    await requests(1, () => !waiting());
    assert.equal(received.length, 1);
  });
}

test("a hidden page sends at once what it has, once", async () => {
  const { add, waiting } = open();
  add(2);
  page.hide();
  await requests(1, () => !waiting());
  assert.equal(received.length, 1);
  assert.equal(received[0].events.length, 2);
});

test("without keepalive a hidden page uses a beacon, whose silence confirms nothing", async () => {
  const keepalive = Object.getOwnPropertyDescriptor(Request.prototype, "keepalive");
  delete Request.prototype.keepalive;
  const beacons = [];
  let accepts = false;
  setNavigator({ sendBeacon: (...told) => accepts && Boolean(beacons.push(told)) });
  try {
    const { add, waiting } = open();
    add(2);
    page.hide();
    assert.equal(beacons.length, 0, "the browser's queue was full");
    accepts = true;
    page.hide();
    page.hide();
    assert.equal(beacons.length, 1, "what was taken is not sent twice from one page");
    assert.equal(JSON.parse(beacons[0][1]).events.length, 2);
    assert.equal(waiting(), 2);
  } finally {
    Object.defineProperty(Request.prototype, "keepalive", keepalive);
  }
});

test("nothing is sent without leave", async () => {
  let allowed = false;
  const { add, waiting } = open(new MemoryStorage(), () => allowed);
  add(5);
  page.hide();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(received.length, 0);
  allowed = true;
  add(1);
  await requests(1, () => !waiting());
  assert.equal(received[0].events.length, 6);
});
