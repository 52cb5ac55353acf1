/**
 * Listens to the data layer: what is in it already, and what is pushed from now on.
 *
 * Read are GA4's objects `{event, ecommerce: {items}}`, gtag's `arguments` objects, and the shapes
 * of Universal Analytics' enhanced e-commerce. The array is never replaced; only its own `push` is
 * wrapped.
 */

/** @import {Fact} from "./types.js" */

import { guarded } from "./guard.js";
import { readItems } from "./items.js";

/** @type {Record<string, string>} Universal Analytics' actions, which stand inside `ecommerce`. */
const ACTIONS = {
  impressions: "view_item_list",
  click: "select_item",
  detail: "view_item",
  add: "add_to_cart",
  remove: "remove_from_cart",
  checkout: "begin_checkout",
  purchase: "purchase",
};

/**
 * Turns one entry into facts; one that tells nothing of shopping into none.
 * @param {any} entry
 * @returns {Fact[]}
 */
export function readEntry(entry) {
  if (entry?.[0] === "event") return readEvent(entry[1], entry[2], "gtag");
  const { event, ecommerce } = entry ?? {};
  const old = ecommerce ? readActions(ecommerce) : [];
  return old.length ? old : readEvent(event, ecommerce ?? entry, "data layer");
}

/** @param {any} told */
const readActions = (told) =>
  Object.entries(ACTIONS).flatMap(([action, type]) => {
    const { actionField, products: items = told[action] } = told[action] ?? {};
    if (!Array.isArray(items)) return [];
    const more = { items, currency: told.currencyCode, order_id: actionField?.id };
    return readEvent(type, { ...actionField, ...more }, "UA");
  });

/**
 * Turns an event's name and parameters into a fact, or into none.
 * @param {unknown} name
 * @param {any} told
 * @param {string} source
 * @returns {Fact[]}
 */
export function readEvent(name, told, source) {
  const type = name === "view_search_results" ? "search" : name;
  if (!TYPES.some((known) => known === type)) return [];
  const text = (/** @type {unknown} */ value, length = 200) =>
    value ? String(value).slice(0, length) : undefined;
  const { items, currency, order_id, transaction_id, search_term, category, ...links } = told ?? {};
  return [
    {
      type: /** @type {string} */ (type),
      source,
      items: readItems(items),
      currency: text(currency, 3),
      order_id: text(transaction_id ?? order_id, 120),
      search_term: text(search_term),
      category: text(category ?? items?.[0]?.item_category),
      // What the shop's order will carry too, so that it finds the visitor. Of an address the hash.
      cart_token: text(links.cart_token ?? links.cart_id),
      checkout_id: text(links.checkout_id),
      email_sha256: text(links.email_sha256),
    },
  ];
}

/** What the widget understands. */
const TYPES = ["page_view", "search", "view_cart", ...Object.values(ACTIONS)];

/**
 * Follows a data layer.
 * @param {string} name Name of the global array.
 * @param {(fact: Fact) => void} tell
 * @param {(command: string, signals: any) => void} consent Told of Google's consent commands.
 * @returns {() => void} Reads what came meanwhile; to be called again when other scripts may have
 *   made the array or replaced its `push`.
 */
export function followDataLayer(name, tell, consent) {
  const seen = new WeakSet();
  const wrappers = new WeakSet();

  const read = guarded((/** @type {any} */ entry) => {
    if (!entry || typeof entry !== "object" || seen.has(entry)) return;
    seen.add(entry);
    if (entry[0] === "consent") consent(entry[1], entry[2]);
    readEntry(entry).forEach(tell);
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
