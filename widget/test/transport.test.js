import "./browserlike.js";

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
  const wake = openTransport({ url, queue, store, visitorId: () => "visitor", maySend });
  return {
    store,
    waiting: () => store.keys("event_").length,
    add(n) {
      const ids = Array.from({ length: n }, () => uuid7(Date.now()));
      for (const event_id of ids) {
        queue.add({ event_id, type: "page_view", occurred_at: "", page: "/" });
      }
      wake();
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

test("events go as one batch that needs no preflight", async () => {
  const { add, waiting } = open();
  const ids = add(5);
  await requests(1, () => !waiting());
  assert.deepEqual(received[0].events.map((event) => event.event_id), ids);
  assert.match(received[0].type, /^text\/plain/);
  assert.equal(received[0].url, "/v1/events?key=pk_1");
  assert.equal(received[0].visitor_id, "visitor");
  assert.ok(Math.abs(Date.parse(received[0].sent_at) - Date.now()) < 60_000);
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

for (const status of [400, 413, 422]) {
  test(`${status} is not lasting for all: the one event that cannot be taken leaves alone`, async () => {
    const { add, waiting } = open();
    let poison;
    const judge = (response, body) => {
      poison ??= body.events[2].event_id;
      const isBad = body.events.some(({ event_id }) => event_id === poison);
      return isBad ? reply(response, status, {}) : accept(response, body);
    };
    answers = Array.from({ length: 20 }, () => judge);
    add(8);
    await requests(1, () => !waiting());
    const last = received.findLast(({ events }) => events.some((one) => one.event_id === poison));
    assert.equal(last.events.length, 1);
    // 8, 4, 2 hold it, 2 is 1 and 1 taken alone: the first, then the bad one, then the others.
    assert.ok(received.length <= 8, `${received.length} requests`);
  });
}

for (const status of [401, 403, 404]) {
  test(`${status} is a fault of the key or address, not of the events: they wait`, async () => {
    answers = [refuse(status)];
    const { add, waiting, store } = open();
    add(5);
    await requests(1, () => store.get("retry"));
    assert.equal(waiting(), 5);
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

/** Lets browsers of old, or with too much in flight, leave a page; answers what they sent. */
async function leaveBy(fetchOf, sendBeacon, n) {
  const { fetch } = globalThis;
  globalThis.fetch = fetchOf(fetch);
  setNavigator({ sendBeacon });
  const tab = open();
  try {
    const ids = Array.from({ length: n }, () => uuid7(Date.now()));
    for (const event_id of ids) tab.store.set(`event_${event_id}`, { event_id });
    page.hide();
    await new Promise((resolve) => setTimeout(resolve, 20));
    page.hide();
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { ids, tab };
  } finally {
    globalThis.fetch = fetch;
  }
}

const refusedFetch = () => async () => {
  throw new TypeError("quota");
};
const idsOf = (body) => JSON.parse(body).events.map(({ event_id }) => event_id);

test("what keepalive refuses goes by beacon, whose silence confirms nothing", async () => {
  const beacons = [];
  const { ids, tab } = await leaveBy(refusedFetch, (...told) => Boolean(beacons.push(told)), 3);
  assert.deepEqual(beacons.map(([address]) => address), [url], "once, although hidden twice");
  assert.deepEqual(idsOf(beacons[0][1]), ids);
  assert.equal(tab.waiting(), 3);
  assert.equal(tab.store.get("retry"), null);
});

test("a beacon that is too large goes in halves", async () => {
  const beacons = [];
  const room = 300;
  const beacon = (_, body) => body.length <= room && Boolean(beacons.push(idsOf(body)));
  const { ids } = await leaveBy(refusedFetch, beacon, 8);
  assert.deepEqual(beacons.flat(), ids);
  assert.ok(beacons.length > 1);
});

test("when the browser takes nothing more, all stays and is tried later", async () => {
  const { tab } = await leaveBy(refusedFetch, () => false, 4);
  assert.equal(tab.waiting(), 4);
  assert.equal(tab.store.get("retry").attempts, 1);
});

test("a browser without keepalive uses beacons at once", async () => {
  const keepalive = Object.getOwnPropertyDescriptor(Request.prototype, "keepalive");
  delete Request.prototype.keepalive;
  const beacons = [];
  const forbidden = () => () => assert.fail("the page would not live to see its answer");
  try {
    await leaveBy(forbidden, (...told) => Boolean(beacons.push(told)), 2);
  } finally {
    Object.defineProperty(Request.prototype, "keepalive", keepalive);
  }
  assert.equal(beacons.length, 1);
});

test("a closing page has at most three batches of 16 KiB under way", async () => {
  const sizes = [];
  const never = () => (_, { body }) => {
    sizes.push(Buffer.byteLength(body));
    return new Promise(() => {});
  };
  await leaveBy(never, () => true, 2000);
  assert.equal(sizes.length, 3, "however often it is hidden");
  assert.ok(sizes.every((size) => size <= 16 * 1024));
});

test("tabs that share locks take turns; without locks each sends", async () => {
  let holder = false;
  const request = async (_name, _options, task) => {
    if (holder) return task(null);
    holder = true;
    try {
      return await task({});
    } finally {
      holder = false;
    }
  };
  setNavigator({ locks: { request } });
  let atOnce = 0;
  const slow = async (response, body) => {
    assert.equal(++atOnce, 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    atOnce--;
    accept(response, body);
  };
  answers = [slow, slow, slow, slow];
  const storage = new MemoryStorage();
  const tabs = [open(storage), open(storage)];
  for (const tab of tabs) tab.add(2);
  await requests(1, () => !tabs[0].waiting());
  assert.equal(received.flatMap(({ events }) => events).length, 4, "each once");
});

test("a frame that may hold no locks sends all the same", async () => {
  const request = async () => {
    throw new DOMException("no", "SecurityError");
  };
  setNavigator({ locks: { request } });
  const { add, waiting } = open();
  add(2);
  await requests(1, () => !waiting());
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
