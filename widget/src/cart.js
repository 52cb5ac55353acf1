/** What is in the cart, as far as the data layer told. Pure. */

/** @import {Fact} from "./types.js" */

/** @typedef {Record<string, number>} Cart Quantities by item id. */

/**
 * Returns the cart after a fact.
 * @param {Cart} cart
 * @param {Fact} fact
 * @returns {Cart}
 */
export function changeCart(cart, { type, items = [] }) {
  if (type === "purchase") return {};
  if (!/cart|checkout/.test(type)) return cart;
  const sign = type === "remove_from_cart" ? -1 : 1;
  const quantities = new Map(statesCart(type) ? [] : Object.entries(cart));
  for (const { item_id, quantity = 1 } of items) {
    quantities.set(item_id, (quantities.get(item_id) ?? 0) + sign * quantity);
  }
  return Object.fromEntries([...quantities].filter(([, quantity]) => quantity > 0));
}

/**
 * Tells whether facts of a type only state what the cart holds.
 * @param {string} type
 */
export const statesCart = (type) => /^(view_cart|begin_checkout)$/.test(type);
