/**
 * Brings queued events to the server, at least once each; the server removes repetitions by id.
 *
 * An id leaves the queue only after an answer that was read and names it, or after one that says
 * sending again cannot work. `text/plain` keeps the request free of a preflight.
 */

/** @import {Batch, Queue} from "./queue.js" */
/** @import {Store} from "./store.js" */

import { later, listen } from "./guard.js";
import { within } from "./network.js";

const FLUSH_COUNT = 5;
const FLUSH_MS = 2000;
const POST_LIMIT_MS = 10_000;
const FIRST_BACKOFF_MS = 3000;
const MAX_BACKOFF_MS = 30 * 60 * 1000;
/** Two of the queue's batches stay well inside what a closing page may have in flight. */
const CLOSING_BATCHES = 2;
/** Sending the same bytes again cannot work. */
const POISON = new Set([400, 401, 403, 404, 413, 422]);

/**
 * @param {{
 *   url: string, queue: Queue, store: Store, visitorId: () => string, maySend: () => boolean,
 * }} parts
 */
export function openTransport({ url, queue, store, visitorId, maySend }) {
  /** @type {Set<string>} */
  const inFlight = new Set();
  let timer = 0;
  let due_at = Infinity;
  let busy = false;

  /** @param {number} delay_ms */
  function schedule(delay_ms) {
    const at = Date.now() + delay_ms;
    if (at >= due_at) return;
    clearTimeout(timer);
    due_at = at;
    timer = later(run, delay_ms);
  }

  async function run() {
    due_at = Infinity;
    if (busy || !maySend()) return;
    busy = true;
    try {
      if (!(await inOneTab(drain))) schedule(FLUSH_MS);
    } finally {
      busy = false;
    }
  }

  async function drain() {
    for (;;) {
      const wait_ms = retryAt() - Date.now();
      const batch = nextBatch();
      if (!batch || !maySend()) return;
      if (wait_ms > 0) return schedule(wait_ms);
      await post(batch);
    }
  }

  /** A time further away than we ever wait comes from a clock that was wrong. */
  function retryAt() {
    const at = store.get("retry")?.at ?? 0;
    return at - Date.now() > MAX_BACKOFF_MS ? 0 : at;
  }

  const nextBatch = () => queue.nextBatch(inFlight, Date.now());

  /** @param {Batch} batch */
  function bodyOf({ session_id, events }) {
    const sent_at = new Date().toISOString();
    return JSON.stringify({ sent_at, visitor_id: visitorId(), session_id, events });
  }

  /** @param {Batch} batch */
  async function post(batch) {
    batch.ids.forEach((id) => inFlight.add(id));
    const body = bodyOf(batch);
    try {
      await within(POST_LIMIT_MS, async (signal) => {
        const told = { method: "POST", body, keepalive: true, signal };
        await settle(batch, await fetch(url, { ...told, credentials: "omit" }));
      });
    } catch {
      backOff(0);
    } finally {
      batch.ids.forEach((id) => inFlight.delete(id));
    }
  }

  /** @param {Batch} batch @param {Response} response */
  async function settle({ ids }, response) {
    if (POISON.has(response.status)) return done(ids);
    if (!response.ok) return backOff(waitTold(response.headers.get("Retry-After")));
    const answer = await response.json();
    const named = answer.events.map((/** @type {any} */ event) => event.event_id);
    const confirmed = ids.filter((id) => named.includes(id));
    if (confirmed.length) done(confirmed);
    else backOff(0);
  }

  /** @param {string[]} ids */
  function done(ids) {
    queue.remove(ids);
    store.remove("retry");
  }

  /** @param {number} told_ms Wait that the server asked for, 0 for none. */
  function backOff(told_ms) {
    const attempts = (store.get("retry")?.attempts ?? 0) + 1;
    const backoff_ms = FIRST_BACKOFF_MS * 2 ** (attempts - 1) * (0.5 + Math.random());
    const wait_ms = Math.min(Math.max(told_ms, backoff_ms), MAX_BACKOFF_MS);
    store.set("retry", { attempts, at: Date.now() + wait_ms });
  }

  /** Sends what waits without waiting for an answer: the page may be gone before it comes. */
  function flush() {
    for (let i = 0; i < CLOSING_BATCHES && maySend() && retryAt() <= Date.now(); i++) {
      const batch = nextBatch();
      if (!batch) return;
      if ("keepalive" in Request.prototype) {
        post(batch);
      } else {
        // No answer will tell, so the events stay queued and the next page sends them again.
        if (!navigator.sendBeacon(url, bodyOf(batch))) return;
        batch.ids.forEach((id) => inFlight.add(id));
      }
    }
  }

  listen(document, "visibilitychange", () => document.visibilityState === "hidden" && flush());
  listen(window, "pagehide", flush);

  return {
    /** To be called after the queue grew, and once at the start for what is left over. */
    wake: () => schedule(queue.waiting(inFlight) >= FLUSH_COUNT ? 0 : FLUSH_MS),
  };
}

/**
 * Runs a task unless another tab of the shop is running its own.
 * @param {() => Promise<void>} task
 * @returns {Promise<boolean>} Whether it ran.
 */
async function inOneTab(task) {
  if (!navigator.locks) return task().then(() => true);
  return navigator.locks.request("rcm_send", { ifAvailable: true }, (lock) =>
    lock ? task().then(() => true) : false,
  );
}

/** @param {string | null} header Seconds or an HTTP date. @returns Milliseconds to wait. */
function waitTold(header) {
  const wait_ms = /^\d+$/.test(header ?? "")
    ? Number(header) * 1000
    : Date.parse(header ?? "") - Date.now();
  return wait_ms > 0 ? wait_ms : 0;
}
