/**
 * Reads the product of a page from its JSON-LD, for shops whose data layer is silent. Pure.
 *
 * Source: schema.org Product and ProductGroup.
 */

/** @import {Fact} from "./types.js" */

import { readItems } from "./items.js";

/**
 * Returns a `view_item` fact when the blocks describe exactly one product: a page with several is
 * a list. Products inside others (variants, similar ones, list elements) do not count.
 * @param {string[]} blocks Texts of the page's JSON-LD scripts.
 * @returns {Fact | null}
 */
export function readProduct(blocks) {
  /** @type {Map<string, Fact>} */
  const found = new Map();
  for (const node of blocks.flatMap(parseNodes)) {
    const fact = toFact(node);
    const id = fact.items?.[0]?.item_id;
    if (id && !found.has(id)) found.set(id, fact);
  }
  return found.size === 1 ? [...found.values()][0] : null;
}

/** @param {string} text */
function parseNodes(text) {
  try {
    return productsIn(JSON.parse(text));
  } catch {
    return []; // the shop's own slip
  }
}

/**
 * @param {any} node
 * @returns {any[]}
 */
function productsIn(node) {
  if (Array.isArray(node)) return node.flatMap(productsIn);
  if (!node || typeof node !== "object") return [];
  if (/(^|[/:,])Product(Group)?(,|$)/.test(String(node["@type"]))) return [node];
  return [...productsIn(node["@graph"]), ...productsIn(node.mainEntity)];
}

/**
 * @param {any} product
 * @returns {Fact}
 */
function toFact(product) {
  const offer = [product.offers].flat()[0] ?? {};
  const item_id = product.sku ?? product.productID ?? product.productGroupID ?? offer.sku;
  const price = offer.price ?? offer.lowPrice;
  const fact = { type: "view_item", items: readItems([{ item_id, price }]) };
  return offer.priceCurrency ? { ...fact, currency: String(offer.priceCurrency) } : fact;
}
