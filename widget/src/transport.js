/**
 * Brings queued events to the server, at least once each; the server removes repetitions by id.
 *
 * An id leaves the queue only after an answer that was read and names it, or after one that says
 * sending again cannot work. `text/plain` keeps the request free of a preflight.
 */

/** @import {Batch, Queue} from "./queue.js" */
/** @import {Store} from "./store.js" */

import { guarded, later, listen } from "./guard.js";
import { within } from "./network.js";
import { trace } from "./trace.js";

/** @type {RequestInit} */
const POST = { method: "POST", keepalive: true, credentials: "omit" };
const FLUSH_MS = 2000;
const POST_LIMIT_MS = 10_000;
const FIRST_BACKOFF_MS = 3000;
const MAX_BACKOFF_MS = 30 * 60 * 1000;
/** At once, while a page closes: 48 of the 64 KiB that it may have in flight with all others. */
const MAX_POSTS = 3;
/** Sending the same bytes again cannot work, perhaps because of one event among them. */
const POISON = [400, 413, 422];

/**
 * @param {{
 *   url: string, queue: Queue, store: Store, visitorId: () => string, maySend: () => boolean,
 * }} parts
 * @returns {() => void} To be called after the queue grew, and at the start for what is left over.
 */
export function openTransport({ url, queue, store, visitorId, maySend }) {
  /** @type {Set<string>} */
  const inFlight = new Set();
  let posts = 0;
  let timer = 0;
  /** Most events of a batch; less while one is searched that the server cannot take. */
  let most = Infinity;

  /** @param {number} delay_ms */
  function schedule(delay_ms) {
    timer ||= later(run, delay_ms);
  }

  async function run() {
    timer = 0;
    if (maySend() && !(await inOneTab(drain))) schedule(FLUSH_MS);
  }

  async function drain() {
    for (let batch; maySend() && (batch = nextBatch()); await post(batch, false)) {
      const wait_ms = retryAt() - Date.now();
      if (wait_ms > 0) {
        schedule(wait_ms);
        break;
      }
    }
    return true;
  }

  /** A time further away than we ever wait comes from a clock that was wrong. */
  function retryAt() {
    const at = store.get("retry")?.at ?? 0;
    return at - Date.now() > MAX_BACKOFF_MS ? 0 : at;
  }

  const nextBatch = () => queue.nextBatch(inFlight, Date.now(), most);

  /** @param {string[]} texts */
  function bodyOf(texts) {
    const shared = { sent_at: new Date().toISOString(), visitor_id: visitorId() };
    return `${JSON.stringify(shared).slice(0, -1)},"events":[${texts}]}`;
  }

  /** @param {Batch} batch @param {boolean} closing */
  async function post({ ids, texts }, closing) {
    posts++;
    ids.forEach((id) => inFlight.add(id));
    try {
      if (closing && !("keepalive" in Request.prototype)) throw closing;
      const body = bodyOf(texts);
      await settle(ids, await fetch(url, { ...POST, body, signal: within(POST_LIMIT_MS) }));
    } catch {
      trace("answer", { ids, status: 0 });
      // No answer will tell, so what goes by beacon stays queued, and the next page sends it again.
      if (closing && beacon(texts)) return posts--;
      backOff(0);
    }
    posts--;
    ids.forEach((id) => inFlight.delete(id));
  }

  /**
   * Leaves events to the browser, which refuses what does not fit in beside other scripts' calls.
   * @param {string[]} texts
   * @returns {boolean} Whether it took all.
   */
  function beacon(texts) {
    if (navigator.sendBeacon?.(url, bodyOf(texts))) return true;
    const half = texts.length >> 1;
    return half > 0 && beacon(texts.slice(0, half)) && beacon(texts.slice(half));
  }

  /** @param {string[]} ids @param {Response} response */
  async function settle(ids, response) {
    const { status } = response;
    trace("answer", { ids, status });
    if (POISON.includes(status)) {
      most = ids.length >> 1;
      if (!most) done(ids);
    } else if (response.ok) {
      const { events } = await response.json();
      const named = events.map((/** @type {any} */ event) => event.event_id);
      const confirmed = ids.filter((id) => named.includes(id));
      if (confirmed.length) done(confirmed);
      else backOff(0);
    } else {
      const told = response.headers.get("Retry-After") ?? "";
      backOff(Number(told) * 1000 || Date.parse(told) - Date.now() || 0);
    }
  }

  /** @param {string[]} ids */
  function done(ids) {
    most = Infinity;
    queue.remove(ids);
    store.remove("retry");
  }

  /** @param {number} told_ms Wait that the server asked for. */
  function backOff(told_ms) {
    const attempts = (store.get("retry")?.attempts ?? 0) + 1;
    const backoff_ms = FIRST_BACKOFF_MS * 2 ** (attempts - 1) * (0.5 + Math.random());
    const wait_ms = Math.min(Math.max(told_ms, backoff_ms), MAX_BACKOFF_MS);
    store.set("retry", { attempts, at: Date.now() + wait_ms });
  }

  /** Sends what waits without waiting for an answer: the page may be gone before it comes. */
  function flush() {
    for (let i = posts; i < MAX_POSTS && maySend() && retryAt() <= Date.now(); i++) {
      const batch = nextBatch();
      if (batch) guarded(post)(batch, true);
    }
  }

  listen(document, "visibilitychange", () => document.visibilityState === "hidden" && flush());
  listen(window, "pagehide", flush);

  return () => schedule(FLUSH_MS);
}

/**
 * Runs a task unless one is running already, here or in another tab of the shop.
 * @param {() => Promise<boolean>} task
 * @returns {Promise<boolean>} Whether it ran.
 */
async function inOneTab(task) {
  try {
    return await navigator.locks.request("rcm_send", { ifAvailable: true }, (lock) =>
      lock ? task() : false,
    );
  } catch {
    return task(); // no locks on plain http, nor in frames that may store nothing
  }
}
