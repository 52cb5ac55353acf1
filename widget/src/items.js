/** Items as shops write them → items as the server takes them. Pure. */

/** @import {FactItem} from "./types.js" */

const MAX_ITEMS = 50;
const MAX_ID = 100;

/**
 * Reads a list of items; those without a usable id are left out.
 * @param {unknown} items
 * @returns {FactItem[]}
 */
export function readItems(items) {
  if (!Array.isArray(items)) return [];
  return items
    .slice(0, MAX_ITEMS)
    .map(readItem)
    .filter(({ item_id }) => item_id && item_id.length <= MAX_ID);
}

/**
 * @param {any} raw
 * @returns {FactItem}
 */
function readItem(raw) {
  const item_id = String(raw?.item_id ?? raw?.id ?? "").trim();
  const quantity = Number(raw?.quantity);
  return {
    item_id,
    quantity: quantity > 0 && quantity % 1 === 0 ? quantity : undefined,
    price: decimal(raw?.price),
  };
}

/**
 * Returns a price as decimal text with at most two places; none is better than a wrong one.
 * @param {unknown} price
 */
function decimal(price) {
  const text = String(typeof price === "number" ? Number(price.toFixed(6)) : price).trim();
  return /^\d{1,12}(\.\d{1,2}0*)?$/.test(text) ? text : undefined;
}
