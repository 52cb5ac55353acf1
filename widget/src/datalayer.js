/**
 * Listens to GA4's data layer: what is in it already, and what is pushed from now on.
 *
 * Both shapes are read: `{event, ecommerce: {items}}` and gtag's `arguments` objects. The array is
 * never replaced; only its own `push` is wrapped.
 */

/** @import {Fact} from "./types.js" */

import { guarded } from "./guard.js";
import { readItems } from "./items.js";

/**
 * Turns one entry into a fact; null when it tells nothing of shopping.
 * @param {any} entry
 * @returns {Fact | null}
 */
export function readEntry(entry) {
  const isGtag = entry?.[0] === "event";
  const name = isGtag ? entry[1] : entry?.event;
  if (typeof name !== "string") return null;
  const told = (isGtag ? entry[2] : (entry.ecommerce ?? entry)) ?? {};
  return readEvent(name, told);
}

/**
 * Turns an event's name and GA4 parameters into a fact.
 * @param {string} name
 * @param {any} told
 * @returns {Fact | null}
 */
export function readEvent(name, told) {
  const type = name === "view_search_results" ? "search" : name;
  if (!TYPES.has(type)) return null;
  /** @type {Fact} */
  const fact = { type, items: readItems(told.items) };
  if (typeof told.currency === "string") fact.currency = told.currency;
  const orderId = told.transaction_id ?? told.order_id;
  if (orderId) fact.order_id = String(orderId).slice(0, 120);
  if (told.search_term) fact.search_term = String(told.search_term).slice(0, 200);
  const category = told.category ?? told.items?.[0]?.item_category;
  if (typeof category === "string") fact.category = category;
  for (const [ours, theirs] of LINKS) {
    if (told[theirs]) fact[ours] = String(told[theirs]).slice(0, 200);
  }
  return fact;
}

/**
 * What the shop's order will carry too, so that it finds the visitor. Of an address only the hash.
 * @type {["cart_token" | "checkout_id" | "email_sha256", string][]}
 */
const LINKS = [
  ["cart_token", "cart_id"],
  ["cart_token", "cart_token"],
  ["checkout_id", "checkout_id"],
  ["email_sha256", "email_sha256"],
];

/** What the widget understands; the last two only tell what the cart holds. */
const TYPES = new Set([
  "page_view",
  "view_item",
  "view_item_list",
  "select_item",
  "add_to_cart",
  "remove_from_cart",
  "search",
  "purchase",
  "view_cart",
  "begin_checkout",
]);

/**
 * Follows a data layer.
 * @param {string} name Name of the global array.
 * @param {(fact: Fact) => void} tell
 * @returns {() => void} Reads what came meanwhile; to be called again when other scripts may have
 *   made the array or replaced its `push`.
 */
export function followDataLayer(name, tell) {
  const seen = new WeakSet();
  const wrappers = new WeakSet();

  const read = guarded((/** @type {any} */ entry) => {
    if (!entry || typeof entry !== "object" || seen.has(entry)) return;
    seen.add(entry);
    const fact = readEntry(entry);
    if (fact) tell(fact);
  });

  /** @param {any[]} layer */
  function wrap(layer) {
    const push = layer.push;
    if (wrappers.has(push)) return;
    /** @this {any[]} @param {any[]} entries */
    layer.push = function (...entries) {
      const result = push.apply(this, entries);
      entries.forEach(read);
      return result;
    };
    wrappers.add(layer.push);
  }

  return guarded(() => {
    const layer = /** @type {any} */ (window)[name];
    if (!Array.isArray(layer)) return;
    layer.slice().forEach(read);
    wrap(layer);
  });
}
