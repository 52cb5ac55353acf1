/** What is in the cart, as far as the data layer told. Pure. */

/** @import {Fact} from "./types.js" */

/**
 * Returns the cart after a fact.
 * @param {[string, number][]} cart Pairs of item id and quantity.
 * @param {Fact} fact
 * @returns {[string, number][]}
 */
export function changeCart(cart, { type, items = [] }) {
  if (type === "purchase") return [];
  const replaces = type === "view_cart" || type === "begin_checkout";
  const sign = type === "remove_from_cart" ? -1 : 1;
  const quantities = new Map(replaces ? [] : cart);
  for (const { item_id, quantity = 1 } of items) {
    quantities.set(item_id, (quantities.get(item_id) ?? 0) + sign * quantity);
  }
  return [...quantities].filter(([, quantity]) => quantity > 0);
}

/** Facts that change the cart. */
export const CART_TYPES = new Set([
  "add_to_cart",
  "remove_from_cart",
  "view_cart",
  "begin_checkout",
  "purchase",
]);
