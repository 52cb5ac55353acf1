/**
 * Reads the product of a page from what it tells search engines and social networks, for shops
 * whose data layer is silent: JSON-LD, then Open Graph, then microdata.
 *
 * A page that describes several products is a list. Products inside others (variants, similar
 * ones, list elements) do not count.
 *
 * Source: schema.org Product, ProductGroup and Offer; Open Graph product tags.
 */

/** @import {Fact} from "./types.js" */

import { attempt } from "./guard.js";
import { readItems } from "./items.js";

const PRODUCT = '[itemtype*="/Product"]';

/**
 * Returns a `view_item` fact.
 * @returns {Fact | undefined}
 */
export const readProduct = () =>
  readJsonLd(textsOf('script[type="application/ld+json"]')) ?? readOpenGraph() ?? readMicrodata();

/** @param {string} selector */
const textsOf = (selector) =>
  [...document.querySelectorAll(selector)].map(({ textContent }) => textContent ?? "");

/**
 * @param {string[]} blocks Texts of the page's JSON-LD scripts.
 * @returns {Fact | undefined}
 */
export function readJsonLd(blocks) {
  const products = productsIn(blocks.map((text) => attempt(() => JSON.parse(text))));
  const facts = products.flatMap((product) => toFact(product) ?? []);
  return facts.every((fact) => idOf(fact) === idOf(facts[0])) ? facts[0] : undefined;
}

/** @param {Fact | undefined} fact */
export const idOf = (fact) => fact?.items?.[0].item_id ?? "";

/**
 * @param {any} nodes One, several or none, in lists of any depth.
 * @returns {any[]}
 */
const productsIn = (nodes) =>
  [nodes].flat(Infinity).flatMap((node) => {
    if (/(^|[/:,])Product(Group)?(,|$)/.test(node?.["@type"])) return node;
    return node?.["@graph"] || node?.mainEntity ? productsIn([node["@graph"], node.mainEntity]) : [];
  });

/** @param {any} product */
function toFact(product) {
  const variant = first(product.hasVariant);
  const offer = first(product.offers ?? variant.offers);
  const inner = first(offer.priceSpecification ?? offer.offers);
  return viewOf(
    "JSON-LD",
    product.sku ?? product.productID ?? product.productGroupID ?? offer.sku ?? variant.sku,
    offer.price ?? offer.lowPrice ?? inner.price,
    offer.priceCurrency ?? inner.priceCurrency,
  );
}

/** @param {any} values One, several or none. */
const first = (values) => [values].flat()[0] ?? {};

/** @param {Element | null | undefined} node */
const valueOf = (node) => node?.getAttribute("content") ?? node?.textContent;

function readOpenGraph() {
  const value = (/** @type {string} */ name) =>
    valueOf(document.querySelector(`meta[property$="${name}"]`));
  return viewOf(
    "Open Graph",
    value("product:retailer_item_id"),
    value("price:amount"),
    value("price:currency"),
  );
}

function readMicrodata() {
  const [root, another] = [...document.querySelectorAll(PRODUCT)].filter(
    (node) => !node.parentElement?.closest(PRODUCT),
  );
  if (!root || another) return;
  const value = (/** @type {string} */ name) =>
    valueOf(
      [...root.querySelectorAll(`[itemprop="${name}"]`)].find(
        (node) => node.closest(PRODUCT) === root,
      ),
    );
  return viewOf(
    "microdata",
    value("sku") ?? value("productID"),
    value("price") ?? value("lowPrice"),
    value("priceCurrency"),
  );
}

/**
 * @param {string} source @param {unknown} item_id @param {unknown} price @param {unknown} currency
 * @returns {Fact | undefined}
 */
function viewOf(source, item_id, price, currency) {
  const items = readItems([{ item_id, price }]);
  if (items[0]) {
    return { type: "view_item", source, items, currency: currency ? String(currency) : undefined };
  }
}
