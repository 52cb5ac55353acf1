/**
 * Turns facts into queued events, and keeps what a slate request must know of the page.
 *
 * Several sources may tell the same fact, and it counts once: a view, a search and a purchase once
 * a page view, anything else when another source told it a moment before.
 */

/** @import {Cart} from "./cart.js" */
/** @import {ConsentState, Context, Fact, WidgetEvent} from "./types.js" */
/** @import {Queue} from "./queue.js" */
/** @import {Store} from "./store.js" */

import { changeCart, statesCart } from "./cart.js";
import { trace } from "./trace.js";
import { uuid7 } from "./uuid.js";

/** Brake for a page that pushes in a loop: no shopper clicks as often. */
const MAX_PER_PAGE = 2000;
const ECHO_MS = 1000;
const ONCE = /^(view_item|search|purchase)$/;

/** @typedef {ReturnType<typeof openTracker>} Tracker */

/**
 * @param {{
 *   queue: Queue, store: Store, session: (now_ms: number) => string, state: () => ConsentState,
 *   added: () => void, itemKnown: () => void,
 * }} parts `added` is called after each event, `itemKnown` when a page's item becomes known.
 */
export function openTracker({ queue, store, session, state, added, itemKnown }) {
  /** @type {Map<string, {source?: string, now_ms: number}>} */
  let told = new Map();
  let count = 0;
  /** @type {Context} */
  let context = {};
  /** @type {WidgetEvent[]} Events that wait for the shopper's choice. */
  let held = [];

  /** @type {Fact[]} Facts that wait for it too: until then the cart of earlier pages is unknown. */
  let unsaved = [];

  const cart = () => unsaved.reduce(changeCart, /** @type {Cart} */ (store.get("cart") ?? {}));

  function saveCart() {
    store.set("cart", cart());
    unsaved = [];
  }

  /** @param {Fact} fact */
  function learn(fact) {
    const { type, items = [], search_term, category } = fact;
    if (/cart|checkout|purchase/.test(type)) unsaved.push(fact);
    if (unsaved.length && state() !== "pending") saveCart();
    if (search_term) context.search_term = search_term;
    if (category) context.category = category;
    if (type === "view_item" && items[0]) {
      context.item_id = items[0].item_id;
      itemKnown();
    }
  }

  /** @param {Fact} fact @param {number} now_ms */
  function isRepeated({ type, source, items = [], search_term, order_id, slate_id }, now_ms) {
    const ids = items.map(({ item_id }) => item_id);
    const name = [type, search_term, order_id, slate_id, ...(order_id ? [] : ids)].join();
    const before = told.get(name);
    told.set(name, { source, now_ms });
    if (!before) return false;
    return ONCE.test(type) || (before.source !== source && now_ms - before.now_ms < ECHO_MS);
  }

  /** @param {WidgetEvent} event @param {number} now_ms */
  function send(event, now_ms) {
    queue.add({ ...event, session_id: session(now_ms) });
    added();
  }

  return {
    context: () => context,
    /** Ids of the items in the cart. */
    cart: () => Object.keys(cart()),
    /** Tells whether a source told of the page's item. */
    knowsItem: () => Boolean(context.item_id),
    /** Forgets what the last page was about. */
    reset() {
      told = new Map();
      count = 0;
      context = {};
    },
    /** Sends or drops what waited, after the shopper's choice. */
    chosen() {
      if (unsaved.length) saveCart();
      const now_ms = Date.now();
      if (state() === "granted") held.forEach((event) => send(event, now_ms));
      held = [];
    },
    /** @param {Fact} fact */
    tell(fact) {
      const now_ms = Date.now();
      if (count >= MAX_PER_PAGE) return;
      if (isRepeated(fact, now_ms)) return trace("repeated", fact);
      count++;
      learn(fact);
      if (statesCart(fact.type)) return;
      const event = toEvent(fact, now_ms);
      trace("event", { event, source: fact.source });
      if (state() === "granted") send(event, now_ms);
      else if (state() === "pending") held.push(event);
    },
  };
}

/**
 * @param {Fact} fact
 * @param {number} now_ms
 * @returns {WidgetEvent}
 */
const toEvent = (fact, now_ms) => ({
  ...fact,
  // Old libraries give arrays a `toJSON` that breaks them; this one hides it.
  items: fact.items && Object.assign(fact.items, { toJSON: 0 }),
  category: undefined,
  source: undefined,
  event_id: uuid7(now_ms),
  occurred_at: new Date(now_ms).toISOString(),
  page: location.pathname.slice(0, 500),
});
