/**
 * Turns facts into queued events, and keeps what a slate request must know of the page.
 *
 * Several sources may tell the same fact; within one page view it counts once.
 */

/** @import {Context, Fact, WidgetEvent} from "./types.js" */
/** @import {Queue} from "./queue.js" */
/** @import {Store} from "./store.js" */

import { CART_TYPES, changeCart } from "./cart.js";
import { uuid7 } from "./uuid.js";

/** Brake for a page that pushes in a loop. */
const MAX_PER_PAGE = 300;

/** These only tell what the cart holds. */
const LOCAL_TYPES = new Set(["view_cart", "begin_checkout"]);

/** @typedef {ReturnType<typeof openTracker>} Tracker */

/**
 * @param {{
 *   queue: Queue, store: Store, session: (now_ms: number) => string, refused: () => boolean,
 *   added: () => void, itemKnown: () => void,
 * }} parts `added` is called after each event, `itemKnown` when a page's item becomes known.
 */
export function openTracker({ queue, store, session, refused, added, itemKnown }) {
  /** @type {Set<string>} */
  let told = new Set();
  let count = 0;
  /** @type {Context} */
  let context = {};

  /** @param {Fact} fact */
  function learn(fact) {
    const { type, items = [], search_term, category } = fact;
    if (CART_TYPES.has(type)) store.set("cart", changeCart(store.get("cart") ?? [], fact));
    if (search_term) context.search_term = search_term;
    if (category) context.category = category;
    if (type === "view_item" && items[0]) {
      context.item_id = items[0].item_id;
      itemKnown();
    }
  }

  /** @param {Fact} fact */
  function isRepeated({ type, items = [], search_term, order_id }) {
    const key = { view_item: items[0]?.item_id, search: search_term, purchase: order_id }[type];
    const name = `${type} ${key}`;
    if (!key || !told.has(name)) {
      told.add(name);
      return false;
    }
    return true;
  }

  return {
    context: () => context,
    /** Ids of the items in the cart. */
    cart: () => (store.get("cart") ?? []).map((/** @type {[string, number]} */ [id]) => id),
    /** Tells whether a source told of the page's item. */
    knowsItem: () => Boolean(context.item_id),
    /** Forgets what the last page was about. */
    reset() {
      told = new Set();
      count = 0;
      context = {};
    },
    /** @param {Fact} fact */
    tell(fact) {
      if (count++ >= MAX_PER_PAGE || isRepeated(fact)) return;
      learn(fact);
      if (refused() || LOCAL_TYPES.has(fact.type)) return;
      const now_ms = Date.now();
      queue.add(toEvent(fact, now_ms), session(now_ms));
      added();
    },
  };
}

/**
 * @param {Fact} fact
 * @param {number} now_ms
 * @returns {WidgetEvent}
 */
function toEvent({ category: _, ...told }, now_ms) {
  return {
    ...told,
    event_id: uuid7(now_ms),
    occurred_at: new Date(now_ms).toISOString(),
    page: location.pathname.slice(0, 500),
  };
}
