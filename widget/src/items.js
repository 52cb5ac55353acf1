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
    .filter((item) => item.item_id && item.item_id.length <= MAX_ID);
}

/**
 * @param {any} raw
 * @returns {FactItem}
 */
function readItem(raw) {
  /** @type {FactItem} */
  const item = { item_id: String(raw?.item_id ?? raw?.id ?? "") };
  const quantity = Number(raw?.quantity);
  if (quantity > 0 && Number.isInteger(quantity)) item.quantity = quantity;
  const price = decimal(raw?.price);
  if (price) item.price = price;
  return item;
}

/**
 * Returns a price as decimal text with at most two places; none is better than a wrong one.
 * @param {unknown} price
 */
function decimal(price) {
  const text = typeof price === "number" ? String(Number(price.toFixed(6))) : String(price ?? "");
  return /^\d{1,12}(\.\d{1,2}0*)?$/.test(text) ? text : "";
}
